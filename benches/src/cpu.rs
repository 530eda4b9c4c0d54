//! Processor time of a process: user and system, all threads, to the nanosecond.

use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::Error;

/// The processor time a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuTime(Duration);

impl CpuTime {
    /// Of this process.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn of_self() -> Result<Self, Error> {
        Self::read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
    }

    /// Of another process.
    ///
    /// # Errors
    ///
    /// When there is no such process, or the system does not tell.
    pub fn of(process: u32) -> Result<Self, Error> {
        let pid = i32::try_from(process).map_err(|_| Error::part("processor time", "no such process"))?;
        let clock = clock_getcpuclockid(Pid::from_raw(pid))
            .map_err(|e| Error::io("find the clock of a process")(e.into()))?;
        Self::read(clock)
    }

    /// The time used since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    fn read(clock: ClockId) -> Result<Self, Error> {
        let time = clock_gettime(clock).map_err(|e| Error::io("read the clock of a process")(e.into()))?;
        Ok(Self(Duration::from(time)))
    }
}

//! Processor time of a process: user and system, all threads, to the nanosecond.

use std::time::Duration;

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
        system::of_self().map(Self)
    }

    /// Of another process.
    ///
    /// # Errors
    ///
    /// When there is no such process, or the system does not tell.
    pub fn of(process: u32) -> Result<Self, Error> {
        system::of(process).map(Self)
    }

    /// The time used since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Whose processor time is read.
#[derive(Clone, Copy, Debug)]
pub enum Meter {
    /// This process's own.
    Own,
    /// That of the process of this number.
    Of(u32),
}

impl Meter {
    /// The time used so far.
    ///
    /// # Errors
    ///
    /// When there is no such process, or the system does not tell.
    pub fn read(self) -> Result<CpuTime, Error> {
        match self {
            Self::Own => CpuTime::of_self(),
            Self::Of(process) => CpuTime::of(process),
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::time::Duration;

    use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
    use nix::unistd::Pid;

    use crate::Error;

    pub(super) fn of_self() -> Result<Duration, Error> {
        read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
    }

    pub(super) fn of(process: u32) -> Result<Duration, Error> {
        let pid = i32::try_from(process).map_err(|e| Error::part("processor time", e))?;
        let clock = clock_getcpuclockid(Pid::from_raw(pid));
        read(clock.map_err(|e| Error::io("find the clock of a process")(e.into()))?)
    }

    fn read(clock: ClockId) -> Result<Duration, Error> {
        let time = clock_gettime(clock).map_err(|e| Error::io("read the clock of a process")(e.into()))?;
        Ok(Duration::from(time))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::Duration;

    use crate::Error;

    pub(super) fn of_self() -> Result<Duration, Error> {
        Err(Error::part("processor time", "it is measured on Linux only"))
    }

    pub(super) fn of(_: u32) -> Result<Duration, Error> {
        of_self()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn time_passes_for_whoever_works_and_is_read_from_outside_too() {
        let (inside, outside) = (CpuTime::of_self().unwrap(), CpuTime::of(std::process::id()).unwrap());
        assert!(outside >= inside);
        let mut sum = 0_u64;
        while CpuTime::of_self().unwrap().since(inside) < Duration::from_millis(2) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(CpuTime::of(std::process::id()).unwrap().since(outside) >= Duration::from_millis(1));
        assert!(CpuTime::of(u32::MAX).is_err());
    }
}

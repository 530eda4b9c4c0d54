//! The clock of a fake place.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A clock that runs with tokio's, and steps when told.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// From when on, counted from the start, the clock shows what; in order.
    steps: Mutex<Vec<(Duration, SystemTime)>>,
}

impl Clock {
    pub(super) fn new(shows: Option<SystemTime>, mut steps: Vec<(Duration, SystemTime)>) -> Self {
        steps.push((Duration::ZERO, shows.unwrap_or_else(SystemTime::now)));
        steps.sort_by_key(|(after, _)| *after);
        Self { started: Instant::now(), steps: Mutex::new(steps) }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn now(&self) -> SystemTime {
        let elapsed = self.elapsed();
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let last = steps.iter().rev().find(|(after, _)| *after <= elapsed);
        last.map_or(SystemTime::UNIX_EPOCH, |(after, shows)| *shows + elapsed.saturating_sub(*after))
    }

    /// Shows this from now on; steps still to come stay to come.
    pub(super) fn set(&self, shows: SystemTime) {
        let elapsed = self.elapsed();
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let place = steps.partition_point(|(after, _)| *after <= elapsed);
        steps.insert(place, (elapsed, shows));
    }
}

//! Durations as they are stored: whole microseconds.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A duration in whole microseconds, as stored in evidence.
///
/// Prints the way a person reads it: `740 µs`, `12.3 ms`, `4.02 s`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Micros(pub u64);

impl Micros {
    /// The same length as a [`Duration`].
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

impl From<Duration> for Micros {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Micros {
    #[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0 as f64;
        match self.0 {
            0..1_000 => write!(f, "{} µs", self.0),
            1_000..10_000 => write!(f, "{:.2} ms", us / 1e3),
            10_000..1_000_000 => write!(f, "{:.1} ms", us / 1e3),
            _ => write!(f, "{:.2} s", us / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_for_people() {
        assert_eq!(Micros(740).to_string(), "740 µs");
        assert_eq!(Micros(12_340).to_string(), "12.3 ms");
        assert_eq!(Micros(4_020_000).to_string(), "4.02 s");
    }
}

//! Durations as they are stored: whole microseconds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A duration in whole microseconds, as stored in evidence.
///
/// Prints the way a person reads it: `740 µs`, `12.3 ms`, `4.02 s`.
/// Read from what a person writes: `5` or `0.5` for seconds, as curl has it, or with a unit.
///
/// ```
/// use reqpath_core::Micros;
///
/// assert_eq!("0.25".parse(), Ok(Micros(250_000)));
/// assert_eq!("500ms".parse(), Ok(Micros(500_000)));
/// assert_eq!("1m 30s".parse(), Ok(Micros(90_000_000)));
/// assert!("5 parsecs".parse::<Micros>().is_err());
/// ```
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

/// Not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: write 5, 0.5, 500ms or 1m 30s")]
pub struct TimeError(String);

impl FromStr for Micros {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError(crate::escape(text, 60));
        let text = text.trim();
        let duration = if text.chars().all(|c| c.is_ascii_digit() || c == '.') {
            text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        } else {
            text.parse::<SignedDuration>().ok().and_then(|signed| Duration::try_from(signed).ok())
        };
        duration.map(Self::from).ok_or_else(error)
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

    #[test]
    fn reads_what_people_write() {
        let good = [("0", 0), ("5", 5_000_000), ("0.25", 250_000), ("500ms", 500_000), ("1h", 3_600_000_000)];
        for (text, us) in good {
            assert_eq!(text.parse(), Ok(Micros(us)), "{text}");
        }
        for bad in ["", "-1", "-5s", "1e400", "x", "5 parsecs", "..", "1.2.3", "inf", "99999999999999999999"]
        {
            assert!(bad.parse::<Micros>().is_err(), "{bad}");
        }
        let said = "5\u{1b}[31m".parse::<Micros>().unwrap_err().to_string();
        assert!(!said.contains('\u{1b}'), "{said}");
    }
}

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment in whole seconds, stored as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(Timestamp);

impl Moment {
    /// The moment so many seconds after the start of 1970; `None` beyond the year 9999.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        Timestamp::from_second(seconds).ok().map(Self)
    }

    /// Seconds since the start of 1970.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.as_second()
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        // A clock before 1970 is as wrong as one that stands there.
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Self(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A length of time as a person says it: `3 days`, `5 hours`, `1 minute`.
pub(crate) fn span(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_the_largest_unit_that_still_tells() {
        assert_eq!(span(1), "1 second");
        assert_eq!(span(-3 * 86_400), "3 days");
        assert_eq!(span(47 * 3600), "47 hours");
        assert_eq!(span(600), "10 minutes");
    }

    #[test]
    fn moments_are_stored_as_people_write_them() {
        let moment = Moment::from_seconds(1_787_054_400).unwrap();
        assert_eq!(serde_json::to_value(moment).unwrap(), "2026-08-18T12:00:00Z");
        assert_eq!(serde_json::from_str::<Moment>("\"2026-08-18T12:00:00Z\"").unwrap(), moment);
    }
}

//! The times that logs write.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;

/// Seconds since 1970 of a time that names its zone: ISO 8601, nginx's `$time_local`, `$msec`.
pub(super) fn with_zone(text: &str) -> Option<i64> {
    let text = text.trim_matches(['[', ']']);
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    if let Ok(time) = strtime::parse("%d/%b/%Y:%H:%M:%S %z", text) {
        return time.to_timestamp().ok().map(Timestamp::as_second);
    }
    let seconds = text.split('.').next()?;
    (seconds.len() >= 9 && seconds.len() <= 11).then(|| seconds.parse().ok())?
}

/// A time without a zone, `2026/11/22 07:04:01`, in seconds as if the zone were UTC.
pub(super) fn without_zone(text: &str) -> Option<i64> {
    let time: DateTime = strtime::parse("%Y/%m/%d %H:%M:%S", text).ok()?.to_datetime().ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_logs_are_read() {
        let seven = 1_795_331_041;
        for text in [
            "2026-11-22T07:04:01+00:00",
            "22/Nov/2026:08:04:01 +0100",
            "1795331041.123",
            "2026-11-22T07:04:01Z",
        ] {
            assert_eq!(with_zone(text), Some(seven), "{text}");
        }
        assert_eq!(without_zone("2026/11/22 07:04:01"), Some(seven));
        for text in ["", "yesterday", "2026/13/40 07:04:01", "-", "99999999999999999999"] {
            assert_eq!((with_zone(text), without_zone(text)), (None, None), "{text}");
        }
    }
}

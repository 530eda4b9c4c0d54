//! Dates as HTTP writes them.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Seconds since 1970 of an HTTP date: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn parse(text: &str) -> Option<i64> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    // The longest form has 29 characters; what is much longer is no date, and not worth parsing.
    if text.len() > 64 {
        return None;
    }
    PARSER.parse_timestamp(text.trim()).ok().map(Timestamp::as_second)
}

/// A span of time in the unit a person would choose: `3 days`, `5 minutes`.
pub(crate) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for bad in ["", "yesterday", "1994-11-06T08:49:37Z", "Sun, 06 Nov 99999 08:49:37 GMT"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans_are_said_as_people_say_them() {
        assert_eq!(
            (span(1), span(300), span(90_000)),
            ("1 second".into(), "5 minutes".into(), "25 hours".into())
        );
    }
}

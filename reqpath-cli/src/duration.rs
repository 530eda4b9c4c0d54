//! Durations on the command line: `5`, `0.5`, `5s`, `500ms`, `1m 30s`.

use std::time::Duration;

use reqpath_core::Micros;

/// The longest time that makes sense for one trace.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Reads a duration: a bare number is seconds, as curl has it; otherwise a number with a unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let duration = text.parse().map(Micros::duration).unwrap_or_default();
    if duration.is_zero() || duration > LONGEST { Err(hint(text)) } else { Ok(duration) }
}

/// The same, and 0 for no limit, as curl has it.
pub(crate) fn limit(text: &str) -> Result<Duration, String> {
    match text.parse().map(Micros::duration) {
        Ok(Duration::ZERO) => Ok(Duration::ZERO),
        _ => parse(text),
    }
}

fn hint(text: &str) -> String {
    format!("`{text}` is not a time between 0 and 24 h: write 5, 0.5, 500ms or 1m 30s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("1m 30s"), Ok(Duration::from_secs(90)));
        for bad in ["", "0", "-1", "1e400", "x", "5 parsecs", "..", "25h"] {
            assert!(parse(bad).is_err(), "{bad}");
            assert_eq!(limit(bad).is_err(), bad != "0", "{bad}");
        }
        assert_eq!(limit("0.0"), Ok(Duration::ZERO));
        assert_eq!(limit("5"), Ok(Duration::from_secs(5)));
    }
}

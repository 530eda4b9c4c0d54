//! When a trace began.

use std::borrow::Cow;
use std::fmt;

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize, Serializer};

/// When a trace began, RFC 3339 in UTC to the millisecond; put into words when it is written.
///
/// What a report says of it is kept as it is.
///
/// ```
/// use reqpath_core::Started;
///
/// let started: Started = serde_json::from_str(r#""2026-08-13T10:00:00.25Z""#)?;
/// assert_eq!(started.to_string(), "2026-08-13T10:00:00.25Z");
/// assert!(Started::default().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Started(When);

#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    Seen(Timestamp),
    Said(Cow<'static, str>),
}

impl Started {
    /// Now.
    pub(crate) fn now() -> Self {
        Self(When::Seen(Timestamp::now()))
    }

    /// Whether the report does not say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, When::Said(text) if text.is_empty())
    }
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            When::Seen(time) => time.round(Unit::Millisecond).unwrap_or(*time).fmt(f),
            When::Said(text) => f.pad(text),
        }
    }
}

impl From<String> for Started {
    fn from(text: String) -> Self {
        Self(When::Said(text.into()))
    }
}

impl Serialize for Started {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Default for When {
    fn default() -> Self {
        Self::Said(Cow::Borrowed(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_it_to_the_millisecond_and_keeps_what_was_said() {
        let time = "2026-08-13T10:00:00.123456789Z".parse().unwrap();
        let written = serde_json::to_string(&Started(When::Seen(time))).unwrap();
        assert_eq!(written, r#""2026-08-13T10:00:00.123Z""#);
        for said in [&written, r#""2026-08-13T10:00:00.1234Z""#, r#""yesterday""#, r#""""#] {
            let read: Started = serde_json::from_str(said).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), *said);
        }
        assert!(!Started::now().is_empty());
    }
}

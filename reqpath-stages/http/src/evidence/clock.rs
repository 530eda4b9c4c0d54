//! What time a peer says it is.

use reqpath_core::{Evidence, Subject};
use serde::{Deserialize, Serialize};

/// What time a peer says it is, beside our own clock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Clock {
    /// The URL that was asked, without secrets.
    pub peer: String,
    /// The peer's `Date`, as it came; absent where it sent none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Our clock at that moment, in seconds since 1970.
    pub local_s: i64,
    /// How many seconds our clock is ahead of the peer's; negative where it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead_s: Option<i64>,
    /// Why there is no `Date`, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Evidence for Clock {
    const KIND: &'static str = "http.clock";

    fn brief(&self) -> String {
        match (self.ahead_s, &self.error) {
            (Some(0), _) => "our clock agrees".to_owned(),
            (Some(ahead @ 1..), _) => format!("our clock is {ahead} s ahead"),
            (Some(behind), _) => format!("our clock is {} s behind", behind.unsigned_abs()),
            (None, Some(error)) => error.clone(),
            (None, None) => "no Date".to_owned(),
        }
    }

    fn source(&self, _: &Subject) -> String {
        format!("date -u; curl -sI {} | grep -i ^date", reqpath_core::quoted(&self.peer))
    }
}

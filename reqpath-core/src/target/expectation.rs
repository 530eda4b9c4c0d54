//! What the answer should be.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Header;
use crate::TargetError;

/// What the answer should be, where the caller said so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Expectation {
    /// The status is one of these; empty where nothing was said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<StatusRange>,
    /// Headers that must be there with these values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Text the body must hold, within the part of it that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl Expectation {
    /// Whether anything is expected at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.status.is_empty() && self.headers.is_empty() && self.body.is_none()
    }
}

/// A range of status codes that are expected: `200`, `2xx`, `200-299`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct StatusRange(RangeInclusive<u16>);

impl StatusRange {
    /// Whether the range holds this status.
    #[must_use]
    pub fn holds(&self, status: u16) -> bool {
        self.0.contains(&status)
    }
}

impl FromStr for StatusRange {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = || TargetError::Status { status: text.to_owned() };
        let number = |text: &str| {
            text.parse::<u16>().ok().filter(|status| (100..=999).contains(status)).ok_or_else(error)
        };
        let range = if let Some(class) = text.strip_suffix("xx") {
            let class =
                class.parse::<u16>().ok().filter(|class| (1..=9).contains(class)).ok_or_else(error)?;
            class * 100..=class * 100 + 99
        } else if let Some((from, to)) = text.split_once('-') {
            number(from)?..=number(to)?
        } else {
            number(text)?..=number(text)?
        };
        if range.is_empty() { Err(error()) } else { Ok(Self(range)) }
    }
}

impl TryFrom<String> for StatusRange {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl From<StatusRange> for String {
    fn from(range: StatusRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.0.start(), self.0.end());
        if from == to { write!(f, "{from}") } else { write!(f, "{from}-{to}") }
    }
}

//! A cause met in a trace.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{End, Evidence, ObservationId, Seen, Subject};

/// Whether a finding ended a sample at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Weight {
    /// True, worth saying, and not what killed this request.
    Warning,
    /// It ended a sample, or explains what did.
    Fatal,
}

/// A cause met in a trace, at a subject, with the observations it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Finding {
    /// The cause's code; filled in by the judge.
    pub code: Cow<'static, str>,
    /// What it is about.
    pub subject: Subject,
    /// Whether it ended a sample; decided by the judge.
    pub weight: Weight,
    /// Which end of the leg it blames; where the recogniser leaves it open, the judge takes the cause's.
    pub blames: Option<End>,
    /// What is the matter, in one sentence with the evidence inside.
    pub summary: String,
    /// The observations it rests on, the deciding one first.
    #[serde(default)]
    pub cites: Vec<ObservationId>,
    /// The system's own words for it, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Commands to run next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// Whether it ends a sample by itself, though every stage let the request pass.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends_sample: bool,
    /// What a later version stored besides.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Finding {
    /// A finding about this subject, resting on one observation.
    #[must_use]
    pub fn new<E: Evidence>(at: &Subject, deciding: &Seen<'_, E>, summary: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(""),
            subject: at.clone(),
            weight: Weight::Warning,
            blames: None,
            summary: summary.into(),
            cites: vec![deciding.id()],
            error: None,
            next: Vec::new(),
            ends_sample: false,
            extra: Map::new(),
        }
    }

    /// Also rests on this observation.
    #[must_use]
    pub fn citing<E: Evidence>(mut self, seen: &Seen<'_, E>) -> Self {
        if !self.cites.contains(&seen.id()) {
            self.cites.push(seen.id());
        }
        self
    }

    /// The system's own words, verbatim.
    #[must_use]
    pub fn error(mut self, words: impl Into<String>) -> Self {
        self.error = Some(words.into());
        self
    }

    /// A command to run next.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    /// Ends the sample by itself, though every stage let the request pass: an answer that is a failure.
    #[must_use]
    pub fn ends_sample(mut self) -> Self {
        self.ends_sample = true;
        self
    }

    /// Blames another end than the catalogue says, where the evidence tells more.
    #[must_use]
    pub fn blaming(mut self, end: End) -> Self {
        self.blames = Some(end);
        self
    }

    /// The station: the first word of the code.
    #[must_use]
    pub fn station(&self) -> &str {
        self.code.split('.').next().unwrap_or_default()
    }
}

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

/// What may stand behind a finding, further along the road: it is a symptom of such a death there.
///
/// A proxy answers 502 for what broke behind it, 504 for what kept silent, and passes other answers on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Behind {
    /// The very same answer, made further in and passed on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub same: bool,
    /// Silence: nothing came in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// A failure that was told at once: a refusal, a reset, a bad certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
    /// Any failure of what this hop asks beside the main road: its database.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub branch: bool,
    /// The answer was kept by a cache on the way: behind that one nobody was asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// A failure of a part of what is behind is enough for it: whoever was seen to fail is asked no more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub of_a_part: bool,
}

impl Behind {
    /// Nothing stands behind it: this is where it died.
    pub const NOTHING: Self =
        Self { same: false, silent: false, broken: false, branch: false, kept: false, of_a_part: false };
    /// Any death further in.
    pub const ANYTHING: Self = Self { same: true, silent: true, broken: true, branch: true, ..Self::NOTHING };
    /// The same answer passed on, and nothing else.
    pub const SAME: Self = Self { same: true, ..Self::NOTHING };
    /// The same answer passed on from a cache, and nothing behind that.
    pub const KEPT: Self = Self { kept: true, ..Self::SAME };
    /// Silence further in.
    pub const SILENCE: Self = Self { silent: true, branch: true, ..Self::SAME };
    /// A failure further in that was told at once.
    pub const BROKEN: Self = Self { broken: true, branch: true, ..Self::SAME };

    /// The same, or a failure of what this hop asks beside the main road.
    #[must_use]
    pub const fn or_branch(mut self) -> Self {
        self.branch = true;
        self
    }

    fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }
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
    /// What may stand behind it, further along the road.
    #[serde(default, skip_serializing_if = "Behind::is_nothing")]
    pub behind: Behind,
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
            behind: Behind::NOTHING,
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

    /// It may be the symptom of such a death further along the road.
    #[must_use]
    pub fn behind(mut self, behind: Behind) -> Self {
        self.behind = behind;
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

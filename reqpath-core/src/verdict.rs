//! The answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{HopId, Separation, Subject};

/// Where a request died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct At {
    /// The hop that is blamed; the far one where a leg is.
    pub hop: HopId,
    /// The station: the first word of the cause's code.
    pub station: String,
    /// The leg, where a leg is blamed and not an end of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<LegEnds>,
}

/// The two ends of a blamed leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct LegEnds {
    /// The hop that speaks first.
    pub from: HopId,
    /// The hop that is spoken to.
    pub to: HopId,
}

impl LegEnds {
    pub(crate) fn new(from: HopId, to: HopId) -> Self {
        Self { from, to }
    }
}

/// The cause a verdict names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct CauseRef {
    /// Its code.
    pub code: String,
    /// What is the matter, in one sentence.
    pub summary: String,
    /// What the finding is about.
    pub subject: Subject,
    /// How many of the samples that died, died of something else: of what stands in `also`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub others: u32,
}

impl CauseRef {
    pub(crate) fn new(code: String, summary: String, subject: Subject, others: u32) -> Self {
        Self { code, summary, subject, others }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How many fresh requests were sent at the front, and how many died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Outcome {
    /// Fresh requests tried at the front.
    pub samples: u32,
    /// Those of them that died.
    pub died: u32,
}

impl Outcome {
    pub(crate) fn new(samples: u32, died: u32) -> Self {
        Self { samples, died }
    }
}

/// The answer: whether the request reached its end, or where and why it died.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Every sample came back alive.
    Reached {
        /// What came back, in the protocol's words: `HTTP/1.1 200`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
        /// What tells requests that die from those that do not, though none that was counted died:
        /// a connection that was used before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        separated_by: Vec<Separation>,
        /// The count.
        outcome: Outcome,
    },
    /// Every sample died.
    Died {
        /// Where.
        at: At,
        /// Why.
        cause: CauseRef,
        /// Codes from the symptom that was met first to the cause.
        chain: Vec<String>,
        /// Codes of other fatal findings that explain nothing above them.
        #[serde(default)]
        also: Vec<String>,
        /// The count.
        outcome: Outcome,
    },
    /// Some samples died and some came back.
    Degraded {
        /// Where; absent when it changed during the trace and cannot be placed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<At>,
        /// Why; absent when it changed during the trace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<CauseRef>,
        /// Codes from the symptom that was met first to the cause.
        #[serde(default)]
        chain: Vec<String>,
        /// Codes of other fatal findings that explain nothing above them.
        #[serde(default)]
        also: Vec<String>,
        /// Why it is not placed, where it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// What tells the samples that died from those that did not.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        separated_by: Vec<Separation>,
        /// The count.
        outcome: Outcome,
    },
    /// The deciding evidence is missing.
    Unknown {
        /// As near as can be said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<At>,
        /// Why nothing is blamed.
        why: String,
        /// The looks that would settle it.
        #[serde(default)]
        what_would_tell: Vec<String>,
        /// What tells the samples that died from those that did not, where some came back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        separated_by: Vec<Separation>,
        /// The count.
        outcome: Outcome,
    },
    /// A verdict of a kind that this version does not know, kept as a report held it.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Map<String, Value>),
}

impl Verdict {
    /// The word a script switches on.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reached { .. } => "reached",
            Self::Died { .. } => "died",
            Self::Degraded { .. } => "degraded",
            Self::Unknown { .. } | Self::Other(_) => "unknown",
        }
    }

    /// The cause, where one is named.
    #[must_use]
    pub fn cause(&self) -> Option<&CauseRef> {
        match self {
            Self::Died { cause, .. } => Some(cause),
            Self::Degraded { cause, .. } => cause.as_ref(),
            Self::Reached { .. } | Self::Unknown { .. } | Self::Other(_) => None,
        }
    }

    /// Where the request died, where that can be said.
    #[must_use]
    pub fn at(&self) -> Option<&At> {
        match self {
            Self::Died { at, .. } => Some(at),
            Self::Degraded { at, .. } | Self::Unknown { at, .. } => at.as_ref(),
            Self::Reached { .. } | Self::Other(_) => None,
        }
    }

    /// What tells the samples that died from those that did not, where something does.
    #[must_use]
    pub fn separated_by(&self) -> &[Separation] {
        match self {
            Self::Reached { separated_by, .. }
            | Self::Degraded { separated_by, .. }
            | Self::Unknown { separated_by, .. } => separated_by,
            Self::Died { .. } | Self::Other(_) => &[],
        }
    }

    /// The place for it, where there are two kinds of samples to tell apart.
    pub(crate) fn separated_by_mut(&mut self) -> Option<&mut Vec<Separation>> {
        match self {
            Self::Reached { separated_by, .. } | Self::Unknown { separated_by, .. } => Some(separated_by),
            // What changed during the trace has no symptom that lasted.
            Self::Degraded { separated_by, chain, .. } if !chain.is_empty() => Some(separated_by),
            _ => None,
        }
    }

    /// The count of samples.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Reached { outcome, .. }
            | Self::Died { outcome, .. }
            | Self::Degraded { outcome, .. }
            | Self::Unknown { outcome, .. } => *outcome,
            Self::Other(_) => Outcome::default(),
        }
    }

    /// The exit status of a program that ends with this verdict: 0 reached, 1 died or degraded, 3 unknown.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Reached { .. } => 0,
            Self::Died { .. } | Self::Degraded { .. } => 1,
            Self::Unknown { .. } | Self::Other(_) => 3,
        }
    }
}

//! A log that was read.

use reqpath_core::{Evidence, Subject};
use serde::{Deserialize, Serialize};

/// A log of a hop that was read, and how much of it was of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReadLog {
    /// What it holds: `access_log`, `error_log`.
    pub kind: String,
    /// The log: a file, or the command that printed it.
    pub log: String,
    /// How many bytes of its end were read.
    pub bytes: u64,
    /// How many lines of requests of ours it has.
    pub ours: u32,
    /// How many lines hold an id of ours and are not of the format given.
    #[serde(skip_serializing_if = "is_zero")]
    pub unread: u32,
    /// Whether it is known to hold lines of the level `error`, or of lower ones.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub holds_errors: bool,
}

impl Evidence for ReadLog {
    const KIND: &'static str = "proxy.log";

    fn source(&self, _: &Subject) -> String {
        source_of(&self.log)
    }

    fn went_well(&self) -> bool {
        self.unread == 0
    }

    fn brief(&self) -> String {
        let unread = match self.unread {
            0 => String::new(),
            unread => format!(", and {unread} that are not of the format given"),
        };
        format!("{} {}: {} bytes, {} lines of ours{unread}", self.kind, self.log, self.bytes, self.ours)
    }
}

/// How a person reads a log of this name.
pub(super) fn source_of(log: &str) -> String {
    if log.starts_with('/') { format!("tail '{}'", log.replace('\'', "'\\''")) } else { log.to_owned() }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

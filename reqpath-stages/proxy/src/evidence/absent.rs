//! A request of ours that a hop's log does not have.

use reqpath_core::{Evidence, Subject};
use serde::{Deserialize, Serialize};

/// A request of ours that a hop's access log does not have, though it has one that ended later.
///
/// Recorded about the leg to that hop. Servers log a request when it ends; so only a later one of ours
/// in the same log shows that a line is missing, and not merely late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Absent {
    /// The hop whose log it is.
    pub hop: String,
    /// The log: a file, or the command that printed it.
    pub log: String,
    /// The number of the later request that the log has.
    pub later: u32,
}

impl Evidence for Absent {
    const KIND: &'static str = "proxy.absent";

    fn source(&self, _: &Subject) -> String {
        super::log::source_of(&self.log)
    }

    fn brief(&self) -> String {
        format!("{} never logged it, and did log our later request {}", self.hop, self.later)
    }
}

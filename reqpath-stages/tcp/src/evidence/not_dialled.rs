//! Addresses of a name that were not dialled.

use reqpath_core::{Evidence, Subject};
use serde::{Deserialize, Serialize};

/// Addresses of a name that were not dialled, by the request or beside it: the time was over, or there are very many.
///
/// Nothing is known of them: any of them may serve, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NotDialled {
    /// How many were dialled.
    pub dialled: u32,
    /// How many were not.
    pub left: u32,
}

impl NotDialled {
    /// So many were dialled, and so many were not.
    pub(crate) fn new(dialled: usize, left: usize) -> Self {
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Self { dialled: number(dialled), left: number(left) }
    }
}

impl Evidence for NotDialled {
    const KIND: &'static str = "tcp.not_dialled";

    fn source(&self, _: &Subject) -> String {
        String::new()
    }

    fn brief(&self) -> String {
        let of = self.dialled.saturating_add(self.left);
        let were = if self.left == 1 { "was" } else { "were" };
        format!("{} of the {of} addresses {were} not dialled", self.left)
    }
}

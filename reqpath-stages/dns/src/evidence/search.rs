//! The names one look-up turns into.

use std::borrow::Cow;

use reqpath_core::{Evidence, Subject};
use serde::{Deserialize, Serialize};

/// The names one look-up turns into, by the search list and `ndots`, in the order in which they are asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SearchList {
    /// The name as the program gives it.
    pub name: String,
    /// The names that are asked for in turn, absolute, until one has an address.
    pub names: Vec<String>,
    /// Further names of the list that this look did not follow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_followed: Vec<String>,
    /// `ndots` in force.
    pub ndots: u32,
    /// Whose rules these are: C libraries differ.
    pub emulates: Cow<'static, str>,
}

impl Evidence for SearchList {
    const KIND: &'static str = "dns.search";

    fn source(&self, _: &Subject) -> String {
        format!("grep -E 'search|domain|ndots' /etc/resolv.conf   # for {}", self.name)
    }

    fn brief(&self) -> String {
        format!("{} is asked for as {} ({} rules)", self.name, self.names.join(", "), self.emulates)
    }
}

//! An answer that sends the request elsewhere.

use std::sync::Arc;

use reqpath_core::{Evidence, Round, Subject};
use serde::{Deserialize, Serialize};

/// An answer that sends the request elsewhere, whether it is followed or not.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Redirect {
    /// The URL that was asked for, without secrets; cut where it is long.
    pub from: String,
    /// Where `Location` points, resolved, without secrets; the header as it is where it is no URL; cut where it is
    /// long.
    pub to: String,
    /// The status.
    pub status: u16,
    /// The URLs asked for until now, oldest first, `from` the last: of many, the first and the last few.
    pub chain: Vec<Arc<str>>,
    /// How many are left out of the chain, behind its first.
    #[serde(skip_serializing_if = "is_none")]
    pub left_out: u32,
    /// Whether it is followed.
    pub followed: bool,
    /// Whether the same was asked for before, by the same method. That alone does not say that it never ends:
    /// what a server answers may change.
    #[serde(rename = "loop")]
    pub loops: bool,
    /// The way that was gone again and again, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<Round>,
    /// How many redirects may be followed, where that number is used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Why it cannot be followed, where it is no URL that we speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Names of headers that are left behind because they belong to another host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none(many: &u32) -> bool {
    *many == 0
}

impl Evidence for Redirect {
    const KIND: &'static str = "http.redirect";

    fn source(&self, _: &Subject) -> String {
        format!("curl -sI {}", reqpath_core::quoted(&self.from))
    }

    fn brief(&self) -> String {
        let why = match (self.limit, self.loops, self.followed) {
            (Some(_), ..) => ", one too many",
            (_, true, _) => ", asked for before",
            (_, _, true) => "",
            _ => ", not followed",
        };
        format!("{} to {}{why}", self.status, self.to)
    }
}

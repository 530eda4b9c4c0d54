//! An answer that sends the request elsewhere.

use reqpath_core::{Evidence, Subject};
use serde::{Deserialize, Serialize};

/// An answer that sends the request elsewhere, whether it is followed or not.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Redirect {
    /// The URL that was asked for, without secrets.
    pub from: String,
    /// Where `Location` points, resolved, without secrets; the header as it is where it is no URL.
    pub to: String,
    /// The status.
    pub status: u16,
    /// The URLs asked for until now, oldest first, `from` the last.
    pub chain: Vec<String>,
    /// Whether it is followed.
    pub followed: bool,
    /// Whether `to` was asked for before.
    #[serde(rename = "loop")]
    pub loops: bool,
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

impl Evidence for Redirect {
    const KIND: &'static str = "http.redirect";

    fn source(&self, _: &Subject) -> String {
        format!("curl -sI {}", reqpath_core::quoted(&self.from))
    }

    fn brief(&self) -> String {
        let why = match (self.loops, self.limit, self.followed) {
            (true, _, _) => ", seen before",
            (_, Some(_), _) => ", one too many",
            (_, _, true) => "",
            _ => ", not followed",
        };
        format!("{} to {}{why}", self.status, self.to)
    }
}

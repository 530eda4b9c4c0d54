//! What a proxy said to CONNECT.

use reqpath_core::{Evidence, Micros, Subject};
use serde::{Deserialize, Serialize};

use super::{End, Headers};

/// What a proxy said when it was asked for a tunnel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TunnelAnswer {
    /// The proxy's URL, without credentials.
    pub proxy: String,
    /// Where the setting came from: `https_proxy`.
    pub variable: String,
    /// Host and port asked for.
    pub to: String,
    /// Whether credentials were sent.
    pub authorized: bool,
    /// The status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its headers: at most 64, each at most 1 KiB.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// When the head of the answer was complete, from the start of the look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers_us: Option<Micros>,
    /// When we stopped looking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_us: Option<Micros>,
    /// How it ended; absent where looking was cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// The system's own words for what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The first bytes received, escaped, where they made no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bytes: Option<String>,
}

impl TunnelAnswer {
    /// Whether the tunnel was opened.
    #[must_use]
    pub fn opened(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// The command that asks the same.
    #[must_use]
    pub fn curl(&self) -> String {
        let proxy = reqpath_core::quoted(&self.proxy);
        format!("curl -sv -o /dev/null -x {proxy} https://{}/", self.to)
    }
}

impl Evidence for TunnelAnswer {
    const KIND: &'static str = "tunnel.answer";

    fn source(&self, _: &Subject) -> String {
        self.curl()
    }

    fn brief(&self) -> String {
        let said = match (self.status, self.end) {
            (Some(status), _) => status.to_string(),
            (None, Some(end)) => end.to_string(),
            (None, None) => "interrupted".to_owned(),
        };
        format!("CONNECT {} through {}: {said}", self.to, self.proxy)
    }
}

use reqpath_core::{Evidence, Micros, Subject};
use serde::{Deserialize, Serialize};

use super::ServerError;
use crate::SslMode;

/// What a PostgreSQL answered to `SSLRequest`, the question whether it speaks TLS.
///
/// The address is in the subject.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SslRequest {
    /// What the client demands.
    pub mode: SslMode,
    /// What came back; absent when a deadline cut it short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The server's error, where that was the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ServerError>,
    /// The first bytes that came, at most 64, where they are none of PostgreSQL's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bytes: Option<String>,
    /// The system's own words for a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// From the question to the answer, or to the end of waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_us: Option<Micros>,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// `S`: shake hands.
    Accepted,
    /// `N`: not over TLS.
    Refused,
    /// `E`: an error.
    Error,
    /// Bytes that no PostgreSQL sends.
    Foreign,
    /// The connection was closed (FIN).
    Closed,
    /// The connection was reset (RST).
    Reset,
    /// Nothing.
    Silent,
    /// The connection failed in another way; the message tells.
    Failed,
    /// Something a later version knows.
    #[serde(other)]
    Other,
}

impl SslRequest {
    /// Whether the client may go on after this answer: shaking hands, or in the clear.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        match self.answer {
            Some(Answer::Accepted) => true,
            Some(Answer::Refused) => !self.mode.demands_tls(),
            _ => false,
        }
    }

    /// Whose bytes they look like, where they are none of PostgreSQL's.
    #[must_use]
    pub fn looks_like(&self) -> Option<&'static str> {
        let first = self.first_bytes.as_deref().filter(|_| self.answer == Some(Answer::Foreign))?;
        [
            ("HTTP/", "HTTP"),
            ("SSH-", "SSH"),
            ("-ERR", "Redis"),
            ("-NOAUTH", "Redis"),
            ("\\u{15}\\u{3}", "TLS"),
        ]
        .into_iter()
        .find_map(|(start, name)| first.starts_with(start).then_some(name))
        // A packet's length, its number 0, and version 10 of the greeting.
        .or_else(|| first.contains("\\u{0}\\u{0}\\u{0}\\n").then_some("MySQL"))
    }

    /// What came back, as a clause: `closed the connection without an answer after 3 ms`.
    pub(crate) fn told(&self) -> String {
        let after = self.elapsed_us.map(|elapsed| format!(" after {elapsed}")).unwrap_or_default();
        match self.answer {
            None => "had not answered when the time was up".to_owned(),
            Some(Answer::Accepted) => format!("agreed to TLS{after}"),
            Some(Answer::Refused) => format!("answered `N` to the question for TLS{after}: it has none"),
            Some(Answer::Error) => {
                let words = self.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
                format!("answered with an error{after}{words}")
            }
            Some(Answer::Foreign) => {
                let bytes = self.first_bytes.as_deref().unwrap_or_default();
                let whose = self.looks_like().unwrap_or("something else");
                format!("speaks {whose}, not PostgreSQL: `{bytes}`")
            }
            Some(Answer::Closed) => format!("closed the connection without an answer{after}"),
            Some(Answer::Reset) => format!("reset the connection without an answer{after}"),
            Some(Answer::Silent) => format!("took the connection and said nothing{after}"),
            Some(Answer::Failed | Answer::Other) => {
                let words = self.message.as_deref().unwrap_or("the connection failed");
                format!("did not answer{after}: {words}")
            }
        }
    }
}

impl Evidence for SslRequest {
    const KIND: &'static str = "db.ssl_request";

    fn went_well(&self) -> bool {
        self.may_go_on()
    }

    fn source(&self, at: &Subject) -> String {
        let Some(peer) = at.address() else { return String::new() };
        format!("openssl s_client -starttls postgres -connect {peer} </dev/null")
    }

    fn brief(&self) -> String {
        self.told()
    }
}

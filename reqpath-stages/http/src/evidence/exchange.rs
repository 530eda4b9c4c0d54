//! One request and its answer.

use reqpath_core::{Evidence, Micros, Subject, quoted};
use serde::{Deserialize, Serialize};

use super::{Asked, Headers};

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.0, which closes after each answer unless asked not to.
    #[serde(rename = "HTTP/1.0")]
    Http10,
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "HTTP/1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "HTTP/2")]
    Http2,
    /// A version this program does not know.
    #[serde(other)]
    Other,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Other => "HTTP",
        })
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// The answer came whole.
    Complete,
    /// The answer is larger than what we read, and we stopped.
    Limit,
    /// The peer closed (FIN, or GOAWAY) with no byte of an answer.
    Empty,
    /// The peer reset (RST, or `RST_STREAM`) before the head of an answer was complete.
    Reset,
    /// Our time ran out before the head of an answer was complete.
    TimedOut,
    /// What came is not HTTP, or malformed.
    Invalid,
    /// The head is larger than what we read, or what comes before it does not end.
    TooLarge,
    /// The peer wants it asked over HTTP/1.1 (`HTTP_1_1_REQUIRED`).
    VersionRequired,
    /// The peer closed before the answer was whole.
    Truncated,
    /// The peer reset after the head, before the answer was whole.
    ResetMidBody,
    /// Our time ran out after the head, before the answer was whole.
    Stalled,
    /// The connection failed in another way: an alert, for one.
    Failed,
    /// An end this program does not know.
    #[serde(other)]
    Other,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Complete => "complete",
            Self::Limit => "read up to our limit",
            Self::Empty => "closed without an answer",
            Self::Reset => "reset without an answer",
            Self::TimedOut => "no answer in time",
            Self::Invalid => "not HTTP",
            Self::TooLarge => "head too large",
            Self::VersionRequired => "HTTP/1.1 required",
            Self::Truncated => "cut short",
            Self::ResetMidBody => "reset midway",
            Self::Stalled => "not whole in time",
            Self::Failed => "connection failed",
            Self::Other => "ended",
        })
    }
}

/// How the peer ended the connection or the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Closed {
    /// In order: FIN, or end of stream.
    Fin,
    /// RST.
    Rst,
    /// HTTP/2 `RST_STREAM`.
    StreamReset,
    /// HTTP/2 GOAWAY.
    Goaway,
    /// Another failure of the connection.
    #[serde(other)]
    Failed,
}

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Coding {
    /// By `Content-Length`.
    Length,
    /// By chunks, the last of which is empty.
    Chunked,
    /// By frames, the last of which says so (HTTP/2).
    Frames,
    /// By the end of the connection.
    UntilClose,
    /// In a way this program does not know.
    #[serde(other)]
    Other,
}

/// Which of our limits a head met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LimitOf {
    /// That on its bytes.
    Bytes,
    /// That on its lines.
    Lines,
    /// That on the bytes of whatever comes before it.
    Before,
    /// A limit this program does not know.
    #[default]
    #[serde(other)]
    Other,
}

/// A limit of ours that an answer met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Met {
    /// Which.
    pub limit: LimitOf,
    /// How much it allows.
    pub most: u64,
}

/// The body of an answer: counted, and kept only where it tells something.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Body {
    /// How its length is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coding: Option<Coding>,
    /// The length promised, in bytes, from `Content-Length`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promised: Option<u64>,
    /// The bytes received, counted.
    pub received: u64,
    /// When the last byte of it came, from the start of the exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_byte_us: Option<Micros>,
    /// The longest time between two pieces of it, or since the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gap_us: Option<Micros>,
    /// The bytes of it that had come when that gap began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gap_at: Option<u64>,
    /// Its first KiB, escaped and without our secrets; kept of failures only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Names of trailers that followed it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<String>,
}

/// One request and its answer, over the connection that the stages before examined.
///
/// Times count from the start of the exchange, and are absent for phases that were not reached.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Exchange {
    /// What was asked.
    pub request: Asked,
    /// Where it was dialled, where that is not what the URL says: a hop that was entered directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<String>,
    /// The version we spoke.
    pub spoken: Protocol,
    /// Whether it went over TLS.
    pub secured: bool,
    /// The proxy it was sent through in the clear, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// When the last byte we had to say before the answer began was handed to the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_sent_us: Option<Micros>,
    /// When the first byte of the answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<Micros>,
    /// When its head was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers_us: Option<Micros>,
    /// When its body was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_us: Option<Micros>,
    /// When we stopped looking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_us: Option<Micros>,
    /// The version of the answer's status line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Protocol>,
    /// The status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The reason phrase of an HTTP/1 answer, where it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its headers: at most 64, each at most 1 KiB.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// How many headers there were besides.
    #[serde(skip_serializing_if = "is_zero")]
    pub headers_left_out: u32,
    /// Statuses of interim answers (1xx) that came before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub informational: Vec<u16>,
    /// How many interim answers there were besides.
    #[serde(skip_serializing_if = "is_zero")]
    pub informational_left_out: u32,
    /// Whether whole interim answers, or empty lines, are all that came: not a byte of the answer itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_interim: bool,
    /// The limit of ours that its head met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<Met>,
    /// Our clock when the head was complete, in seconds since 1970; to be compared with `Date`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_s: Option<i64>,
    /// The body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Bytes written to the connection, below HTTP and above TLS.
    pub bytes_sent: u64,
    /// Bytes read from it, likewise.
    pub bytes_received: u64,
    /// How it ended; absent where looking was cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// How the peer closed, where it did before the answer was whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// The system's own words for what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The code of an HTTP/2 reset or GOAWAY: `INTERNAL_ERROR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub h2_code: Option<String>,
    /// The first bytes received, escaped, where they made no answer. Of HTTP/2, from the first frame on that
    /// is more than talk about the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bytes: Option<String>,
    /// Names of expected headers that were absent or had another value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmet_headers: Vec<String>,
    /// Whether the body held the text expected, within the part that was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_holds: Option<bool>,
}

impl Exchange {
    /// Whether a complete answer came back, whatever it says.
    #[must_use]
    pub fn answered(&self) -> bool {
        matches!(self.end, Some(End::Complete | End::Limit))
    }

    /// The status with its reason phrase: `503 Service Unavailable`; empty where none came.
    #[must_use]
    pub fn status_line(&self) -> String {
        let Some(status) = self.status else { return String::new() };
        let usual = || http::StatusCode::from_u16(status).ok()?.canonical_reason();
        match self.reason.as_deref().or_else(usual) {
            Some(reason) if !reason.is_empty() => format!("{status} {reason}"),
            _ => status.to_string(),
        }
    }

    /// The time from the request to the first byte, where both are known.
    #[must_use]
    pub fn waited(&self) -> Option<Micros> {
        let (sent, first) = (self.request_sent_us?, self.first_byte_us?);
        Some(Micros(first.0.saturating_sub(sent.0)))
    }

    /// The body, or an empty one.
    #[must_use]
    pub fn body_start(&self) -> &str {
        self.body.as_ref().and_then(|body| body.start.as_deref()).unwrap_or_default()
    }

    /// The command that asks the same.
    #[must_use]
    pub fn curl(&self) -> String {
        let flag = self.curl_version();
        let method = match self.request.method() {
            "GET" => String::new(),
            "HEAD" => " -I".to_owned(),
            method => format!(" -X {method}"),
        };
        format!("curl -sv{flag}{method} -o /dev/null {}", self.curl_target())
    }

    /// The flag that has curl speak the same version, with a space before it.
    pub(crate) fn curl_version(&self) -> &'static str {
        match self.spoken {
            Protocol::Http2 if self.secured => " --http2",
            Protocol::Http2 => " --http2-prior-knowledge",
            _ => "",
        }
    }

    /// How many interim answers (1xx) came before.
    #[must_use]
    pub fn interim(&self) -> u32 {
        let kept = u32::try_from(self.informational.len()).unwrap_or(u32::MAX);
        kept.saturating_add(self.informational_left_out)
    }

    /// What a curl command ends in that asks the same of the same server: its place, where that is not
    /// what the URL says, and the URL.
    #[must_use]
    pub fn curl_target(&self) -> String {
        let url = self.request.url();
        let url = quoted(&url);
        match &self.entered_at {
            Some(at) => format!("--connect-to {} {url}", quoted(&format!("::{at}"))),
            None => url.into_owned(),
        }
    }
}

impl Evidence for Exchange {
    const KIND: &'static str = "http.exchange";

    fn went_well(&self) -> bool {
        let expected = self.unmet_headers.is_empty() && self.body_holds != Some(false);
        self.end == Some(End::Complete)
            && matches!(self.status, Some(200..=399))
            && self.error.is_none()
            && self.proxy.is_none()
            && expected
    }

    fn source(&self, _: &Subject) -> String {
        self.curl()
    }

    fn brief(&self) -> String {
        let mut parts = Vec::new();
        if let Some(version) = self.version {
            parts.push(format!("{version} {}", self.status_line()));
        }
        if let Some(waited) = self.waited() {
            parts.push(format!("first byte after {waited}"));
        }
        if let Some(body) = &self.body {
            parts.push(match body.promised {
                Some(promised) if promised != body.received => {
                    format!("{} of {promised} bytes", body.received)
                }
                _ => format!("{} bytes", body.received),
            });
        }
        match self.end {
            Some(End::Complete) => {}
            Some(end) => parts.push(end.to_string()),
            None => parts.push("interrupted".to_owned()),
        }
        parts.join(", ")
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

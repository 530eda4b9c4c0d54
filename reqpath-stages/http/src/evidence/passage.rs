//! How a request of ours passed through a hop, by that hop's own access log.

use reqpath_core::{Evidence, Micros, Subject};
use serde::{Deserialize, Serialize};

/// How a request of ours passed through a hop, by that hop's own access log.
///
/// Recorded by the stage that reads logs, about the leg from that hop to the next; it stands in this
/// crate because it settles who made an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Passage {
    /// The hop whose log it is.
    pub hop: String,
    /// The log: a file, or the command that printed it.
    pub log: String,
    /// Who asked, as the hop saw it: its `$remote_addr`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The request line, without its secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The host asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The status it answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When it was logged, in seconds since 1970, where the log says so with its time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_s: Option<i64>,
    /// How long it took: `$request_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_us: Option<Micros>,
    /// What a cache of its own said: `HIT`, `MISS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// Whether the log tells who was asked behind this hop, if anybody was.
    pub tells_upstream: bool,
    /// Whom it asked behind it, one after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<Try>,
}

/// One try of a hop to have a request answered behind it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Try {
    /// Whom it asked: an address, a socket, or the name of a group of which nobody was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The status as logged. A try that failed has one too, in nginx: 502 or 504.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When the connection was open, from the start of the try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<Micros>,
    /// When the head of an answer had come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_us: Option<Micros>,
    /// When the answer was whole, or the try was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_us: Option<Micros>,
    /// Whether an answer came, where the logs tell more than its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<bool>,
    /// Whether the log has fields for the times of a connection and of a head.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub timed: bool,
}

/// Where the answer that a hop gave came from, by its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gave {
    /// The answer of the one it asked, passed on as it was.
    PassedOn,
    /// Its own: it asked nobody.
    Own,
    /// Its own: whoever it asked gave no answer.
    Unanswered,
    /// Its own in place of the answer that came from behind it.
    Instead(u16),
    /// One kept from before.
    Kept,
    /// The log does not tell.
    Untold,
}

impl Passage {
    /// Where the answer came from.
    ///
    /// ```
    /// use reqpath_http::evidence::{Gave, Passage};
    ///
    /// let passage: Passage = serde_json::from_str(
    ///     r#"{"status": 404, "tells_upstream": true, "tries": [{"address": "10.0.0.7:80", "status": 404}]}"#)?;
    /// assert_eq!(passage.gave(), Gave::PassedOn);
    /// let passage: Passage = serde_json::from_str(r#"{"status": 404, "tells_upstream": true}"#)?;
    /// assert_eq!(passage.gave(), Gave::Own);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn gave(&self) -> Gave {
        let Some(status) = self.status.filter(|_| self.tells_upstream) else { return Gave::Untold };
        let Some(last) = self.tries.last() else {
            let kept = self.cache.as_deref().is_some_and(|cache| {
                ["HIT", "STALE", "UPDATING", "REVALIDATED"]
                    .iter()
                    .any(|kept| cache.eq_ignore_ascii_case(kept))
            });
            return if kept { Gave::Kept } else { Gave::Own };
        };
        match (last.answered, last.status) {
            (Some(false), _) | (None, None) => Gave::Unanswered,
            (_, Some(came)) if came != status && last.answered == Some(true) => Gave::Instead(came),
            // nginx writes 502 and 504 for tries that got no answer at all.
            (None, Some(502 | 504)) => Gave::Untold,
            (None, Some(came)) if came != status => Gave::Instead(came),
            _ => Gave::PassedOn,
        }
    }

    /// Whether it tried more than once, and the last try was answered below 500.
    #[must_use]
    pub fn saved_by_retry(&self) -> bool {
        self.tries.len() > 1 && matches!(self.tries.last().and_then(|last| last.status), Some(100..=499))
    }

    /// The address of the last try.
    #[must_use]
    pub fn upstream(&self) -> Option<&str> {
        self.tries.last().and_then(|last| last.address.as_deref())
    }
}

impl Evidence for Passage {
    const KIND: &'static str = "proxy.access";

    fn source(&self, _: &Subject) -> String {
        source_of(&self.log)
    }

    fn went_well(&self) -> bool {
        matches!(self.status, Some(100..=399)) && self.tries.len() <= 1
    }

    fn brief(&self) -> String {
        let shown = |status: Option<u16>| status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let tries = self
            .tries
            .iter()
            .map(|tried| format!("{} {}", tried.address.as_deref().unwrap_or("-"), shown(tried.status)));
        let tries: Vec<String> = tries.collect();
        let asked = match tries.is_empty() {
            true if self.tells_upstream => "it asked nobody".to_owned(),
            true => "whom it asked is not logged".to_owned(),
            false => format!("it asked {}", tries.join(", then ")),
        };
        format!("{} answered {}; {asked}", self.hop, shown(self.status))
    }
}

/// How a person reads a log of this name: a file, or a command.
fn source_of(log: &str) -> String {
    if log.starts_with('/') { format!("tail {}", reqpath_core::quoted(log)) } else { log.to_owned() }
}

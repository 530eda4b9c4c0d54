//! A second request on a connection that served one.

use reqpath_core::{Evidence, Micros, Subject};
use serde::{Deserialize, Serialize};

/// How a second request on a connection fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReuseOutcome {
    /// It was answered.
    Answered,
    /// The peer closed before it was sent, so that any pool would have noticed.
    ClosedBefore,
    /// It was sent, and the peer closed without an answer.
    ClosedAfter,
    /// It was sent, and the peer reset.
    Reset,
    /// It was sent, and nothing came back in time.
    Lost,
    /// It could not be sent: the peer allows no further stream (HTTP/2).
    NotSent,
    /// The peer announced that it would close.
    NotAllowed,
    /// There was no time left to wait so long.
    NoTime,
    /// The first request on the connection failed already.
    NoFirst,
    /// An outcome this program does not know.
    #[default]
    #[serde(other)]
    Other,
}

/// What became of a second request on a connection, at once or after the connection was idle.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Reuse {
    /// How long the connection was to be idle between the two.
    pub idle_us: Micros,
    /// How the second request fared.
    pub outcome: ReuseOutcome,
    /// When the peer closed, from the end of the first answer, where it did before the second request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_after_us: Option<Micros>,
    /// How long the second answer took, or how long we waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_us: Option<Micros>,
    /// How long the first answer on the connection took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_took_us: Option<Micros>,
    /// The status of the second answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The idle time the peer announces, in seconds, from `Keep-Alive: timeout=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced_timeout_s: Option<u64>,
    /// The number of requests the peer announces to serve on a connection, from `Keep-Alive: max=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced_max: Option<u64>,
    /// Whether the peer sent HTTP/2 GOAWAY.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub goaway: bool,
    /// The system's own words for what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The URL, without secrets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl Reuse {
    /// Whether the second request was sent and never answered: what a stale connection does.
    ///
    /// Silence tells that only where it lasted: a server may well need as long again as it did for the first.
    #[must_use]
    pub fn lost_a_request(&self) -> bool {
        match self.outcome {
            ReuseOutcome::ClosedAfter | ReuseOutcome::Reset => true,
            ReuseOutcome::Lost => !self.cut_short(),
            _ => false,
        }
    }

    /// Whether the second answer was waited for less than twice as long as the first took: our time ran out.
    #[must_use]
    pub fn cut_short(&self) -> bool {
        let Some(first) = self.first_took_us.filter(|_| self.outcome == ReuseOutcome::Lost) else {
            return false;
        };
        self.took_us.is_none_or(|waited| waited.0 / 2 < first.0)
    }
}

impl Evidence for Reuse {
    const KIND: &'static str = "http.reuse";

    fn brief(&self) -> String {
        let idle = match self.idle_us.0 {
            0 => "used again at once".to_owned(),
            _ => format!("used again after {}", self.idle_us),
        };
        let took = self.took_us.map_or_else(String::new, |took| format!(" after {took}"));
        let fared = match self.outcome {
            ReuseOutcome::Answered => {
                let status = self.status.map_or_else(String::new, |status| format!(" {status}"));
                return format!("{idle}: answered{status}{took}");
            }
            ReuseOutcome::ClosedBefore => {
                let when = self.closed_after_us.map_or_else(String::new, |after| format!(" after {after}"));
                return format!("{idle}: the peer had closed{when}");
            }
            ReuseOutcome::ClosedAfter => "closed without an answer",
            ReuseOutcome::Reset => "reset without an answer",
            ReuseOutcome::Lost if self.cut_short() => {
                return match self.took_us {
                    Some(took) => format!("{idle}: no more than {took} were left to wait for an answer"),
                    None => format!("{idle}: no time was left to wait for an answer"),
                };
            }
            ReuseOutcome::Lost => "no answer",
            ReuseOutcome::NotSent => {
                return format!("{idle}: not sent, for the peer allows no further stream");
            }
            ReuseOutcome::NotAllowed => return "the peer closes after each answer".to_owned(),
            ReuseOutcome::NoTime => return format!("{idle}: no time to try"),
            ReuseOutcome::NoFirst => return format!("{idle}: the first request failed already"),
            ReuseOutcome::Other => "ended",
        };
        format!("{idle}: {fared}{took}")
    }

    fn source(&self, _: &Subject) -> String {
        let url = reqpath_core::quoted(&self.url);
        match self.idle_us.duration().as_secs() {
            0 => format!("curl -sv -o /dev/null {url} -o /dev/null {url}"),
            // curl has no pause of its own between two URLs; its rate limit makes one.
            seconds => format!("curl -sv --rate 1/{seconds}s -o /dev/null {url} -o /dev/null {url}"),
        }
    }
}

//! An error that a proxy logged of a request of ours.

use reqpath_core::{Evidence, PeerAddr, Subject, escape, redact_url};
use serde::{Deserialize, Serialize};

use crate::logs::ErrorLine;

/// The most that is kept of a message.
const MOST_MESSAGE: usize = 600;
/// The most that is kept of any other part.
const MOST_PART: usize = 300;

/// An error that a proxy logged of a request of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LoggedError {
    /// The hop whose log it is.
    pub hop: String,
    /// The log: a file, or the command that printed it.
    pub log: String,
    /// How bad the proxy finds it: `error`, `crit`.
    pub level: String,
    /// What happened, verbatim but for secrets, up to `while`.
    pub message: String,
    /// The number that the system, or a nameserver, gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// What it was doing: `connecting to upstream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The first name of the server that was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The request line, without its secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Whom it asked, as a URL without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The host asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Whether it may be of another request that looks the same: such a line carries no id.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub indirect: bool,
}

impl LoggedError {
    /// What may be stored of a line; `scrub` takes our secrets out.
    pub(crate) fn of(line: &ErrorLine<'_>, hop: &str, log: &str, scrub: impl Fn(&str) -> String) -> Self {
        let safe = |text: &str, most| escape(&scrub(text), most);
        let part = |text: Option<&str>| text.map(|text| safe(text, MOST_PART));
        Self {
            hop: hop.to_owned(),
            log: log.to_owned(),
            level: safe(line.level, 20),
            message: safe(&without_secrets(line.message), MOST_MESSAGE),
            number: line.number,
            action: part(line.action),
            client: part(line.client),
            server: part(line.server),
            request: line.request.map(|request| safe(&without_secrets(request), MOST_PART)),
            upstream: line.upstream.map(|url| safe(&redact_url(url), MOST_PART)),
            host: part(line.host),
            indirect: false,
        }
    }

    /// The whole message, as nginx writes it.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.action {
            Some(action) => format!("{} while {action}", self.message),
            None => self.message.clone(),
        }
    }

    /// Whom it asked: the address and port in the URL of the upstream, or the name of a group.
    #[must_use]
    pub fn asked(&self) -> Option<&str> {
        authority(self.upstream.as_deref()?)
    }

    /// The address it asked, where it is one.
    #[must_use]
    pub fn address(&self) -> Option<PeerAddr> {
        self.asked()?.parse().ok().map(PeerAddr)
    }
}

/// Host and port of a URL, or the path of a socket.
pub(crate) fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    if rest.starts_with("unix:") {
        return rest.rsplit_once(':').map(|(socket, _)| socket);
    }
    rest.split('/').next().filter(|authority| !authority.is_empty())
}

/// The text with the secrets of every query in it replaced.
pub(crate) fn without_secrets(text: &str) -> String {
    let word = |word: &str| {
        if word.contains('?') || word.contains("://") { redact_url(word) } else { word.to_owned() }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

impl Evidence for LoggedError {
    const KIND: &'static str = "proxy.error";

    fn source(&self, _: &Subject) -> String {
        super::log::source_of(&self.log)
    }

    fn brief(&self) -> String {
        let indirect = if self.indirect { " (of this request or one like it)" } else { "" };
        format!("{} logged: {}{indirect}", self.hop, self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_it_asked_is_read_from_the_url() {
        let asked = |url: &str| LoggedError { upstream: Some(url.to_owned()), ..LoggedError::default() };
        assert_eq!(asked("http://10.0.0.7:8080/x").address(), Some(PeerAddr(([10, 0, 0, 7], 8080).into())));
        assert_eq!(asked("https://[::1]:443/x").asked(), Some("[::1]:443"));
        assert_eq!(asked("http://shop/").address(), None);
        assert_eq!(asked("http://unix:/run/app.sock:/x").asked(), Some("unix:/run/app.sock"));
        assert_eq!(asked("nonsense").asked(), None);
    }

    #[test]
    fn the_secrets_of_queries_stay_out() {
        assert_eq!(
            without_secrets("GET /x?token=abc&page=2 HTTP/1.1"),
            "GET /x?token=[redacted]&page=2 HTTP/1.1"
        );
    }
}

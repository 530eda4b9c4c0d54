//! What can be wrong with one hop of a chain, and what that is called.

use std::time::Duration;

use reqpath_testkit::mock::{Connection, Reply};

/// How long a proxy of a chain waits for an answer.
pub(crate) const READ: Duration = Duration::from_millis(600);
/// How long one request may take altogether.
pub(crate) const MAX_TIME: Duration = Duration::from_millis(2_500);
/// Longer than any proxy waits, and shorter than a request may take.
const SLOW: Duration = Duration::from_millis(1_500);
/// Longer than a request may take.
const TOO_SLOW: Duration = Duration::from_millis(3_000);

/// A way in which the far end of a leg kills a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing listens.
    Refused,
    /// A filter drops what opens a connection.
    Unanswered,
    /// Connections are reset as soon as they are accepted.
    Reset,
    /// Requests are taken and never answered.
    Silent,
    /// The connection is closed upon the request.
    ClosedEarly,
    /// The certificate has expired, and who dials verifies it.
    BadTls,
    /// 404 where 200 is expected.
    NotFound,
    /// 500.
    Error,
    /// The answer comes later than anybody waits.
    Slow,
    /// The answer is shorter than it promised.
    Truncated,
}

impl Fault {
    pub(crate) const ALL: [Self; 10] = [
        Self::Refused,
        Self::Unanswered,
        Self::Reset,
        Self::Silent,
        Self::ClosedEarly,
        Self::BadTls,
        Self::NotFound,
        Self::Error,
        Self::Slow,
        Self::Truncated,
    ];

    /// What a server in the place of the hop does to connections.
    pub(crate) fn connection(self) -> Connection {
        match self {
            Self::Reset => Connection::reset_at_accept(),
            Self::ClosedEarly => Connection::close_after_first_bytes(),
            _ => Connection::serve(),
        }
    }

    /// What it answers; `behind_proxy` says that a proxy, and not the client, waits for it.
    pub(crate) fn reply(self, behind_proxy: bool) -> Reply {
        match self {
            Self::Silent => Reply::hang(),
            Self::NotFound => Reply::status(404).body("no such thing here"),
            Self::Error => Reply::status(500).body("it broke"),
            Self::Slow => Reply::ok("late").delay(if behind_proxy { SLOW } else { TOO_SLOW }),
            Self::Truncated => Reply::ok("x".repeat(5_000)).truncate_after(700),
            _ => Reply::ok("fine"),
        }
    }

    /// The code at the hop itself. `app` is a hop of kind pod;
    /// `behind_proxy` says that a proxy, and not the client, waits for it.
    pub(crate) fn code(self, app: bool, behind_proxy: bool) -> &'static str {
        match self {
            Self::Refused => "tcp.refused",
            Self::Unanswered => "tcp.timed_out",
            Self::Reset => "tcp.reset",
            Self::Silent => "http.response.timed_out",
            Self::ClosedEarly => "http.response.empty",
            Self::BadTls => "tls.cert.date_invalid",
            Self::NotFound => "http.response.unexpected",
            Self::Error if app => "pod.app_error",
            Self::Error => "http.error",
            Self::Slow if app && behind_proxy => "pod.slow",
            Self::Slow if !behind_proxy => "http.response.timed_out",
            Self::Slow => "http.error",
            Self::Truncated => "response.truncated",
        }
    }

    /// What the log of a proxy that dials the hop calls it.
    pub(crate) fn logged(self) -> Option<&'static str> {
        match self {
            Self::Refused => Some("proxy.connection_refused"),
            Self::Unanswered => Some("proxy.connection_timeout"),
            Self::Reset | Self::ClosedEarly => Some("proxy.connection_terminated"),
            Self::Silent | Self::Slow => Some("proxy.http_response_timeout"),
            Self::BadTls => Some("proxy.tls_certificate_error"),
            Self::Truncated => Some("proxy.http_response_incomplete"),
            // An answer that was not made by the proxy itself.
            Self::NotFound => Some("http.error"),
            Self::Error => None,
        }
    }
}

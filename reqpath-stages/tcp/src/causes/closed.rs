//! `tcp.closed`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use crate::evidence::Closing;

use super::whatever::ended_anyway;

cause! {
    /// The connection is established, and then closed, whatever we say.
    ///
    /// Someone accepts and hangs up: a proxy without a backend, a listener that dislikes our address, an application
    /// that dies as soon as it is connected to.
    /// A second connection, on which nothing is said, is closed just the same, and that is what tells it from a peer
    /// that closes because of the request (`http.response.empty`) or of the handshake (`tls.*`).
    /// The connection that did speak may have been *reset*: that is what the peer's kernel does when bytes of ours
    /// were still unread. The silent one shows what the peer itself did.
    ///
    /// # What to do
    ///
    /// Look at the listener's own log: backends, allow lists, limits for each address.
    /// Behind an L4 load balancer, ask it for the health of its targets.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.broken",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"after": "sent", "how": "reset", "after_us": 900}},
    ///   {"kind": "tcp.silence",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"closed": "fin", "after_us": 800}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true}}
    /// ]}
    /// ```
    pub static CLOSED: "tcp.closed" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Leg),
        explains(&["tls.protocol.error", "http.response.reset", "http.response.empty"]),
        twins(&["tcp.reset", "http.response.empty", "http.response.reset", "tls.protocol.error"]),
        kills_in(&["tunnel", "tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    ended_anyway(case, at, Closing::Fin)
}

//! `tcp.reset`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use crate::evidence::{Broken, Closing, Death};

use super::met::{apart, met};
use super::whatever::ended_anyway;

cause! {
    /// The connection is established, and then reset, whatever we say.
    ///
    /// Someone accepts and throws the connection away: a proxy without a backend, a listener that dislikes our
    /// address, a device that spoofs resets.
    /// That it has nothing to do with what is said is shown by a second connection on which nothing is said:
    /// it dies too.
    /// A peer that leaves the silent one open dislikes our words, and the cause is one of `tls.*`, or
    /// `http.response.reset`.
    /// Some peers are so fast that `connect()` itself already returns the reset; a closed port, which answers the SYN
    /// itself, is `tcp.refused`.
    ///
    /// # What to do
    ///
    /// Capture at both ends: a reset that the far host never sent comes from a device between.
    /// Where it does send it, look at the listener's own log: backends, allow lists, limits for each address.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.broken",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"after": "handshake", "how": "reset", "after_us": 900}},
    ///   {"kind": "tcp.silence",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"closed": "reset", "after_us": 800}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static RESET: "tcp.reset" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Leg),
        explains(&["tls.protocol.error", "http.response.reset", "http.response.empty"]),
        twins(&["tcp.closed", "tcp.refused", "http.response.reset", "tls.protocol.error", "tls.plaintext_peer"]),
        kills_in(&["tcp", "tunnel", "tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = match met(case, at, &[Death::Reset]) {
        Ok(met) => met,
        Err(_) if case.first::<Broken>(at).is_ok() => return ended_anyway(case, at, Closing::Reset),
        Err(decline) => return Err(decline),
    };
    let summary = format!(
        "{} completed the handshake and reset the connection at once, {} after our SYN{}",
        met.peer,
        met.attempt.elapsed_us,
        met.how_often()
    );
    Ok(Finding::new(at, &met.attempt, summary)
        .error(met.words())
        .next(format!("sleep 2 | nc -v {}", apart(met.peer)))
        .next(format!("tcpdump -ni any 'host {} and tcp port {}'", met.peer.ip(), met.peer.port())))
}

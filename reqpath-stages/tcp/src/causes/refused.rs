//! `tcp.refused`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use crate::evidence::{Death, ListenQueue};

use super::met::{apart, met};
use super::not_dialled::{self, not_dialled};

cause! {
    /// The address answers, and nothing listens on the port: our SYN was answered with a RST.
    ///
    /// The host is up and reachable; the service is not running, listens on another port or another address
    /// (only on `127.0.0.1`, only on IPv4), or has not finished starting.
    /// A firewall that rejects "with tcp reset" looks just the same from outside.
    /// One that rejects with an ICMP message does not, although the error number is the same:
    /// the message lies in the socket's error queue, and the cause is then `tcp.administratively_prohibited`.
    /// Silence is `tcp.timed_out`.
    ///
    /// # What to do
    ///
    /// On the far host, see what listens: `ss -ltnp`.
    /// Compare address and port with what the client dials.
    /// If something listens there, look for a rule that resets: `nft list ruleset | grep reset`.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 410, "failure": {"errno": 111, "symbol": "ECONNREFUSED",
    ///             "message": "Connection refused", "local": "192.0.2.20:40112"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static REFUSED: "tcp.refused" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Far),
        twins(&["tcp.administratively_prohibited", "tcp.timed_out", "tcp.reset"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = met(case, at, &[Death::Refused])?;
    let (peer, elapsed) = (met.peer, met.attempt.elapsed_us);
    let listener = case.of::<ListenQueue>(at).last();
    let why = match &listener {
        _ if peer.port() == 0 => "nothing can listen on port 0",
        Some(seen) if seen.queue.is_none() => "nothing listens there, as this very host confirms",
        Some(_) => "although something listens there: a rule resets, or the listener just went or came",
        None => "nothing listens there, or a rule resets",
    };
    let left = not_dialled(case, at);
    let summary = format!(
        "{peer} refused the connection in {elapsed}{}: {why}{}",
        met.how_often(),
        not_dialled::words(left.as_ref())
    );
    let finding = Finding::new(at, &met.attempt, summary)
        .error(met.words())
        .next(format!("ss -ltnp 'sport = :{}'   # on {}", peer.port(), peer.ip()))
        .next(format!("nc -vz {}", apart(peer)));
    let finding = not_dialled::cited(finding, left.as_ref());
    Ok(match &listener {
        Some(seen) => finding.citing(seen),
        None => finding,
    })
}

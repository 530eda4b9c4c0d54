use reqpath_core::{Case, Decline, Finding, Seen, Subject, cause};

use super::handshakes::{failed, unless};
use crate::command::openssl;
use crate::evidence::{Ended, Handshake};

cause! {
    /// The connection is open, and the handshake does not get on.
    ///
    /// Our ClientHello was sent and nothing came back in time.
    /// The kernel at the far end opened the connection; the program behind it did not answer: it hangs,
    /// it has too much to do, or nobody takes connections from the queue.
    /// When an answer had begun and then stopped, large packets may be lost on the way: a certificate
    /// is the first large thing to cross a leg.
    /// If even the connection did not open, the code is `tcp.timed_out`.
    ///
    /// # What to do
    ///
    /// Look at the program at the far end: is it alive, does it accept, is it out of workers?
    /// A TLS port of a load balancer that passes bytes through is as silent as what is behind it.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "timed_out",
    ///             "error": "no answer within 5.0 s", "total_us": 5000000, "sent_bytes": 250}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static TIMED_OUT: "tls.timed_out" = recognise {
        only_in_trouble(),
        silent(),
        twins(&["tcp.timed_out", "tcp.accept_queue_full", "tls.plaintext_peer"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = failed(case, at).find(silent).ok_or_else(|| unless(case, at, answered))?;
    let waited = seen.total_us.map_or_else(|| "until the deadline".to_owned(), |time| format!("for {time}"));
    let summary = match seen.received_bytes {
        0 => format!("connected, and nothing came in answer to our ClientHello {waited}"),
        bytes => format!(
            "the server began to answer our ClientHello and fell silent after {bytes} bytes; waited {waited}"
        ),
    };
    let finding = Finding::new(at, &seen, summary).next(openssl(&seen, seen.subject()));
    let finding = match (seen.received_bytes, seen.subject().address()) {
        (1.., Some(peer)) => {
            let far = if seen.tunnel.is_some() { ", as far as the proxy" } else { "" };
            finding.next(format!("ping -M do -s 1472 {}   # do large packets pass{far}?", peer.ip()))
        }
        _ => finding,
    };
    Ok(match &seen.error {
        Some(words) => finding.error(words),
        None => finding,
    })
}

fn silent(seen: &Seen<'_, Handshake>) -> bool {
    match seen.ended {
        Some(Ended::TimedOut) => true,
        // A deadline of the caller's ended the look before its own did.
        None => !seen.complete(),
        _ => false,
    }
}

fn answered(handshake: &Handshake) -> Option<String> {
    handshake.hello_us.map(|time| format!("the peer answered our ClientHello in {time}"))
}

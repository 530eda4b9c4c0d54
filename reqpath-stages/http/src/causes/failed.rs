//! `http.failed`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, capture, ended, peer, words};
use crate::evidence::End;

cause! {
    /// The connection failed under the request, in a way that no finer cause explains.
    ///
    /// Neither closed (FIN) nor reset (RST): a TLS alert or a record that does not decrypt, a network
    /// that became unreachable, a kernel that gave up retransmitting.
    /// The system's own words say which.
    ///
    /// # What to do
    ///
    /// Read the words. For an alert, look in the server's log; for "no route" or "timed out", follow
    /// the packets with a capture on both sides.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"request": {"url": "https://server.example/"}, "secured": true, "end": "failed", "closed": "failed",
    ///             "error": "connection error: No route to host (os error 113)"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true}}
    /// ]}
    /// ```
    pub static FAILED: "http.failed" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Leg),
        twins(&["http.response.reset", "http.response.empty", "tls.client_cert_required"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::Failed, End::Other])?;
    let what = words(&seen).unwrap_or_else(|| "it ended without a word".to_owned());
    let summary = format!("the connection with {} failed under {}: {what}", peer(&seen), asked(&seen));
    Ok(Finding::new(at, &seen, summary).error(what).next(seen.curl()).next(capture(&seen)))
}

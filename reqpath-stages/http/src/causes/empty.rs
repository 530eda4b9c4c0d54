//! `http.response.empty`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, capture, ended, nothing_but, peer, since_sent, words};
use crate::evidence::{Closed, End, Protocol};

cause! {
    /// The server took the request and closed the connection without a byte of an answer.
    ///
    /// Something on the far side read the request, or refused to, and hung up in order (FIN): a worker
    /// that crashed, a server told to drop such requests (nginx's `return 444`), a limit that closes
    /// without a word, an HTTP/2 server that is going away (GOAWAY).
    /// Interim answers (1xx) may have come before: they promise an answer, and are none.
    /// A second connection on which nothing was said stayed open, or the cause would be `tcp.closed`;
    /// and the connection was fresh, or it would be `client.stale_connection`.
    ///
    /// # What to do
    ///
    /// Look in the server's error log at this second: a crash, a `444`, a limit.
    /// Send the simplest request there is (`GET /`, no headers) and see whether that is answered.
    /// Ask a load balancer in between whether it had a backend at that moment.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/"}, "request_sent_us": 90, "ended_us": 1300,
    ///             "bytes_sent": 180, "end": "empty", "closed": "fin"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true}}
    /// ]}
    /// ```
    pub static EMPTY: "http.response.empty" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        twins(&["http.response.reset", "http.response.timed_out", "client.stale_connection", "tcp.closed"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::Empty])?;
    let how = match (seen.closed, seen.spoken) {
        (Some(Closed::Goaway), _) => "said it is going away (GOAWAY)",
        (_, Protocol::Http2) => "closed the connection (FIN)",
        _ => "closed (FIN)",
    };
    let came = nothing_but(&seen).map_or_else(String::new, |came| format!(" and after {came}"));
    let summary = format!(
        "{} {how} {} after the request ({} bytes){came}, without an answer to {}",
        peer(&seen),
        since_sent(&seen),
        seen.bytes_sent,
        asked(&seen)
    );
    let finding =
        Finding::new(at, &seen, summary).behind(Behind::BROKEN).next(seen.curl()).next(capture(&seen));
    Ok(match words(&seen) {
        Some(words) => finding.error(words),
        None => finding,
    })
}

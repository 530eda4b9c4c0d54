//! `response.truncated`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, capture, ended, interim, peer, words};
use crate::evidence::{Closed, Coding, End, Exchange};

cause! {
    /// The answer is shorter than it promised to be.
    ///
    /// The head announced a length, or chunks with a last empty one, and the peer closed in order (FIN)
    /// before all of it was there; or it closed in the middle of the head.
    /// A worker that died while writing, a proxy whose upstream closed on it, a `Content-Length` counted
    /// before compression, a limit on the time or the size of an answer.
    /// A reset instead of a close is `response.reset_mid_body`; a connection left open with nothing
    /// coming is `response.stalled`.
    ///
    /// # What to do
    ///
    /// Compare promise and delivery on each hop, from the application outwards: the first where they
    /// differ cuts. Look there for a crash, an out-of-memory kill, a send timeout.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/big"}, "status": 200, "end": "truncated", "closed": "fin",
    ///             "body": {"coding": "length", "promised": 1000, "received": 100},
    ///             "error": "error reading a body from connection: end of file before message length reached"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true, "arrived": "yes"}}
    /// ]}
    /// ```
    pub static TRUNCATED: "response.truncated" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        twins(&["response.reset_mid_body", "response.stalled", "http.response.empty"]),
        kills_in(&["http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::Truncated])?;
    let closed = match seen.closed {
        Some(Closed::Fin) => "closed (FIN)",
        Some(Closed::Goaway) => "went away (GOAWAY)",
        Some(Closed::StreamReset) => "gave up the stream (RST_STREAM, NO_ERROR)",
        _ => "ended the answer",
    };
    let summary = format!("{} {closed} {} of its answer to {}", peer(&seen), after(&seen), asked(&seen));
    let url = seen.curl_target();
    // A proxy that waits in vain for the rest of an answer closes in the midst of it too.
    let finding = Finding::new(at, &seen, summary)
        .behind(Behind::ANYTHING)
        .next(format!("curl -sv -o /dev/null -w '%{{size_download}} bytes, %{{errormsg}}\\n' {url}"))
        .next(capture(&seen));
    Ok(match words(&seen) {
        Some(words) => finding.error(words),
        None => finding,
    })
}

/// Where in the answer it ended.
fn after(exchange: &Exchange) -> String {
    let Some(body) = &exchange.body else {
        let interim =
            interim(exchange).map_or_else(String::new, |interim| format!(" and {interim} before it"));
        return format!("after {} bytes of the head{interim}", exchange.bytes_received);
    };
    match (body.promised, body.coding) {
        (Some(promised), _) => format!("after {} of {promised} bytes", body.received),
        (None, Some(Coding::Chunked)) => format!("after {} bytes, without the last chunk,", body.received),
        (None, Some(Coding::UntilClose)) => {
            format!("after {} bytes, in a way that does not tell whether that was all", body.received)
        }
        (None, _) => format!("after {} bytes, before the end", body.received),
    }
}

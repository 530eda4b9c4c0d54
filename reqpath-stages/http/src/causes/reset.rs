//! `http.response.reset`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, capture, ended, nothing_but, peer, since_sent, words};
use crate::evidence::{Closed, End};

cause! {
    /// The request was answered with a reset, before the head of an answer was complete.
    ///
    /// A server resets when its process dies with the connection open, when it closes while part of
    /// the request is still unread (a body larger than it takes), or when it wants to be rid of the
    /// peer (`lingering_close off`, `reset_timedout_connection`).
    /// A firewall or a load balancer resets when it has lost, or never had, the state of the connection.
    /// A second connection on which nothing was said stayed open, or the cause would be `tcp.reset`;
    /// and the connection was fresh, or it would be `client.stale_connection`.
    /// Over HTTP/2 the same word stands for a reset of the stream (`RST_STREAM`), whose code says why.
    ///
    /// # What to do
    ///
    /// Look in the server's log at this second for a crash or a limit.
    /// Capture on both sides: a reset that the far host never sent comes from something between.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/"}, "request_sent_us": 90, "ended_us": 1300,
    ///             "bytes_sent": 180, "end": "reset", "closed": "rst",
    ///             "error": "connection error: Connection reset by peer (os error 104)"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true}}
    /// ]}
    /// ```
    pub static RESET: "http.response.reset" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Leg),
        twins(&["http.response.empty", "response.reset_mid_body", "client.stale_connection", "tcp.reset"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::Reset])?;
    let how = match (seen.closed, &seen.h2_code) {
        (Some(Closed::StreamReset), Some(code)) => format!("reset the stream ({code})"),
        _ => "reset the connection (RST)".to_owned(),
    };
    let came = match seen.bytes_received {
        0 => "without a byte of an answer".to_owned(),
        _ if seen.only_interim => {
            format!("after {} and without an answer", nothing_but(&seen).unwrap_or_default())
        }
        _ if seen.closed == Some(Closed::StreamReset) => "without an answer".to_owned(),
        bytes => format!("{bytes} bytes into the head of an answer"),
    };
    let summary = format!(
        "{} {how} {} after the request ({} bytes), {came} to {}",
        peer(&seen),
        since_sent(&seen),
        seen.bytes_sent,
        asked(&seen)
    );
    let finding =
        Finding::new(at, &seen, summary).behind(Behind::BROKEN).next(seen.curl()).next(capture(&seen));
    // Nothing between speaks on a stream of HTTP/2.
    let finding = match seen.closed {
        Some(Closed::StreamReset) => finding.blaming(Blame::Far),
        _ => finding,
    };
    Ok(match words(&seen) {
        Some(words) => finding.error(words),
        None => finding,
    })
}

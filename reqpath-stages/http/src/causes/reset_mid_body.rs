//! `response.reset_mid_body`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, capture, ended, peer, words};
use crate::evidence::{Closed, End};

cause! {
    /// The answer began, and the connection was reset before it was whole.
    ///
    /// Whoever sent the reset threw the connection away with bytes still to come: a process that
    /// died, a proxy told to reset (`reset_timedout_connection`), a load balancer or firewall whose
    /// idle or total time for the connection was over, a device that dislikes what flows.
    /// Over HTTP/2 it may be the stream alone (`RST_STREAM`), whose code says why.
    /// A close in order is `response.truncated`; a reset before the head of the answer is
    /// `http.response.reset`.
    ///
    /// # What to do
    ///
    /// Repeat, and compare where it ends: always at the same byte points to content or size, always
    /// after the same time points to a timer.
    /// Capture on both sides: a reset that the far host never sent comes from something between.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/big"}, "status": 200, "end": "reset_mid_body",
    ///             "closed": "rst", "ended_us": 60010000,
    ///             "body": {"coding": "length", "promised": 900000, "received": 4096},
    ///             "error": "error reading a body from connection: Connection reset by peer (os error 104)"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true, "arrived": "yes"}}
    /// ]}
    /// ```
    pub static RESET_MID_BODY: "response.reset_mid_body" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Leg),
        twins(&["response.truncated", "http.response.reset", "response.stalled"]),
        kills_in(&["http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::ResetMidBody])?;
    let body = seen.body.clone().unwrap_or_default();
    let of = body.promised.map_or_else(String::new, |promised| format!(" of {promised}"));
    let what = match (seen.closed, &seen.h2_code) {
        (Some(Closed::StreamReset), Some(code)) => format!("the stream was reset ({code})"),
        (Some(Closed::StreamReset), None) => "the stream was reset".to_owned(),
        _ => "the connection was reset (RST)".to_owned(),
    };
    let summary = format!(
        "{what} after {}{of} bytes of the answer of {} to {}, {} after the start",
        body.received,
        peer(&seen),
        asked(&seen),
        seen.ended_us.unwrap_or_default()
    );
    let finding =
        Finding::new(at, &seen, summary).behind(Behind::ANYTHING).next(seen.curl()).next(capture(&seen));
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

//! `proxy.rate_limited`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::own::{by_answer, finding, own, reason};
use super::told::{passage, placed};
use crate::evidence::Fault;

cause! {
    /// A proxy shed the request: so many in this time are too many for it.
    ///
    /// The request never reached the application: the proxy answered 429 or 503 itself, and its error log names the limit,
    /// its access log nobody behind it, or the answer is its own. A 429 or 503 that came from the application is the
    /// application's; a 503 without a line of a limit may be anything.
    ///
    /// # What to do
    ///
    /// See by what the limit counts (behind a load balancer every client may have one address), and who spends it.
    /// A probe of many samples may itself be what meets the limit: repeat with one.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange", "subject": {"leg": {"from": "client", "to": "edge", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "status": 503, "end": "complete"}},
    ///   {"kind": "proxy.error", "subject": {"leg": {"from": "edge", "to": "shop", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/error.log", "level": "error",
    ///             "message": "limiting requests, excess: 1.000 by zone \"one\""}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 503"}}
    /// ]}
    /// ```
    pub static RATE_LIMITED: "proxy.rate_limited" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.authorization_denied", "proxy.destination_unavailable", "http.error"]),
    }
}

/// Proxies of other makes answer with these.
const WORDS: &[&str] = &["local_rate_limited", "API rate limit exceeded"];

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    if let Some(line) = reason(case, at, Fault::RateLimited) {
        let found = passage(case, at, &line.hop);
        let status = found.as_ref().and_then(|passage| passage.status);
        if status.is_some_and(|status| status < 400) {
            return Err(case.not(&line, || format!("{} answered all the same", line.hop)));
        }
        let wanted = |status| case.target().expect().status.iter().any(|range| range.holds(status));
        if status.is_some_and(wanted) {
            return Err(case.not(&line, || "that was expected"));
        }
        let summary =
            format!("{} shed the request itself, as its error log says (\"{}\")", line.hop, line.words());
        let finding = Finding::new(at, &line, summary).error(line.words());
        let finding = match &found {
            Some(passage) => finding.citing(passage),
            None => finding,
        };
        return Ok(placed(finding.blaming(End::Near), at, &line.hop));
    }
    match own(case, at, &[429]) {
        Err(Decline::Absent) => by_answer(case, at, &[429, 503], WORDS),
        Err(Decline::Not { because, cites }) => Err(Decline::Not { because, cites }),
        own => Ok(finding(at, &own?, "it takes no more requests in this time")),
    }
}

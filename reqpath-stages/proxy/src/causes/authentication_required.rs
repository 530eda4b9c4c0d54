//! `proxy.authentication_required`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::own::{by_answer, finding, own, reason};
use super::told::{passage, placed};
use crate::evidence::Fault;

cause! {
    /// A proxy wants to know who asks, and answered 401 itself.
    ///
    /// The request carries no credentials that the proxy accepts, and never reached the application: the proxy's log names
    /// nobody behind it, or the answer is its plugin's own. A 401 that came from the application is the application's.
    /// Requests that enter further in go without credentials unless a hop is marked for them; a 401 to those says nothing.
    ///
    /// # What to do
    ///
    /// Send the credentials that this proxy wants (`WWW-Authenticate` says which kind); see whether a hop before drops the header.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange", "subject": {"leg": {"from": "client", "to": "edge", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "status": 401, "end": "complete"}},
    ///   {"kind": "proxy.access", "subject": {"leg": {"from": "edge", "to": "shop", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/access.log", "status": 401, "tells_upstream": true}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 401"}}
    /// ]}
    /// ```
    pub static AUTHENTICATION_REQUIRED: "proxy.authentication_required" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.authorization_denied", "http.error"]),
    }
}

/// APISIX's plugins answer with these.
const WORDS: &[&str] = &[
    "Missing API key",
    "Invalid API key",
    "Missing JWT token",
    "JWT token invalid",
    "missing user key in JWT token",
    "Invalid user key in JWT token",
    "failed to verify jwt",
    "Missing authorization in request",
    "Invalid user authorization",
];

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let own = match own(case, at, &[401, 407]) {
        Err(Decline::Absent) => return by_line(case, at).or_else(|_| by_answer(case, at, &[401], WORDS)),
        own => own?,
    };
    let found = finding(at, &own, "it wants to know who asks");
    Ok(match reason(case, at, Fault::Unauthenticated) {
        Some(line) => found.citing(&line).error(line.words()),
        None => found,
    })
}

/// Where the access log does not tell whom it asked, but the error log tells what it refused.
fn by_line(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let line = reason(case, at, Fault::Unauthenticated).ok_or(Decline::Absent)?;
    let passage = passage(case, at, &line.hop).filter(|passage| passage.status == Some(401));
    let passage = passage.ok_or(Decline::Absent)?;
    if case.target().expect().status.iter().any(|range| range.holds(401)) {
        return Err(case.not(&passage, || "401 was expected"));
    }
    let summary = format!("{} answered 401 itself, as its error log says (\"{}\")", line.hop, line.words());
    let finding = Finding::new(at, &line, summary).citing(&passage).error(line.words()).blaming(End::Near);
    Ok(placed(finding, at, &line.hop))
}

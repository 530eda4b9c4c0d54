//! `proxy.authorization_denied`

use reqpath_core::{Case, Decline, End, Finding, HopKind, Scope, Subject, cause};

use super::own::{by_answer, error_log, finding, own};
use crate::evidence::LoggedError;

cause! {
    /// A proxy does not allow this request, and answered 403 itself.
    ///
    /// The request never reached the application: the proxy's log names nobody behind it, or the answer is its plugin's own.
    /// A rule about the address that asks leaves a line of its own in nginx's error log (`access forbidden by rule`), a
    /// missing file another; with either of them this is not named, and without that log it cannot be told.
    /// A 403 that came from the application is the application's.
    ///
    /// # What to do
    ///
    /// Find the plugin, the `auth_request` or the rule that refused, by the proxy's configuration for this host and path.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange", "subject": {"leg": {"from": "client", "to": "edge", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "status": 403, "end": "complete"}},
    ///   {"kind": "proxy.access", "subject": {"leg": {"from": "edge", "to": "shop", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/access.log", "status": 403, "tells_upstream": true}},
    ///   {"kind": "proxy.log", "subject": {"hop": "edge"},
    ///    "data": {"kind": "error_log", "log": "/var/log/nginx/error.log", "bytes": 4096, "holds_errors": true}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 403"}}
    /// ]}
    /// ```
    pub static AUTHORIZATION_DENIED: "proxy.authorization_denied" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.authentication_required", "proxy.rate_limited", "http.error"]),
    }
}

/// APISIX's plugins answer with these.
const WORDS: &[&str] = &[
    "Your IP address is not allowed",
    "is forbidden.",
    "Your referer host is not allowed",
    "Not allowed",
    "RBAC: access denied",
    "Request forbidden by administrative rules.",
];

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let own = match own(case, at, &[403]) {
        Err(Decline::Absent) => return by_answer(case, at, &[403], WORDS),
        own => own?,
    };
    let other =
        case.of::<LoggedError>(&at.any_address()).filter(|line| line.hop == own.hop.id.as_str()).last();
    if let Some(line) = other {
        return Err(case.not(&line, || format!("{} logged \"{}\"", line.hop, line.words())));
    }
    let found = finding(at, &own, "it does not allow this request");
    if own.hop.kind == HopKind::Apisix {
        return Ok(found);
    }
    match error_log(case, own.hop) {
        Some(log) => Ok(found.citing(&log)),
        None => Err(Decline::needs(format!("the error log of {}: name it in its `sources`", own.hop.id))),
    }
}

//! `proxy.no_resolver`

use reqpath_core::{Behind, Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::told;
use crate::evidence::Fault;

cause! {
    /// The proxy has to look up a name while it runs, and has no nameserver to ask.
    ///
    /// A variable in nginx's `proxy_pass` makes it resolve the name for each request, and no `resolver` is set; the
    /// system's resolver is used only for names that are resolved when the configuration is read.
    ///
    /// # What to do
    ///
    /// Add `resolver ADDRESS valid=10s;` with the nameserver of that place, or take the variable out.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange", "subject": {"leg": {"from": "client", "to": "edge", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "status": 502, "end": "complete"}},
    ///   {"kind": "proxy.error", "subject": {"leg": {"from": "edge", "to": "shop", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/error.log", "level": "error",
    ///             "message": "no resolver defined to resolve shop.internal"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static NO_RESOLVER: "proxy.no_resolver" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.dns_error", "proxy.dns_timeout"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::NoResolver, |hop, whom| {
        format!("{hop} must look up {whom} and has no `resolver`")
    })?;
    Ok(finding.behind(Behind::NOTHING))
}

//! `proxy.connect_route`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{BROKEN, dial, told};
use crate::evidence::Fault;

cause! {
    /// The proxy has no way to the address of the one it asks.
    ///
    /// Its own kernel, or a router, said at once that the host or the network cannot be reached: a missing route, a
    /// host that does not answer ARP, a rule that rejects, or forbids the proxy to send there.
    /// A packet that is dropped in silence is `proxy.connection_timeout`.
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=destination_ip_unroutable`.
    ///
    /// # What to do
    ///
    /// On the proxy's host: `ip route get ADDRESS`, `ip neigh`, and the packet filter's reject rules.
    /// See whether the address is still one of the service at all.
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
    ///   {"kind": "proxy.error", "subject": {"leg": {"from": "edge", "to": "shop", "address": "10.0.0.7:8080", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/error.log", "level": "error",
    ///             "message": "connect() failed (113: No route to host)", "number": 113,
    ///             "action": "connecting to upstream", "upstream": "http://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static CONNECT_ROUTE: "proxy.connect_route" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Leg),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.connection_timeout", "proxy.connection_refused"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::ConnectRoute, |hop, whom| format!("{hop} has no way to {whom}"))?;
    Ok(dial(finding.behind(BROKEN)))
}

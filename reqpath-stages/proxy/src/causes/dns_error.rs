//! `proxy.dns_error`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{BROKEN, told};
use crate::evidence::Fault;

cause! {
    /// The proxy's own look-up of the name behind it failed.
    ///
    /// The nameserver answered, and its answer has no address: the name does not exist there, the server failed or
    /// refused. nginx at run time asks the servers of its `resolver` alone: it reads no hosts file and appends no
    /// search domains, so a short name that every other program resolves may fail there.
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=dns_error`.
    ///
    /// # What to do
    ///
    /// Ask the nameserver of the proxy's `resolver` line for the name exactly as it is written (`dig @SERVER NAME`).
    /// In a cluster write the full name: `app.namespace.svc.cluster.local`.
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
    ///             "message": "shop.internal could not be resolved (3: Host not found)", "number": 3}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static DNS_ERROR: "proxy.dns_error" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.dns_timeout", "proxy.no_resolver", "proxy.connection_refused"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding =
        told(case, at, Fault::DnsError, |hop, whom| format!("{hop} looked up {whom} and got no address"))?;
    Ok(finding.behind(BROKEN))
}

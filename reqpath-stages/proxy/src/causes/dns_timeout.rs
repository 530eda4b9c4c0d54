//! `proxy.dns_timeout`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{SILENT, told};
use crate::evidence::Fault;

cause! {
    /// Nobody answered the proxy's own look-up of the name behind it.
    ///
    /// The nameservers of the proxy's `resolver` line did not answer in `resolver_timeout`: they are gone, not to be
    /// reached from there, or drop the query. Nothing was sent to the upstream at all.
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=dns_timeout`.
    ///
    /// # What to do
    ///
    /// Ask each nameserver of the `resolver` line from the proxy's own place (`dig @SERVER NAME`).
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
    ///             "message": "shop.internal could not be resolved (110: Operation timed out)", "number": 110}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static DNS_TIMEOUT: "proxy.dns_timeout" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        silent(),
        explains(&["http.error", "http.response.unexpected", "http.response.timed_out"]),
        twins(&["proxy.dns_error", "proxy.no_resolver", "proxy.connection_timeout"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding =
        told(case, at, Fault::DnsTimeout, |hop, whom| format!("nobody answered {hop}'s look-up of {whom}"))?;
    Ok(finding.behind(SILENT))
}

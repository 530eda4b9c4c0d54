//! `proxy.connection_timeout`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{SILENT, dial, told};
use crate::evidence::Fault;

cause! {
    /// The proxy's connection to the one it asks did not come about in its time.
    ///
    /// The SYN, or the TLS handshake after it, was not answered: a packet filter drops it, the host is gone, the
    /// accept queue is full. That nobody answered is known; whether the host or something before it swallowed the
    /// packets is not, so the leg is blamed.
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=connection_timeout`.
    ///
    /// # What to do
    ///
    /// Dial the address from the proxy's own place, and see in a capture on the other host whether the SYN arrives.
    /// Do not raise the proxy's connect timeout first: a connection that takes longer than a second is not slow, it is lost.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange", "subject": {"leg": {"from": "client", "to": "edge", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "status": 504, "end": "complete"}},
    ///   {"kind": "proxy.error", "subject": {"leg": {"from": "edge", "to": "shop", "address": "10.0.0.7:8080", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/error.log", "level": "error",
    ///             "message": "upstream timed out (110: Connection timed out)", "number": 110,
    ///             "action": "connecting to upstream", "upstream": "http://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 504"}}
    /// ]}
    /// ```
    pub static CONNECTION_TIMEOUT: "proxy.connection_timeout" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Leg),
        silent(),
        explains(&["http.error", "http.response.unexpected", "http.response.timed_out"]),
        twins(&["proxy.connection_refused", "proxy.http_response_timeout", "proxy.connect_route"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::ConnectionTimeout, |hop, whom| {
        format!("{hop} got no connection to {whom} in its time")
    })?;
    Ok(dial(finding.behind(SILENT)))
}

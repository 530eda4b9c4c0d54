//! `proxy.http_response_timeout`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{SILENT, told};
use crate::evidence::Fault;

cause! {
    /// The one asked accepted the connection and did not answer in the proxy's time.
    ///
    /// The request was sent, and no head of an answer came: the application works or waits, for a lock, a database, a
    /// free worker. The network is not the matter, for the connection came about.
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=http_response_timeout`.
    ///
    /// # What to do
    ///
    /// Find out what the application waited for at this second, and measure its dependencies, before the timeout is raised.
    /// Send the same request to it directly and see how long it takes.
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
    ///             "action": "reading response header from upstream", "upstream": "http://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 504"}}
    /// ]}
    /// ```
    pub static HTTP_RESPONSE_TIMEOUT: "proxy.http_response_timeout" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        silent(),
        explains(&["http.error", "http.response.unexpected", "http.response.timed_out"]),
        twins(&["proxy.connection_timeout", "proxy.connection_terminated", "pod.slow"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::HttpResponseTimeout, |hop, whom| {
        format!("{whom} took {hop}'s request and did not answer in its time")
    })?;
    Ok(finding.behind(SILENT))
}

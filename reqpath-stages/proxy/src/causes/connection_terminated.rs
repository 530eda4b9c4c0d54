//! `proxy.connection_terminated`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{BROKEN, told};
use crate::evidence::Fault;

cause! {
    /// The connection ended after the proxy had sent the request and before an answer began.
    ///
    /// Whoever was asked accepted the connection and then closed or reset it: a worker crashed or was killed, a
    /// limit of its own closed it, it speaks TLS and was sent plain HTTP, or the proxy used a kept connection that the
    /// other side was just closing (`proxy.keepalive_race`).
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=connection_terminated`.
    ///
    /// # What to do
    ///
    /// Look into the log of the one asked at this second: a crash, an out-of-memory kill, a worker timeout.
    /// Send the same request there directly, past the proxy.
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
    ///             "message": "upstream prematurely closed connection",
    ///             "action": "reading response header from upstream", "upstream": "http://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static CONNECTION_TERMINATED: "proxy.connection_terminated" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.keepalive_race", "proxy.connection_refused", "proxy.http_response_incomplete"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::ConnectionTerminated, |hop, whom| {
        format!("{whom} took {hop}'s request and ended the connection without an answer")
    })?;
    Ok(finding.behind(BROKEN))
}

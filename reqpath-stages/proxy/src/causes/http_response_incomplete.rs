//! `proxy.http_response_incomplete`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{EITHER, told};
use crate::evidence::Fault;

cause! {
    /// The one asked began to answer and ended, or stopped, before the answer was whole.
    ///
    /// The head had come, and perhaps been passed on: then the client sees a good status and a body that is cut short.
    /// A worker was killed while it wrote, a buffer or disk was full, or a limit cut it.
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=http_response_incomplete`.
    ///
    /// # What to do
    ///
    /// Look into the application's log at this second, and send the same request there directly, past the proxy, to its last byte.
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
    ///             "message": "upstream prematurely closed connection", "action": "reading upstream",
    ///             "upstream": "http://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static HTTP_RESPONSE_INCOMPLETE: "proxy.http_response_incomplete" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        explains(&["http.error", "http.response.unexpected", "response.truncated", "response.reset_mid_body",
                   "response.stalled"]),
        twins(&["proxy.connection_terminated", "proxy.http_response_timeout"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::HttpResponseIncomplete, |hop, whom| {
        format!("{whom} began to answer {hop} and did not end")
    })?;
    Ok(finding.behind(EITHER))
}

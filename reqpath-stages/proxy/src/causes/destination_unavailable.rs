//! `proxy.destination_unavailable`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{EITHER, told};
use crate::evidence::Fault;

cause! {
    /// The proxy asked nobody, for all it could ask are marked down.
    ///
    /// Earlier requests failed at each server of the group, so none is tried for a while (`max_fails`, `fail_timeout`,
    /// health checks); or the group's name resolved to nothing. What marked them down is the real matter, and lies
    /// before this request; with one slow server of two this takes the good one out as well.
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=destination_unavailable`.
    ///
    /// # What to do
    ///
    /// Read back in the error log to the first failures of each server, and try each server directly.
    /// See whether a few failures should take a server out at all (`max_fails=0`, `proxy_next_upstream error`).
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
    ///             "message": "no live upstreams", "action": "connecting to upstream", "upstream": "http://shop/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static DESTINATION_UNAVAILABLE: "proxy.destination_unavailable" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.connection_refused", "proxy.connection_timeout", "proxy.http_response_timeout"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::DestinationUnavailable, |hop, whom| {
        format!("{hop} has nobody left to ask: all of {whom} are marked down")
    })?;
    // One that failed takes with it every node or proxy that it was asked through.
    let mut behind = EITHER;
    behind.of_a_part = true;
    Ok(finding.behind(behind))
}

//! `proxy.connection_refused`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{BROKEN, dial, told};
use crate::evidence::Fault;

cause! {
    /// The proxy was refused the connection to the one it asks.
    ///
    /// Something answered the SYN at once with a reset: the host is there, and nothing listens on that port; or the
    /// socket's file is missing. The application has not started, has crashed, listens on another port or on
    /// loopback only, or the proxy keeps an address that now belongs to somebody else.
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=connection_refused`.
    ///
    /// # What to do
    ///
    /// See on that host what listens (`ss -ltnp`), and whether the address is still the right one.
    /// Where a later try at another server was answered, this is a warning: every request to the dead one costs a try.
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
    ///             "message": "connect() failed (111: Connection refused)", "number": 111,
    ///             "action": "connecting to upstream", "upstream": "http://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static CONNECTION_REFUSED: "proxy.connection_refused" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.connection_timeout", "proxy.connect_route", "proxy.connection_terminated"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::ConnectionRefused, |hop, whom| {
        format!("nothing accepts {hop}'s connections at {whom}")
    })?;
    Ok(dial(finding.behind(BROKEN)))
}

//! `proxy.tls_protocol_error`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{BROKEN, told};
use crate::evidence::Fault;

cause! {
    /// The proxy's TLS handshake with the one it asks failed.
    ///
    /// The other side speaks no TLS on that port, has no version or suite in common, or wants a server name: nginx sends
    /// none unless `proxy_ssl_server_name on`, and many hosts refuse a handshake without (alert 40 or 112).
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=tls_protocol_error`.
    ///
    /// # What to do
    ///
    /// Shake hands from the proxy's place with and without a server name (`openssl s_client -connect … -servername …`,
    /// `-noservername`), and see whether the port speaks plain HTTP.
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
    ///             "message": "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number)",
    ///             "action": "SSL handshaking to upstream", "upstream": "https://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static TLS_PROTOCOL_ERROR: "proxy.tls_protocol_error" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Leg),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.tls_certificate_error", "proxy.connection_timeout", "proxy.connection_terminated"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::TlsProtocolError, |hop, whom| {
        format!("{hop}'s TLS handshake with {whom} failed")
    })?;
    Ok(finding.behind(BROKEN))
}

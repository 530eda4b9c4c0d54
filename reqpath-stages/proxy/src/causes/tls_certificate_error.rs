//! `proxy.tls_certificate_error`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::{BROKEN, told};
use crate::evidence::Fault;

cause! {
    /// The proxy does not accept the certificate of the one it asks.
    ///
    /// The proxy verifies (`proxy_ssl_verify on`), and the certificate is expired, signed by somebody it does not trust, or
    /// for another name than the one it asks for (`proxy_ssl_name`, by default the host of `proxy_pass`).
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=tls_certificate_error`.
    ///
    /// # What to do
    ///
    /// Look at the certificate from the proxy's place (`openssl s_client -connect … -servername … -showcerts`) and compare its
    /// names, dates and issuer with `proxy_ssl_name` and `proxy_ssl_trusted_certificate`.
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
    ///             "message": "upstream SSL certificate verify error: (10:certificate has expired)",
    ///             "action": "SSL handshaking to upstream", "upstream": "https://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static TLS_CERTIFICATE_ERROR: "proxy.tls_certificate_error" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.tls_protocol_error"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::TlsCertificateError, |hop, whom| {
        format!("{hop} does not accept the certificate of {whom}")
    })?;
    Ok(finding.behind(BROKEN))
}

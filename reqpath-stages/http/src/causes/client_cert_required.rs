//! `tls.client_cert_required`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use crate::evidence::Exchange;

use super::client_certificate::{handshake, said, shaking};

/// Alerts by which a server says that it misses a certificate: handshake_failure, no_certificate,
/// bad_certificate, certificate_unknown, access_denied, certificate_required.
const ALERTS: [u8; 6] = [40, 41, 42, 46, 49, 116];
/// What servers write that complete the handshake and refuse the request.
const TEXTS: [&str; 2] = ["No required SSL certificate was sent", "SSL client certificate is required"];

cause! {
    /// The server wants a client certificate (mTLS), and none was shown.
    ///
    /// In the handshake the server asked for a certificate (CertificateRequest).
    /// With TLS 1.2 it refuses the handshake; with TLS 1.3 our handshake is over before it can, so that
    /// the refusal, alert 116, comes with the first byte we read; and nginx completes the handshake
    /// in any case and answers the request with a 400 that says so.
    /// Servers may also ask and do without: then nothing is refused.
    ///
    /// # What to do
    ///
    /// Show one: `--cert client.pem --key client.key`.
    /// The authorities the server accepts stand in its CertificateRequest:
    /// `openssl s_client -connect HOST:443 </dev/null | sed -n '/Acceptable client/,/^---/p'`.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "completed", "version": "TLSv1.3",
    ///             "certificate_request": {"authorities": 1, "first": ["CN=Robots"]}}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"request": {"url": "https://server.example/"}, "secured": true, "end": "failed", "closed": "failed",
    ///             "error": "connection error: received fatal alert: CertificateRequired"}},
    ///   {"kind": "tls.alert",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"number": 116, "name": "certificate_required",
    ///             "words": "received fatal alert: CertificateRequired"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true}}
    /// ]}
    /// ```
    pub static CLIENT_CERT_REQUIRED: "tls.client_cert_required" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Near),
        explains(&["tls.protocol.error", "tls.version_or_cipher_mismatch", "tcp.reset", "tcp.closed", "http.*"]),
        twins(&["tls.client_cert_rejected", "http.error", "tls.protocol.error"]),
        kills_in(&["tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let handshake = handshake(case, at)?;
    if handshake.certificate_sent {
        return Err(Decline::not("a client certificate was shown", &handshake));
    }
    let Some(request) = &handshake.certificate_request else {
        return Err(Decline::not("the server did not ask for a client certificate", &handshake));
    };
    let Some(said) = said(case, at, &ALERTS, &TEXTS)? else {
        let broke = case.of::<Exchange>(at).any(|exchange| exchange.end.is_some() && !exchange.answered());
        return Err(if broke {
            // A reset may have overtaken the alert that would have said so.
            Decline::needs("--cert client.pem --key client.key   # the server asked for a client certificate")
        } else {
            Decline::not("the server asked for a client certificate and did without", &handshake)
        });
    };
    let accepts = match (request.authorities, request.first.first()) {
        (0, _) | (_, None) => String::new(),
        (1, Some(first)) => format!("; it accepts those of `{first}`"),
        (count, Some(first)) => format!("; it accepts those of {count} authorities, `{first}` among them"),
    };
    let summary =
        format!("the server wants a client certificate and none was sent: it {}{accepts}", said.words());
    let finding = said.finding(at, summary).next(shaking(case, &handshake));
    Ok(if said.id() == handshake.id() { finding } else { finding.citing(&handshake) })
}

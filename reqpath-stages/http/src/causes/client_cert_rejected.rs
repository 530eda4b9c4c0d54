//! `tls.client_cert_rejected`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::client_certificate::{certificate, handshake, said, shaking};

/// Alerts by which a server refuses a certificate: handshake_failure, bad, unsupported, revoked, expired,
/// unknown, unknown_ca, access_denied, decrypt_error.
const ALERTS: [u8; 9] = [40, 42, 43, 44, 45, 46, 48, 49, 51];
/// What servers write that complete the handshake and refuse the request.
const TEXTS: [&str; 2] = ["The SSL certificate error", "SSL client certificate verification failed"];

cause! {
    /// A client certificate was shown, and the server does not accept it.
    ///
    /// It comes from an authority the server does not know, is expired or revoked, is not meant for
    /// clients (extended key usage), or lacks its intermediate.
    /// The alert often says which: 48 unknown authority, 45 expired, 44 revoked, 42 and 43 unfit.
    /// nginx completes the handshake in any case and answers with a 400 that says only
    /// `The SSL certificate error`; the reason stands in its error log.
    ///
    /// # What to do
    ///
    /// Compare the issuer of the certificate (`openssl x509 -in client.pem -noout -issuer -dates -ext extendedKeyUsage`)
    /// with the authorities in the server's CertificateRequest, and put the intermediates into the
    /// file given with `--cert`.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "completed", "version": "TLSv1.3",
    ///             "certificate_sent": true,
    ///             "certificate_request": {"authorities": 1, "first": ["CN=Robots"]}}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"request": {"url": "https://server.example/"}, "secured": true, "version": "HTTP/1.1", "status": 400,
    ///             "end": "complete", "headers": [["server", "nginx"]],
    ///             "body": {"start": "<html><head><title>400 The SSL certificate error</title></head><body><center><h1>400 Bad Request</h1></center><center>The SSL certificate error</center><hr><center>nginx</center></body></html>"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes"}}
    /// ]}
    /// ```
    pub static CLIENT_CERT_REJECTED: "tls.client_cert_rejected" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Near),
        explains(&["tls.protocol.error", "tls.version_or_cipher_mismatch", "tcp.reset", "tcp.closed", "http.*"]),
        twins(&["tls.client_cert_required", "http.error", "tls.protocol.error"]),
        kills_in(&["tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let handshake = handshake(case, at)?;
    if !handshake.certificate_sent {
        return Err(Decline::not("no client certificate was shown", &handshake));
    }
    let Some(said) = said(case, at, &ALERTS, &TEXTS)? else {
        return Err(Decline::not("the client certificate was accepted", &handshake));
    };
    let summary = format!("the server does not accept our client certificate: it {}", said.words());
    let finding = said
        .finding(at, summary)
        .next(format!(
            "openssl x509 -in {} -noout -subject -issuer -dates -ext extendedKeyUsage",
            certificate(case)
        ))
        .next(format!("{} | sed -n '/Acceptable client/,/^---/p'", shaking(case, &handshake)));
    Ok(if said.id() == handshake.id() { finding } else { finding.citing(&handshake) })
}

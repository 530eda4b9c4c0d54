use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{error, failed, made, unless};
use crate::command::openssl;
use crate::evidence::{Ended, Handshake, Purpose};

cause! {
    /// Client and server have no version or cipher suite of TLS in common.
    ///
    /// The server answers our ClientHello with alert 70 (protocol_version), 71 (insufficient_security) or
    /// 40 (handshake_failure), or chooses something that was not offered.
    /// Alert 40 is a word for many things: a server that wants a client certificate, or does not know
    /// the name, sends it as well, and is told apart by its CertificateRequest and by a handshake with another name.
    ///
    /// # What to do
    ///
    /// Let the server speak TLS 1.2 with an ECDHE suite, or TLS 1.3 (`ssl_protocols`, `ssl_ciphers` in nginx).
    /// Servers that speak only older versions have been out of support for years.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "alert",
    ///             "error": "received fatal alert: ProtocolVersion",
    ///             "alert": {"number": 70, "name": "protocol_version"},
    ///             "offer": {"versions": ["TLSv1.2", "TLSv1.3"]}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static VERSION_OR_CIPHER_MISMATCH: "tls.version_or_cipher_mismatch" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tls.unrecognized_name_alert", "tls.client_cert_required", "tls.alpn_mismatch"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen =
        failed(case, at).find(|seen| nothing_in_common(seen)).ok_or_else(|| unless(case, at, why_not))?;
    // Another name with the same offer gets further: the offer is not what it stumbled over.
    for purpose in [Purpose::KnownName, Purpose::WithoutName] {
        if let Some(other) = made(case, at, purpose).filter(|other| !other.chain.is_empty()) {
            let because = match &other.sni {
                Some(name) => format!("the same offer is taken when it is made to `{name}`"),
                None => "the same offer is taken when it names no server".to_owned(),
            };
            return Err(Decline::not(because, &other));
        }
    }
    let offer = &seen.offer;
    let offered = format!("{} with {} cipher suites", offer.versions.join(" and "), offer.suites.len());
    let summary = match &seen.alert {
        Some(alert) => format!("the server ended the handshake by {alert}; we offered {offered}"),
        None => format!("the server chose what we cannot speak; we offered {offered}"),
    };
    let port = seen.subject().address().map_or(443, |peer| peer.port());
    Ok(Finding::new(at, &seen, summary)
        .error(error(&seen))
        .next(format!("nmap --script ssl-enum-ciphers -p {port} {}", reqpath_core::quoted(&seen.host)))
        .next(format!("{} -tls1_1", openssl(&seen, seen.subject()).replace(" </dev/null", ""))))
}

fn nothing_in_common(handshake: &Handshake) -> bool {
    match handshake.ended {
        Some(Ended::Incompatible) => true,
        Some(Ended::Alert) => match handshake.alert.as_ref().map(|alert| alert.number) {
            Some(70 | 71 | 86) => true,
            Some(40) => handshake.certificate_request.is_none() && handshake.chain.is_empty(),
            _ => false,
        },
        _ => false,
    }
}

fn why_not(handshake: &Handshake) -> Option<String> {
    if handshake.certificate_request.is_some() {
        return Some(
            "version and suite were agreed on: the server asked for a client certificate".to_owned(),
        );
    }
    match (&handshake.version, handshake.chain.is_empty()) {
        (None, true) => None,
        _ => Some("version and suite were agreed on: the server showed its certificate".to_owned()),
    }
}

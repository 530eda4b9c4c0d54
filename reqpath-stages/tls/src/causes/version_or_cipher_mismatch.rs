use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{error, failed, made, unless};
use crate::command::{openssl_brief, openssl_older};
use crate::evidence::{Ended, Handshake, Purpose, WiderOffer};

cause! {
    /// Client and server have no version of TLS in common, or no cipher suite, group or signature scheme.
    ///
    /// With alert 70 (protocol_version) it is the version.
    /// Alert 40 (handshake_failure) and 71 (insufficient_security) only say that one of the sets which the
    /// client offers holds nothing for this server; for signature schemes that is decided by the server's key.
    /// Which set it is they do not say: this client offers fewer than most, and other clients may well be served.
    /// It has suites of TLS 1.3, and ECDHE with AES-GCM or ChaCha20-Poly1305; no CBC, no DHE, no RSA for the
    /// exchange of keys; no group P-521 or X448; no keys of P-521, Ed448 or RSASSA-PSS, and no SHA-1.
    /// So the server is made a far wider offer, and what it chooses of that is compared with what this client has.
    /// Alert 40 is a word for more than that: a server that wants a client certificate, or does not know
    /// the name, sends it as well, and is told apart by its CertificateRequest and by a handshake with another name.
    ///
    /// # What to do
    ///
    /// See with a client that offers more what the server chooses: version, suite, group, kind of signature.
    /// Where it chooses none of what this client offers, either add one of those to the server (TLS 1.3, or
    /// TLS 1.2 with ECDHE and AES-GCM; X25519 or P-256; an EC P-256 or RSA key: `ssl_protocols`,
    /// `ssl_ciphers`, `ssl_ecdh_curve` and the certificate in nginx), or use clients that have what it wants.
    /// Servers that speak only versions before TLS 1.2 have been out of support for years.
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
    let wider = case.of::<WiderOffer>(at).find(|wider| wider.alert.is_some() || wider.version.is_some());
    let wider = wider.filter(|_| seen.alert.is_some());
    let (told, whose) = match &wider {
        Some(wider) => answered(&seen, wider),
        None => told(&seen),
    };
    let ended = match &seen.alert {
        Some(alert) => format!("the server ended the handshake by {alert}"),
        None => "the server chose what this client did not offer".to_owned(),
    };
    let mut finding = Finding::new(at, &seen, format!("{ended}{told}")).error(error(&seen)).blaming(whose);
    if let Some(wider) = &wider {
        finding = finding.citing(wider);
    }
    if !about_the_version(&seen) {
        return Ok(finding.next(openssl_brief(&seen, seen.subject())));
    }
    if seen.tunnel.is_none() {
        let port = seen.subject().address().map_or(443, |peer| peer.port());
        let host = reqpath_core::quoted(&seen.host);
        finding = finding.next(format!("nmap --script ssl-enum-ciphers -p {port} {host}"));
    }
    Ok(finding.next(openssl_older(&seen, seen.subject())))
}

/// What the handshake tells by itself, and who is to blame.
fn told(seen: &Handshake) -> (String, End) {
    let sets = sets(seen).join(", ");
    if about_the_version(seen) {
        let versions = seen.offer.versions.join(" and ");
        return (format!(": it speaks no version that this client offers ({versions})"), End::Far);
    }
    if seen.alert.is_none() {
        return (format!(" ({sets})"), End::Far);
    }
    let agreed = if seen.hello_seen { ", after it had agreed on version and suite" } else { "" };
    let told = format!(
        "{agreed}: one of the sets that this client offers holds nothing for it ({sets}); \
         clients that offer more may be served"
    );
    // Who lacks what is not known: the server refused, and we offer little.
    (told, End::Leg)
}

/// What its answer to a wider offer tells besides.
fn answered(seen: &Handshake, wider: &WiderOffer) -> (String, End) {
    let chosen = wider.chosen().join(", ");
    let beyond = wider.beyond(&seen.offer);
    if let Some(alert) = &wider.alert {
        let instead = match about_the_version(seen) {
            true => "",
            false => ": it may be the name asked for, or settings of its own that do not fit its key",
        };
        return (format!(", and refuses a far wider offer as well, by {alert}{instead}"), End::Far);
    }
    if let Some(version) = wider.version.as_ref().filter(|version| beyond.contains(&version.as_str())) {
        let versions = seen.offer.versions.join(" and ");
        return (format!(": it speaks {version}, and this client offers {versions}"), End::Far);
    }
    let told = if !beyond.is_empty() {
        format!(
            "; a wider offer it takes, and then chooses {chosen}: this client does not have {}",
            beyond.join(", ")
        )
    } else if wider.signature_scheme.is_none() && wider.version.as_deref() == Some("TLSv1.3") {
        format!(
            "; a wider offer it takes, and then chooses {chosen}, which this client has too: \
             what is left is the signature scheme, and with it the kind of the server's key"
        )
    } else {
        format!("; a wider offer it takes, though it then chooses what this client has too: {chosen}")
    };
    (told, End::Leg)
}

/// What was offered, without the sets that are agreed on.
fn sets(seen: &Handshake) -> Vec<String> {
    let offer = &seen.offer;
    let listed =
        |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(" ")));
    let counted =
        |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{} {what}", names.len()));
    let open = !seen.hello_seen || seen.ended == Some(Ended::Incompatible);
    let sets = [
        open.then(|| listed("versions", &offer.versions)).flatten(),
        open.then(|| counted("cipher suites", &offer.suites)).flatten(),
        listed("groups", &offer.groups),
        counted("signature schemes", &offer.signature_schemes),
    ];
    sets.into_iter().flatten().collect()
}

/// Whether the server said so, or chose one before all that are offered.
fn about_the_version(handshake: &Handshake) -> bool {
    match &handshake.alert {
        Some(alert) => matches!(alert.number, 70 | 86),
        None => error(handshake).contains("ServerDoesNotSupportTls12Or13"),
    }
}

fn nothing_in_common(handshake: &Handshake) -> bool {
    handshake.ended == Some(Ended::Incompatible) || handshake.refuses_the_offer()
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

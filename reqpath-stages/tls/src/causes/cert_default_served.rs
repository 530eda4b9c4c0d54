use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{doubtful, made, unless};
use crate::command::openssl;
use crate::evidence::{Handshake, Purpose};

cause! {
    /// The server does not know the name that was asked for, and serves its default certificate.
    ///
    /// A server that holds many names chooses the certificate by the name in the ClientHello.
    /// For one it does not know it takes the first, or one made for the purpose, such as the
    /// "Kubernetes Ingress Controller Fake Certificate".
    /// It is told from a certificate that was issued for wrong names by two more handshakes: one
    /// without a name gets this very certificate, one with a name that the server does serve gets another.
    /// Whatever else is wrong with the default certificate follows from that: nobody was meant to see it.
    ///
    /// # What to do
    ///
    /// Make the name known to the server: `server_name` in nginx, `hosts` and the secret of an Ingress,
    /// an SSL object with the right `snis` in APISIX.
    /// If it should be known, ask whether the request reaches the server it is meant for.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "refused", "name_fits": false,
    ///             "verification": {"verdict": "refused", "reason": "name_mismatch"},
    ///             "chain": [{"subject": "CN=fallback.example", "names": ["fallback.example"], "sha256": "aa"}]}},
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"purpose": "without_name", "host": "server.example", "ended": "completed",
    ///             "chain": [{"subject": "CN=fallback.example", "sha256": "aa"}]}},
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"purpose": "known_name", "host": "known.example", "sni": "known.example", "ended": "completed",
    ///             "chain": [{"subject": "CN=known.example", "names": ["known.example"], "sha256": "bb"}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CERT_DEFAULT_SERVED: "tls.cert.default_served" = recognise {
        only_in_trouble(),
        blames(End::Far),
        explains(&[
            "tls.cert.name_invalid", "tls.cert.self_signed", "tls.cert.authority_invalid", "tls.cert.date_invalid",
        ]),
        twins(&["tls.cert.name_invalid"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen =
        doubtful(case, at).find(|seen| seen.sni.is_some() && seen.name_misfits()).ok_or_else(|| {
            unless(case, at, |handshake| {
                (handshake.name_fits == Some(true))
                    .then(|| "the certificate is for the name that was asked for".to_owned())
            })
        })?;
    let ours = fingerprint(&seen).ok_or(Decline::Absent)?;
    if let Some(nameless) = made(case, at, Purpose::WithoutName)
        && let Some(theirs) = fingerprint(&nameless)
        && theirs != ours
    {
        let leaf = nameless.chain.leaf().map_or("another", |leaf| leaf.short_name());
        return Err(Decline::not(
            format!("who names nobody gets another certificate, `{leaf}`: this one was chosen for the name"),
            &nameless,
        ));
    }
    let needs_known = || {
        let url = case.target().url_to_type();
        Decline::needs(format!(
            "reqpath trace {url} --known-name NAME   # NAME being one this server does serve"
        ))
    };
    let known = made(case, at, Purpose::KnownName).ok_or_else(needs_known)?;
    let other = fingerprint(&known).ok_or_else(needs_known)?;
    if other == ours {
        return Err(Decline::not(
            format!("the server serves the same certificate for `{}`", known.host),
            &known,
        ));
    }
    let nameless = made(case, at, Purpose::WithoutName).filter(|nameless| fingerprint(nameless).is_some());
    let nameless = nameless.ok_or_else(|| Decline::needs(openssl(&seen, seen.subject())))?;
    let name = |handshake: &Handshake| {
        handshake.chain.leaf().map(|leaf| leaf.short_name().to_owned()).unwrap_or_default()
    };
    let summary = format!(
        "the server does not know `{}` and serves its default certificate `{}`, the one for those who name \
         nobody; for `{}` it serves `{}`",
        seen.host,
        name(&seen),
        known.host,
        name(&known),
    );
    Ok(Finding::new(at, &seen, summary)
        .citing(&nameless)
        .citing(&known)
        .next(openssl(&known, known.subject()))
        .next(openssl(&nameless, nameless.subject())))
}

fn fingerprint(handshake: &Handshake) -> Option<&str> {
    handshake.chain.leaf().map(|leaf| leaf.sha256.as_str()).filter(|sha256| !sha256.is_empty())
}

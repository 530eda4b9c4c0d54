use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{certificate, error, failed};
use super::untrusted::{Untrusted, untrusted};
use crate::command::openssl;

cause! {
    /// The server's certificate is signed by its own key, and nobody else vouches for it.
    ///
    /// Subject and issuer are the same and the signature verifies with the certificate's own key.
    /// Such certificates are made by installers and by `openssl req -x509`; a server that shows one in
    /// public has most likely never been given its real certificate.
    /// A chain that ends in an unknown authority is `tls.cert.authority_invalid`.
    ///
    /// # What to do
    ///
    /// Give the server a certificate of an authority, or, where this one is meant, give this very
    /// certificate to the client as an authority (`--cacert`).
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "refused",
    ///             "error": "invalid peer certificate: UnknownIssuer", "name_fits": true,
    ///             "verification": {"verdict": "refused", "reason": "unknown_issuer"},
    ///             "chain": [{"subject": "CN=server.example", "issuer": "CN=server.example", "self_signed": true}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CERT_SELF_SIGNED: "tls.cert.self_signed" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tls.cert.authority_invalid"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let Some((seen, Untrusted::SelfSigned(leaf))) = untrusted(case, at) else {
        let signed = |seen: &reqpath_core::Seen<'_, crate::evidence::Handshake>| {
            seen.chain.leaf().is_some_and(|leaf| !leaf.self_signed)
        };
        let seen = failed(case, at).find(signed).ok_or(Decline::Absent)?;
        let issuer = seen.chain.leaf().map(|leaf| leaf.short_issuer().to_owned()).unwrap_or_default();
        return Err(Decline::not(format!("the leaf is signed by another, `{issuer}`"), &seen));
    };
    let authority = if leaf.is_authority { ", and is an authority's besides" } else { "" };
    let summary = format!(
        "{} (subject `{}`) is signed by its own key{authority}, and {} does not hold it",
        certificate(&seen),
        leaf.subject,
        seen.trust.name
    );
    Ok(Finding::new(at, &seen, summary).error(error(&seen)).next(openssl(&seen, seen.subject())))
}

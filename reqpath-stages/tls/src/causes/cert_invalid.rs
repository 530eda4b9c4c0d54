use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{error, failed, unless};
use crate::command::openssl;
use crate::evidence::{Handshake, Reason};

cause! {
    /// The server's certificate cannot be used for this, whoever issued it.
    ///
    /// It may be for clients and not for servers, be an authority's own, be signed in a way that is no
    /// longer accepted (SHA-1), hold a critical extension nobody knows, or not be readable at all.
    /// Dates, names and authorities have codes of their own; this is the rest.
    ///
    /// # What to do
    ///
    /// Have a certificate issued for servers (`extendedKeyUsage = serverAuth`, `CA:FALSE`), signed with
    /// SHA-256 or better.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "refused",
    ///             "error": "invalid peer certificate: certificate does not allow extended key usage for server authentication",
    ///             "verification": {"verdict": "refused", "reason": "wrong_purpose"},
    ///             "chain": [{"subject": "CN=robot"}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CERT_INVALID: "tls.cert.invalid" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tls.cert.authority_invalid", "tls.cert.self_signed"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let found = failed(case, at).find_map(|seen| Some((seen, what(seen.evidence())?)));
    let (seen, what) = found.ok_or_else(|| {
        unless(case, at, |handshake| {
            handshake.reasons().next().map(|_| "the certificate can be read and is for servers".to_owned())
        })
    })?;
    let subject = seen.chain.leaf().map(|leaf| leaf.subject.clone()).unwrap_or_default();
    let summary = format!("the certificate for `{}` (subject `{subject}`) {what}", seen.host);
    Ok(Finding::new(at, &seen, summary)
        .error(error(&seen))
        .next(format!("{} | openssl x509 -noout -text", openssl(&seen, seen.subject()))))
}

fn what(handshake: &Handshake) -> Option<&'static str> {
    handshake.reasons().find_map(|reason| match reason {
        Reason::AuthorityAsLeaf if handshake.chain.leaf().is_some_and(|leaf| leaf.self_signed) => None,
        Reason::AuthorityAsLeaf => Some("is an authority's and not a server's"),
        Reason::WrongPurpose => Some("is not for servers"),
        Reason::UnsupportedAlgorithm => Some("is signed in a way that is not accepted"),
        Reason::CriticalExtension => Some("holds a critical extension that the verifier does not know"),
        Reason::Malformed => Some("cannot be read"),
        Reason::Other => Some("was refused for a reason without a name of its own"),
        _ => None,
    })
}

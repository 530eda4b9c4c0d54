use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{certificate, error, unless};
use super::untrusted::{Untrusted, top, untrusted};
use crate::command::openssl;
use crate::evidence::{Completion, Handshake, Reason, Verification};

cause! {
    /// No authority in the client's trust store vouches for the server's certificate.
    ///
    /// Either the certificate comes from a private authority that this client was not told of, or
    /// somebody stands between and shows a certificate of his own, as inspecting proxies do.
    /// An issuer with the right name and another key counts as unknown: it is not the authority it claims to be.
    /// A server that leaves out an intermediate looks the same to a client; it is
    /// `tls.cert.incomplete_chain` once the missing certificate, given or fetched, completes the path.
    ///
    /// # What to do
    ///
    /// If the authority is yours, give it to the client: `--cacert`, the system's store, the trust
    /// bundle of the container image.
    /// If it is nobody you know, find out who answers at that address.
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
    ///             "trust": {"name": "the platform's store", "authorities": 145},
    ///             "chain": [{"subject": "CN=server.example", "issuer": "CN=Office Inspection CA"}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CERT_AUTHORITY_INVALID: "tls.cert.authority_invalid" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tls.cert.incomplete_chain", "tls.cert.self_signed"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let (seen, why) = untrusted(case, at).ok_or_else(|| unless(case, at, trusted))?;
    match why {
        Untrusted::SelfSigned(_) => {
            return Err(Decline::not("the leaf signs itself: no authority is claimed", &seen));
        }
        Untrusted::Incomplete(top, completion) => {
            let because = format!(
                "with the certificate of `{}` added the chain leads to the store",
                top.short_issuer()
            );
            return Err(Decline::not(because, &completion));
        }
        Untrusted::Unknown => {}
    }
    let store = match seen.trust.authorities {
        0 => seen.trust.name.clone(),
        authorities => format!("{} ({authorities} authorities)", seen.trust.name),
    };
    let issuer = issuer(&seen);
    let summary = if seen.refused_for(Reason::BadSignature) {
        format!(
            "{} names {issuer} as its issuer, and another key signed it than the one known by that name in {store}",
            certificate(&seen)
        )
    } else {
        format!("{} was issued by {issuer}, which {store} does not hold", certificate(&seen))
    };
    let mut finding = Finding::new(at, &seen, summary).error(error(&seen)).next(format!(
        "{} | openssl x509 -noout -issuer -ext authorityInfoAccess",
        openssl(&seen, seen.subject())
    ));
    if let Some(completion) = case.of::<Completion>(at).next() {
        finding = finding.citing(&completion);
        if completion.verification.is_none() && top(&seen).is_some_and(|top| !top.issuer_urls.is_empty()) {
            let url = case.target().url_to_type();
            finding = finding.next(format!("reqpath trace {url} --fetch-aia   # is a certificate left out?"));
        }
    }
    Ok(finding)
}

fn issuer(handshake: &Handshake) -> String {
    let last = handshake.chain.path().last();
    last.map_or_else(|| "somebody".to_owned(), |top| format!("`{}`", top.short_issuer()))
}

fn trusted(handshake: &Handshake) -> Option<String> {
    let verified = handshake.verification.as_ref().is_some_and(Verification::leads_to_the_store);
    verified.then(|| format!("the chain leads to {}", handshake.trust.name))
}

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{error, unless};
use super::untrusted::{Untrusted, top, untrusted};
use crate::command::openssl;
use crate::evidence::{Completion, Reason, Verification};

cause! {
    /// The server leaves out an intermediate certificate that leads to a trusted authority.
    ///
    /// Servers must send every certificate between their own and the authority's.
    /// Browsers fetch or remember missing ones and show nothing; programs do not, so "it works in the
    /// browser" is the sign of this fault.
    /// To such a client it looks like an unknown authority.
    /// It is told apart by completing the chain: with the missing certificate, given or fetched from
    /// where the server's own says it is, a path leads to the trust store.
    ///
    /// # What to do
    ///
    /// Serve the whole chain: `fullchain.pem` instead of `cert.pem` in nginx's `ssl_certificate`, leaf
    /// and intermediates in the `tls.crt` of a Kubernetes secret.
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
    ///             "chain": [{"subject": "CN=server.example", "issuer": "CN=R3",
    ///                        "issuer_urls": ["http://r3.i.example/"]}]}},
    ///   {"kind": "tls.completion", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"missing": "CN=R3", "tried": [{"from": "http://r3.i.example/", "subject": "CN=R3"}],
    ///             "verification": {"verdict": "trusted"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CERT_INCOMPLETE_CHAIN: "tls.cert.incomplete_chain" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tls.cert.authority_invalid", "tls.cert.self_signed"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let (seen, why) = untrusted(case, at).ok_or_else(|| {
        unless(case, at, |handshake| {
            let verified = handshake.verification.as_ref().is_some_and(Verification::leads_to_the_store);
            verified.then(|| "the chain as served leads to the store".to_owned())
        })
    })?;
    let (top_served, completion) = match why {
        Untrusted::Incomplete(top, completion) => (top, completion),
        Untrusted::SelfSigned(_) => {
            return Err(Decline::not("the leaf signs itself: nothing is missing above it", &seen));
        }
        Untrusted::Unknown => {
            let Some(top) = top(&seen).filter(|_| seen.refused_for(Reason::UnknownIssuer)) else {
                return Err(Decline::not("the chain is served up to an authority that signs itself", &seen));
            };
            let issuer = top.short_issuer().to_owned();
            if let Some(tried) = case.of::<Completion>(at).find(|tried| tried.verification.is_some()) {
                let because =
                    format!("with the certificate of `{issuer}` added still no path leads to the store");
                return Err(Decline::not(because, &tried));
            }
            let url = case.target().url_to_type();
            return Err(Decline::needs(match top.issuer_urls.is_empty() {
                false => format!("reqpath trace {url} --fetch-aia"),
                true => format!(
                    "the certificate of `{issuer}`, if it is an intermediate that the server left out"
                ),
            }));
        }
    };
    let from = completion.tried.iter().rfind(|tried| tried.problem.is_none());
    let from = match from.map(|tried| tried.from.as_str()) {
        Some("given") | None => "given by the caller".to_owned(),
        Some(url) => format!("fetched from {url}"),
    };
    let served = match seen.chain.certificates().len() {
        1 => "only its own certificate".to_owned(),
        n => format!("{n} certificates"),
    };
    let summary = format!(
        "the server for `{}` sends {served} and leaves out `{}`; with it, {from}, the chain leads to {}",
        seen.host,
        top_served.short_issuer(),
        seen.trust.name
    );
    Ok(Finding::new(at, &seen, summary)
        .citing(&completion)
        .error(error(&seen))
        .next(openssl(&seen, seen.subject())))
}

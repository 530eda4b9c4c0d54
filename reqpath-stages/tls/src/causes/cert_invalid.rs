use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{certificate, doubtful, error, unless};
use crate::command::openssl;
use crate::evidence::{Certificate, Handshake, RSA_BITS, Reason, Verification};

cause! {
    /// The server's certificate is not one that a server may show, or its issuer was not one to issue it.
    ///
    /// The certificate itself may be for clients and not for servers, be an authority's own, be signed in a
    /// way that is no longer accepted (SHA-1), have a key too short, hold a critical extension nobody knows,
    /// or not be readable at all.
    /// Or what stands above it does not carry it: an issuer that is no authority, an authority that may not
    /// vouch for this name (name constraints), or one more authority than another allows below itself (path length).
    /// A signature that this client cannot verify (by a key of P-521 or Ed448) may be a good one; the summary says so.
    /// Dates, names and unknown authorities have codes of their own; this is the rest.
    /// With `-k` nobody looks at any of this; a key by which the handshake could not be verified is a warning then.
    ///
    /// # What to do
    ///
    /// Where it is the certificate: have one issued for servers (`extendedKeyUsage = serverAuth`,
    /// `CA:FALSE`), signed with SHA-256 or better, with an EC key or an RSA key of 2048 bits or more.
    /// Where it is an issuer: see that the one that signed has `CA:TRUE` (a server's own certificate must not
    /// sign others); have the certificate issued by an authority whose name constraints permit its names, or
    /// the constraints widened; leave out the intermediate too many, or have the path length of the one above raised.
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
    let found = doubtful(case, at).find_map(|seen| Some((seen, what(seen.evidence())?)));
    let (seen, (what, whose)) = found.ok_or_else(|| {
        unless(case, at, |handshake| {
            handshake.reasons().next().map(|_| "the certificate can be read and is for servers".to_owned())
        })
    })?;
    let subject = seen.chain.leaf().map(|leaf| leaf.subject.clone()).unwrap_or_default();
    let summary = format!("{} (subject `{subject}`) {what}", certificate(&seen));
    let command = openssl(&seen, seen.subject());
    let finding = Finding::new(at, &seen, summary).next(match whose {
        Whose::Leaf => format!("{command} | openssl x509 -noout -text"),
        Whose::Chain => format!(
            "{command} | openssl crl2pkcs7 -nocrl -certfile /dev/stdin | openssl pkcs7 -print_certs -noout -text"
        ),
    });
    Ok(if seen.completed() { finding } else { finding.error(error(&seen)) })
}

/// In which certificate it is to be seen.
#[derive(Clone, Copy)]
enum Whose {
    Leaf,
    Chain,
}

fn what(handshake: &Handshake) -> Option<(String, Whose)> {
    if handshake.completed() {
        let why = handshake.key_unproven.as_ref()?;
        return Some((format!("has a key by which the handshake could not be verified: {why}"), Whose::Leaf));
    }
    let leaf = |what: &str| Some((what.to_owned(), Whose::Leaf));
    let chain = |what: String| Some((what, Whose::Chain));
    handshake.reasons().find_map(|reason| match reason {
        Reason::AuthorityAsLeaf if handshake.chain.leaf().is_some_and(|leaf| leaf.self_signed) => None,
        Reason::AuthorityAsLeaf => {
            leaf("is an authority's and not a server's (clients on OpenSSL, such as curl, do not mind that)")
        }
        Reason::WrongPurpose => leaf("is not for servers"),
        Reason::UnsupportedAlgorithm => Some(signature(handshake)),
        Reason::CriticalExtension => leaf("holds a critical extension that the verifier does not know"),
        Reason::Malformed => leaf("cannot be read"),
        Reason::UnsupportedKey => Some(key(handshake)),
        Reason::NameConstraint => chain(format!(
            "holds a name that an authority above it may not vouch for (name constraints){}",
            issuers(handshake, "; it was issued by")
        )),
        Reason::PathLength => chain(format!(
            "stands below more authorities than one of them allows (path length constraint){}",
            issuers(handshake, ":")
        )),
        Reason::IssuerNotAuthority => {
            chain(match handshake.chain.path().skip(1).find(|one| !one.is_authority) {
                Some(issuer) => {
                    format!(
                        "was issued by way of `{}`, which is no authority (it lacks `CA:TRUE`)",
                        issuer.short_name()
                    )
                }
                None => "was issued by way of a certificate that is no authority's (it lacks `CA:TRUE`)"
                    .to_owned(),
            })
        }
        Reason::Other => chain(format!("was refused{}", words(handshake))),
        _ => None,
    })
}

/// Which signature of the path it is that cannot be verified: there the path ends.
fn signature(handshake: &Handshake) -> (String, Whose) {
    let Some((place, last)) = handshake.chain.path().enumerate().last() else {
        return ("is signed in a way that is not accepted".to_owned(), Whose::Leaf);
    };
    let algorithm = &last.signature_algorithm;
    let how = match algorithm.to_ascii_lowercase() {
        name if name.is_empty() || name.contains("sha1") || name.contains("md5") => "is not accepted",
        // Nothing is wrong with it for those who can.
        _ => "this client cannot verify, though others may",
    };
    let how = format!("is signed in a way that {how} ({algorithm}, by `{}`)", last.short_issuer());
    match place {
        0 => (how, Whose::Leaf),
        _ => (format!("was issued by way of `{}`, which {how}", last.short_name()), Whose::Chain),
    }
}

/// Which key of the path it is by which nothing can be verified.
fn key(handshake: &Handshake) -> (String, Whose) {
    let odd = |one: &&Certificate| one.rsa_bits().is_some_and(|bits| !RSA_BITS.contains(&bits));
    if let Some(leaf) = handshake.chain.leaf().filter(odd) {
        return (format!("has a key that is not accepted ({})", leaf.key), Whose::Leaf);
    }
    // What such a key signed cannot be linked to it: the name is all there is.
    let top = handshake.chain.path().last();
    let named = |one: &&Certificate| top.is_some_and(|top| top.issuer == one.subject);
    let what = match (handshake.chain.certificates().iter().filter(odd).find(named), top) {
        (Some(issuer), _) => {
            format!(
                "was issued by way of `{}`, whose key is not accepted ({})",
                issuer.short_name(),
                issuer.key
            )
        }
        (None, Some(top)) => {
            format!("leads to `{}`, whose key is not accepted{}", top.short_issuer(), words(handshake))
        }
        (None, None) => format!("leads to a key that is not accepted{}", words(handshake)),
    };
    (what, Whose::Chain)
}

/// The authorities as served, from the leaf up.
fn issuers(handshake: &Handshake, before: &str) -> String {
    let names: Vec<_> = handshake.chain.path().skip(1).map(|one| format!("`{}`", one.short_name())).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("{before} {}", names.join(", signed by ")),
    }
}

/// The verifier's own words, after a colon.
fn words(handshake: &Handshake) -> String {
    let refusals = [&handshake.verification, &handshake.apart_from_dates];
    let words = refusals.into_iter().flatten().find_map(|verification| match verification {
        Verification::Refused(refusal) if !refusal.reason.is_date() => Some(refusal.words.as_str()),
        _ => None,
    });
    let words = words.map(|words| words.strip_prefix("invalid peer certificate: ").unwrap_or(words));
    words.filter(|words| !words.is_empty()).map_or_else(String::new, |words| format!(": {words}"))
}

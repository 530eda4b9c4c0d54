use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{certificate, error, failed, leaf_in_date, unless};
use crate::command::openssl;
use crate::evidence::{Certificate, Handshake, Moment, Reason, Verification, span};

cause! {
    /// A certificate above the server's own is out of date, while the server's own is not.
    ///
    /// Servers send the certificates between theirs and an authority's along.
    /// When one of those has expired and no other path leads to the trust store, the chain fails,
    /// though the server's own certificate was renewed in time.
    /// Some clients find another path and go on, which is why such a fault shows on few of them.
    ///
    /// # What to do
    ///
    /// Replace the intermediate certificate that the server sends by the current one of its authority
    /// (`fullchain.pem`, not an old copy of the chain), and reload the server.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "refused",
    ///             "error": "invalid peer certificate: certificate expired",
    ///             "verification": {"verdict": "refused", "reason": "expired"},
    ///             "clock": "2026-08-21T09:30:00Z",
    ///             "chain": [{"subject": "CN=server.example", "signed_by": 1,
    ///                        "not_before": "2026-08-01T00:00:00Z", "not_after": "2026-11-01T00:00:00Z"},
    ///                       {"subject": "CN=R3", "not_after": "2026-08-20T00:00:00Z"}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CERT_CHAIN_EXPIRED: "tls.cert.chain_expired" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tls.cert.date_invalid"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = failed(case, at)
        .find(|seen| refused_for_dates(seen) && leaf_in_date(seen) == Some(true))
        .ok_or_else(|| unless(case, at, why_not))?;
    let clock = seen.clock.ok_or(Decline::Absent)?;
    let above = seen.chain.certificates().iter().enumerate().skip(1);
    let wrong = above.into_iter().find(|(_, one)| one.is_expired(clock) || one.is_not_yet_valid(clock));
    let what = match wrong {
        Some((place, above)) => said(place, above, clock),
        None => "an authority above it".to_owned(),
    };
    let summary = format!(
        "{} is within its dates, but {what}, and no other path leads to {}",
        certificate(&seen),
        seen.trust.name
    );
    Ok(Finding::new(at, &seen, summary).error(error(&seen)).next(openssl(&seen, seen.subject())))
}

fn said(place: usize, above: &Certificate, clock: Moment) -> String {
    let name = above.short_name();
    match (above.not_after, above.not_before) {
        (Some(until), _) if clock > until => {
            let ago = span(clock.seconds() - until.seconds());
            format!("`{name}`, number {} of the chain, expired {ago} ago (not_after {until})", place + 1)
        }
        (_, Some(from)) => format!("`{name}`, number {} of the chain, is valid only from {from}", place + 1),
        _ => format!("`{name}`, number {} of the chain, is out of date", place + 1),
    }
}

fn refused_for_dates(handshake: &Handshake) -> bool {
    handshake.verification.as_ref().and_then(Verification::reason).is_some_and(Reason::is_date)
}

fn why_not(handshake: &Handshake) -> Option<String> {
    if refused_for_dates(handshake) {
        return (leaf_in_date(handshake) == Some(false))
            .then(|| "it is the server's own certificate that is out of date".to_owned());
    }
    (!handshake.chain.is_empty()).then(|| "dates are not what the chain was refused for".to_owned())
}

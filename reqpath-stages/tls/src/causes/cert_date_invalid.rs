use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{certificate, doubtful, error, leaf, leaf_in_date, unless};
use crate::command::openssl;
use crate::evidence::{Handshake, Reason, span};

cause! {
    /// The server's certificate has expired, or is not valid yet.
    ///
    /// A certificate is valid between two dates.
    /// A client compares them with its own clock, so a wrong clock looks the same:
    /// then certificates of other servers look wrong as well, and `client.clock_skew` says so.
    /// When not the server's own certificate but one above it is out of date, the code is
    /// `tls.cert.chain_expired`.
    ///
    /// # What to do
    ///
    /// Renew the certificate and reload the server: many keep the old one in memory after the file
    /// was renewed.
    /// Look at the automation that should have done it (`certbot renew --dry-run`, the events of a
    /// cert-manager `Certificate`).
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
    ///             "chain": [{"subject": "CN=server.example",
    ///                        "not_before": "2026-05-20T00:00:00Z", "not_after": "2026-08-18T00:00:00Z"}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CERT_DATE_INVALID: "tls.cert.date_invalid" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tls.cert.chain_expired", "client.clock_skew"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let found = doubtful(case, at).find_map(|seen| Some((seen, wrong_dates(seen.evidence())?)));
    let (seen, summary) = found.ok_or_else(|| unless(case, at, in_date))?;
    let mut finding = Finding::new(at, &seen, summary)
        .next(format!("{} | openssl x509 -noout -subject -dates", openssl(&seen, seen.subject())))
        .next("date -u   # is this clock right?");
    if !seen.completed() {
        finding = finding.error(error(&seen));
    }
    Ok(finding)
}

fn wrong_dates(handshake: &Handshake) -> Option<String> {
    let (leaf, clock) = leaf(handshake)?;
    let certificate = certificate(handshake);
    if leaf.is_expired(clock) {
        let until = leaf.not_after?;
        let ago = span(clock.seconds() - until.seconds());
        return Some(format!("{certificate} expired {ago} ago (not_after {until}, clock {clock})"));
    }
    if leaf.is_not_yet_valid(clock) {
        let from = leaf.not_before?;
        let wait = span(from.seconds() - clock.seconds());
        return Some(format!(
            "{certificate} is not valid yet, but in {wait} (not_before {from}, clock {clock})"
        ));
    }
    None
}

fn in_date(handshake: &Handshake) -> Option<String> {
    let (leaf, _) = leaf(handshake)?;
    let dates = leaf_in_date(handshake)? && !handshake.refused_for(Reason::Expired);
    let until = leaf.not_after?;
    let what = if dates { "the leaf" } else { "the leaf itself" };
    Some(format!("{what} is within its dates (until {until})"))
}

//! Data that exists and does not validate.

use reqpath_core::{Case, Decline, End, Finding, Seen, Subject, cause};

use super::survey::{Server, Standing, Survey};
use super::words::{dig, told};
use crate::evidence::{Answer, Outcome};

cause! {
    /// A validating resolver refuses data that exists: its DNSSEC signatures do not hold.
    ///
    /// The resolver says SERVFAIL, and gives the data when asked not to check it (CD=1): the zone
    /// answers, and its signatures are expired, broken, or missing where the parent promises them.
    /// Clients behind a resolver that does not validate see nothing wrong.
    /// It is told from `dns.server` by the answer with CD=1, and by the checked question asked once
    /// more after it; an extended error (6 to 12) says which signature fault it is.
    ///
    /// # What to do
    ///
    /// Sign the zone again, or take the DS record out of the parent zone if it is no longer signed.
    /// Check the resolver's clock if it says that signatures are not yet valid.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "www.shop.example", "symbol": "EAI_AGAIN", "message": "Temporary failure in name resolution"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "www.shop.example.", "rcode": "SERVFAIL",
    ///             "extended_errors": [{"code": 7, "text": "signature expired"}]}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "www.shop.example.", "checking_disabled": true,
    ///             "rcode": "NOERROR", "addresses": [{"address": "198.51.100.7", "ttl_s": 60}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static DNSSEC_BOGUS: "dns.dnssec_bogus" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["dns.server"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    let Some((_, failure)) = survey.troubled(Standing::ServerFailure) else {
        return Err(survey.not_troubled("dig +cd"));
    };
    let failing = survey.servers.iter().filter(|server| server.answer(Standing::ServerFailure).is_some());
    let mut needs = None;
    for server in failing {
        match bogus(server) {
            Ok((failure, unchecked)) => {
                let finding = Finding::new(at, &failure, summary(server, &failure, &unchecked))
                    .citing(&unchecked)
                    .next(dig(&failure, "+dnssec"))
                    .next(dig(&failure, "+cd +dnssec"))
                    .next(format!("delv @{} {} {}", failure.server.ip(), failure.name, failure.record_type));
                return Ok(survey.road.cited(finding));
            }
            Err(decline) => needs = Some(decline),
        }
    }
    Err(needs.unwrap_or_else(|| Decline::needs(dig(&failure, "+cd"))))
}

/// The failure and the unchecked data that together say that signatures are the matter.
pub(super) fn bogus<'a>(server: &Server<'a>) -> Result<(Seen<'a, Answer>, Seen<'a, Answer>), Decline> {
    let failures = || server.answers.iter().filter(|answer| answer.outcome() == Outcome::ServerFailure);
    let same = |a: &Answer, b: &Answer| a.name == b.name && a.record_type == b.record_type;
    let failure = failures().next().ok_or(Decline::Absent)?;
    let Some((failure, unchecked)) = failures().find_map(|failure| {
        let unchecked = server.unchecked.iter().find(|unchecked| same(failure, unchecked))?;
        Some((failure, unchecked))
    }) else {
        return Err(Decline::needs(dig(failure, "+cd")));
    };
    if !matches!(unchecked.outcome(), Outcome::Addresses | Outcome::NoData | Outcome::NoSuchName) {
        let because = format!("asked with CD=1, {} {}", server.text(), told(unchecked));
        return Err(Decline::not(because, unchecked));
    }
    if let Some(again) = server
        .again
        .iter()
        .find(|again| same(failure, again) && again.answered() && again.outcome() != Outcome::ServerFailure)
    {
        let because = format!("asked once more, with checking, {} {}", server.text(), told(again));
        return Err(Decline::not(because, again));
    }
    Ok((*failure, *unchecked))
}

fn summary(server: &Server<'_>, failure: &Answer, unchecked: &Answer) -> String {
    let reason = match failure.extended_errors.first() {
        Some(error) if error.text.is_empty() => format!(" (extended error {})", error.code),
        Some(error) => format!(" (extended error {}: {})", error.code, error.text),
        None => String::new(),
    };
    let data = match unchecked.addresses.first() {
        Some(record) => format!("with CD=1 it gives {}", record.address),
        None => format!("with CD=1 it says {}", unchecked.rcode.as_deref().unwrap_or("NOERROR")),
    };
    format!(
        "{} refuses {} with SERVFAIL{reason}, and {data}: DNSSEC does not validate",
        server.text(),
        failure.name
    )
}

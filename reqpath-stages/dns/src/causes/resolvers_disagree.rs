//! Nameservers that contradict each other.

use std::collections::BTreeSet;
use std::net::IpAddr;

use reqpath_core::{Case, Decline, End, Finding, Scheme, Seen, Subject, cause};

use super::BY_NO_STAGE;
use super::survey::{Standing, Survey, standing_of};
use super::words::{dig, text};
use crate::evidence::{Answer, Asked};

cause! {
    /// The nameservers give different addresses for the same name.
    ///
    /// One knows an internal zone and the other does not (split horizon), one still has the record from
    /// before a change, or the zone answers by where the resolver is.
    /// What the client gets then depends on which server it happens to ask.
    /// It killed the request where the server that was asked first denied a name that another one has.
    /// It is told from `dns.stale_answer` by the zone's own servers, where they were asked.
    ///
    /// # What to do
    ///
    /// List in `/etc/resolv.conf` only nameservers that give the same view of all names that are used:
    /// the second is a stand-in for the first, not an addition to it.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "db.corp.example", "symbol": "EAI_NONAME", "message": "Name or service not known"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "db.corp.example.", "rcode": "NXDOMAIN"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.54:53", "name": "db.corp.example.", "rcode": "NOERROR",
    ///             "addresses": [{"address": "10.0.0.7", "ttl_s": 60}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static RESOLVERS_DISAGREE: "dns.resolvers_disagree" = recognise {
        only_in_trouble(),
        blames(End::Near),
        explains(&["dns.name_not_resolved", "dns.no_address", "dns.dangling_cname"]),
        twins(&["dns.stale_answer", "dns.name_not_resolved"]),
        kills_in(BY_NO_STAGE),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    let answers: Vec<Seen<'_, Answer>> = survey
        .servers
        .iter()
        .flat_map(|server| &server.answers)
        .filter(|answer| {
            matches!(standing_of(answer), Standing::Addresses | Standing::NoData | Standing::NoSuchName)
        })
        .copied()
        .collect();
    let mut compared = None;
    for (place, one) in answers.iter().enumerate() {
        let others = answers[place + 1..].iter();
        for other in others.filter(|other| other.name == one.name && other.record_type == one.record_type) {
            compared = Some(one);
            if set(one) != set(other) {
                let summary = format!(
                    "for {} {}, {} says {} and {} says {}",
                    one.name,
                    one.record_type,
                    text(one.server),
                    said(one),
                    text(other.server),
                    said(other)
                );
                let finding = Finding::new(at, one, summary)
                    .citing(other)
                    .next(dig(one, "+short"))
                    .next(dig(other, "+short"));
                // Which of them is right, or behind, only the zone's own servers know.
                let zone_asked = case.of::<Answer>(at).any(|answer| answer.asked == Asked::Authority);
                let finding = if zone_asked { finding } else { finding.next(ask_the_zone(case)) };
                return Ok(survey.road.cited(finding));
            }
        }
    }
    Err(compared.map_or(Decline::Absent, |one| Decline::not("the nameservers give the same addresses", one)))
}

fn ask_the_zone(case: &Case) -> String {
    let scheme = if case.target().scheme() == Scheme::Https { "https" } else { "http" };
    format!("reqpath trace --authority {scheme}://{}/", case.target().authority())
}

fn set(answer: &Answer) -> BTreeSet<IpAddr> {
    answer.addresses.iter().map(|record| record.address).collect()
}

fn said(answer: &Answer) -> String {
    let shown: Vec<String> = set(answer).iter().take(4).map(ToString::to_string).collect();
    match (shown.is_empty(), answer.rcode.as_deref()) {
        (true, Some("NOERROR") | None) => "that there is none".to_owned(),
        (true, Some(rcode)) => rcode.to_owned(),
        (false, _) => shown.join(", "),
    }
}

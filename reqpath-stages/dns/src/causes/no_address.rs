//! NODATA.

use reqpath_core::{Case, Decline, End, Finding, Seen, Subject, cause};

use super::survey::{Road, Standing, Survey, standing_of};
use super::words::{chain, dig, dig_of, text};
use crate::evidence::{Answer, SystemLookup};

cause! {
    /// The name exists, and has no address.
    ///
    /// The nameserver answers NOERROR with nothing in it: there may be other records (MX, TXT, a name
    /// further down), but neither A nor AAAA, or none of the IP version that was asked for.
    /// An alias that leads to such a name is shown with its chain.
    /// Some answers hold no address and do not deny one either: an alias alone, without what it leads to, or
    /// records of another name. A client gets no address from them all the same, and what they held is said.
    /// It is told from `dns.name_not_resolved` by the response code.
    ///
    /// # What to do
    ///
    /// Create the A or AAAA record, or ask for the name that has it: often `www.` was left out.
    /// With `-4` or `-6`, try without.
    /// Where the answer does not deny the address, ask the same server for the end of the chain: if it has one
    /// there, the server is to be mended, not the zone.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "shop.example", "symbol": "EAI_NODATA", "message": "No address associated with hostname"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "shop.example.", "record_type": "A", "rcode": "NOERROR",
    ///             "authority": {"zone": "shop.example."}}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "shop.example.", "record_type": "AAAA", "rcode": "NOERROR",
    ///             "authority": {"zone": "shop.example."}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static NO_ADDRESS: "dns.no_address" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["dns.name_not_resolved", "dns.dangling_cname", "dns.server", "dns.timed_out"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of_failure(case, at)?;
    if let Road::System(seen) = survey.road
        && let Some(other) = seen.addresses.first()
    {
        let summary = other_version_only(&seen, other.is_ipv6());
        return Ok(Finding::new(at, &seen, summary).next(format!("getent ahosts {}", seen.name)));
    }
    let Some((Standing::NoData, answer)) = survey.denied() else {
        return Err(survey.not_settled_by("the name has an address record"));
    };
    let what = match survey.road.family() {
        Some(4) => "no A record, and only IPv4 is wanted",
        Some(6) => "no AAAA record, and only IPv6 is wanted",
        _ => "neither an A nor an AAAA record",
    };
    let answer = without_denial(&survey, &answer).unwrap_or(answer);
    let (name, end) = (chain(&answer), answer.end_of_chain());
    let said = format!("{} said NOERROR in {}", text(answer.server), answer.time_us);
    let summary = match (answer.denies(), answer.other_records) {
        (true, 0) => format!("{name} exists and has {what}: {said}, with an empty answer"),
        (true, _) => format!("{name} exists and has {what}: {said}, and {}", besides(&answer)),
        (false, 0) => {
            format!(
                "{name}: {said} and named the alias alone, with no address of {end}, nor a SOA to deny one"
            )
        }
        (false, _) => format!("{name}: {said} and gave no address of {end}: {}", besides(&answer)),
    };
    let finding = Finding::new(at, &answer, summary).next(dig(&answer, ""));
    // Asked by itself, the end of the chain shows whether it has an address after all.
    let of = if answer.denies() { "ANY" } else { &*answer.record_type };
    let finding = if end == answer.name && !answer.denies() {
        finding.next(dig(&answer, "+trace"))
    } else {
        finding.next(dig_of(&answer, end, of, ""))
    };
    Ok(survey.road.cited(finding))
}

/// The answer of the same server about the same name that holds no address and does not deny one either:
/// more telling than one that is plainly empty.
fn without_denial<'a>(survey: &Survey<'a>, than: &Seen<'a, Answer>) -> Option<Seen<'a, Answer>> {
    let of_server = survey.servers.iter().filter(|server| server.address == than.server);
    let mut of_name = of_server.flat_map(|server| &server.answers).filter(|other| other.name == than.name);
    of_name.find(|other| standing_of(other) == Standing::NoData && !other.denies()).copied()
}

/// What the answer holds in place of an address, as a clause.
fn besides(answer: &Answer) -> String {
    match answer.other_records {
        1 => "the record in the answer is of another name or type".to_owned(),
        count => format!("the {count} records in the answer are of other names or types"),
    }
}

fn other_version_only(seen: &SystemLookup, v6: bool) -> String {
    let (has, wants) = if v6 { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
    format!("{} has {has} addresses only, and only {wants} is wanted", seen.name)
}

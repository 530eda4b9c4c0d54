//! NODATA.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Road, Standing, Survey};
use super::words::{dig, text};
use crate::evidence::SystemLookup;

cause! {
    /// The name exists, and has no address.
    ///
    /// The nameserver answers NOERROR with nothing in it: there may be other records (MX, TXT, a name
    /// further down), but neither A nor AAAA, or none of the IP version that was asked for.
    /// An alias that leads to such a name is shown with its chain.
    /// It is told from `dns.name_not_resolved` by the response code.
    ///
    /// # What to do
    ///
    /// Create the A or AAAA record, or ask for the name that has it: often `www.` was left out.
    /// With `-4` or `-6`, try without.
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
    let by_alias = answer.chain.iter().map(|alias| format!("{} → ", alias.name)).collect::<String>();
    let summary = format!(
        "{by_alias}{} exists and has {what}: {} said NOERROR with an empty answer in {}",
        answer.end_of_chain(),
        text(answer.server),
        answer.time_us
    );
    let finding = Finding::new(at, &answer, summary).next(dig(&answer, "")).next(format!(
        "dig @{} {} ANY",
        answer.server.ip(),
        answer.end_of_chain()
    ));
    Ok(survey.road.cited(finding))
}

fn other_version_only(seen: &SystemLookup, v6: bool) -> String {
    let (has, wants) = if v6 { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
    format!("{} has {has} addresses only, and only {wants} is wanted", seen.name)
}

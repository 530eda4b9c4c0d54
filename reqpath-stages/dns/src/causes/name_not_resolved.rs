//! NXDOMAIN.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Standing, Survey};
use super::words::{absolute, dig, text, told};

cause! {
    /// The name does not exist.
    ///
    /// A nameserver that the client uses says NXDOMAIN: the zone is there and answers, and has no such name.
    /// The SOA record in the answer names the zone that denies it.
    /// It is told from `dns.no_address`, where the name exists without an address, from
    /// `dns.dangling_cname`, where it exists and stands for one that does not, and from
    /// `dns.search_mismatch`, where another name was asked for than the one that was meant.
    ///
    /// # What to do
    ///
    /// Compare the name letter by letter with what was meant.
    /// If it is right, create the record in the zone that the answer names, and mind that the denial
    /// is kept for the negative TTL.
    /// If the name exists elsewhere (an internal zone, another view), use the resolver that knows it.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "ww.shop.example", "symbol": "EAI_NONAME", "message": "Name or service not known", "time_us": 3100}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "ww.shop.example.", "rcode": "NXDOMAIN", "time_us": 2100,
    ///             "authority": {"zone": "shop.example.", "negative_ttl_s": 300}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static NAME_NOT_RESOLVED: "dns.name_not_resolved" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["dns.search_mismatch", "dns.no_address", "dns.dangling_cname", "dns.server", "dns.timed_out"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of_failure(case, at)?;
    let Some((Standing::NoSuchName, answer)) = survey.denied() else {
        return Err(survey.not_settled_by("the name exists"));
    };
    if let Some(alias) = answer.chain.first() {
        return Err(Decline::not(
            format!("{} exists: it is an alias of {}", alias.name, alias.target),
            &answer,
        ));
    }
    let zone = match &answer.authority {
        Some(zone) => format!(", the zone {} denies it", zone.zone),
        None => String::new(),
    };
    let mut summary =
        format!("{} does not exist: {} {}{zone}", answer.name, text(answer.server), told(&answer));
    let others = survey.names_asked().filter(|name| *name != absolute(&answer.name)).collect::<Vec<_>>();
    if !others.is_empty() {
        summary.push_str(&format!("; nor do the names the search list makes of it: {}", others.join(", ")));
    }
    let mut finding = Finding::new(at, &answer, summary).next(dig(&answer, ""));
    if let Some(zone) = &answer.authority {
        finding = finding.next(format!("dig +trace {}   # who answers for {}", answer.name, zone.zone));
    }
    if let Some(search) = &survey.search {
        finding = finding.citing(search);
    }
    Ok(survey.road.cited(finding))
}

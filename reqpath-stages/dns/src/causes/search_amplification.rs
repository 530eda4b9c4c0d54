//! Many questions for one name.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Standing, Survey, standing_of};

/// Names asked for in vain before the right one, from which on it is worth saying.
const MANY: usize = 2;

cause! {
    /// Each look-up of this name asks for several names before the right one.
    ///
    /// The name has fewer dots than `ndots`, so that every suffix of the search list is tried first,
    /// for A and for AAAA: in Kubernetes, with `ndots:5` and three suffixes, eight questions in place of two.
    /// It slows every new connection and loads the nameservers; no request dies of it alone.
    ///
    /// # What to do
    ///
    /// Write the name with a final dot, or lower `ndots` (`dnsConfig` of the Pod).
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "api.shop.example", "addresses": ["198.51.100.7"]}},
    ///   {"kind": "dns.search", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "api.shop.example", "ndots": 5,
    ///             "names": ["api.shop.example.ns.svc.cluster.local.", "api.shop.example.svc.cluster.local.",
    ///                       "api.shop.example.cluster.local.", "api.shop.example."]}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "api.shop.example.", "rcode": "NOERROR",
    ///             "addresses": [{"address": "198.51.100.7", "ttl_s": 60}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http"}}]}
    /// ```
    pub static SEARCH_AMPLIFICATION: "dns.search_amplification" = recognise {
        only_in_trouble(),
        blames(End::Near),
        only_warns(),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    let search = survey.search.ok_or(Decline::Absent)?;
    let has_address = |name: &str| {
        survey
            .servers
            .iter()
            .flat_map(|server| &server.answers)
            .find(|answer| answer.name == name && standing_of(answer) == Standing::Addresses)
    };
    let found = search.names.iter().enumerate().find_map(|(place, name)| Some((place, has_address(name)?)));
    let Some((in_vain, right)) = found else { return Err(Decline::Absent) };
    if in_vain < MANY {
        return Err(Decline::not(format!("{} is asked for early", right.name), &search));
    }
    let types = if survey.road.family().is_some() { 1 } else { 2 };
    let summary = format!(
        "each look-up of {} asks {} questions where {types} would do: {} names come before {} (ndots:{})",
        search.name,
        (in_vain + 1) * types,
        in_vain,
        right.name,
        search.ndots
    );
    Ok(Finding::new(at, &search, summary).citing(right).next("grep -E 'search|ndots' /etc/resolv.conf"))
}

//! SERVFAIL.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::dnssec_bogus::bogus;
use super::survey::{Standing, Survey};
use super::words::dig;

cause! {
    /// The nameserver failed to find out (SERVFAIL).
    ///
    /// It is alive and answers, but what it needs to ask does not: the zone's own servers are silent,
    /// refuse or contradict themselves, a forwarder is down, or a zone did not load.
    /// It is told from `dns.dnssec_bogus` by the same question with CD=1, which fails too.
    ///
    /// # What to do
    ///
    /// Read the extended error and the log of the nameserver; ask the zone's own servers
    /// (`--authority`, or `dig +trace`) and another resolver.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "www.shop.example", "symbol": "EAI_AGAIN", "message": "Temporary failure in name resolution"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "www.shop.example.", "rcode": "SERVFAIL", "time_us": 4100,
    ///             "extended_errors": [{"code": 22, "text": "no reachable authority"}]}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "www.shop.example.", "rcode": "SERVFAIL", "checking_disabled": true}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static SERVER: "dns.server" = recognise {
        only_in_trouble(),
        blames(End::Near),
        twins(&["dns.dnssec_bogus", "dns.refused", "dns.timed_out"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    if survey.troubled(Standing::ServerFailure).is_none() {
        return Err(survey.not_troubled("dig"));
    }
    let failing = || survey.servers.iter().filter(|server| server.answer(Standing::ServerFailure).is_some());
    let Some(server) = failing().find(|server| bogus(server).is_err()) else {
        let unchecked = failing().find_map(|server| bogus(server).ok()).map(|(_, unchecked)| unchecked);
        return Err(unchecked.map_or(Decline::Absent, |unchecked| {
            Decline::not("the same server gives the data with CD=1: signatures are the matter", &unchecked)
        }));
    };
    let answer = server.answer(Standing::ServerFailure).ok_or(Decline::Absent)?;
    let reasons =
        answer.extended_errors.iter().map(|error| format!(", extended error {}: {}", error.code, error.text));
    let summary = format!(
        "{} failed to look up {} {} (SERVFAIL in {}{}){}",
        server.text(),
        answer.name,
        answer.record_type,
        answer.time_us,
        reasons.collect::<String>(),
        survey.others(server)
    );
    let mut finding = Finding::new(at, &answer, summary)
        .next(dig(&answer, ""))
        .next(format!("dig +trace {} {}", answer.name, answer.record_type));
    if let Some(unchecked) = server.unchecked.first() {
        finding = finding.citing(unchecked);
    }
    Ok(survey.road.cited(finding))
}

//! REFUSED.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Standing, Survey};
use super::words::dig;

cause! {
    /// The nameserver does not want to answer this client (REFUSED).
    ///
    /// It is alive and says no: its access list does not have this client's address, or it serves
    /// only its own zones and is asked for others.
    ///
    /// # What to do
    ///
    /// Use a resolver that is meant for this network, or let its operator admit this address
    /// (`access-control` in Unbound, `allow-recursion` in BIND).
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "www.shop.example", "symbol": "EAI_AGAIN", "message": "Temporary failure in name resolution"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "www.shop.example.", "rcode": "REFUSED", "local": "192.0.2.9:40111"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static REFUSED: "dns.refused" = recognise {
        only_in_trouble(),
        blames(End::Near),
        twins(&["dns.server", "dns.unreachable"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    let Some((server, answer)) = survey.troubled(Standing::Refused) else {
        return Err(survey.not_troubled("dig"));
    };
    let who = answer.local.map_or_else(String::new, |local| format!(" from {}", local.ip()));
    let summary = format!(
        "{} refuses to answer{who} for {} (REFUSED in {}){}",
        server.text(),
        answer.name,
        answer.time_us,
        survey.others(server)
    );
    Ok(survey.road.cited(Finding::new(at, &answer, summary).next(dig(&answer, ""))))
}

//! An alias of a name that does not exist.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Standing, Survey};
use super::words::{chain, dig, text};

cause! {
    /// The name is an alias of one that does not exist.
    ///
    /// The chain of CNAME records is followed to its end, and the last name gets NXDOMAIN: a service
    /// was given up or renamed, and the alias to it was not.
    /// It is told from `dns.name_not_resolved` by the alias in the answer.
    /// Where the last name is in a zone that anyone may register names in, whoever takes it gets the traffic.
    ///
    /// # What to do
    ///
    /// Point the alias at what exists now, or remove it.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "www.shop.example", "symbol": "EAI_NONAME", "message": "Name or service not known"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "www.shop.example.", "rcode": "NXDOMAIN",
    ///             "chain": [{"name": "www.shop.example.", "target": "shop-7.cloud.example.", "ttl_s": 300}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static DANGLING_CNAME: "dns.dangling_cname" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["dns.name_not_resolved", "dns.no_address"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of_failure(case, at)?;
    let Some((Standing::NoSuchName, answer)) = survey.denied() else {
        return Err(survey.not_settled_by("the end of the chain"));
    };
    if answer.chain.is_empty() {
        return Err(Decline::not(format!("{} is no alias", answer.name), &answer));
    }
    let summary = format!(
        "{}: the last name does not exist, {} said {} in {}",
        chain(&answer),
        text(answer.server),
        answer.rcode.as_deref().unwrap_or("NXDOMAIN"),
        answer.time_us
    );
    let finding = Finding::new(at, &answer, summary).next(dig(&answer, "")).next(format!(
        "dig @{} {} SOA",
        answer.server.ip(),
        answer.end_of_chain()
    ));
    Ok(survey.road.cited(finding))
}

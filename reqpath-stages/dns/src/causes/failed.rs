//! An answer that cannot be used.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Standing, Survey};
use super::words::{chain, dig};
use crate::evidence::Answer;

cause! {
    /// The nameserver's answer cannot be used.
    ///
    /// It cannot be read, its aliases lead round in a loop, or it carries a response code that says
    /// neither yes, no, failed nor refused (FORMERR, NOTIMP and others).
    /// The first bytes, or the chain, are kept as evidence.
    ///
    /// # What to do
    ///
    /// For a loop, mend the CNAME records of the zone.
    /// For an unreadable answer, ask the server from another place: something between may rewrite it.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "a.shop.example", "symbol": "EAI_AGAIN", "message": "Temporary failure in name resolution"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "a.shop.example.", "rcode": "NOERROR", "alias_loop": true,
    ///             "chain": [{"name": "a.shop.example.", "target": "b.shop.example."},
    ///                       {"name": "b.shop.example.", "target": "a.shop.example."}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static FAILED: "dns.failed" = recognise {
        only_in_trouble(),
        blames(End::Near),
        twins(&["dns.server", "dns.timed_out"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    let Some((server, answer)) = survey.troubled(Standing::Failed) else {
        return Err(survey.not_troubled("dig"));
    };
    let (what, end) = what_is_wrong(&answer);
    let summary = format!("{}: {what}{}", server.text(), survey.others(server));
    let finding = Finding::new(at, &answer, summary).blaming(end).next(dig(&answer, "+qr"));
    let finding = match &answer.error {
        Some(words) => finding.error(words.clone()),
        None => finding,
    };
    Ok(survey.road.cited(finding))
}

/// What is wrong with the answer, and whose fault that is: the zone's, or the server's.
fn what_is_wrong(answer: &Answer) -> (String, End) {
    if answer.alias_loop {
        return (format!("the aliases lead round in a loop: {}", chain(answer)), End::Far);
    }
    if let Some(malformed) = &answer.malformed {
        return (format!("the answer for {} cannot be read: {malformed}", answer.name), End::Near);
    }
    match (&answer.rcode, &answer.error) {
        (Some(rcode), _) => (format!("the answer for {} is {rcode}", answer.name), End::Near),
        (None, Some(error)) => (format!("{} could not be asked for: {error}", answer.name), End::Near),
        (None, None) => (format!("the answer for {} cannot be used", answer.name), End::Near),
    }
}

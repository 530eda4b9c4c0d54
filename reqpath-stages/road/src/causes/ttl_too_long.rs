//! `dns.ttl_too_long`

use reqpath_core::{Case, Decline, End, Finding, Micros, Scope, Subject, cause};
use reqpath_dns::{Answer, Asked};

use super::met::declared;
use crate::timetable::plain;

cause! {
    /// An address may be kept for longer than a planned change of it may take.
    ///
    /// The path declares how soon a change of addresses must have reached everybody.
    /// A nameserver hands the address out with a longer time to live, so caches may keep it, and send requests to
    /// the old place, after that.
    /// From a cache the time counts down: what is seen is what is left, and the zone's own figure may be longer.
    ///
    /// # What to do
    ///
    /// Lower the TTL of the record before the change, by at least the old TTL ahead of it, and raise it afterwards;
    /// or plan for a window as long as the TTL, with the old address serving until its end.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "server", "kind": "server"}],
    ///           "caller": {"change_window_us": 300000000}},
    ///  "observations": [
    ///   {"kind": "road.declared", "subject": "path", "data": {"caller": {"change_window_us": 300000000}}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "198.51.100.53:53", "name": "server.example.", "rcode": "NOERROR",
    ///             "addresses": [{"address": "192.0.2.7", "ttl_s": 86212}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "answer": "HTTP/1.1 200"}}
    /// ]}
    /// ```
    pub static TTL_TOO_LONG: "dns.ttl_too_long" = recognise {
        scope(Scope::Leg),
        blames(End::Near),
        twins(&["dns.stale_answer"]),
        only_warns(),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let declared = declared(case)?;
    let window = case.path().caller.change_window_us.ok_or(Decline::Absent)?;
    if case.path().front().as_ref() != Some(at) {
        return Err(Decline::Absent);
    }
    // Each address is kept for its own time, whatever the alias before it says.
    let longest = |answer: &Answer| answer.addresses.iter().map(|record| record.ttl_s).max();
    let answers = case.of::<Answer>(at).filter_map(|answer| Some((longest(&answer)?, answer)));
    let (ttl, answer) = answers.max_by_key(|(ttl, _)| *ttl).ok_or(Decline::Absent)?;
    let ttl_us = Micros(u64::from(ttl).saturating_mul(1_000_000));
    if ttl_us <= window {
        let because = || format!("addresses of {} are kept for {} at most", answer.name, plain(ttl_us));
        return Err(case.not(&answer, because));
    }
    let left = if answer.asked == Asked::Authority { "" } else { "still " };
    let summary = format!(
        "{} says that the addresses of {} may {left}be kept for {}; a change must have reached everybody after {}",
        answer.server.ip(),
        answer.name,
        plain(ttl_us),
        plain(window)
    );
    Ok(Finding::new(at, &answer, summary).citing(&declared).next(format!(
        "dig @{} {} {}",
        answer.server.ip(),
        answer.name,
        answer.record_type
    )))
}

//! `dns.stale_answer`

use reqpath_core::{Case, Decline, End, Finding, Left, PeerAddr, Scheme, Scope, Seen, Subject, Trial, cause};
use reqpath_dns::{Answer, Asked, Outcome};

use crate::evidence::Attempt;

use super::met::of_leg;

cause! {
    /// A cache still hands out an address that the zone no longer has.
    ///
    /// The zone's own servers give other addresses; a nameserver between still has the old one, and may keep it until
    /// its TTL has run out.
    /// That it is a cache, and not another view of the zone, shows in the TTL: it counts down.
    /// The old address no longer serves, or another host has it now.
    ///
    /// # What to do
    ///
    /// Wait for the TTL that is left, or have that cache flushed.
    /// Before the next move, lower the TTL well ahead, and keep the old address serving until the old TTL has passed.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "198.51.100.53:53", "name": "server.example.", "rcode": "NOERROR",
    ///             "addresses": [{"address": "192.0.2.7", "ttl_s": 213}]}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "203.0.113.1:53", "name": "server.example.", "rcode": "NOERROR", "asked": "authority",
    ///             "flags": {"aa": true}, "addresses": [{"address": "192.0.2.8", "ttl_s": 300}]}},
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 410, "failure": {"errno": 111, "symbol": "ECONNREFUSED",
    ///             "message": "Connection refused"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static STALE_ANSWER: "dns.stale_answer" = recognise {
        only_in_trouble(),
        scope(Scope::Address),
        blames(End::Near),
        explains(&["tcp.*", "tls.*", "http.*", "dns.dead_address", "dns.resolvers_disagree"]),
        twins(&["proxy.upstream_dns_stale", "client.hosts_override", "dns.resolvers_disagree", "dns.dead_address"]),
        kills_in(&["tcp", "tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let peer = at.address().ok_or(Decline::Absent)?;
    let leg = at.whole_leg();
    let gives = |answer: &Answer| answer.addresses.iter().any(|record| record.address == peer.ip());
    let answers: Vec<Seen<'_, Answer>> =
        case.of::<Answer>(&leg).filter(|answer| answer.outcome() == Outcome::Addresses).collect();
    let from = |authority: bool| answers.iter().filter(move |a| (a.asked == Asked::Authority) == authority);
    let cached = from(false).find(|answer| !answer.again && gives(answer)).ok_or(Decline::Absent)?;
    let Some(zone) = from(true).find(|answer| answer.record_type == cached.record_type) else {
        let scheme = if case.target().scheme() == Scheme::Https { "https" } else { "http" };
        let look = format!("reqpath trace --authority {scheme}://{}/", case.target().authority());
        return Err(Decline::needs(look));
    };
    if let Some(current) = from(true).find(|answer| gives(answer)) {
        return Err(Decline::not(format!("the zone's own server gives {} too", peer.ip()), current));
    }
    let ttl = cached.ttl_left_s().unwrap_or_default();
    if !counts_down(&answers, cached, zone) {
        let because = format!("the TTL does not count down ({ttl} s): another view of the zone, not a cache");
        return Err(Decline::not(because, cached));
    }
    let Some(deciding) = gone(case, at, peer) else {
        return Err(Decline::not(format!("the old address {} still serves", peer.ip()), cached));
    };
    let now: Vec<String> = zone.addresses.iter().map(|record| record.address.to_string()).collect();
    let summary = format!(
        "{} still gives {} for {} s; the zone's own server {} gives {}",
        cached.server.ip(),
        peer.ip(),
        ttl,
        zone.server.ip(),
        now.join(", ")
    );
    let finding = Finding::new(at, cached, summary)
        .citing(zone)
        .citing(&deciding)
        .next(format!("dig @{} {} {}", cached.server.ip(), cached.name, cached.record_type))
        .next(format!("dig @{} +norecurse {} {}", zone.server.ip(), zone.name, zone.record_type));
    Ok(match deciding.words() {
        Some(words) => finding.error(words),
        None => finding,
    })
}

/// Whether a nameserver's answer ages, as only a cache's does.
fn counts_down(answers: &[Seen<'_, Answer>], cached: &Seen<'_, Answer>, zone: &Answer) -> bool {
    if cached.flags.aa {
        return false;
    }
    let ttl = |answer: &Answer| answer.ttl_left_s().unwrap_or_default();
    let again = answers.iter().filter(|other| {
        other.again && other.server == cached.server && other.record_type == cached.record_type
    });
    match again.map(|other| ttl(other)).min() {
        Some(later) => later < ttl(cached),
        None => ttl(cached) < ttl(zone),
    }
}

/// The attempt that shows that the address no longer serves: it failed, or the request died behind it.
fn gone<'a>(case: &'a Case, at: &Subject, peer: PeerAddr) -> Option<Seen<'a, Attempt>> {
    let here = || of_leg(case, at).filter(move |(other, _)| *other == peer).map(|(_, attempt)| attempt);
    if let Some(failed) = here().find(|attempt| attempt.death().is_some()) {
        return Some(failed);
    }
    let leg = at.whole_leg();
    let died = |sample| {
        case.of::<Trial>(&leg).any(|trial| trial.subject().sample() == sample && trial.left == Left::Dead)
    };
    here().find(|attempt| attempt.used && died(attempt.subject().sample()))
}

//! `dns.broken_family`

use std::collections::BTreeSet;

use reqpath_core::{Case, Decline, End, Finding, PeerAddr, Seen, Subject, cause};

use crate::evidence::{Attempt, Death, Outcome};

use super::met::{declared, of_leg, serves_on_the_other};
use super::not_dialled::{self, not_dialled};

cause! {
    /// The name has addresses of both IP versions, and none of one version can be reached.
    ///
    /// Mostly it is IPv6: the zone has AAAA records, and the service, a firewall or a route never learned of it.
    /// Browsers and other clients that race both versions hide it; those that try one after the other wait, and those
    /// that take only the first fail.
    /// A host that has no IPv6 itself is no proof: attempts that never left this host are not counted.
    ///
    /// # What to do
    ///
    /// Make the service reachable over that version, or take its records out of the zone.
    /// `curl -4` and `curl -6` show the difference from any place.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "[2001:db8::7]:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 1980000, "failure": {"message": "no answer within 1.98 s",
    ///             "timed_out": true}}},
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.8:443", "sample": 0}},
    ///    "data": {"outcome": "connected", "used": true, "elapsed_us": 620}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "arrived": "yes", "answer": "HTTP/1.1 200"}}
    /// ]}
    /// ```
    pub static BROKEN_FAMILY: "dns.broken_family" = recognise {
        only_in_trouble(),
        blames(End::Leg),
        explains(&[
            "dns.dead_address",
            "tcp.refused",
            "tcp.timed_out",
            "tcp.address_unreachable",
            "tcp.administratively_prohibited",
            "tcp.reset",
            "tcp.failed",
        ]),
        twins(&["dns.dead_address", "tcp.no_local_route"]),
        kills_in(&["tcp"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let attempts: Vec<(PeerAddr, Seen<'_, Attempt>)> = of_leg(case, at)
        .filter(|(peer, attempt)| attempt.outcome != Outcome::GivenUp && !declared(case, at, *peer))
        .collect();
    let of = |v4: bool| attempts.iter().filter(move |(peer, _)| peer.0.is_ipv4() == v4);
    let alive = |v4: bool| of(v4).find(|(_, attempt)| attempt.connected());
    let (Some(_), Some(_)) = (of(true).next(), of(false).next()) else { return Err(Decline::Absent) };
    if serves_on_the_other(case, at).is_some() {
        return Err(Decline::Absent);
    }
    let (v4_broken, (alive_peer, alive)) = match (alive(true), alive(false)) {
        (Some(v4), None) => (false, v4),
        (None, Some(v6)) => (true, v6),
        (Some(_), Some((_, v6))) => return Err(Decline::not("both IP versions answered", v6)),
        (None, None) => return Err(Decline::Absent),
    };
    let (broken, fine) = if v4_broken { (4, 6) } else { (6, 4) };
    let ours = [Death::NoLocalAddress, Death::NoDescriptor, Death::NoRoute];
    let left_here = |attempt: &Attempt| attempt.death().is_some_and(|death| !ours.contains(&death));
    let Some((_, dead)) = of(v4_broken).find(|(_, attempt)| left_here(attempt)) else {
        // There is at least one, or the version had not been found broken.
        let Some((_, stuck)) = of(v4_broken).next() else { return Err(Decline::Absent) };
        return Err(Decline::not(format!("this host itself has no IPv{broken}"), stuck));
    };
    let peers: BTreeSet<PeerAddr> = of(v4_broken).map(|(peer, _)| *peer).collect();
    let words = dead.words().unwrap_or_default();
    let left = not_dialled(case, at);
    let dialled = if left.is_some() { " dialled" } else { "" };
    let summary = match peers.len() {
        1 => format!("the IPv{broken} address does not answer ({words}); over IPv{fine}, {alive_peer} does"),
        n => format!(
            "none of the {n} IPv{broken} addresses{dialled} answers ({words}); over IPv{fine}, {alive_peer} does{}",
            not_dialled::words(left.as_ref())
        ),
    };
    let url = case.target().url_to_type();
    Ok(not_dialled::cited(Finding::new(at, dead, summary), left.as_ref())
        .citing(alive)
        .error(words)
        .next(format!("curl -{broken} -v {url}"))
        .next(format!("dig +short {} {}", case.target().host(), if v4_broken { "A" } else { "AAAA" })))
}

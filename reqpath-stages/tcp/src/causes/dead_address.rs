//! `dns.dead_address`

use std::collections::BTreeSet;

use reqpath_client::Environment;
use reqpath_core::{Case, Decline, End, Finding, PeerAddr, Scope, Seen, Subject, cause};

use crate::evidence::{Attempt, Death, Outcome};

use super::met::{declared, of_leg};

cause! {
    /// One of the addresses that the name stands for does not serve.
    ///
    /// The name has several addresses; some answer, and this one never did.
    /// Clients that try the next address are merely slowed down; those that take one at random fail in part, and
    /// always the same part.
    /// Every address was dialled, also those the request did not need.
    /// Where it is a whole IP version that fails, see `dns.broken_family`.
    ///
    /// # What to do
    ///
    /// Bring the host back, or take its address out of the zone; then wait for the TTL.
    /// A health check that does this by itself is what a load balancer is for.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 410, "failure": {"errno": 111, "symbol": "ECONNREFUSED",
    ///             "message": "Connection refused"}}},
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.8:443", "sample": 0}},
    ///    "data": {"outcome": "connected", "used": true, "elapsed_us": 620}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "arrived": "yes", "answer": "HTTP/1.1 200"}}
    /// ]}
    /// ```
    pub static DEAD_ADDRESS: "dns.dead_address" = recognise {
        only_in_trouble(),
        scope(Scope::Address),
        blames(End::Far),
        explains(&[
            "tcp.refused",
            "tcp.timed_out",
            "tcp.address_unreachable",
            "tcp.administratively_prohibited",
            "tcp.reset",
            "tcp.failed",
        ]),
        twins(&["dns.broken_family", "dns.stale_answer", "tcp.refused", "tcp.timed_out"]),
        kills_in(&["tcp"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let peer = at.address().ok_or(Decline::Absent)?;
    let attempts: Vec<(PeerAddr, Seen<'_, Attempt>)> =
        of_leg(case, at).filter(|(_, attempt)| attempt.outcome != Outcome::GivenUp).collect();
    let peers: BTreeSet<PeerAddr> = attempts.iter().map(|(peer, _)| *peer).collect();
    let here = || attempts.iter().filter(|(other, _)| *other == peer).map(|(_, attempt)| attempt);
    let dead = here().find(|attempt| !attempt.connected()).ok_or(Decline::Absent)?;
    if peers.len() < 2 || declared(case, at, peer) {
        return Err(Decline::Absent);
    }
    if let Some(alive) = here().find(|attempt| attempt.connected()) {
        return Err(Decline::not(format!("{peer} also answered, in {}", alive.elapsed_us), alive));
    }
    // This host's own limits and missing IP version say nothing about the address.
    let ours = [Death::NoLocalAddress, Death::NoDescriptor, Death::NoRoute];
    if dead.death().is_some_and(|death| ours.contains(&death)) {
        return Err(Decline::not("it is this host that has no way there", dead));
    }
    let connected =
        |other: &PeerAddr| attempts.iter().any(|(peer, attempt)| peer == other && attempt.connected());
    let Some((_, alive)) = attempts.iter().find(|(other, _)| connected(other)) else {
        return Err(Decline::not(format!("none of the {} addresses dialled answered", peers.len()), dead));
    };
    if let Some(version) = whole_version(&peers, connected, peer) {
        return Err(Decline::not(format!("it is every IPv{version} address, not this one"), alive));
    }
    let count = peers.iter().filter(|other| connected(other)).count();
    let words = dead.words().unwrap_or_default();
    let mut summary =
        format!("{peer} does not serve ({words}); of {} addresses dialled {count} answered", peers.len());
    let through = dead.subject().sample().map(|sample| at.whole_leg().at_sample(sample));
    let environment = through.and_then(|sample| case.of::<Environment>(&sample).next());
    let proxy = environment.as_ref().and_then(|environment| environment.proxy.as_ref());
    if let Some(proxy) = proxy {
        summary.push_str(&format!(", all of the proxy {}", proxy.url));
    }
    let name = proxy.map_or(case.target().host(), |proxy| proxy.host());
    Ok(Finding::new(at, dead, summary)
        .citing(alive)
        .error(words)
        .next(format!("nc -vz {} {}", peer.ip(), peer.port()))
        .next(format!("dig +short {name} {}", if peer.0.is_ipv4() { "A" } else { "AAAA" })))
}

/// The IP version of this address, where none of its addresses answers and one of the other's does.
fn whole_version(
    peers: &BTreeSet<PeerAddr>,
    connected: impl Fn(&PeerAddr) -> bool,
    peer: PeerAddr,
) -> Option<u8> {
    let v4 = peer.0.is_ipv4();
    let answers = |wanted: bool| peers.iter().any(|peer| peer.0.is_ipv4() == wanted && connected(peer));
    (!answers(v4) && answers(!v4)).then_some(if v4 { 4 } else { 6 })
}

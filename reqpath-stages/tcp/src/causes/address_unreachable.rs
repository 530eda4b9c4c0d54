//! `tcp.address_unreachable`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use crate::evidence::Death;

use super::met::{icmp_name, met, route};

cause! {
    /// The network says that the address cannot be reached.
    ///
    /// A router on the way answered with an ICMP message: it has no route to that network, nobody answers for the
    /// address on the last one, or packets went in circles until their time was up.
    /// Where the address, or the next router, is on our own network, the message is our own kernel's: it got no answer
    /// to its ARP or neighbour solicitation, which takes about three seconds.
    /// The ICMP message, taken from the socket's error queue, says who answered and what;
    /// "administratively prohibited" and a REJECT rule carry the same error number and are another cause.
    /// No route on this very host is `tcp.no_local_route`.
    ///
    /// # What to do
    ///
    /// Ask the router that answered: `ip route get` and `ip neigh` there.
    /// Is the host up, is the address still its own, is the way back known?
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 3060000, "failure": {"errno": 113, "symbol": "EHOSTUNREACH",
    ///             "message": "No route to host", "icmp": {"kind": 3, "code": 1, "offender": "198.51.100.1"}}}},
    ///   {"kind": "tcp.route",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"kind": "unicast", "interface": "eth0", "gateway": "198.51.100.1"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static ADDRESS_UNREACHABLE: "tcp.address_unreachable" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Leg),
        twins(&["tcp.administratively_prohibited", "tcp.no_local_route", "tcp.timed_out", "tcp.refused"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = met(case, at, &[Death::Unreachable])?;
    let (peer, elapsed) = (met.peer, met.attempt.elapsed_us);
    let route = route(case, at);
    let (told, ask) = match (met.attempt.icmp().filter(|_| !met.attempt.told_by_ourselves()), &route) {
        (Some(icmp), _) => {
            let who = icmp.offender.map_or_else(|| "the network".to_owned(), |offender| offender.to_string());
            let told = format!("{who} says of {}: {}", peer.ip(), icmp_name(icmp));
            (told, format!("ip route get {}; ip neigh   # on {who}", peer.ip()))
        }
        (None, Some(route)) if route.leads_nowhere() => {
            let because = format!("this host itself has no way there: its route is `{}`", route.0.kind);
            return Err(Decline::not(because, route));
        }
        (None, route) => {
            let interface = route.as_ref().and_then(|route| route.0.interface.clone());
            let place = interface.map_or_else(|| "its network".to_owned(), String::from);
            let whom = route.as_ref().and_then(|route| route.0.gateway).unwrap_or(peer.ip());
            (format!("nobody answers for {whom} on {place}"), format!("ip neigh show {whom}"))
        }
    };
    let summary = format!("{told}, {elapsed} after our SYN{}", met.how_often());
    let finding = Finding::new(at, &met.attempt, summary).error(met.words()).next(ask).next(format!(
        "traceroute -T -p {} {}",
        peer.port(),
        peer.ip()
    ));
    Ok(match &route {
        Some(route) => finding.citing(route),
        None => finding,
    })
}

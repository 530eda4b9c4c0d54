//! `tcp.failed`

use std::net::SocketAddr;

use reqpath_core::{Case, Decline, End, Finding, Scope, Seen, Subject, cause};

use crate::evidence::{Death, RouteTaken};

use super::met::{Met, apart, met, route};
use super::no_local_route::why;

/// Routes to more than one host.
const GROUPS: [&str; 2] = ["broadcast", "multicast"];

cause! {
    /// The connection could not be opened, for a reason that has no cause of its own: the system's words say which.
    ///
    /// Refusals, silence, unreachable networks, prohibitions, resets and this host's own limits are told apart by
    /// other causes; what is left are errors such as `ENOBUFS` (no memory for the socket), those of unusual
    /// networks, and addresses to which no TCP connection can lead though there is a route: broadcast, multicast,
    /// a link-local address without its interface.
    ///
    /// # What to do
    ///
    /// Is the address the one that was meant? A name, a hosts file or a configuration that holds a broadcast
    /// address has a wrong netmask or a slip of the pen.
    /// Otherwise look the error up in `man 2 connect`, and in this host's own log: `dmesg | tail`.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 30, "failure": {"errno": 105, "symbol": "ENOBUFS",
    ///             "message": "No buffer space available"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static FAILED: "tcp.failed" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Leg),
        twins(&["tcp.no_local_route", "tcp.address_unreachable"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = met(case, at, &[Death::Other, Death::NoRoute])?;
    let route = route(case, at);
    if let (Some(Death::NoRoute), Some(why)) = (met.attempt.death(), why(&met, route.as_ref())) {
        return Err(Decline::not(format!("this host cannot reach {}: {why}", met.peer.ip()), &met.attempt));
    }
    let impossible = impossible(&met, route.as_ref());
    let why = impossible.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let summary = format!("connecting to {} failed{why}: {}{}", met.peer, met.words(), met.how_often());
    let finding = Finding::new(at, &met.attempt, summary).error(met.words());
    let finding = match &route {
        Some(route) => finding.citing(route),
        None => finding,
    };
    Ok(match impossible {
        // Whoever named the address is at this end.
        Some(_) => finding.blaming(End::Near).next(format!("ip route get {}", met.peer.ip())),
        None => finding.next(format!("nc -vz {}", apart(met.peer))).next("dmesg | tail"),
    })
}

/// Why no TCP connection can lead to this address, wherever it is tried.
fn impossible(met: &Met<'_>, route: Option<&Seen<'_, RouteTaken>>) -> Option<String> {
    if let Some(kind) = route.map(|route| &*route.0.kind).filter(|kind| GROUPS.contains(kind)) {
        return Some(format!("it is a {kind} address, and TCP speaks with one host"));
    }
    match met.peer.0 {
        SocketAddr::V6(to) if to.ip().is_unicast_link_local() && to.scope_id() == 0 => {
            Some("a link-local address means nothing without its interface".to_owned())
        }
        _ => None,
    }
}

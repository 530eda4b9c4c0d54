//! `tcp.no_local_route`

use reqpath_core::{Case, Decline, End, Finding, Scope, Seen, Subject, cause};

use crate::evidence::{Attempt, Death, RouteTaken};

use super::met::{Met, met, of_leg, route};

cause! {
    /// This host has no way to the address: no route, a route that leads nowhere, or no address to speak from.
    ///
    /// Nothing was sent: the kernel answered `connect()` at once from its own table.
    /// A router that has no way further answers with an ICMP message instead, and that is
    /// `tcp.address_unreachable`.
    /// A host without IPv6 that meets a name with IPv6 addresses is no fault as long as an IPv4 address answers:
    /// clients try both, and so nothing is said then.
    ///
    /// # What to do
    ///
    /// Look at the table: `ip route get ADDRESS`, `ip rule`, `ip addr`.
    /// Is the interface up, did it get its address and its default route, does a policy rule lead into an empty
    /// table?
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 12, "failure": {"errno": 101, "symbol": "ENETUNREACH",
    ///             "message": "Network is unreachable"}}},
    ///   {"kind": "tcp.route",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"kind": "none"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static NO_LOCAL_ROUTE: "tcp.no_local_route" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Near),
        twins(&["tcp.address_unreachable", "client.ports_exhausted", "tcp.administratively_prohibited"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = met(case, at, &[Death::NoRoute, Death::Unreachable, Death::NoLocalAddress])?;
    let peer = met.peer;
    if let Some(icmp) = met.attempt.icmp().filter(|_| !met.attempt.told_by_ourselves()) {
        let who = icmp.offender.map_or_else(|| "a router".to_owned(), |offender| offender.to_string());
        return Err(Decline::not(format!("{who} said so, and not this host"), &met.attempt));
    }
    let route = route(case, at);
    let why = match (why(&met, route.as_ref()), &route) {
        (Some(why), _) => why,
        (None, Some(route)) => {
            let because = format!("this host has a `{}` route to {}", route.0.kind, peer.ip());
            return Err(Decline::not(because, route));
        }
        (None, None) => return Err(Decline::needs(format!("ip route get {}", peer.ip()))),
    };
    if let Some(other) = other_family(case, at, peer.0.is_ipv4()) {
        let version = if peer.0.is_ipv4() { 4 } else { 6 };
        let because = format!("this host has no IPv{version}, and the request went by the other version");
        return Err(Decline::not(because, &other));
    }
    let summary = format!("this host cannot reach {}: {why}{}", peer.ip(), met.how_often());
    let finding = Finding::new(at, &met.attempt, summary)
        .error(met.words())
        .next(format!("ip route get {}", peer.ip()))
        .next("ip -br addr; ip rule");
    Ok(match &route {
        Some(route) => finding.citing(route),
        None => finding,
    })
}

/// What this host lacks, in words; nothing where it has a way there, or that is not known.
pub(super) fn why(met: &Met<'_>, route: Option<&Seen<'_, RouteTaken>>) -> Option<String> {
    Some(match (met.attempt.death(), route) {
        (_, Some(route)) if route.0.kind == "none" => "no route leads there".to_owned(),
        (_, Some(route)) if route.leads_nowhere() => format!("its route is `{}`", route.0.kind),
        (Some(Death::NoLocalAddress), Some(route)) if route.0.source.is_none() => {
            "it has no address to speak from".to_owned()
        }
        (Some(Death::NoRoute), None) => "no route leads there".to_owned(),
        (Some(Death::NoRoute), Some(route)) if met.words().contains("EAFNOSUPPORT") => {
            format!("it does not speak that IP version (its route is `{}`)", route.0.kind)
        }
        _ => return None,
    })
}

/// An attempt of the other IP version that succeeded, where none of this version came further than this host.
fn other_family<'a>(case: &'a Case, at: &Subject, v4: bool) -> Option<Seen<'a, Attempt>> {
    let mut other = None;
    for (peer, attempt) in of_leg(case, at) {
        if peer.0.is_ipv4() == v4 {
            let stayed_here =
                !attempt.connected() && (attempt.icmp().is_none() || attempt.told_by_ourselves());
            stayed_here.then_some(())?;
        } else if attempt.connected() {
            other = other.or(Some(attempt));
        }
    }
    other
}

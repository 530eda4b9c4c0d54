//! `client.ports_exhausted`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use crate::evidence::{Death, PortsTowards};

use super::met::{met, route};

cause! {
    /// No local port is left for this destination.
    ///
    /// A connection is known by its two addresses and two ports, so one client address can hold only as many
    /// connections to one address and port as it has local ports; those closed first by the client wait a minute
    /// in TIME-WAIT before their port is free again.
    /// A client that opens a new connection for every request reaches the end of the range at a few hundred
    /// requests a second.
    /// Then `connect()` fails at once with `EADDRNOTAVAIL`, and nothing is sent: the far end is not to blame,
    /// though it is only this destination that fails.
    ///
    /// # What to do
    ///
    /// Reuse connections.
    /// Until then: a wider `net.ipv4.ip_local_port_range`, `net.ipv4.tcp_tw_reuse=1`, or more addresses on either end.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 90, "failure": {"errno": 99, "symbol": "EADDRNOTAVAIL",
    ///             "message": "Cannot assign requested address"}}},
    ///   {"kind": "tcp.ports",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"first": 32768, "last": 60999, "used": 28232}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static PORTS_EXHAUSTED: "client.ports_exhausted" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Near),
        twins(&["tcp.timed_out", "tcp.no_local_route", "client.fds_exhausted"]),
        kills_in(&["tcp"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = met(case, at, &[Death::NoLocalAddress])?;
    let peer = met.peer;
    let count = format!("ss -Htan dst '{peer}' | wc -l; cat /proc/sys/net/ipv4/ip_local_port_range");
    let Some(ports) = case.of::<PortsTowards>(at).last() else { return Err(Decline::needs(count)) };
    let (used, available) = (ports.0.used, ports.available());
    let used_up = u64::from(used) * 10 >= u64::from(available) * 9;
    let route = route(case, at);
    // The same error means that there is no address to speak from; with one, only ports can be missing.
    let has_address = route.as_ref().is_some_and(|route| route.0.source.is_some());
    if !used_up && !has_address {
        let because = format!("only {used} of {available} local ports are in use towards {peer}");
        return Err(Decline::not(because, &ports));
    }
    let others = if used_up { "" } else { ", the others are held by sockets bound to them" };
    let summary = format!(
        "no local port is left towards {peer}: {used} of {available} ({}–{}) are in use{others}",
        ports.0.first, ports.0.last
    );
    Ok(Finding::new(at, &met.attempt, summary)
        .citing(&ports)
        .error(met.words())
        .next(count)
        .next(format!("ss -Htan dst '{peer}' | awk '{{print $1}}' | sort | uniq -c")))
}

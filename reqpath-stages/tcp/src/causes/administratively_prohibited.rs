//! `tcp.administratively_prohibited`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use crate::evidence::Death;

use super::met::{icmp_name, met, route};

cause! {
    /// A rule forbids the connection, and says so.
    ///
    /// A firewall on the way, or on the far host, answered our SYN with an ICMP message: "administratively
    /// prohibited", or "port unreachable", which no TCP sends by itself.
    /// Their error numbers are those of a closed port (`ECONNREFUSED`) or a missing host (`EHOSTUNREACH`);
    /// the message itself, from the socket's error queue, tells them apart, and its sender is the one with the rule.
    /// Without a message, `EPERM` or `EACCES` come from this very host: a filter, a `prohibit` route, a policy.
    /// A rule that rejects with a TCP reset cannot be told from a closed port (`tcp.refused`);
    /// one that drops cannot be told from silence (`tcp.timed_out`).
    ///
    /// # What to do
    ///
    /// Look at the rules of the host that answered: `nft list ruleset`, `iptables-save`, the cloud's own.
    /// Ask whether the client's address, the port, or the direction is what the rule is about.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 620, "failure": {"errno": 113, "symbol": "EHOSTUNREACH",
    ///             "message": "No route to host", "icmp": {"kind": 3, "code": 13, "offender": "198.51.100.1"}}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static ADMINISTRATIVELY_PROHIBITED: "tcp.administratively_prohibited" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Leg),
        twins(&["tcp.refused", "tcp.address_unreachable", "tcp.no_local_route", "tcp.timed_out"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = met(case, at, &[Death::Prohibited])?;
    let (peer, elapsed) = (met.peer, met.attempt.elapsed_us);
    let route = route(case, at);
    let finding = |summary: String| {
        let finding =
            Finding::new(at, &met.attempt, format!("{summary}{}", met.how_often())).error(met.words());
        match &route {
            Some(route) => finding.citing(route),
            None => finding,
        }
    };
    let Some(icmp) = met.attempt.icmp() else {
        let by = match &route {
            Some(route) if route.prohibits() => "a `prohibit` route",
            _ => "a rule or a policy",
        };
        let summary = format!("{by} of this very host forbids connections to {peer}");
        return Ok(finding(summary)
            .blaming(End::Near)
            .next(format!("ip route get {}", peer.ip()))
            .next("nft list ruleset"));
    };
    let name = icmp_name(icmp);
    let Some(who) = icmp.offender else {
        return Ok(finding(format!("a rule on the way to {peer} answered with {name} after {elapsed}")));
    };
    let (whose, end) = if met.attempt.told_by_ourselves() && who != peer.ip() {
        ("this very host", End::Near)
    } else if who == peer.ip() {
        ("the far host itself", End::Far)
    } else {
        ("on the way", End::Leg)
    };
    let summary = format!("{who} ({whose}) forbids connections to {peer}: {name} after {elapsed}");
    Ok(finding(summary).blaming(end).next(format!("nft list ruleset   # on {who}")).next(format!(
        "tcpdump -ni any 'icmp or icmp6 or (host {} and tcp port {})'",
        peer.ip(),
        peer.port()
    )))
}

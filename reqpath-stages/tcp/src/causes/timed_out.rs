//! `tcp.timed_out`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use crate::evidence::Death;

use super::met::{apart, met, route};
use super::not_dialled::{self, not_dialled};

cause! {
    /// Our SYNs were not answered: neither accepted, nor refused, nor called unreachable.
    ///
    /// Something on the way drops them without a word (a firewall, a security group, a NetworkPolicy), the host
    /// is down behind a router that does not say so, or the answers take a way on which they are lost.
    /// A listener whose queue is full drops SYNs as well (`tcp.accept_queue_full`), which only the far host shows.
    /// A closed port would have answered with a RST (`tcp.refused`).
    ///
    /// # What to do
    ///
    /// Find the hop where the SYN is last seen: `tcpdump` at both ends tells whether it arrives and whether the
    /// answer leaves; `traceroute -T` shows how far it gets.
    /// Then look at the filters of that hop, of the way there and of the way back.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 4980000, "failure": {"message": "no answer within 4.98 s",
    ///             "timed_out": true, "kernel": {"state": 2, "retransmits": 2, "total_retrans": 2}}}},
    ///   {"kind": "tcp.route",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"kind": "unicast", "interface": "eth0", "gateway": "198.51.100.1", "source": "198.51.100.20"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static TIMED_OUT: "tcp.timed_out" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Leg),
        silent(),
        twins(&[
            "tcp.accept_queue_full",
            "tcp.refused",
            "tcp.address_unreachable",
            "tcp.administratively_prohibited",
            "tls.timed_out",
        ]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = met(case, at, &[Death::Unanswered])?;
    let (peer, elapsed) = (met.peer, met.attempt.elapsed_us);
    let syns = match met.attempt.syns() {
        Some(1) => "the only SYN sent".to_owned(),
        Some(count) => format!("{count} SYNs"),
        None => "our SYN".to_owned(),
    };
    let route = route(case, at);
    let way = route.and_then(|route| route.0.interface.clone());
    let way = way.map(|interface| format!(", sent on {interface}")).unwrap_or_default();
    let left = not_dialled(case, at);
    let summary = format!(
        "{peer} left {syns} unanswered for {elapsed}{way}{}{}",
        met.how_often(),
        not_dialled::words(left.as_ref())
    );
    let finding = Finding::new(at, &met.attempt, summary)
        .error(met.words())
        .next(format!("traceroute -T -p {} {}", peer.port(), peer.ip()))
        .next(format!("tcpdump -ni any 'host {} and tcp port {}'", peer.ip(), peer.port()))
        .next(format!("nc -vz -w 5 {}", apart(peer)));
    let finding = not_dialled::cited(finding, left.as_ref());
    Ok(match &route {
        Some(route) => finding.citing(route),
        None => finding,
    })
}

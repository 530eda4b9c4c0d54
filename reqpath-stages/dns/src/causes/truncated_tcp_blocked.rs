//! Answers too large for a datagram, and no TCP.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Standing, Survey};
use super::words::dig;
use crate::evidence::{Answer, Outcome, Transport};

cause! {
    /// The answer does not fit a datagram, and the nameserver cannot be asked over TCP.
    ///
    /// The server sets TC=1: ask again over TCP. That connection is refused, dropped by a firewall, or closed.
    /// Small names resolve and large ones do not, which looks like a fault of the zone.
    /// A program that takes no EDNS gets 512 bytes in a datagram, so it meets this earlier than `dig`.
    /// It is told from `dns.timed_out` by the answer that did come over UDP.
    ///
    /// # What to do
    ///
    /// Open TCP port 53 to the nameserver; DNS needs both.
    /// Until then `options edns0` in `/etc/resolv.conf` makes room for 1232 bytes.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "all.shop.example", "symbol": "EAI_AGAIN", "message": "Temporary failure in name resolution"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "all.shop.example.", "rcode": "NOERROR", "flags": {"tc": true},
    ///             "response_bytes": 508}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "all.shop.example.", "transport": "tcp", "unreachable": true,
    ///             "error": "Connection refused"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static TRUNCATED_TCP_BLOCKED: "dns.truncated_tcp_blocked" = recognise {
        only_in_trouble(),
        blames(End::Near),
        twins(&["dns.timed_out", "dns.unreachable"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    let Some((server, over_tcp)) = survey.troubled(Standing::Cut) else {
        return Err(survey.not_troubled("dig +notcp +ignore"));
    };
    let over_udp = case
        .of::<Answer>(at)
        .find(|answer| is_cut(answer) && same(answer, &over_tcp))
        .ok_or(Decline::Absent)?;
    if over_tcp.transport == Transport::Udp {
        return Err(Decline::needs(dig(&over_tcp, "+tcp")));
    }
    let words = match (over_tcp.outcome(), &over_tcp.error) {
        (Outcome::TimedOut, _) => format!("it did not answer in {}", over_tcp.time_us),
        (_, Some(error)) => format!("it failed: {error}"),
        _ => "it failed".to_owned(),
    };
    let summary = format!(
        "{} cut its answer for {} {} to {} bytes (TC=1), and over TCP {words}",
        server.text(),
        over_udp.name,
        over_udp.record_type,
        over_udp.response_bytes
    );
    let finding = Finding::new(at, &over_tcp, summary)
        .citing(&over_udp)
        .next(dig(&over_tcp, "+tcp"))
        .next(format!("nc -vz {} {}", over_tcp.server.ip(), over_tcp.server.port()));
    let finding = survey.road.cited(finding);
    Ok(match &over_tcp.error {
        Some(words) => finding.error(words.clone()),
        None => finding,
    })
}

fn is_cut(answer: &Answer) -> bool {
    answer.transport == Transport::Udp && answer.flags.tc
}

fn same(a: &Answer, b: &Answer) -> bool {
    a.server == b.server && a.name == b.name && a.record_type == b.record_type
}

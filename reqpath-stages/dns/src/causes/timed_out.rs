//! Silence from a nameserver.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Answered, Standing, Survey};
use super::words::dig;

cause! {
    /// The nameserver did not answer.
    ///
    /// Questions were sent, more than once, and nothing came back, not even an ICMP error: a firewall
    /// drops them, the address is wrong, or the server is down with its whole host.
    /// It is told from `dns.unreachable`, where the network says at once that nobody is there, and
    /// from `tcp.timed_out`, where the name resolved and the far end is the silent one.
    ///
    /// # What to do
    ///
    /// Check that UDP and TCP port 53 are open to the server, and that the address in
    /// `/etc/resolv.conf` is the one meant.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}}, "complete": false,
    ///    "data": {"name": "www.shop.example", "still_waiting": true, "time_us": 4000000}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "www.shop.example.", "tries": 3, "timed_out": true, "time_us": 3990000}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns", "out_of_time": true}}]}
    /// ```
    pub static TIMED_OUT: "dns.timed_out" = recognise {
        only_in_trouble(),
        blames(End::Near),
        silent(),
        twins(&["tcp.timed_out", "dns.unreachable", "dns.truncated_tcp_blocked"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    if survey.servers.is_empty() && survey.road.failed() {
        return Err(Decline::needs(format!(
            "dig {}   # at each nameserver of /etc/resolv.conf",
            survey.host()
        )));
    }
    let (server, answer) = match silent(&survey) {
        Some(silent) => silent,
        None => return Err(survey.not_troubled("dig")),
    };
    let sent =
        if answer.tries == 1 { "1 question".to_owned() } else { format!("{} questions", answer.tries) };
    let strangers = match answer.mismatched {
        0 => String::new(),
        count => format!("; {count} datagrams came that answer another question"),
    };
    let summary = format!(
        "{} did not answer {sent} for {} {} in {}{strangers}{}",
        server.text(),
        answer.name,
        answer.record_type,
        answer.time_us,
        survey.others(server)
    );
    let finding = Finding::new(at, &answer, summary)
        .next(dig(&answer, "+tries=1 +time=5"))
        .next(dig(&answer, "+tcp +tries=1 +time=5"));
    Ok(survey.road.cited(finding))
}

/// The server whose silence matters, with the question it left open.
fn silent<'s, 'a>(survey: &'s Survey<'a>) -> Option<Answered<'s, 'a>> {
    if !survey.road.failed() {
        // Wholly dead servers beside a live one are another cause's.
        return survey.troubled(Standing::TimedOut).filter(|(server, _)| !server.is_dead());
    }
    let place = |standing| survey.servers.iter().position(|server| server.answer(standing).is_some());
    let first = place(Standing::TimedOut)?;
    let matters = match survey.settled() {
        // A client that was still waiting never came to the server, or the question, that is answered.
        Some((Standing::Addresses, ..)) => {
            survey.out_of_time() && place(Standing::Addresses).is_some_and(|knows| first <= knows)
        }
        Some(_) => false,
        None => survey.servers.iter().all(|server| {
            matches!(server.standing(), Standing::TimedOut | Standing::Unreachable | Standing::Unfinished)
        }),
    };
    let server = survey.servers.get(first).filter(|_| matters)?;
    Some((server, server.answer(Standing::TimedOut)?))
}

//! Some nameservers are dead.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::BY_NO_STAGE;
use super::survey::{Road, Standing, Survey};
use super::words::{dig, told};
use crate::evidence::Outcome;

cause! {
    /// Some of the nameservers are dead.
    ///
    /// At least one gave no sign of life to any question while another answered.
    /// The look-up works, but each one that asks a silent server first waits for its timeout; programs
    /// that ask only the first, or have less patience, fail.
    /// It killed the request where the client's time ran out while it waited for the silent server.
    /// It is told from `dns.timed_out` by the server that did answer.
    ///
    /// # What to do
    ///
    /// Revive the server, or take it out of `/etc/resolv.conf`.
    /// `options timeout:1 attempts:2 rotate` softens it until then.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}}, "complete": false,
    ///    "data": {"name": "www.shop.example", "still_waiting": true, "time_us": 3000000}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "www.shop.example.", "tries": 3, "timed_out": true, "time_us": 2980000}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.54:53", "name": "www.shop.example.", "rcode": "NOERROR", "time_us": 900,
    ///             "addresses": [{"address": "198.51.100.7", "ttl_s": 60}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns", "out_of_time": true}}]}
    /// ```
    pub static PARTIAL_RESOLVERS: "dns.partial_resolvers" = recognise {
        only_in_trouble(),
        blames(End::Near),
        explains(&["dns.timed_out"]),
        twins(&["dns.timed_out", "dns.unreachable"]),
        kills_in(BY_NO_STAGE),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    let dead = survey.dead();
    let Some((_, answer)) = dead.first() else {
        let first = survey.servers.first().and_then(|server| server.answer(server.standing()));
        return Err(first.map_or(Decline::Absent, |answer| {
            Decline::not(format!("every nameserver gave a sign of life: one {}", told(&answer)), &answer)
        }));
    };
    let alive = survey.servers.iter().find(|server| server.gave_a_sign());
    let Some((alive, sign)) = alive.and_then(|server| Some((server, server.sign()?))) else {
        return Err(Decline::not("no nameserver gave any sign of life", answer));
    };
    let of = survey.servers.len();
    let all_dead = dead.iter().map(|(server, answer)| format!("{} {}", server.text(), told(answer)));
    let mut summary = format!(
        "{} of {of} nameservers {} dead: {}; {} {}",
        dead.len(),
        if dead.len() == 1 { "is" } else { "are" },
        all_dead.collect::<Vec<_>>().join(", "),
        alive.text(),
        told(&sign)
    );
    summary.push_str(&delay(&survey));
    let mut finding = Finding::new(at, answer, summary).citing(&sign).next(dig(answer, "+tries=1"));
    for (_, answer) in &dead[1..] {
        finding = finding.citing(answer);
    }
    if let Some(resolvers) = &survey.resolvers {
        finding = finding.citing(resolvers).next("cat /etc/resolv.conf");
    }
    Ok(survey.road.cited(finding))
}

/// What the silent servers that are asked first cost each look-up.
fn delay(survey: &Survey<'_>) -> String {
    let silent = |server: &&super::survey::Server<'_>| {
        server.answer(Standing::TimedOut).is_some_and(|answer| answer.outcome() == Outcome::TimedOut)
    };
    let first = survey.servers.iter().take_while(|server| server.is_dead()).filter(silent).count();
    let timeout = match (&survey.road, &survey.resolvers) {
        (Road::System(_), Some(resolvers)) => resolvers.timeout_s,
        _ => return String::new(),
    };
    match u32::try_from(first) {
        Ok(0) | Err(_) => String::new(),
        Ok(first) => format!("; each look-up waits {} s for the silent first", timeout.saturating_mul(first)),
    }
}

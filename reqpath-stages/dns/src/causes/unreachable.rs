//! Nobody at the nameserver's port.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Standing, Survey};
use super::words::dig;

cause! {
    /// Nobody is at the nameserver's address and port.
    ///
    /// The network says so at once: an ICMP port unreachable (the host is up, no nameserver runs
    /// there), a host or network unreachable, or this host's own firewall that forbids the packet.
    /// It is told from `dns.timed_out` by that word: silence carries none.
    ///
    /// # What to do
    ///
    /// Start the nameserver, or correct its address in `/etc/resolv.conf`.
    /// On a host with a local stub (systemd-resolved, dnsmasq), check that the stub runs.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "www.shop.example", "symbol": "EAI_AGAIN", "message": "Temporary failure in name resolution"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "127.0.0.53:53", "name": "www.shop.example.", "tries": 1, "unreachable": true,
    ///             "error": "Connection refused (os error 111)", "time_us": 500}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static UNREACHABLE: "dns.unreachable" = recognise {
        only_in_trouble(),
        blames(End::Near),
        twins(&["dns.timed_out"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of_failure(case, at)?;
    if survey.servers.is_empty() {
        return Err(Decline::needs(format!(
            "dig {}   # at each nameserver of /etc/resolv.conf",
            survey.host()
        )));
    }
    let all = survey
        .servers
        .iter()
        .all(|server| matches!(server.standing(), Standing::Unreachable | Standing::Unfinished));
    let Some((server, answer)) = survey.troubled(Standing::Unreachable).filter(|_| all) else {
        return Err(survey.not_troubled("dig"));
    };
    let words = answer.error.clone().unwrap_or_else(|| "unreachable".to_owned());
    let others = survey.others(server);
    let summary = match words.as_str() {
        // The symbol is gone, its number stays: EPERM, from a rule for outgoing packets.
        words if words.contains("os error 1)") => {
            format!("this host's own rules forbid asking {}: {words}{others}", server.text())
        }
        words => format!("no nameserver is at {}: {words}{others}", server.text()),
    };
    let finding = survey.road.cited(Finding::new(at, &answer, summary).next(dig(&answer, "")));
    Ok(finding.error(words))
}

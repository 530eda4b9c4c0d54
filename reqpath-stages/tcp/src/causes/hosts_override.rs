//! `client.hosts_override`

use std::net::IpAddr;

use reqpath_client::HostsFile;
use reqpath_core::{Case, Decline, End, Finding, Seen, Subject, cause};
use reqpath_dns::{Answer, Outcome};

use super::met::of_leg;

cause! {
    /// The hosts file answers for the name, and the DNS says otherwise.
    ///
    /// A line in `/etc/hosts`, often left from a migration or a test, sends this client, and only this one, to another
    /// address than everybody else.
    /// It is blamed where no nameserver gives that address, and the connection did go there.
    /// A nameserver that hands out an old address is `dns.stale_answer`: it fails for others too.
    ///
    /// # What to do
    ///
    /// Take the line out, or correct it.
    /// In a container, look where it comes from: `hostAliases`, `--add-host`, the image.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "client.hosts", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"file": "/etc/hosts", "name": "server.example",
    ///             "entries": [{"address": "192.0.2.7", "line": 12}]}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "198.51.100.53:53", "name": "server.example.", "rcode": "NOERROR",
    ///             "addresses": [{"address": "192.0.2.8", "ttl_s": 300}]}},
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 410, "failure": {"errno": 111, "symbol": "ECONNREFUSED",
    ///             "message": "Connection refused"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static HOSTS_OVERRIDE: "client.hosts_override" = recognise {
        only_in_trouble(),
        blames(End::Near),
        explains(&["tcp.*", "tls.*", "http.*"]),
        twins(&["dns.stale_answer", "tcp.refused"]),
        kills_in(&["tcp", "tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let hosts = case.first::<HostsFile>(at)?;
    let answers: Vec<Seen<'_, Answer>> =
        case.of::<Answer>(at).filter(|answer| answer.outcome() == Outcome::Addresses).collect();
    let in_dns = |address: IpAddr| {
        answers.iter().find(|answer| answer.addresses.iter().any(|record| record.address == address))
    };
    let mut agreeing = None;
    for entry in &hosts.entries {
        // A version of IP that the DNS has no answer for is no contradiction.
        let same_version = |answer: &Seen<'_, Answer>| {
            answer.addresses.iter().any(|record| record.address.is_ipv4() == entry.address.is_ipv4())
        };
        let Some(other) = answers.iter().find(|answer| same_version(answer)) else { continue };
        if let Some(agrees) = in_dns(entry.address) {
            agreeing = Some(agrees);
            continue;
        }
        let Some((peer, attempt)) = of_leg(case, at).find(|(peer, _)| peer.ip() == entry.address) else {
            continue;
        };
        let given: Vec<String> = other.addresses.iter().map(|record| record.address.to_string()).collect();
        let summary = format!(
            "{} line {} sends {} to {}, where the DNS says {}; the connection went to {peer}",
            hosts.file,
            entry.line,
            hosts.name,
            entry.address,
            given.join(", ")
        );
        let finding = Finding::new(at, &hosts, summary)
            .citing(other)
            .citing(&attempt)
            .next(format!("grep -nw '{}' {}", hosts.name, hosts.file))
            .next(format!("dig @{} +short {}", other.server.ip(), other.name));
        return Ok(match attempt.words() {
            Some(words) => finding.error(words),
            None => finding,
        });
    }
    Err(match agreeing {
        Some(answer) => Decline::not("the DNS gives the address of the hosts file as well", answer),
        None if hosts.entries.is_empty() => {
            Decline::not(format!("{} does not name {}", hosts.file, hosts.name), &hosts)
        }
        None => Decline::Absent,
    })
}

//! The system resolver alone has no address.

use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::survey::{Road, Standing, Survey};
use super::words::{absolute, dig, told};

cause! {
    /// The system resolver gives no address, and no nameserver's answer accounts for it.
    ///
    /// An ordinary program asks the system, not a nameserver: `nsswitch.conf` decides who is asked, and a
    /// local daemon or cache (nscd, systemd-resolved, a module) may stand between.
    /// Here the system failed or stayed silent, while the nameservers have the address when asked
    /// directly, or were not asked at all.
    /// It is told from every other cause of this station by the nameservers' own good answers.
    ///
    /// # What to do
    ///
    /// Run the two commands and compare.
    /// Where they differ, look at the `hosts:` line of `/etc/nsswitch.conf` and restart or flush the local cache.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "www.shop.example", "symbol": "EAI_AGAIN", "message": "Temporary failure in name resolution"}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "www.shop.example.", "rcode": "NOERROR", "time_us": 900,
    ///             "addresses": [{"address": "198.51.100.7", "ttl_s": 60}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "dns"}}]}
    /// ```
    pub static SYSTEM_RESOLVER_FAILED: "dns.system_resolver_failed" = recognise {
        only_in_trouble(),
        blames(End::Near),
        twins(&["dns.timed_out", "dns.server", "dns.name_not_resolved"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of_failure(case, at)?;
    let Road::System(system) = survey.road else { return Err(Decline::Absent) };
    if let Some((_, answer)) = survey.denied() {
        let because = format!("a nameserver {}", told(&answer));
        return Err(Decline::not(because, &answer));
    }
    if !system.addresses.is_empty() {
        return Err(Decline::not("it gave addresses, of the other IP version", &system));
    }
    let getent = format!("getent ahosts {}", system.name);
    let finding = match survey.settled() {
        Some((standing, server, answer)) => {
            // A client still waiting for an answer that never came has that silence to blame.
            let silent = survey.servers.iter().find_map(|server| server.answer(Standing::TimedOut));
            if let Some(silent) = silent.filter(|_| survey.out_of_time()) {
                let question = format!("asked for {} {}", silent.name, silent.record_type);
                return Err(Decline::not(format!("{question}, a nameserver {}", told(&silent)), &silent));
            }
            let contrast = if standing == Standing::Addresses { "though" } else { "which is temporary, but" };
            let summary = format!("{}, {contrast} {} {}", survey.road.words(), server.text(), told(&answer));
            Finding::new(at, &system, summary).citing(&answer).next(getent).next(dig(&answer, ""))
        }
        None => {
            let trouble = survey.servers.iter().find_map(|server| {
                let standing = server.standing();
                if standing == Standing::Unfinished { None } else { server.answer(standing) }
            });
            if let Some(trouble) = trouble {
                return Err(Decline::not(format!("a nameserver {}", told(&trouble)), &trouble));
            }
            let summary = format!("{}, and no nameserver was heard besides", survey.road.words());
            Finding::new(at, &system, summary).next(getent).next(format!("dig {}", absolute(&system.name)))
        }
    };
    Ok(survey.road.cited(finding))
}

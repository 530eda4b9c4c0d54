//! `client.proxy_unreachable`

use reqpath_client::{Environment, ProxyInForce};
use reqpath_core::{
    Case, Decline, End, Evidence, Finding, Left, Role, Scope, Seen, Subject, Target, Trial, cause,
};
use reqpath_dns::SystemLookup;

use crate::evidence::{Attempt, Death, Outcome};

use super::met::apart;

cause! {
    /// The proxy that the environment asks for cannot be connected to.
    ///
    /// `http_proxy`, `https_proxy` or `all_proxy` sends the request to a proxy, and no connection to that proxy
    /// was opened: its name stands for nothing, it refuses, it is not there, or nothing leads to it.
    /// The server was never asked, so nothing is said of it.
    /// Where the same request succeeds past the proxy, `client.proxy_env` says so as well;
    /// where no such control was made, as for a method that changes things, this is all that is known.
    ///
    /// # What to do
    ///
    /// Start the proxy, or correct the variable: its host and its port.
    /// If the target should not go through a proxy at all, name it in `NO_PROXY` or unset the variable.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "client.environment", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"proxy": {"variable": "http_proxy", "url": "http://proxy.example:3128"}}},
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.3:3128", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 410, "failure": {"errno": 111, "symbol": "ECONNREFUSED",
    ///             "message": "Connection refused"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp", "by_proxy": "relayed"}}
    /// ]}
    /// ```
    pub static PROXY_UNREACHABLE: "client.proxy_unreachable" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        silent(),
        explains(&[
            "dns.name_not_resolved",
            "dns.no_address",
            "dns.dead_address",
            "dns.broken_family",
            "tcp.*",
        ]),
        twins(&["client.proxy_env", "tcp.refused", "tcp.timed_out"]),
        kills_in(&["dns", "tcp"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let environment = case.first::<Environment>(at)?;
    let proxy = environment.proxy.as_ref().ok_or(Decline::Absent)?;
    let trial = case.first::<Trial>(at)?;
    if let Some(nameless) = case.of::<SystemLookup>(at).find(|lookup| nameless(lookup) && trial.died()) {
        let why = format!("{} has no address", nameless.name);
        let finding = Finding::new(at, &nameless, summary(case, at, (&environment, proxy), &why))
            .error(nameless.symbol.clone().unwrap_or_default())
            .next(nameless.source(at));
        return Ok(told(finding, case, at, &environment));
    }
    let attempts: Vec<Seen<'_, Attempt>> =
        case.of::<Attempt>(at).filter(|attempt| attempt.outcome != Outcome::GivenUp).collect();
    if let Some(open) = attempts.iter().find(|attempt| attempt.connected()) {
        return Err(case.not(open, || format!("the connection to {} was opened", proxy.url)));
    }
    // What fails on this host is no fault of the proxy's.
    let ours = [Death::NoLocalAddress, Death::NoDescriptor, Death::NoRoute];
    let theirs = |attempt: &&Seen<'_, Attempt>| attempt.death().is_some_and(|death| !ours.contains(&death));
    let dead = attempts.iter().find(theirs).filter(|_| trial.died()).ok_or(Decline::Absent)?;
    let peer = dead.subject().address().ok_or(Decline::Absent)?;
    let words = dead.words().unwrap_or_default();
    let why = format!("no connection to {peer} is opened: {words}");
    let finding = Finding::new(at, dead, summary(case, at, (&environment, proxy), &why))
        .error(words)
        .next(format!("nc -vz {}", apart(peer)));
    Ok(told(finding, case, at, &environment))
}

/// Whether there is no such name, or no address that it stands for; not that nobody could tell.
fn nameless(lookup: &SystemLookup) -> bool {
    matches!(lookup.symbol.as_deref(), Some("EAI_NONAME" | "EAI_NODATA" | "EAI_ADDRFAMILY"))
}

fn summary(
    case: &Case,
    at: &Subject,
    (environment, proxy): (&Environment, &ProxyInForce),
    why: &str,
) -> String {
    let target = case.target();
    let mut summary = format!(
        "the proxy {} that `{}` names cannot be reached: {why}; {} was not asked",
        proxy.url,
        proxy.variable,
        target.host_and_port()
    );
    if let Some(direct) = direct(case, at).filter(|direct| direct.died()) {
        summary.push_str(&format!(", and past the proxy the request dies as well, in {}", direct.stage));
    }
    if let Some(nearly) = &environment.nearly {
        summary.push_str(&format!(
            "; `{}` in {} does not exempt {}: {}",
            nearly.entry,
            nearly.variable,
            target.host(),
            nearly.why
        ));
    }
    summary
}

/// With what else tells of it, and the look to make next.
fn told(finding: Finding, case: &Case, at: &Subject, environment: &Seen<'_, Environment>) -> Finding {
    let finding = finding.citing(environment).next(past(case.target()));
    match direct(case, at).filter(|direct| direct.left != Left::Unknown) {
        Some(direct) => finding.citing(&direct),
        None => finding,
    }
}

/// The control past the proxy.
fn direct<'a>(case: &'a Case, at: &Subject) -> Option<Seen<'a, Trial>> {
    case.of::<Trial>(&at.whole_leg()).find(|trial| trial.role == Role::Direct)
}

/// The look past the proxy that changes nothing.
fn past(target: &Target) -> String {
    if target.is_safe() {
        format!("curl -v --noproxy '*' {}", target.url_to_type())
    } else {
        format!("nc -vz {} {}", target.host(), target.port())
    }
}

//! `client.proxy_env`

use reqpath_core::{Case, Decline, End, Evidence, Finding, Role, Scope, Subject, Trial, cause, quoted};

use crate::Environment;

cause! {
    /// A proxy from the environment stands before the target, and the request dies of it.
    ///
    /// `http_proxy`, `https_proxy` or `all_proxy` sends the request to a proxy,
    /// or `NO_PROXY` was meant to exempt the target and does not.
    /// What is seen then is the proxy's fault and not the target's: its name does not resolve, its port is
    /// closed, it refuses the tunnel, or it cannot reach an inner host.
    /// A control request that leaves the proxy out tells it from a target that is down:
    /// the control lives, and everything else about it is the same.
    /// Where the control dies as well, the proxy is not blamed.
    ///
    /// # What to do
    ///
    /// Unset the variable where no proxy is wanted, correct it where one is, or exempt the target: a name in
    /// `NO_PROXY` exempts itself and everything below it (`corp.example`, with or without a leading dot);
    /// an address needs itself or a range (`10.0.0.0/8`).
    /// Wildcards, ports and URLs in it match nothing.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "client.environment", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"proxy": {"variable": "https_proxy", "url": "http://proxy.example:3128"},
    ///             "nearly": {"variable": "NO_PROXY", "entry": "*.example",
    ///                        "why": "`*` stands for nothing in an entry"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 1}},
    ///    "data": {"role": "direct", "left": "alive", "stage": "http"}}
    /// ]}
    /// ```
    pub static PROXY_ENV: "client.proxy_env" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        explains(&["dns.*", "tcp.*", "client.tunnel_failed", "tls.*", "http.*", "response.*"]),
        twins(&["tcp.timed_out", "tcp.refused", "dns.name_not_resolved"]),
        kills_in(&["dns", "tcp", "tunnel", "tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let trial = case.first::<Trial>(at)?;
    if trial.role != Role::Fresh || !trial.died() {
        return Err(Decline::Absent);
    }
    let leg = at.whole_leg();
    let Ok(environment) = case.first::<Environment>(at) else {
        // Only the first sample is looked at where no proxy is in force.
        let first = case.first::<Environment>(&leg)?;
        return Err(Decline::not(first.brief(), &first));
    };
    let Some(proxy) = &environment.proxy else {
        return Err(Decline::not(environment.brief(), &environment));
    };
    let target = case.target();
    let url = target.url_to_type();
    let Some(direct) = case.of::<Trial>(&leg).find(|trial| trial.role == Role::Direct) else {
        return Err(Decline::needs(format!("curl -v --noproxy '*' {url}")));
    };
    if direct.died() {
        return Err(Decline::not(
            format!("without the proxy {} it dies as well, in {}", proxy.url, direct.stage),
            &direct,
        ));
    }
    if direct.left != reqpath_core::Left::Alive {
        return Err(Decline::needs(format!("curl -v --noproxy '*' {url}")));
    }
    let mut summary = format!(
        "`{}` sends this request through {}, where it died in {}; straight to {} it lives",
        proxy.variable,
        proxy.url,
        trial.stage,
        target.host_and_port()
    );
    if let Some(nearly) = &environment.nearly {
        summary.push_str(&format!(
            "; `{}` in {} does not exempt {}: {}",
            nearly.entry,
            nearly.variable,
            target.host(),
            nearly.why
        ));
    }
    Ok(Finding::new(at, &environment, summary)
        .citing(&direct)
        .citing(&trial)
        .next(format!("curl -v --noproxy '*' {url}"))
        .next(format!("curl -v -x {} {url}", quoted(&proxy.url)))
        .next(format!("export NO_PROXY=\"${{NO_PROXY:+$NO_PROXY,}}{}\"", target.host())))
}

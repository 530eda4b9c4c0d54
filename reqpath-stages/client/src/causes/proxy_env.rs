//! `client.proxy_env`

use reqpath_core::{
    ByProxy, Case, Decline, End, Evidence, Finding, Left, Role, Scope, Subject, Trial, cause, quoted,
};

use crate::Environment;

cause! {
    /// A proxy from the environment stands before the target, and the request dies of it.
    ///
    /// `http_proxy`, `https_proxy` or `all_proxy` sends the request to a proxy,
    /// or `NO_PROXY` was meant to exempt the target and does not.
    /// What is seen then is the proxy's fault and not the target's: its name does not resolve, its port is
    /// closed, it refuses the tunnel, or it cannot reach an inner host and answers with an error.
    /// A control request that leaves the proxy out tells it from a target that is down:
    /// the control lives, and everything else about it is the same.
    /// Where the control dies as well, the proxy is not blamed.
    ///
    /// # What to do
    ///
    /// Unset the variable where no proxy is wanted; correct it where one is: credentials that the proxy wants (407)
    /// go into its URL.
    /// Or exempt the target: a name in `NO_PROXY` exempts itself and everything below it (`corp.example`, with or
    /// without a leading dot); an address needs itself or a range (`10.0.0.0/8`).
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
        explains(&[
            "dns.*",
            "client.proxy_unreachable",
            "tcp.*",
            "client.tunnel_failed",
            "tls.*",
            "client.proxy_failed",
            "http.*",
            "response.*",
        ]),
        twins(&["tcp.timed_out", "tcp.refused", "dns.name_not_resolved"]),
        kills_in(&["dns", "tcp", "tunnel", "tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let trial = case.first::<Trial>(at)?;
    let error = refused(&trial);
    if trial.role != Role::Fresh || !trial.died() && error.is_none() {
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
    if direct.left != Left::Alive {
        return Err(Decline::needs(format!("curl -v --noproxy '*' {url}")));
    }
    let good = |trial: &Trial| trial.left == Left::Alive && status(trial).is_some_and(|status| status < 400);
    // An answer is told from the proxy's own only by what the server answers without it.
    if error.is_some() && !good(&direct) {
        let answer = direct.answer.as_deref().unwrap_or("no answer");
        return Err(Decline::not(format!("without the proxy {} it is {answer}", proxy.url), &direct));
    }
    // Where some requests come back through it, one that comes back without it is no contrast.
    let through = |trial: &Trial| trial.by_proxy.is_some() && trial.role == Role::Fresh;
    if let Some(passed) = case.of::<Trial>(&leg).find(|trial| through(trial) && good(trial)) {
        return Err(Decline::not(format!("the proxy {} also let one come back", proxy.url), &passed));
    }
    let how =
        error.map_or_else(|| format!("died in {}", trial.stage), |status| format!("was answered {status}"));
    let lives = match status(&direct) {
        Some(status @ 400..) => format!("is answered {status}"),
        _ => "lives".to_owned(),
    };
    let mut summary = format!(
        "`{}` sends this request through {}, where it {how}; straight to {} it {lives}",
        proxy.variable,
        proxy.url,
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

/// The status of an error that came back from the proxy, be it its own or passed on.
fn refused(trial: &Trial) -> Option<u16> {
    let relayed = trial.by_proxy == Some(ByProxy::Relayed) && trial.left == Left::Alive;
    status(trial).filter(|status| relayed && *status >= 400)
}

/// The status of the answer: `HTTP/1.1 502`.
fn status(trial: &Trial) -> Option<u16> {
    trial.answer.as_deref()?.split(' ').nth(1)?.parse().ok()
}

//! `client.tunnel_failed`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use crate::evidence::{End, TunnelAnswer};

cause! {
    /// The proxy that the environment asks for did not open a tunnel to the server.
    ///
    /// For https a client asks its proxy for a tunnel (`CONNECT host:443`), and only through that does
    /// it reach the server.
    /// 407 means that the proxy wants credentials, 403 that it does not allow the host or the port,
    /// 502 to 504 that it could not reach the server itself.
    /// Where the same request succeeds past the proxy, `client.proxy_env` says so as well.
    ///
    /// # What to do
    ///
    /// For 407 put credentials into the proxy's URL; for 403 ask whose rules they are; for 502 to 504
    /// look from the proxy: its DNS, its routes, its firewall.
    /// If the host should not go through the proxy at all, name it in `NO_PROXY`.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tunnel.answer",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.3:3128", "sample": 0}},
    ///    "data": {"proxy": "http://proxy.example:3128", "variable": "https_proxy", "to": "server.example:443",
    ///             "status": 403, "end": "complete", "headers": [["x-squid-error", "ERR_ACCESS_DENIED 0"]]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tunnel"}}
    /// ]}
    /// ```
    pub static TUNNEL_FAILED: "client.tunnel_failed" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Leg),
        twins(&["client.proxy_env", "tcp.refused"]),
        kills_in(&["tunnel"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = case.first::<TunnelAnswer>(at)?;
    if seen.opened() {
        return Err(Decline::not("the proxy opened the tunnel", &seen));
    }
    let said = match (seen.status, seen.end) {
        (Some(407), _) if !seen.authorized => "wants credentials (407), and the setting has none".to_owned(),
        (Some(407), _) => "does not accept our credentials (407)".to_owned(),
        (Some(403), _) => "does not allow it (403)".to_owned(),
        (Some(status @ 502..=504), _) => format!("could not reach the server itself ({status})"),
        (Some(status), _) => format!("answered {status}"),
        (None, Some(End::TimedOut)) => "did not answer in time".to_owned(),
        (None, Some(End::Empty)) => "closed the connection without an answer".to_owned(),
        (None, Some(End::Reset)) => "reset the connection".to_owned(),
        (None, Some(End::Invalid)) => "answered with something that is not HTTP".to_owned(),
        (None, Some(end)) => format!("gave no answer ({end})"),
        (None, None) => return Err(Decline::Absent),
    };
    let marks = ["proxy-status", "x-squid-error", "via", "server"];
    let mark = marks.iter().find_map(|name| Some(format!(" ({name}: {})", seen.headers.get(name)?)));
    let summary = format!(
        "asked for a tunnel to {}, the proxy {} from `{}` {said}{}",
        seen.to,
        seen.proxy,
        seen.variable,
        mark.unwrap_or_default()
    );
    let finding = Finding::new(at, &seen, summary)
        .next(seen.curl())
        .next(format!("curl -sv -o /dev/null --noproxy '*' https://{}/", seen.to));
    let words = seen.status.map(|status| format!("HTTP {status}")).or_else(|| seen.error.clone());
    Ok(match words {
        Some(words) => finding.error(words),
        None => finding,
    })
}

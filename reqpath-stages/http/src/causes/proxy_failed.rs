//! `client.proxy_failed`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Role, Scope, Seen, Subject, Trial, cause};

use super::met::{asked, exchange, otherwise};
use crate::origin::origin;

/// Those that stand on the client's side; any other hand may be that of a proxy before the application.
const FORWARD: [&str; 2] = ["Squid", "tinyproxy"];

cause! {
    /// The proxy that the environment asks for answered by itself, and did not pass the request on.
    ///
    /// For plain http a client gives the whole request to its proxy, and what answers is the proxy.
    /// 407 is always a proxy's own word: it wants credentials.
    /// Any other error is its own where its hand shows: tinyproxy's name, or Squid's `X-Squid-Error`.
    /// It then does not allow the host or the port, or could not get an answer from the server;
    /// whether the request arrived there is not known.
    /// A server that says 407 without a proxy before it, or says it past the proxy too, is not meant here:
    /// that is its own odd answer; nor is any answer that shows the same hand past the proxy too, where
    /// another Squid stands before the server.
    /// For https see `client.tunnel_failed`; where the same request succeeds past the proxy,
    /// `client.proxy_env` says so as well.
    ///
    /// # What to do
    ///
    /// For 407 put credentials into the proxy's URL; for 403 ask whose rules they are; for 500 to 504
    /// look from the proxy: its DNS, its routes, its firewall.
    /// If the host should not go through the proxy at all, name it in `NO_PROXY`.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.3:3128", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/"}, "proxy": "http://proxy.example:3128",
    ///             "version": "HTTP/1.1", "status": 407, "end": "complete",
    ///             "headers": [["proxy-authenticate", "Basic realm=\"proxy\""]]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "by_proxy": "relayed",
    ///             "answer": "HTTP/1.1 407"}}
    /// ]}
    /// ```
    pub static PROXY_FAILED: "client.proxy_failed" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Leg),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["client.proxy_env", "client.tunnel_failed", "http.error"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = exchange(case, at)?;
    let proxy = seen.proxy.as_deref().ok_or(Decline::Absent)?;
    if !seen.answered() {
        return Err(otherwise(case, &seen));
    }
    let status = seen.status.ok_or(Decline::Absent)?;
    let line = seen.status_line();
    if status < 400 {
        return Err(case.not(&seen, || format!("the answer is {line}")));
    }
    if case.expected(at).status.iter().any(|range| range.holds(status)) {
        return Err(case.not(&seen, || format!("{line} was expected")));
    }
    let origin = origin(&seen);
    let proof =
        origin.proof.as_ref().filter(|_| origin.maker.as_deref().is_some_and(|m| FORWARD.contains(&m)));
    if proof.is_none() && status != 407 {
        return Err(case.not(&seen, || format!("{line} may be what the proxy {proxy} was given")));
    }
    let direct = direct(case, at);
    if let Some(direct) = direct.as_ref().filter(|direct| status_of(direct) == Some(status)) {
        match proof.and(origin.maker.as_deref()) {
            None => {
                return Err(case.not(direct, || format!("past the proxy the answer is {status} as well")));
            }
            // One of the same make stands before the server: whose answer this is cannot be told.
            Some(maker) if made_by(case, direct.subject(), maker) => {
                let because = || format!("past the proxy the answer is {status} by {maker} as well");
                return Err(case.not(direct, because));
            }
            Some(_) => {}
        }
    }
    let said = match status {
        407 => "wants credentials",
        401 | 403 => "does not allow it",
        500.. => "got no answer from there",
        _ => "refuses it",
    };
    let shows = match (proof, status) {
        (Some(proof), _) => proof.clone(),
        (None, _) => "407 is a proxy's own word".to_owned(),
    };
    let mut summary = format!(
        "asked to pass on {}, the proxy {proxy} {said}: it answered {line} itself ({shows})",
        asked(&seen)
    );
    let direct = direct.filter(|direct| direct.died());
    if let Some(direct) = &direct {
        summary.push_str(&format!("; past the proxy the request dies as well, in {}", direct.stage));
    }
    let version = seen.version.unwrap_or_default();
    let finding = Finding::new(at, &seen, summary)
        .error(format!("{version} {line}"))
        .behind(if status >= 500 { Behind::ANYTHING } else { Behind::NOTHING })
        .next(seen.curl())
        .next(format!("curl -sv -o /dev/null --noproxy '*' {}", seen.curl_target()))
        .ends_sample();
    Ok(match &direct {
        Some(direct) => finding.citing(direct),
        None => finding,
    })
}

/// The control past the proxy.
fn direct<'a>(case: &'a Case, at: &Subject) -> Option<Seen<'a, Trial>> {
    case.of::<Trial>(&at.whole_leg()).find(|trial| trial.role == Role::Direct)
}

/// The status of the answer that a try got, where it got one.
fn status_of(trial: &Trial) -> Option<u16> {
    trial.answer.as_deref()?.split(' ').nth(1)?.parse().ok()
}

/// Whether what came back to a sample was made by this hand.
fn made_by(case: &Case, at: &Subject, maker: &str) -> bool {
    exchange(case, at).is_ok_and(|seen| origin(&seen).maker.as_deref() == Some(maker))
}

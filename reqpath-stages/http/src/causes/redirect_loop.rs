//! `http.response.redirect_loop`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Seen, Subject, cause, quoted};

use crate::evidence::Redirect;

/// How many steps of a chain are shown.
const SHOWN: usize = 6;

cause! {
    /// Redirects lead back to a URL that was asked for before, or never end.
    ///
    /// Two places disagree about where the resource lives, and each sends the request to the other:
    /// a proxy that turns http into https before a server that sees only http and turns it again
    /// (`X-Forwarded-Proto` lost or not believed), `www` against the bare name, a trailing slash that
    /// one adds and the other removes; or a login page that needs a cookie which does not come back.
    ///
    /// # What to do
    ///
    /// Read the chain: the two steps that alternate name the two rules that fight.
    /// Behind a TLS-terminating proxy, let the server believe `X-Forwarded-Proto` from that proxy.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.redirect", "subject": {"leg": {"from": "client", "to": "redirect-1", "sample": 0}},
    ///    "data": {"from": "https://server.example/", "to": "http://server.example/", "status": 301, "loop": true,
    ///             "chain": ["http://server.example/", "https://server.example/"]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "redirect-1", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true, "arrived": "yes"}}
    /// ],
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "server", "kind": "server"},
    ///                    {"id": "redirect-1", "kind": "server"}]}}
    /// ```
    pub static REDIRECT_LOOP: "http.response.redirect_loop" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        twins(&["http.response.unexpected"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = case.last::<Redirect>(at)?;
    if seen.loops {
        let summary = format!(
            "redirects go round in a circle: {} leads back to {} ({})",
            seen.from,
            seen.to,
            steps(&seen)
        );
        return Ok(found(at, &seen, summary));
    }
    if let Some(limit) = seen.limit {
        let summary = format!("more than {limit} redirects ({})", steps(&seen));
        return Ok(found(at, &seen, summary));
    }
    let because = if seen.followed {
        format!("the redirect to {} was followed, and it was not asked for before", seen.to)
    } else {
        format!("the redirect to {} is the answer, and was not to be followed", seen.to)
    };
    Err(Decline::not(because, &seen))
}

fn found(at: &Subject, seen: &Seen<'_, Redirect>, summary: String) -> Finding {
    let first = seen.chain.first().unwrap_or(&seen.from);
    Finding::new(at, seen, summary)
        .error(format!("{} Location: {}", seen.status, seen.to))
        .next(format!("curl -sIL --max-redirs 5 {} | grep -iE '^(HTTP|location)'", quoted(first)))
}

/// The chain, with its middle left out where it is long.
fn steps(seen: &Redirect) -> String {
    let mut steps: Vec<&str> = seen.chain.iter().map(String::as_str).collect();
    steps.push(&seen.to);
    if steps.len() > SHOWN {
        let left_out = steps.len() - SHOWN;
        let more = format!("… {left_out} more …");
        let (start, end) = (steps[..SHOWN / 2].join(" → "), steps[steps.len() - SHOWN / 2..].join(" → "));
        return format!("{start} → {more} → {end}");
    }
    steps.join(" → ")
}

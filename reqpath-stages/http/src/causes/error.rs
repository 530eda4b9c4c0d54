//! `http.error`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, exchange, otherwise, peer};
use crate::evidence::Redirect;
use crate::origin::origin;

cause! {
    /// An answer came back, and it is an error that no finer cause explains.
    ///
    /// A 5xx ends the request: whoever made it says that it failed.
    /// A 4xx ends it only where a proxy made the answer itself, as its own error page, `Proxy-Status` or
    /// another mark of its hand shows: then the request never reached the application.
    /// A 4xx of the application is an answer like any other, and only worth a warning.
    /// Where nothing in the answer proves who made it, that is said.
    /// `--expect-status` settles what counts as an error.
    ///
    /// # What to do
    ///
    /// Go to the hop that made the answer and read its log at this second, by the request id.
    /// Where that is not known, send the same request past one hop after the other until the answer
    /// changes.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"request": {"url": "https://server.example/"}, "secured": true, "version": "HTTP/1.1", "status": 502,
    ///             "end": "complete", "headers": [["server", "nginx"]],
    ///             "body": {"coding": "length", "promised": 150, "received": 150,
    ///                      "start": "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static ERROR: "http.error" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        explains(&["http.response.unexpected"]),
        twins(&["http.response.unexpected", "http.response.misdirected"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = exchange(case, at)?;
    if !seen.answered() {
        return Err(otherwise(case, &seen));
    }
    let status = seen.status.ok_or(Decline::Absent)?;
    if status < 400 {
        return Err(case.not(&seen, || format!("the answer is {}", seen.status_line())));
    }
    let line = seen.status_line();
    // A redirect that was followed on from here is not the last word; an error never is one.
    if case.of::<Redirect>(at).any(|redirect| redirect.followed) {
        return Err(Decline::not("the request was sent elsewhere", &seen));
    }
    let expected = &case.expected(at).status;
    if expected.iter().any(|range| range.holds(status)) {
        return Err(Decline::not(format!("{line} was expected"), &seen));
    }
    let origin = origin(&seen);
    let ends = status >= 500 || origin.maker.is_some();
    if !ends && !expected.is_empty() {
        return Err(Decline::not(
            format!("{line} is the application's own answer, as far as can be told"),
            &seen,
        ));
    }
    let summary = format!("{} answered {} with {line}; {}", peer(&seen), asked(&seen), origin.said());
    let version = seen.version.unwrap_or_default();
    let finding = Finding::new(at, &seen, summary)
        .error(format!("{version} {line}"))
        .behind(behind(status))
        .next(seen.curl());
    Ok(if ends { finding.ends_sample() } else { finding })
}

/// What a hop that answers so may have met behind it. Rules of thumb that hold for every proxy known here:
/// where two hold at once, what is seen further in decides.
fn behind(status: u16) -> Behind {
    match status {
        // The application's own failure, or that of what it asks.
        500 => Behind::SAME.or_branch(),
        502 => Behind::BROKEN,
        504 => Behind::SILENCE,
        // Overload, an upstream marked down, or (HAProxy, Envoy) one that refuses or keeps silent.
        501.. => Behind::ANYTHING,
        _ => Behind::SAME,
    }
}

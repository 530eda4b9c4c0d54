//! `http.error`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, exchange, otherwise, peer, stripped};
use crate::evidence::{Gave, Passage, Redirect};
use crate::origin::{kept, made, origin};

cause! {
    /// An answer came back, and it is an error that no finer cause explains.
    ///
    /// A 5xx ends the request: whoever made it says that it failed.
    /// A 4xx ends it only where a proxy made the answer itself, as its own error page, `Proxy-Status` or
    /// another mark of its hand shows: then the request never reached the application.
    /// A 4xx of the application is an answer like any other, and only worth a warning.
    /// Log lines of this very request say it better than the answer does, and then count alone.
    /// Where nothing proves who made it, that is said.
    /// Where a cache on the way had it (`Age`, `Cache-Status: …; hit`), nobody behind that cache was asked, and
    /// nothing is said of those.
    /// A 401 or 403 to a request of ours that entered further in without the credentials of the first proves nothing.
    ///
    /// The status is a rule of thumb, no more: 500 is mostly the application's code, 502 mostly an
    /// upstream that was reached and broke, 504 one that was waited for in vain. An application may send
    /// any of them itself, a proxy fail with 500, and an `error_page` turn one into another.
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
        // Of its own kind: the answer that a hop passed on, further in.
        explains(&["http.response.unexpected"]),
        twins(&["http.response.unexpected", "http.response.misdirected"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let Ok(seen) = exchange(case, at) else { return passed_on(case, at) };
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
    if stripped(case, &seen) {
        return Err(Decline::not("the request had been stripped of its credentials", &seen));
    }
    let (origin, made) = (origin(&seen), made(case, at, status));
    // Where the logs lead to the one who made it, the looks of the page say nothing more.
    let ends = status >= 500 || if made.known { made.by_proxy } else { origin.maker.is_some() };
    if !ends && !expected.is_empty() {
        return Err(Decline::not(
            format!("{line} is the application's own answer, as far as can be told"),
            &seen,
        ));
    }
    let said = match (made.said(), made.known || origin.maker.is_none()) {
        (said, _) if said.is_empty() => origin.said(),
        (said, true) => said,
        (said, false) => format!("{said}; {}", origin.said()),
    };
    let kept = kept(&seen);
    let said = match &kept {
        Some(header) => format!("{said}; a cache on the way had it ({header}), and asked nobody"),
        None => said,
    };
    let summary = format!("{} answered {} with {line}; {said}", peer(&seen), asked(&seen));
    let version = seen.version.unwrap_or_default();
    let far = at.as_leg().map(|leg| &leg.to);
    let alone = made.alone && made.hop.as_ref() == far;
    let finding = Finding::new(at, &seen, summary)
        .error(format!("{version} {line}"))
        .behind(match (alone, kept) {
            (true, _) => Behind::NOTHING,
            (false, Some(_)) => Behind::KEPT,
            (false, None) => behind(status),
        })
        .next(seen.curl());
    let finding = made.lines.iter().fold(finding, |finding, line| finding.citing(line));
    Ok(if ends { finding.ends_sample() } else { finding })
}

/// What was answered further in, where no request of ours entered: as the log of the hop before has it.
fn passed_on(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let leg = at.as_leg().ok_or(Decline::Absent)?;
    let line = case.of::<Passage>(at).filter(|line| line.hop == leg.from.as_str()).last();
    let line = line.ok_or(Decline::Absent)?;
    let status = line.status.filter(|status| *status >= 400).ok_or(Decline::Absent)?;
    if line.gave() != Gave::PassedOn {
        return Err(case.not(&line, || format!("the log of {} does not say that it passed it on", line.hop)));
    }
    if case.expected(at).status.iter().any(|range| range.holds(status)) {
        return Err(case.not(&line, || format!("{status} was expected")));
    }
    let made = made(case, at, status);
    let said = match made.said() {
        said if said.is_empty() => String::new(),
        said => format!("; {said}"),
    };
    let whom = line.upstream().unwrap_or(leg.to.as_str());
    let summary = format!("{whom} answered {} with {status}, by the log of {}{said}", leg.from, line.hop);
    let alone = made.alone && made.hop.as_ref() == Some(&leg.to);
    let behind = if alone { Behind::NOTHING } else { behind(status) };
    let finding = Finding::new(at, &line, summary).behind(behind);
    let finding = made.lines.iter().fold(finding, |finding, line| finding.citing(line));
    Ok(if status >= 500 || made.known && made.by_proxy { finding.ends_sample() } else { finding })
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

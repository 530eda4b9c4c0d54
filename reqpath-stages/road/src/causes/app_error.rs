//! `pod.app_error`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Scope, Seen, Subject, cause};
use reqpath_http::{Exchange, origin};

use super::met::{EVERYWHERE, asked, failed, is_application, place};

cause! {
    /// The application itself answers with an error.
    ///
    /// Entered directly, past every proxy, it gives a 5xx: nobody else was there to make it.
    /// 500 is the common one; an application may send 502, 503 or 504 of its own as well, when it passes on what
    /// went wrong for it, and the proxies before it then show a status that usually is theirs.
    /// Where the answer bears the hand of a proxy (its own error page, `Proxy-Status`), a proxy made it after all,
    /// and the application is not blamed.
    /// Where what it asks has failed, that is the cause (`pod.dependency_failed`, the causes of the database).
    ///
    /// # What to do
    ///
    /// Read the application's own log by the request id: an exception, a failed query, a missing setting.
    /// Compare with what was deployed or configured last.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "gateway", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "gateway", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "version": "HTTP/1.1", "status": 500, "end": "complete",
    ///             "headers": [["server", "nginx"]], "body": {"received": 4, "start": "oops"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "gateway", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 500"}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "gateway", "to": "shop", "address": "10.0.0.9:8080", "sample": 10}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "version": "HTTP/1.1", "status": 500, "end": "complete",
    ///             "body": {"received": 4, "start": "oops"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "gateway", "to": "shop", "sample": 10}},
    ///    "data": {"role": "inner", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 500"}}
    /// ]}
    /// ```
    pub static APP_ERROR: "pod.app_error" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["http.error", "pod.dependency_failed", "pod.slow"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let leg = at.as_leg().ok_or(Decline::Absent)?;
    let path = case.path();
    let hop = path.hop(&leg.to).filter(|hop| is_application(path, hop)).ok_or(Decline::Absent)?;
    let seen = case.first::<Exchange>(at)?;
    if !failed(case, &seen) {
        if !seen.answered() {
            return Err(Decline::Absent);
        }
        let because =
            || format!("{} answered {} when entered directly", place(hop, &seen), seen.status_line());
        return Err(case.not(&seen, because));
    }
    let origin = origin(&seen);
    if origin.maker.is_some() {
        return Err(case.not(&seen, || origin.said()));
    }
    let line = seen.status_line();
    let front = at_the_front(case, &seen);
    let passed_on = match &front {
        Some(front) if front.status == seen.status => ": those before it passed that on",
        Some(_) => "",
        None if path.front() == Some(at.whole_leg()) => "",
        None => "; the request at the front was not answered so",
    };
    let summary = format!(
        "{} answered {} with {line} when entered directly{passed_on}",
        place(hop, &seen),
        asked(&seen)
    );
    let version = seen.version.unwrap_or_default();
    let mut finding = Finding::new(at, &seen, summary)
        .error(format!("{version} {line}"))
        .ends_sample()
        .behind(if path.after(&hop.id).is_some() {
            Behind::SAME.or_branch()
        } else {
            Behind::NOTHING.or_branch()
        })
        .next(seen.curl());
    if let Some(front) = &front {
        finding = finding.citing(front);
    }
    Ok(finding)
}

/// An answer at the front that is a failure: the same one, if there is such.
fn at_the_front<'a>(case: &'a Case, here: &Seen<'a, Exchange>) -> Option<Seen<'a, Exchange>> {
    let front = case.path().front().filter(|front| !front.covers(here.subject()))?;
    let failures = || {
        let exchanges = case.of::<Exchange>(&EVERYWHERE).filter(|seen| front.covers(seen.subject()));
        exchanges.filter(|seen| failed(case, seen))
    };
    failures().find(|seen| seen.status == here.status).or_else(|| failures().next())
}

//! `client.no_reuse`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};
use reqpath_http::{Reuse, ReuseOutcome};
use reqpath_tcp::Attempt;

use super::met::{EVERYWHERE, declared};

cause! {
    /// The caller keeps no connection for the next request: each pays for a new one.
    ///
    /// The path declares a pool of 0.
    /// Every request then looks up the name, opens a connection and shakes hands anew, which on a TLS road is most
    /// of the time of a short request; under load it uses up local ports, and the far side's accept queue.
    /// Where the peer itself closes after each answer, no pool could hold anything, and the caller is not blamed.
    ///
    /// # What to do
    ///
    /// Share one client in the program, with its pool, instead of making one for each request.
    /// Keep idle connections for less time than the peer does.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "server", "kind": "server"}], "caller": {"pool": 0}},
    ///  "observations": [
    ///   {"kind": "road.declared", "subject": "path", "data": {"caller": {"pool": 0}}},
    ///   {"kind": "http.reuse",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"idle_us": 0, "outcome": "answered"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "answer": "HTTP/1.1 200"}}
    /// ]}
    /// ```
    pub static NO_REUSE: "client.no_reuse" = recognise {
        scope(Scope::Path),
        blames(End::Near),
        twins(&["client.stale_connection"]),
        only_warns(),
    }
}

fn recognise(case: &Case, _: &Subject) -> Result<Finding, Decline> {
    let declared = declared(case)?;
    match case.path().caller.pool {
        None => return Err(Decline::Absent),
        Some(0) => {}
        Some(pool) => return Err(case.not(&declared, || format!("the caller keeps {pool} connections"))),
    }
    let front = case.path().front().ok_or(Decline::Absent)?;
    let at_once = case.of::<Reuse>(&EVERYWHERE).filter(|reuse| front.covers(reuse.subject()));
    let tries: Vec<_> = at_once.filter(|reuse| reuse.idle_us.0 == 0).collect();
    let closes = |outcome| matches!(outcome, ReuseOutcome::NotAllowed | ReuseOutcome::ClosedBefore);
    if let Some(closed) = tries.iter().find(|reuse| closes(reuse.outcome)) {
        return Err(Decline::not(
            "the peer closes after each answer, and no pool could keep anything",
            closed,
        ));
    }
    let answered = tries.iter().find(|reuse| reuse.outcome == ReuseOutcome::Answered);
    let allowed = answered.map_or("", |_| ", though the peer keeps connections open");
    let opening = case
        .of::<Attempt>(&EVERYWHERE)
        .find(|attempt| front.covers(attempt.subject()) && attempt.connected() && attempt.used);
    let price = opening.map_or_else(String::new, |attempt| {
        format!("; opening one takes {}, and the handshakes come on top", attempt.elapsed_us)
    });
    let summary = format!("the caller keeps no connection for its next request{allowed}{price}");
    let url = case.target().url_to_type();
    let mut finding = Finding::new(&Subject::Path, &declared, summary);
    if let Some(answered) = answered {
        finding = finding.citing(answered);
    }
    if let Some(opening) = &opening {
        finding = finding.citing(opening);
    }
    Ok(finding.next(format!("curl -sv -o /dev/null {url} -o /dev/null {url} 2>&1 | grep -i re-us")))
}

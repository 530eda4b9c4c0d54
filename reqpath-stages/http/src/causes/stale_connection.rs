//! `client.stale_connection`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Seen, Subject, cause, quoted};

use super::met::otherwise;
use crate::evidence::{Exchange, Reuse, ReuseOutcome};

cause! {
    /// A connection that was used again lost the request: the far side, or something between, had
    /// forgotten it.
    ///
    /// A pool keeps connections open for the next request, and the far side ends them when they have
    /// been idle for its own time.
    /// Where the end is seen before the next request, the pool takes another connection, and all is well.
    /// Where it is not seen (a firewall, NAT or load balancer that drops idle connections silently, or a
    /// close that crosses with the request), the request on the dead connection is reset or lost.
    /// What tells it from a server that resets: fresh connections never fail.
    ///
    /// # What to do
    ///
    /// Keep idle connections in the pool for less time than the shortest idle time on the path; that
    /// lies between the last pause that worked and the first that did not.
    /// Retry a safe request once when it failed on a connection that was used before.
    /// Send keep-alive probes (TCP keep-alive, HTTP/2 PING) where a device between forgets.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/"}, "status": 200, "end": "complete"}},
    ///   {"kind": "http.reuse",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"idle_us": 0, "outcome": "answered"}},
    ///   {"kind": "http.reuse",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"idle_us": 30000000, "outcome": "reset", "took_us": 900}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes"}}
    /// ]}
    /// ```
    pub static STALE_CONNECTION: "client.stale_connection" = recognise {
        only_in_trouble(),
        scope(Scope::Leg),
        blames(Blame::Leg),
        twins(&["tcp.reset", "tcp.closed", "http.response.reset", "http.response.empty"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    if let Some(failed) =
        case.of::<Exchange>(at).find(|exchange| exchange.end.is_some() && !exchange.answered())
    {
        return Err(match otherwise(case, &failed) {
            Decline::Not { because, cites } => Decline::Not {
                because: format!("a fresh connection failed as well: {because}").into(),
                cites,
            },
            other => other,
        });
    }
    let tries: Vec<Seen<'_, Reuse>> = case.of::<Reuse>(at).collect();
    let Some(lost) = tries.iter().filter(|reuse| reuse.lost_a_request()).min_by_key(|reuse| reuse.idle_us)
    else {
        let healthy = tries.iter().find_map(|reuse| match reuse.outcome {
            ReuseOutcome::Answered if reuse.idle_us.0 == 0 => None,
            ReuseOutcome::Answered => Some((reuse, format!("answered after {} idle", reuse.idle_us))),
            ReuseOutcome::ClosedBefore => {
                Some((reuse, "the peer closed in time for a pool to notice".to_owned()))
            }
            _ => None,
        });
        return Err(match healthy {
            Some((reuse, because)) => Decline::not(because, reuse),
            None => Decline::Absent,
        });
    };
    let how = match lost.outcome {
        ReuseOutcome::Reset => "was reset",
        ReuseOutcome::ClosedAfter => "was answered with a close",
        _ => "was lost: nothing came back",
    };
    let after = lost.took_us.map_or_else(String::new, |took| format!(" after {took}"));
    let idle =
        if lost.idle_us.0 == 0 { "at once".to_owned() } else { format!("after {} idle", lost.idle_us) };
    let worked = tries.iter().filter(|r| r.outcome == ReuseOutcome::Answered && r.idle_us < lost.idle_us);
    let worked = worked.max_by_key(|reuse| reuse.idle_us);
    let until = worked.map_or_else(String::new, |reuse| match reuse.idle_us.0 {
        0 => ", though at once it works".to_owned(),
        _ => format!(", though after {} it works", reuse.idle_us),
    });
    let announced =
        lost.announced_timeout_s.filter(|s| u128::from(*s) * 1_000_000 > u128::from(lost.idle_us.0));
    let announced = announced.map_or_else(String::new, |s| format!("; the peer announces to wait {s} s"));
    let summary = format!(
        "a request on a connection used again {idle} {how}{after}{until}; fresh connections do not fail{announced}"
    );
    let mut finding = Finding::new(at, lost, summary);
    if let Some(worked) = worked {
        finding = finding.citing(worked);
    }
    if let Some(error) = &lost.error {
        finding = finding.error(error.clone());
    }
    let url = quoted(&lost.url);
    Ok(finding.next(format!("reqpath trace {url} --idle 1s,5s,15s,30s,60s --deadline 3m")))
}

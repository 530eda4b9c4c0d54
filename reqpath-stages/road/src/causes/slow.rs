//! `pod.slow`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Micros, Scope, Subject, cause};
use reqpath_http::Exchange;

use super::met::{Limit, Network, Waited, asked, failed, is_application, passed_on, place, timed};

cause! {
    /// The application takes longer to answer than it may.
    ///
    /// Entered directly, past every proxy, it begins its answer after more than its declared budget; or, where
    /// none is declared, after more than whoever waits for it waits.
    /// The time that the network took is left out: connecting is one round trip, as are a request and the first
    /// byte of its answer, and what had to be sent again is counted for the network too.
    /// Where the answer comes within the budget and somebody gives up before, that one is to blame
    /// (`proxy.timeout_budget_inverted`); where what the application asks is slow, `pod.dependency_slow` and the
    /// causes of the database are.
    ///
    /// # What to do
    ///
    /// Look at what the application does in this time: its own trace or log by the request id, a profile, a dump
    /// of its stacks while it lasts; queries and calls to other services first.
    /// Look at CPU throttling and at how many requests it serves at once.
    /// Raising the timeouts before it only moves the wait.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "gateway", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod", "budget_us": 500000}]},
    ///  "observations": [
    ///   {"kind": "road.declared", "subject": "path", "data": {"hops": [{"hop": "shop", "budget_us": 500000}]}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "gateway", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "request_sent_us": 90, "first_byte_us": 1000300,
    ///             "version": "HTTP/1.1", "status": 504, "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "gateway", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 504", "elapsed_us": 1001000}},
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "gateway", "to": "shop", "address": "10.0.0.9:8080", "sample": 10}},
    ///    "data": {"outcome": "connected", "used": true, "elapsed_us": 300}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "gateway", "to": "shop", "address": "10.0.0.9:8080", "sample": 10}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "request_sent_us": 40, "first_byte_us": 3200040,
    ///             "version": "HTTP/1.1", "status": 200, "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "gateway", "to": "shop", "sample": 10}},
    ///    "data": {"role": "inner", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 200", "elapsed_us": 3201000}}
    /// ]}
    /// ```
    pub static SLOW: "pod.slow" = recognise {
        scope(Scope::Sample),
        blames(Blame::Far),
        silent(),
        explains(&[
            "http.response.timed_out",
            "http.error",
            "http.response.unexpected",
            "response.stalled",
            "proxy.http_response_timeout",
            "client.deadline_too_short",
        ]),
        twins(&[
            "proxy.timeout_budget_inverted",
            "pod.dependency_slow",
            "client.deadline_too_short",
            "http.response.timed_out",
        ]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let leg = at.as_leg().ok_or(Decline::Absent)?;
    let path = case.path();
    let hop = path.hop(&leg.to).filter(|hop| is_application(path, hop)).ok_or(Decline::Absent)?;
    let seen = case.first::<Exchange>(at)?;
    let waited = Waited::of(&seen).ok_or(Decline::Absent)?;
    let limit = Limit::of(case, hop).ok_or(Decline::Absent)?;
    // An error that came through is the application's error, however long it took.
    if failed(case, &seen) && (!matches!(limit, Limit::Budget(_)) || passed_on(case, &seen)) {
        return Err(case.not(&seen, || format!("{} answered with {}", place(hop, &seen), seen.status_line())));
    }
    let network = Network::of(case, at);
    let own = Micros(waited.time.0.saturating_sub(network.time.0));
    if own <= limit.time() {
        if !waited.answered {
            return Err(Decline::Absent);
        }
        return Err(case.not(&seen, || {
            let of_network = match network.time {
                Micros(0) => String::new(),
                time => format!(", {time} of it for the network"),
            };
            let (place, time) = (place(hop, &seen), waited.time);
            format!("{place} began its answer after {time}{of_network}, and {}", limit.said())
        }));
    }
    if !waited.answered && !matches!(limit, Limit::Budget(_)) {
        // Silence may be the network's as well as the application's: an answer in the end would tell.
        let seconds = waited.time.0.saturating_mul(10).div_ceil(1_000_000).max(1);
        let url = case.target().url_to_type();
        return Err(Decline::needs(format!(
            "reqpath trace {url} --max-time {seconds}   # whether {} answers",
            hop.id
        )));
    }
    let took = if waited.answered { "began its answer to" } else { "had not begun its answer to" };
    let summary = format!(
        "{} {took} {} after {}; {}{}",
        place(hop, &seen),
        asked(&seen),
        waited.time,
        limit.said(),
        network.said()
    );
    // What is behind it on the main road may be what keeps it waiting, as may what it asks beside that.
    let behind = if path.after(&hop.id).is_some() { Behind::SILENCE } else { Behind::NOTHING.or_branch() };
    let finding = Finding::new(at, &seen, summary).behind(behind).next(timed(&seen)).next(seen.curl());
    Ok(limit.cited_by(case, network.cited_by(finding)))
}

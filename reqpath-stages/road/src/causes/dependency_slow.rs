//! `pod.dependency_slow`

use reqpath_core::{Case, Decline, End as Blame, Finding, Micros, Scope, Subject, cause};
use reqpath_http::Exchange;

use super::dependency_failed::dependency;
use super::met::{Limit, Network, Waited, place, timed};

cause! {
    /// Another service that the application asks takes longer than it may.
    ///
    /// Entered from the application's own place, it begins its answer after more than its declared budget; or,
    /// where none is declared, after more than whoever waits for it waits.
    /// The time of the network is left out, as with `pod.slow`.
    /// A service that never answers has failed (`pod.dependency_failed`); a database has codes of its own.
    /// It is blamed only where the application failed or was too slow: a warning otherwise.
    ///
    /// # What to do
    ///
    /// Go on there: it is the same question, one hop further.
    /// Give the application a timeout for it that is shorter than the patience of those who wait for the
    /// application, and ask several such services at once instead of one after the other.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "gateway", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod", "budget_us": 1000000},
    ///                    {"id": "prices", "kind": "pod", "branch_of": "shop", "budget_us": 200000}]},
    ///  "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "gateway", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "request_sent_us": 90, "first_byte_us": 2000300,
    ///             "version": "HTTP/1.1", "status": 504, "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "gateway", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 504", "elapsed_us": 2001000}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "gateway", "to": "shop", "address": "10.0.0.9:8080", "sample": 10}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "request_sent_us": 40, "first_byte_us": 3200040,
    ///             "version": "HTTP/1.1", "status": 200, "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "gateway", "to": "shop", "sample": 10}},
    ///    "data": {"role": "inner", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 200", "elapsed_us": 3201000}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "shop", "to": "prices", "address": "10.0.0.12:8080", "sample": 11}},
    ///    "data": {"request": {"url": "http://prices.example/"}, "request_sent_us": 40, "first_byte_us": 3100040,
    ///             "version": "HTTP/1.1", "status": 200, "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "shop", "to": "prices", "sample": 11}},
    ///    "data": {"role": "inner", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 200", "elapsed_us": 3101000}}
    /// ]}
    /// ```
    pub static DEPENDENCY_SLOW: "pod.dependency_slow" = recognise {
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
            "pod.slow",
            "pod.app_error",
        ]),
        twins(&["pod.slow", "pod.dependency_failed"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let (hop, asking) = dependency(case, at).ok_or(Decline::Absent)?;
    let seen = case.first::<Exchange>(at)?;
    let waited = Waited::of(&seen).filter(|waited| waited.answered).ok_or(Decline::Absent)?;
    let limit = Limit::of(case, hop).ok_or(Decline::Absent)?;
    let network = Network::of(case, at);
    let own = Micros(waited.time.0.saturating_sub(network.time.0));
    if own <= limit.time() {
        let said = || format!("{} began its answer after {}, and {}", hop.id, waited.time, limit.said());
        return Err(case.not(&seen, said));
    }
    let summary = format!(
        "{}, which {} asks, began its answer after {}; {}{}",
        place(hop, &seen),
        reqpath_core::escape(asking, 40),
        waited.time,
        limit.said(),
        network.said()
    );
    let finding = Finding::new(at, &seen, summary).next(timed(&seen)).next(seen.curl());
    Ok(limit.cited_by(case, network.cited_by(finding)))
}

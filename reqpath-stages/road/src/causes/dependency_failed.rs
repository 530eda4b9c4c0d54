//! `pod.dependency_failed`

use reqpath_core::{
    Case, Decline, End as Blame, Finding, Hop, HopKind, Role, Scope, Seen, Subject, Trial, cause, quoted,
};
use reqpath_http::Exchange;
use reqpath_tcp::Attempt;

use super::met::{failed, place};

cause! {
    /// Another service that the application asks has failed.
    ///
    /// The path says that the application asks it beside the main road; entered from the application's own place,
    /// it died there or answered with an error.
    /// How it died is told with it, and is a finding of its own: refused, not resolved, a bad certificate, silence.
    /// A database has codes of its own (`db.*`).
    /// It is blamed only when the application failed: one that does without that service is well.
    ///
    /// # What to do
    ///
    /// Go on there: it is the same question, one hop further.
    /// Give the application a short timeout for it and an answer without it, where it can do without.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "gateway", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod"}, {"id": "prices", "kind": "pod", "branch_of": "shop"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "gateway", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "version": "HTTP/1.1", "status": 500, "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "gateway", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 500"}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "gateway", "to": "shop", "address": "10.0.0.9:8080", "sample": 10}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "version": "HTTP/1.1", "status": 500, "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "gateway", "to": "shop", "sample": 10}},
    ///    "data": {"role": "inner", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 500"}},
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "shop", "to": "prices", "address": "10.0.0.12:8080", "sample": 11}},
    ///    "data": {"outcome": "failed", "elapsed_us": 300, "failure": {"errno": 111, "symbol": "ECONNREFUSED",
    ///             "message": "Connection refused"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "shop", "to": "prices", "sample": 11}},
    ///    "data": {"role": "inner", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static DEPENDENCY_FAILED: "pod.dependency_failed" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        explains(&[
            "dns.*",
            "tcp.*",
            "tls.*",
            "http.*",
            "response.*",
            "proxy.http_response_timeout",
            "pod.app_error",
            "pod.slow",
        ]),
        twins(&["pod.app_error", "pod.dependency_slow", "pod.slow"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let (hop, asking) = dependency(case, at).ok_or(Decline::Absent)?;
    let trial = case.first::<Trial>(at)?;
    if trial.role != Role::Inner {
        return Err(Decline::Absent);
    }
    let exchange = case.of::<Exchange>(at).last();
    let refusal = exchange.filter(|seen| failed(case, seen));
    if !trial.died() && refusal.is_none() {
        let because = || format!("{}, which {asking} asks, answered", hop.id);
        return Err(case.not(&trial, because));
    }
    let asking = reqpath_core::escape(asking, 40);
    let finding = match refusal {
        Some(seen) => {
            let line = seen.status_line();
            let summary = format!("{}, which {asking} asks, answered with {line}", place(hop, &seen));
            Finding::new(at, &seen, summary).citing(&trial).error(line).next(seen.curl())
        }
        None => {
            let words = words(case, at, exchange);
            let stage = reqpath_core::escape(&trial.stage, 20);
            let end = match &words {
                Some(words) => format!("died in {stage}: {words}"),
                None if trial.out_of_time => format!("kept silent in {stage} for {}", trial.elapsed_us),
                None => format!("died in {stage}"),
            };
            let name = reqpath_core::escape(hop.id.as_str(), 40);
            let mut finding =
                Finding::new(at, &trial, format!("the way to {name}, which {asking} asks, {end}"));
            if let Some(attempt) = case.of::<Attempt>(at).find(|attempt| attempt.failure.is_some()) {
                finding = finding.citing(&attempt);
            }
            if let Some(exchange) = &exchange {
                finding = finding.citing(exchange).next(exchange.curl());
            }
            match words {
                Some(words) => finding.error(words),
                None => finding,
            }
        }
    };
    let address = case.of::<Attempt>(at).find_map(|attempt| attempt.subject().address());
    Ok(match (address, hop.addresses.first()) {
        (Some(peer), _) => finding.next(format!("nc -vz {} {}", peer.ip(), peer.port())),
        // Its name has no address.
        (None, Some(endpoint)) => finding.next(format!("getent hosts {}", quoted(&endpoint.host))),
        (None, None) => finding,
    })
}

/// The service that a leg leads to, if somebody asks it beside the main road, and who does.
pub(super) fn dependency<'a>(case: &'a Case, at: &Subject) -> Option<(&'a Hop, &'a str)> {
    let hop = case.path().hop(&at.as_leg()?.to)?;
    let asking = hop.branch_of.as_ref()?;
    (hop.kind != HopKind::Db).then_some((hop, asking.as_str()))
}

/// The system's own words for a death, where there are any.
fn words(case: &Case, at: &Subject, exchange: Option<Seen<'_, Exchange>>) -> Option<String> {
    let of_exchange = exchange.and_then(|exchange| exchange.error.clone());
    of_exchange.or_else(|| case.of::<Attempt>(at).find_map(|attempt| attempt.words()))
}

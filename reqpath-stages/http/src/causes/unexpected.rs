//! `http.response.unexpected`

use reqpath_core::{Behind, Case, Decline, End as Blame, Expectation, Finding, Scope, Subject, cause};

use super::met::{asked, exchange, otherwise, peer, stripped};
use crate::evidence::{Exchange, Redirect};
use crate::origin::kept;

cause! {
    /// An answer came back, and it is not the one that was expected.
    ///
    /// The caller said what the status, a header or the body should be, and the answer differs.
    /// Everything on the road worked; what it led to is another thing than was meant: another version,
    /// another server, a login page, a cached or an empty answer.
    /// Where the answer is an error that explains itself, `http.error` or a finer cause is named instead.
    ///
    /// # What to do
    ///
    /// Compare the answer with the expected one, header by header: `Server`, `Via`, `Age` and
    /// `Location` tell where it came from.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "target": {"url": "https://server.example/", "method": "GET", "expect": {"status": ["204"]}},
    ///  "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"request": {"url": "https://server.example/"}, "secured": true, "version": "HTTP/1.1", "status": 200,
    ///             "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 200"}}
    /// ]}
    /// ```
    pub static UNEXPECTED: "http.response.unexpected" = recognise {
        scope(Scope::Sample),
        blames(Blame::Far),
        twins(&["http.error", "http.response.misdirected"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let expect = case.expected(at);
    if expect.is_empty() {
        return Err(Decline::Absent);
    }
    let seen = exchange(case, at)?;
    if !seen.answered() {
        return Err(otherwise(case, &seen));
    }
    if case.of::<Redirect>(at).any(|redirect| redirect.followed) {
        return Err(Decline::Absent);
    }
    if stripped(case, &seen) {
        return Err(Decline::not("the request had been stripped of its credentials", &seen));
    }
    let differs = differences(case.expected(at), &seen);
    if differs.is_empty() {
        return Err(Decline::not("the answer is what was expected", &seen));
    }
    let summary = format!("{} answered {}, but {}", peer(&seen), asked(&seen), differs.join(", and "));
    let version = seen.version.unwrap_or_default();
    Ok(Finding::new(at, &seen, summary)
        .behind(if kept(&seen).is_some() { Behind::KEPT } else { Behind::SAME })
        .error(format!("{version} {}", seen.status_line()))
        .next(seen.curl())
        .ends_sample())
}

impl Exchange {
    /// Whether the answer is as expected, as far as it was kept.
    #[must_use]
    pub fn meets(&self, expect: &Expectation) -> bool {
        differences(expect, self).is_empty()
    }
}

/// What about the answer is not as expected, as clauses.
fn differences(expect: &Expectation, exchange: &Exchange) -> Vec<String> {
    let mut differs = Vec::new();
    let status = exchange.status.unwrap_or_default();
    if !expect.status.is_empty() && !expect.status.iter().any(|range| range.holds(status)) {
        let wanted: Vec<String> = expect.status.iter().map(ToString::to_string).collect();
        differs.push(format!("with {} where {} was expected", exchange.status_line(), wanted.join(" or ")));
    }
    for name in &exchange.unmet_headers {
        let found = match exchange.headers.get(name) {
            Some(value) => format!("is `{value}`"),
            None => "is absent".to_owned(),
        };
        differs.push(format!("the header {name} {found}, not what was expected"));
    }
    if exchange.body_holds == Some(false) {
        differs.push("the body does not hold the expected text".to_owned());
    }
    differs
}

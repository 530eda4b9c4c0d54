//! Assertions pass where they should, and say why where they should not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use reqpath_core::{Report, Trial};
use reqpath_testkit::assertions::{evidence, text, the_only};
use reqpath_testkit::{
    assert_blames_nobody, assert_degraded, assert_died, assert_reached, assert_unknown, assert_warned,
};
use serde_json::{Value, json};

fn report(verdict: Value, findings: Value) -> Report {
    let json = json!({
        "schema": reqpath_core::SCHEMA,
        "verdict": verdict,
        "findings": findings,
        "hops": [{"hop": "client", "kind": "client", "arrived": "yes", "left_alive": "yes"},
                 {"hop": "server", "kind": "server", "arrived": "no", "left_alive": "unknown"}],
        "ruled_out": [{"code": "tcp.timed_out", "because": "it answered in 3 ms"}],
        "errors": [{"stage": "dns", "message": "permission denied"}],
        "observations": [
            {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
             "data": {"role": "fresh", "left": "dead", "stage": "tls"}},
            {"kind": "acme.unknown", "subject": "path", "complete": false, "data": {"said": "\u{1b}[31mred"}},
            {"kind": "acme.brief", "subject": "path", "brief": "3 left\u{202e}", "data": {}},
        ],
    });
    Report::load(json.to_string().as_bytes()).unwrap()
}

fn dead() -> Report {
    let verdict = json!({"kind": "died", "outcome": {"samples": 2, "died": 2},
        "at": {"hop": "server", "station": "tls", "leg": {"from": "client", "to": "server"}},
        "cause": {"code": "tls.cert.date_invalid", "summary": "expired \u{1b}[0m3 days ago", "subject": "path"},
        "chain": ["tls.protocol.error", "tls.cert.date_invalid"], "also": ["dns.refused"]});
    let findings = json!([
        {"code": "tls.cert.date_invalid", "subject": "path", "weight": "fatal", "blames": "far", "summary": "expired",
         "cites": [0], "error": "certificate has expired"},
        {"code": "dns.dead_address", "subject": "path", "weight": "warning", "blames": "far", "summary": "dead"},
    ]);
    report(verdict, findings)
}

fn alive() -> Report {
    let verdict = json!({"kind": "reached", "answer": "HTTP/1.1 200", "outcome": {"samples": 1, "died": 0}});
    report(verdict, json!([]))
}

fn half() -> Report {
    let verdict = json!({"kind": "degraded", "outcome": {"samples": 4, "died": 1}, "why": "it changed"});
    report(verdict, json!([]))
}

fn dark() -> Report {
    let verdict = json!({"kind": "unknown", "outcome": {"samples": 1, "died": 1}, "why": "nothing was seen",
        "at": {"hop": "server", "station": "tls"}, "what_would_tell": ["kubectl logs"]});
    report(verdict, json!([]))
}

/// What an assertion says when it fails.
#[track_caller]
fn said(assertion: impl FnOnce()) -> String {
    *catch_unwind(AssertUnwindSafe(assertion)).expect_err("it should fail").downcast::<String>().unwrap()
}

#[test]
fn they_pass_where_they_should() {
    let report = dead();
    assert_died!(report);
    assert_died!(&report, at "server");
    assert_died!(report, of "tls.cert.date_invalid");
    assert_died!(report, at "server", of String::from("tls.cert.date_invalid"),);
    assert_warned!(report, "dns.dead_address");
    assert_reached!(alive());
    assert_reached!(alive(), with "HTTP/1.1 200");
    assert_blames_nobody!(alive());
    assert_blames_nobody!(dark());
    assert_blames_nobody!(half());
    assert_degraded!(half());
    assert_unknown!(dark());
    assert_unknown!(dark(), at "server");
}

#[test]
fn they_fail_where_they_should() {
    said(|| assert_died!(alive()));
    said(|| assert_died!(dead(), at "client"));
    said(|| assert_died!(dead(), of "tls.cert.name_invalid"));
    said(|| assert_died!(half()));
    said(|| assert_reached!(dead()));
    said(|| assert_reached!(alive(), with "HTTP/1.1 204"));
    said(|| assert_degraded!(dead()));
    said(|| assert_degraded!(half(), of "http.error"));
    said(|| assert_unknown!(alive()));
    said(|| assert_unknown!(dark(), at "client"));
    said(|| assert_warned!(dead(), "tls.cert.date_invalid"));
    said(|| assert_blames_nobody!(dead()));
    let not_judged = || Report::load(br#"{"schema": "reqpath.report/1"}"#).unwrap();
    said(|| assert_blames_nobody!(not_judged()));
    assert!(said(|| assert_reached!(not_judged())).contains("found: no verdict: the report was not judged"));
}

#[test]
fn a_failure_says_what_was_expected_what_was_found_and_the_whole_report() {
    let said = said(|| assert_died!(dead(), at "client", of "tcp.refused"));
    for line in [
        "expected: died at client of tcp.refused",
        "found: died at server (tls, the leg from client) of tls.cert.date_invalid",
        "expired \\u{1b}[0m3 days ago",
        "tls.protocol.error ← tls.cert.date_invalid",
        "also dns.refused",
        "2 of 2 fresh requests died",
        "GET https://server.example/",
        "server       arrived: no, left alive: not known",
        "fatal   tls.cert.date_invalid about path: expired (by #0)",
        "error: certificate has expired",
        "warning dns.dead_address",
        "tcp.timed_out: it answered in 3 ms",
        "dns: permission denied",
        "3 left\\u{202e}",
        "(cut short)",
    ] {
        assert!(said.contains(line), "`{line}` is missing from\n{said}");
    }
    assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said}");
    assert!(text(&dark()).contains("what would tell\n  kubectl logs"));
}

#[test]
fn evidence_is_found_by_its_type() {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Brief {}
    impl reqpath_core::Evidence for Brief {
        const KIND: &'static str = "acme.brief";
    }
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Shaped {
        said: u32,
    }
    impl reqpath_core::Evidence for Shaped {
        const KIND: &'static str = "acme.unknown";
    }
    let report = dead();
    assert_eq!(evidence::<Brief>(&report).len(), 1);
    assert_eq!(the_only::<Trial>(&report).stage, "tls");
    let said = said(|| assert_eq!(the_only::<Shaped>(&report).said, 3));
    assert!(
        said.contains("expected one acme.unknown, found 0, and what there is has another shape\n  #1 path"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'));
}

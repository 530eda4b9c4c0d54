//! Each cause of this crate on hand-made cases, and each twin not blamed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use reqpath_client::CAUSES;
use reqpath_core::{Catalogue, Report, Verdict};
use serde_json::{Value, json};

fn judged(observations: &Value) -> Report {
    let report = json!({"schema": "reqpath.report/1", "observations": observations});
    let catalogue = Catalogue::new(CAUSES.iter().copied()).unwrap();
    Report::load(report.to_string().as_bytes()).unwrap().judged(&catalogue)
}

fn observation(kind: &str, sample: u32, data: &Value) -> Value {
    json!({"kind": kind, "data": data, "subject": {"leg": {"from": "client", "to": "server", "sample": sample}}})
}

fn trial(sample: u32, data: &Value) -> Value {
    observation("request.trial", sample, data)
}

fn codes(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| &*finding.code).collect()
}

#[test]
fn every_example_yields_its_cause() {
    let catalogue = Catalogue::new(CAUSES.iter().copied()).unwrap();
    for cause in CAUSES {
        let example = cause.doc.example().unwrap_or_else(|| panic!("{} has no example", cause.code));
        let report = Report::load(example.as_bytes()).unwrap().judged(&catalogue);
        let Some(Verdict::Died { cause: found, at, .. }) = &report.verdict else {
            panic!("{}: {:?}", cause.code, report.verdict)
        };
        assert_eq!(found.code, cause.code);
        assert_eq!(at.hop.as_str(), "client");
        for text in [cause.doc.summary(), cause.doc.explanation(), cause.doc.what_to_do()] {
            assert!(!text.is_empty(), "{}", cause.code);
        }
    }
}

#[test]
fn a_target_that_is_down_with_and_without_the_proxy_is_not_the_proxy_s_fault() {
    let report = judged(&json!([
        observation(
            "client.environment",
            0,
            &json!({"proxy": {"variable": "http_proxy", "url": "http://p:1"}})
        ),
        trial(0, &json!({"role": "fresh", "left": "dead", "stage": "http"})),
        trial(1, &json!({"role": "direct", "left": "dead", "stage": "tcp"})),
    ]));
    assert!(codes(&report).is_empty(), "{:?}", report.findings);
}

#[test]
fn without_a_proxy_in_force_none_is_blamed() {
    let exempted =
        json!({"exempted": {"variable": "NO_PROXY", "entry": ".example", "instead_of": "http_proxy"}});
    for environment in [json!({}), exempted] {
        let report = judged(&json!([
            observation("client.environment", 0, &environment),
            trial(0, &json!({"role": "fresh", "left": "dead", "stage": "tcp"})),
            trial(1, &json!({"role": "direct", "left": "alive", "stage": "http"})),
        ]));
        assert!(codes(&report).is_empty(), "{:?}", report.findings);
    }
}

#[test]
fn a_proxy_without_a_control_is_not_blamed_and_the_control_is_named() {
    let report = judged(&json!([
        observation(
            "client.environment",
            0,
            &json!({"proxy": {"variable": "http_proxy", "url": "http://p:1"}})
        ),
        trial(0, &json!({"role": "fresh", "left": "dead", "stage": "tcp"})),
    ]));
    assert!(codes(&report).is_empty());
    let verdict = serde_json::to_string(&report.verdict).unwrap();
    assert!(verdict.contains("--noproxy"), "{verdict}");
}

#[test]
fn only_the_samples_that_died_behind_the_proxy_are_its_deaths() {
    let environment = json!({"proxy": {"variable": "http_proxy", "url": "http://p:1"}});
    let report = judged(&json!([
        observation("client.environment", 0, &environment),
        trial(0, &json!({"role": "fresh", "left": "alive", "stage": "http"})),
        observation("client.environment", 1, &environment),
        trial(1, &json!({"role": "fresh", "left": "dead", "stage": "http"})),
        trial(2, &json!({"role": "direct", "left": "alive", "stage": "http"})),
    ]));
    assert_eq!(codes(&report), ["client.proxy_env"]);
    assert!(matches!(&report.verdict, Some(Verdict::Degraded { .. })), "{:?}", report.verdict);
}

/// What a request through the proxy, each further one, and the one past it came back with.
fn answered(through: &[u16], past: u16) -> Report {
    let environment = json!({"proxy": {"variable": "http_proxy", "url": "http://p:1"}});
    let mut observations = Vec::new();
    let of = |status: u16| format!("HTTP/1.1 {status}");
    for (sample, status) in (0..).zip(through) {
        observations.push(observation("client.environment", sample, &environment));
        let data = json!({"role": "fresh", "left": "alive", "stage": "http", "by_proxy": "relayed",
                          "answer": of(*status)});
        observations.push(trial(sample, &data));
    }
    let direct = json!({"role": "direct", "left": "alive", "stage": "http", "answer": of(past)});
    observations.push(trial(99, &direct));
    judged(&json!(observations))
}

#[test]
fn an_error_that_comes_through_the_proxy_only_is_the_proxy_s() {
    for status in [403, 407, 500, 502] {
        let report = answered(&[status], 200);
        assert_eq!(codes(&report), ["client.proxy_env"]);
        let summary = &report.findings[0].summary;
        assert!(summary.contains(&format!("was answered {status}")), "{summary}");
    }
}

#[test]
fn an_error_that_comes_past_the_proxy_too_or_not_always_through_it_is_not() {
    for (through, past) in [(&[502][..], 502), (&[407], 407), (&[502], 404), (&[502, 200], 200)] {
        let report = answered(through, past);
        assert!(codes(&report).is_empty(), "{through:?} {past}: {:?}", report.findings);
    }
}

#[test]
fn a_path_that_never_answers_is_not_a_short_deadline() {
    let late = json!({"role": "fresh", "left": "dead", "stage": "http", "out_of_time": true,
                      "elapsed_us": 1_000_000, "limit_us": 1_000_000});
    let patient_dead = json!({"role": "patient", "left": "dead", "stage": "http", "out_of_time": true,
                              "elapsed_us": 9_000_000, "limit_us": 9_000_000});
    let quick = json!({"role": "patient", "left": "alive", "stage": "http",
                       "elapsed_us": 20_000, "limit_us": 9_000_000});
    for control in [patient_dead, quick] {
        let report = judged(&json!([trial(0, &late), trial(1, &control)]));
        assert!(codes(&report).is_empty(), "{:?}", report.findings);
    }
}

#[test]
fn a_death_with_time_left_is_not_a_short_deadline() {
    let report = judged(&json!([
        trial(
            0,
            &json!({"role": "fresh", "left": "dead", "stage": "tcp", "elapsed_us": 900, "limit_us": 1_000_000})
        ),
        trial(
            1,
            &json!({"role": "patient", "left": "alive", "stage": "http",
                         "elapsed_us": 2_000_000, "limit_us": 9_000_000})
        ),
    ]));
    assert!(codes(&report).is_empty(), "{:?}", report.findings);
}

#[test]
fn any_json_is_survived() {
    for data in [
        json!(null),
        json!(7),
        json!([]),
        json!({"proxy": 3}),
        json!({"role": "fresh"}),
        json!({"limit_us": -1}),
    ] {
        for kind in ["client.environment", "client.hosts", "client.limits", "request.trial"] {
            let _ = judged(&json!([
                observation(kind, 0, &data),
                trial(
                    0,
                    &json!({"role": "fresh", "left": "dead", "stage": "tcp", "elapsed_us": u64::MAX,
                                 "limit_us": u64::MAX, "out_of_time": true})
                ),
                trial(1, &json!({"role": "patient", "left": "dead", "stage": "tcp"})),
            ]));
        }
    }
}

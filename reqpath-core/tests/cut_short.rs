//! A try that had less time than the road took tells no silence.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a failed expectation is the message")]

use reqpath_core::*;
use serde_json::{Value, json};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Note {
    code: String,
}

impl Evidence for Note {
    const KIND: &'static str = "toy.note";
}

macro_rules! noted {
    ($name:ident, $code:literal, $recognise:ident, { $($rest:tt)* }) => {
        cause! {
            /// Noted.
            static $name: $code = $recognise { $($rest)* }
        }
        fn $recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
            let mut seen = case.of::<Note>(at).filter(|note| note.code == $code);
            let finding = Finding::new(at, &seen.next().ok_or(Decline::Absent)?, "noted");
            Ok(seen.fold(finding, |finding, seen| finding.citing(&seen)))
        }
    };
}

noted!(SILENCE, "http.silence", silence, { scope(Scope::Sample), silent() });
noted!(WORD, "http.word", word, { scope(Scope::Sample) });
noted!(SILENT_ADDRESS, "http.silent_address", silent_address, { scope(Scope::Leg), silent() });

/// What is found where these were noted of a request that had these times, and of a try that had those.
fn found(notes: &[(u32, &str)], took: [(&str, u64); 2], role: &str, tried: [(&str, u64); 2]) -> Vec<String> {
    let leg = |sample: u32| json!({"leg": {"from": "client", "to": "server", "sample": sample}});
    let trial = |sample: u32, role: &str, times: [(&str, u64); 2]| {
        let phases = times.map(|(stage, elapsed)| json!({"stage": stage, "elapsed_us": elapsed}));
        json!({"kind": "request.trial", "subject": leg(sample), "data": {
            "role": role, "left": "dead", "stage": times[1].0, "phases": phases,
            "elapsed_us": times[0].1 + times[1].1, "limit_us": 4_000_000}})
    };
    let note = |(sample, code): &(u32, &str)| json!({"kind": "toy.note", "subject": leg(*sample), "data": {"code": code}});
    let mut observations: Vec<Value> = notes.iter().map(note).collect();
    observations.extend([trial(0, "fresh", took), trial(1, role, tried)]);
    let report = json!({"schema": SCHEMA, "observations": observations}).to_string();
    let catalogue = Catalogue::new([&SILENCE, &WORD, &SILENT_ADDRESS]).unwrap();
    let report = Report::load(report.as_bytes()).unwrap().judged(&catalogue);
    report.findings.iter().map(|finding| finding.code.to_string()).collect()
}

const ROAD: [(&str, u64); 2] = [("tls", 20_000), ("http", 3_000_000)];
const LESS: [(&str, u64); 2] = [("tls", 20_000), ("http", 950_000)];

#[test]
fn silence_of_a_try_with_less_time_is_dropped() {
    for role in ["last", "direct", "patient"] {
        assert!(found(&[(1, "http.silence")], ROAD, role, LESS).is_empty(), "{role}");
        assert!(found(&[(1, "http.silent_address")], ROAD, role, LESS).is_empty(), "{role}");
    }
}

#[test]
fn silence_that_lasted_longer_than_the_road_is_kept() {
    let quick = [("tls", 20_000), ("http", 10_000)];
    assert_eq!(found(&[(1, "http.silence")], quick, "last", LESS), ["http.silence"]);
    let elsewhere = [("dns", 3_000_000), ("tls", 950_000)];
    assert_eq!(found(&[(1, "http.silence")], elsewhere, "last", LESS), ["http.silence"], "another stage");
}

#[test]
fn what_was_said_and_what_the_road_met_itself_is_kept() {
    assert_eq!(found(&[(1, "http.word")], ROAD, "last", LESS), ["http.word"]);
    assert_eq!(found(&[(0, "http.silence")], ROAD, "last", LESS), ["http.silence"]);
    let both = [(0, "http.silent_address"), (1, "http.silent_address")];
    assert_eq!(found(&both, ROAD, "last", LESS), ["http.silent_address"]);
    // What enters further in is measured by what the hop before it waited.
    assert_eq!(found(&[(1, "http.silence")], ROAD, "inner", LESS), ["http.silence"]);
}

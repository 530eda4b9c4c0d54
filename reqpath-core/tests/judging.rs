//! The judge: weights, chains, determinism, and evidence nobody knows.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

mod common;

use common::{Act, run, trace};
use proptest::prelude::*;
use reqpath_core::*;

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
            static $name: $code = $recognise { scope(Scope::Sample), $($rest)* }
        }
        fn $recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
            let seen = case.of::<Note>(at).find(|note| note.code == $code).ok_or(Decline::Absent)?;
            Ok(Finding::new(at, &seen, "noted"))
        }
    };
}

noted!(SYMPTOM, "http.symptom", symptom, {});
noted!(MIDDLE, "http.middle", middle, { explains(&["http.symptom"]) });
noted!(ROOT, "dns.root", root, { explains(&["http.mid*"]), blames(End::Near) });
noted!(OTHER, "http.other", other, {});
noted!(ELSEWHERE, "tls.elsewhere", elsewhere, {});

fn report(notes: &[(u32, &str)], trials: serde_json::Value) -> Report {
    let leg = |sample| serde_json::json!({"leg": {"from": "client", "to": "server", "sample": sample}});
    let mut observations: Vec<serde_json::Value> = notes
        .iter()
        .map(|(sample, code)| serde_json::json!({"kind": "toy.note", "subject": leg(*sample), "data": {"code": code}}))
        .collect();
    for (sample, trial) in (0..).zip(trials.as_array().expect("trials")) {
        observations.push(
            serde_json::json!({"kind": "request.trial", "subject": leg(sample), "data": trial.clone()}),
        );
    }
    let json = serde_json::json!({"schema": SCHEMA, "observations": observations});
    let catalogue = Catalogue::new([&ROOT, &ELSEWHERE, &SYMPTOM, &MIDDLE, &OTHER]).unwrap();
    Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue)
}

fn dead() -> serde_json::Value {
    serde_json::json!({"role": "fresh", "left": "dead", "stage": "http"})
}

#[test]
fn symptoms_are_joined_to_their_cause() {
    let report = report(
        &[(0, "http.symptom"), (0, "http.middle"), (0, "dns.root"), (0, "http.other"), (0, "tls.elsewhere")],
        serde_json::json!([dead()]),
    );
    let Some(Verdict::Died { at, cause, chain, also, .. }) = &report.verdict else { panic!("{report:?}") };
    assert_eq!(cause.code, "dns.root");
    assert_eq!(chain, &["http.symptom", "http.middle", "dns.root"]);
    assert_eq!(also, &["http.other"]);
    assert_eq!(at.hop.as_str(), "client", "it blames the near end");
    let elsewhere = report.findings.iter().find(|f| f.code == "tls.elsewhere").unwrap();
    assert_eq!(elsewhere.weight, Weight::Warning, "the request did not die there");
}

#[test]
fn a_cause_of_another_flow_explains_nothing() {
    let alive = serde_json::json!({"role": "fresh", "left": "alive", "stage": "http"});
    let report = report(&[(0, "http.symptom"), (1, "http.middle")], serde_json::json!([dead(), alive]));
    let Some(Verdict::Degraded { cause: Some(cause), .. }) = &report.verdict else { panic!("{report:?}") };
    assert_eq!(cause.code, "http.symptom");
}

#[test]
fn dead_without_evidence_is_unknown() {
    let report = report(&[], serde_json::json!([dead()]));
    assert!(matches!(report.verdict, Some(Verdict::Unknown { .. })));
}

#[test]
fn the_commonest_cause_leads() {
    let report = report(
        &[(0, "http.symptom"), (1, "http.other"), (2, "http.other")],
        serde_json::json!([dead(), dead(), dead()]),
    );
    assert_eq!(report.verdict.unwrap().cause().unwrap().code, "http.other");
}

#[tokio::test]
async fn a_stored_report_judges_to_the_same_verdict() {
    for acts in [vec![Act::Pass], vec![Act::Die], vec![Act::Die, Act::Pass], vec![Act::Fail]] {
        let live = run(&acts, trace()).await;
        let json = serde_json::to_vec(&live).unwrap();
        let catalogue = Catalogue::new([&common::TOY_BROKEN, &common::TOY_WARNS]).unwrap();
        let again = Report::load(&json).unwrap().judged(&catalogue);
        assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&live).unwrap());
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
        "fresh|dead|alive|http|last|code|role".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::hash_map("role|left|stage|code|ok|.{0,4}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_survived(
        data in prop::collection::vec((prop_oneof![Just("toy.note"), Just("request.trial"), Just("toy.look")], json()), 0..6)
    ) {
        let observations: Vec<_> = data
            .into_iter()
            .map(|(kind, data)| serde_json::json!({
                "kind": kind, "data": data,
                "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
            }))
            .collect();
        let json = serde_json::json!({"schema": SCHEMA, "observations": observations}).to_string();
        let catalogue = Catalogue::new([&ROOT, &SYMPTOM, &MIDDLE, &common::TOY_BROKEN]).unwrap();
        let report = Report::load(json.as_bytes()).unwrap().judged(&catalogue);
        prop_assert!(report.verdict.is_some());
    }
}

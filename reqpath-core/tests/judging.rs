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
noted!(UNANSWERED, "dns.unanswered", unanswered, { silent() });
noted!(SILENCE, "http.silence", silence, { silent() });
noted!(WHOLE_TIME, "client.whole_time", whole_time, { silent(), kills_in(&["dns", "http"]) });

const CAUSES: [&Cause; 8] =
    [&ROOT, &ELSEWHERE, &SYMPTOM, &MIDDLE, &OTHER, &UNANSWERED, &SILENCE, &WHOLE_TIME];

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
    let catalogue = Catalogue::new(CAUSES).unwrap();
    Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue)
}

#[test]
fn what_took_the_time_is_blamed_and_not_who_was_left_none() {
    let ran_out = |dns: u64, http: u64| {
        let phase = |stage, elapsed| serde_json::json!({"stage": stage, "elapsed_us": elapsed});
        serde_json::json!({"role": "fresh", "left": "dead", "stage": "http", "sent": true, "out_of_time": true,
            "phases": [phase("dns", dns), phase("http", http)], "elapsed_us": dns + http, "limit_us": 5_000_000})
    };
    let judged = |notes: &[&str], trial: serde_json::Value| {
        let notes: Vec<_> = notes.iter().map(|code| (0, *code)).collect();
        let report = report(&notes, serde_json::json!([trial]));
        let cause = report.verdict.as_ref().unwrap().cause().map(|cause| cause.code.clone());
        (cause.unwrap_or_default(), report.findings.len())
    };
    let (starved, in_time) = (ran_out(4_980_000, 5_000), ran_out(4_000_000, 1_000_000));
    assert_eq!(judged(&["dns.unanswered", "http.silence"], starved.clone()), ("dns.unanswered".into(), 1));
    assert_eq!(judged(&["dns.unanswered", "http.silence"], in_time.clone()), ("http.silence".into(), 2));
    assert_eq!(judged(&["http.silence"], starved.clone()), (String::new(), 0), "nobody is guilty of it");
    assert_eq!(judged(&["client.whole_time"], starved.clone()), ("client.whole_time".into(), 1));
    assert_eq!(judged(&["http.other"], starved), ("http.other".into(), 1), "it was told, and is no silence");
    // Of two requests the second had its time: silence is what it died of, and only that one.
    let notes = [(0, "http.silence"), (1, "http.silence"), (0, "dns.unanswered")];
    let both = report(&notes, serde_json::json!([ran_out(4_980_000, 5_000), in_time]));
    let found: Vec<_> = both.findings.iter().map(|found| (&*found.code, found.subject.sample())).collect();
    assert_eq!(found, [("dns.unanswered", Some(0)), ("http.silence", Some(1))]);
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
    assert_eq!(cause.others, 0, "it died of both");
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

fn alive() -> serde_json::Value {
    serde_json::json!({"role": "fresh", "left": "alive", "stage": "http"})
}

#[test]
fn what_one_cause_kills_in_several_ways_is_counted_whole() {
    cause! {
        /// Noted for the whole leg.
        static OF_ALL: "client.of_all" = of_all { scope(Scope::Leg), explains(&["http.symptom", "http.silence"]) }
    }
    fn of_all(case: &Case, at: &Subject) -> Result<Finding, Decline> {
        let seen = case.of::<Note>(at).find(|note| note.code == "client.of_all").ok_or(Decline::Absent)?;
        Ok(Finding::new(at, &seen, "noted"))
    }
    let leg = |sample: u32| serde_json::json!({"leg": {"from": "client", "to": "server", "sample": sample}});
    let note = |sample: u32, code: &str| serde_json::json!({"kind": "toy.note", "subject": leg(sample), "data": {"code": code}});
    let mut observations = vec![
        note(0, "client.of_all"),
        note(0, "http.symptom"),
        note(1, "http.silence"),
        note(2, "http.symptom"),
        note(3, "http.other"),
    ];
    observations.extend(
        (0..4).map(
            |sample| serde_json::json!({"kind": "request.trial", "subject": leg(sample), "data": dead()}),
        ),
    );
    let json = serde_json::json!({"schema": SCHEMA, "observations": observations});
    let catalogue = Catalogue::new([&OF_ALL, &SYMPTOM, &SILENCE, &OTHER]).unwrap();
    let report = Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue);
    let Some(Verdict::Died { cause, also, .. }) = &report.verdict else { panic!("{report:?}") };
    assert_eq!((cause.code.as_str(), cause.others, also.len()), ("client.of_all", 1, 1));
}

#[test]
fn what_lies_between_a_cause_and_its_symptom_stays_in_the_chain() {
    noted!(WIDE, "client.wide", wide, { explains(&["http.symptom", "http.middle"]) });
    let leg = serde_json::json!({"leg": {"from": "client", "to": "server", "sample": 0}});
    let note = |code: &str| serde_json::json!({"kind": "toy.note", "subject": leg, "data": {"code": code}});
    let json = serde_json::json!({"schema": SCHEMA, "observations": [
        note("http.symptom"), note("http.middle"), note("client.wide"),
        {"kind": "request.trial", "subject": leg, "data": dead()},
    ]});
    // In the catalogue the symptom stands before what lies between.
    let catalogue = Catalogue::new([&WIDE, &SYMPTOM, &MIDDLE]).unwrap();
    let report = Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue);
    let Some(Verdict::Died { chain, .. }) = report.verdict else { panic!("{report:?}") };
    assert_eq!(chain, ["http.symptom", "http.middle", "client.wide"]);
}

#[test]
fn a_cause_leads_by_the_deaths_it_accounts_for() {
    // One sample dies of a symptom with a cause, two of something else: the cause is not theirs.
    let report = report(
        &[(0, "http.symptom"), (0, "http.middle"), (1, "http.other"), (2, "http.other"), (1, "dns.root")],
        serde_json::json!([dead(), dead(), dead()]),
    );
    let Some(Verdict::Died { cause, also, .. }) = &report.verdict else { panic!("{report:?}") };
    assert_eq!((cause.code.as_str(), also.as_slice()), ("http.other", &["http.middle".to_owned()][..]));
    assert_eq!(cause.others, 1, "one died of the other");
}

#[test]
fn a_sample_that_could_not_be_followed_is_no_success() {
    let unknown = serde_json::json!({"role": "fresh", "left": "unknown", "stage": "http"});
    let report = report(&[(0, "http.symptom")], serde_json::json!([dead(), unknown]));
    assert!(matches!(report.verdict, Some(Verdict::Died { .. })), "{:?}", report.verdict);
}

#[test]
fn one_block_of_each_kind_changed_during_the_trace() {
    let samples = |pattern: &str| -> Report {
        let dies = |c: char| c == 'x';
        let notes: Vec<(u32, &str)> =
            (0..).zip(pattern.chars()).filter(|(_, c)| dies(*c)).map(|(i, _)| (i, "http.symptom")).collect();
        let trials = pattern.chars().map(|c| if dies(c) { dead() } else { alive() });
        report(&notes, trials.collect())
    };
    for changed in ["xxxxxx......", "......xxxxxx", "xxx.........", ".....xxxxx"] {
        let report = samples(changed);
        let Some(Verdict::Degraded { at: None, cause: None, why: Some(why), also, .. }) = &report.verdict
        else {
            panic!("{changed}: {:?}", report.verdict)
        };
        assert!(why.contains("changed during the trace"), "{why}");
        assert_eq!(also, &["http.symptom"], "said once");
    }
    // Chance makes such a block too often, or it is none.
    for placed in ["xx..", "x...........", "x.x.x.x.x.x.", "xxxxxx.....x"] {
        let report = samples(placed);
        assert!(matches!(report.verdict, Some(Verdict::Degraded { at: Some(_), .. })), "{placed}");
    }
}

#[test]
fn what_the_last_try_meets_again_is_said_once() {
    let last = serde_json::json!({"role": "last", "left": "dead", "stage": "http"});
    let report = report(&[(0, "http.symptom"), (1, "http.symptom")], serde_json::json!([dead(), last]));
    let said: Vec<_> = report.findings.iter().map(|f| (f.code.as_ref(), f.weight)).collect();
    assert_eq!(said, [("http.symptom", Weight::Fatal)]);
}

cause! {
    /// The status is a failure.
    static STATUS: "http.status" = status { scope(Scope::Sample), twins(&["dns.twin"]) }
}

fn status(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = case.of::<Note>(at).find(|note| note.code == "503").ok_or(Decline::Absent)?;
    Ok(Finding::new(at, &seen, "it is a failure").ends_sample())
}

cause! {
    /// It looks the same, and stands earlier on the road.
    static TWIN: "dns.twin" = twin { scope(Scope::Sample) }
}

fn twin(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = case.first::<Note>(at)?;
    Err(Decline::not("the name resolves", &seen))
}

fn judged(observations: serde_json::Value) -> Report {
    let json = serde_json::json!({"schema": SCHEMA, "observations": observations});
    let catalogue = Catalogue::new([&TWIN, &STATUS]).unwrap();
    Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue)
}

fn on(to: &str) -> serde_json::Value {
    serde_json::json!({"leg": {"from": "client", "to": to, "sample": 0}})
}

#[test]
fn a_failure_that_every_stage_let_pass_has_its_twins_ruled_out() {
    let report = judged(serde_json::json!([
        {"kind": "toy.note", "subject": on("server"), "data": {"code": "503"}},
        {"kind": "request.trial", "subject": on("server"), "data": alive()},
    ]));
    assert!(matches!(report.verdict, Some(Verdict::Died { .. })), "{:?}", report.verdict);
    assert_eq!(report.ruled_out.len(), 1, "though the twin was asked before anything was found");
    assert_eq!((report.ruled_out[0].code.as_str(), report.ruled_out[0].cites.len()), ("dns.twin", 1));
}

#[test]
fn a_sample_that_was_sent_on_did_not_end_where_it_was_sent_on() {
    let report = judged(serde_json::json!([
        {"kind": "toy.note", "subject": on("server"), "data": {"code": "503"}},
        {"kind": "request.trial", "subject": on("server"), "data": alive()},
        {"kind": "request.trial", "subject": on("redirect-1"), "data": alive()},
    ]));
    assert!(matches!(report.verdict, Some(Verdict::Reached { .. })), "{:?}", report.verdict);
}

#[test]
fn what_is_wrong_at_another_address_did_not_kill_this_request() {
    noted!(THERE, "http.there", there, {});
    let at = |address: &str| serde_json::json!({"leg": {"from": "client", "to": "server", "address": address, "sample": 0}});
    fn found(case: &Case, at: &Subject) -> Result<Finding, Decline> {
        let seen = case.first::<Note>(at)?;
        Ok(Finding::new(at, &seen, "it is wrong here"))
    }
    cause! {
        /// Wrong at one address.
        static WRONG: "http.wrong" = found { scope(Scope::Address) }
    }
    let mut trial = dead();
    trial["peer"] = "192.0.2.1:80".into();
    let json = serde_json::json!({"schema": SCHEMA, "observations": [
        {"kind": "toy.note", "subject": at("192.0.2.2:80"), "data": {"code": "x"}},
        {"kind": "toy.note", "subject": at("192.0.2.1:80"), "data": {"code": "http.there"}},
        {"kind": "request.trial", "subject": on("server"), "data": trial},
    ]});
    let catalogue = Catalogue::new([&WRONG, &THERE]).unwrap();
    let report = Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue);
    let fatal: Vec<String> =
        report.findings.iter().filter(|f| f.weight == Weight::Fatal).map(|f| f.subject.to_string()).collect();
    assert_eq!(fatal, ["client → server at 192.0.2.1:80", "client → server, sample 0"]);
}

/// Ten thousand samples, each dying of a symptom with a cause, beside as many warnings.
#[test]
fn a_long_trace_is_judged_in_no_time() {
    let samples = 10_000;
    let mut notes = Vec::new();
    for sample in 0..samples {
        notes.extend([(sample, "http.symptom"), (sample, "http.middle"), (sample, "tls.elsewhere")]);
    }
    let trials = (0..samples).map(|_| dead()).collect();
    let began = std::time::Instant::now();
    let report = report(&notes, trials);
    let Some(Verdict::Died { cause, chain, outcome, .. }) = &report.verdict else { panic!() };
    assert_eq!((cause.code.as_str(), chain.len(), outcome.died), ("http.middle", 2, samples));
    assert_eq!(report.findings.len(), 30_000);
    // Comparing all with all would take minutes; this takes a second, unoptimised on a busy machine.
    assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn more_samples_than_any_trace_has_are_said_to_be_left_out() {
    let trials: Vec<_> = (0..10_001).map(|_| alive()).collect();
    let report = report(&[], trials.into());
    assert!(
        report.errors.iter().any(|e| e.message.contains("10000 of 10001 samples")),
        "{:?}",
        report.errors
    );
    let catalogue = Catalogue::new([&SYMPTOM]).unwrap();
    assert_eq!(report.judged(&catalogue).errors.len(), 1, "judged again, it is said once");
}

#[test]
fn a_recogniser_that_panics_costs_its_own_cause_only() {
    fn panics(_: &Case, _: &Subject) -> Result<Finding, Decline> {
        panic!("a recogniser that panics")
    }
    cause! {
        /// It cannot be recognised.
        static PANICS: "dns.panics" = panics { scope(Scope::Sample) }
    }
    let json = serde_json::json!({"schema": SCHEMA, "observations": [
        {"kind": "toy.note", "subject": on("server"), "data": {"code": "http.symptom"}},
        {"kind": "request.trial", "subject": on("server"), "data": dead()},
    ]});
    let catalogue = Catalogue::new([&PANICS, &SYMPTOM]).unwrap();
    let report = Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue);
    assert_eq!(report.verdict.as_ref().and_then(Verdict::cause).unwrap().code, "http.symptom");
    assert!(report.errors[0].message.contains("dns.panics"), "{:?}", report.errors);
}

//! The runner: samples, the last try, deadlines, budgets, looks beside the road.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Act, ToyStage, run, trace};
use reqpath_core::*;

fn verdict(report: &Report) -> &Verdict {
    report.verdict.as_ref().expect("judged")
}

fn trials(report: &Report) -> Vec<Trial> {
    report.observations.iter().filter_map(|o| o.get::<Trial>().cloned()).collect()
}

#[tokio::test]
async fn a_trace_can_be_a_task_of_its_own() {
    let pipeline = Pipeline::builder().build().unwrap();
    let report = tokio::spawn(async move { pipeline.trace(trace()).await }).await.unwrap();
    assert!(report.verdict.is_some());
}

#[tokio::test]
async fn ids_are_drawn_anew_and_well_formed() {
    let (one, other) = (run(&[Act::Pass], trace()).await, run(&[Act::Pass], trace()).await);
    assert!(one.request_id != other.request_id && one.traceparent != other.traceparent);
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    assert!(one.request_id.len() == 32 && hex(&one.request_id), "{}", one.request_id);
    let parts: Vec<&str> = one.traceparent.split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2]);
    assert!(parts.iter().all(|part| hex(part)), "{}", one.traceparent);
}

#[tokio::test]
async fn alive_is_reached_and_tried_once() {
    let report = run(&[Act::Pass], trace()).await;
    assert!(matches!(verdict(&report), Verdict::Reached { answer: Some(a), .. } if a == "toy 200"));
    assert_eq!(trials(&report).len(), 1);
    assert_eq!(report.hops[1].arrived, Tri::Yes);
    assert_eq!(report.findings.len(), 1, "the warning is there and changes nothing");
}

#[tokio::test]
async fn dead_twice_is_died() {
    let report = run(&[Act::Die], trace()).await;
    let Verdict::Died { at, cause, chain, .. } = verdict(&report) else { panic!("{:?}", report.verdict) };
    assert_eq!((at.hop.as_str(), at.station.as_str(), cause.code.as_str()), ("server", "toy", "toy.broken"));
    assert_eq!(chain, &["toy.broken"]);
    assert_eq!(report.next, ["mend it"]);
    assert_eq!(trials(&report)[1].role, Role::Last);
    assert_eq!(report.hops[1].arrived, Tri::No);
}

#[tokio::test]
async fn dead_then_alive_is_not_placed() {
    let report = run(&[Act::Die, Act::Pass], trace()).await;
    assert!(matches!(verdict(&report), Verdict::Degraded { at: None, cause: None, why: Some(_), .. }));
}

#[tokio::test]
async fn some_of_many_is_degraded_and_placed() {
    let report = run(&[Act::Pass, Act::Pass, Act::Die, Act::Pass], trace().samples(4)).await;
    let Verdict::Degraded { at: Some(_), cause: Some(cause), outcome, .. } = verdict(&report) else {
        panic!("{:?}", report.verdict)
    };
    assert_eq!((outcome.died, outcome.samples, cause.code.as_str()), (1, 4, "toy.broken"));
}

#[tokio::test]
async fn the_probes_own_trouble_is_unknown() {
    let report = run(&[Act::Fail], trace()).await;
    assert!(matches!(verdict(&report), Verdict::Unknown { .. }));
    assert_eq!(verdict(&report).exit_status(), 3);
    assert_eq!(report.errors[0].stage, "toy");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_stage_ends_with_the_deadline_and_loses_nothing() {
    let began = tokio::time::Instant::now();
    let report = run(&[Act::Hang], trace()).await;
    assert!(began.elapsed() < Duration::from_millis(5_050), "{:?}", began.elapsed());
    let kept = report.observations.iter().find(|o| o.kind() == "toy.look").expect("what was begun is kept");
    assert!(!kept.complete);
    let trial = &trials(&report)[0];
    assert!(trial.out_of_time && trial.died());
    assert_eq!(trial.phases.len(), 1);
}

#[tokio::test]
async fn an_unsafe_method_is_sent_once() {
    let target = Target::builder("http://192.0.2.1/").unwrap().method("POST").unwrap().build();
    let trace = Trace::new(target, Arc::new(common::Nowhere)).samples(5);
    let report = run(&[Act::Die], trace).await;
    assert_eq!(trials(&report).len(), 1);
    assert_eq!(verdict(&report).outcome().samples, 1);
}

#[tokio::test]
async fn the_budget_is_what_was_announced() {
    let stage = ToyStage { requests: 0, ..ToyStage::new(&[Act::Pass]) };
    let pipeline = Pipeline::builder().stage(stage).build().unwrap();
    let trace = trace();
    assert_eq!(pipeline.announced_requests(&trace), 0);
    let report = pipeline.trace(trace).await;
    assert!(matches!(verdict(&report), Verdict::Unknown { .. }));
    assert!(report.errors[0].message.contains("announces no further request"), "{:?}", report.errors);
}

#[tokio::test(start_paused = true)]
async fn stopping_early_gives_the_report_so_far() {
    let stop = tokio::time::sleep(Duration::from_millis(300));
    let began = tokio::time::Instant::now();
    let report = run(&[Act::Hang], trace().stop_when(stop)).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(report.observations.iter().any(|o| o.kind() == "toy.look"));
    assert!(matches!(verdict(&report), Verdict::Unknown { .. }));
}

/// A stage that looks beside the road.
#[derive(Debug)]
struct Beside;

#[async_trait::async_trait]
impl Stage for Beside {
    fn name(&self) -> &'static str {
        "beside"
    }
    fn causes(&self) -> &[&'static Cause] {
        &[]
    }
    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }
    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let (look, subject) = (cx.clone(), at.clone());
        cx.aside(async move {
            let inner = (look.clone(), subject.clone());
            look.aside(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                inner.0.record(&inner.1, common::Toy { ok: true });
            });
            let never = look.begin(&subject, common::Toy { ok: false });
            tokio::time::sleep(Duration::from_secs(3600)).await;
            never.finish();
        });
        cx.aside(async { panic!("a look that panics") });
        Ok(Left::Alive)
    }
}

#[tokio::test(start_paused = true)]
async fn looks_beside_the_road_end_with_the_trace() {
    let pipeline = Pipeline::builder().stage(Beside).build().unwrap();
    let report = pipeline.trace(trace()).await;
    let seen: Vec<(bool, bool)> =
        report.observations.iter().filter_map(|o| Some((o.complete, o.get::<common::Toy>()?.ok))).collect();
    assert!(seen.contains(&(true, true)), "a look started by a look is waited for: {seen:?}");
    assert!(seen.contains(&(false, false)), "one that hangs is kept, incomplete: {seen:?}");
    assert!(report.errors.iter().any(|error| error.message.contains("panicked")));
    assert!(matches!(verdict(&report), Verdict::Reached { .. }));
}

//! The stage writes down what is declared, once, and contacts nobody.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a failed expectation is the message")]

use reqpath_core::{Caller, Hop, HopKind, Micros, Path, Pipeline, Report, Subject, Target, Trace};
use reqpath_road::{CAUSES, Declarations, Declared};
use reqpath_testkit::FakeVantage;

async fn traced(path: Path, samples: u32) -> Report {
    let pipeline =
        Pipeline::builder().stage(Declarations::new()).causes(CAUSES.iter().copied()).build().unwrap();
    let target = Target::get("http://shop.example/").unwrap();
    // A fake that expects nothing fails at any contact.
    let trace = Trace::new(target, FakeVantage::builder().build()).path(path).samples(samples);
    assert!(pipeline.plan(&trace).is_empty());
    pipeline.trace(trace).await
}

fn declared(report: &Report) -> Vec<&Declared> {
    let observations = report.observations.iter().filter(|seen| seen.subject == Subject::Path);
    observations.filter_map(|seen| seen.get::<Declared>()).collect()
}

#[tokio::test]
async fn what_is_declared_is_written_down_once() {
    let mut edge = Hop::new("edge", HopKind::Nginx);
    edge.timeouts.tries = Some(3);
    let mut path = Path::new(vec![Hop::new("client", HopKind::Client), edge, Hop::new("shop", HopKind::Pod)]);
    let mut caller = Caller::default();
    (caller.deadline_us, caller.tries) = (Some(Micros(0)), Some(2));
    path.caller = caller;
    let report = traced(path, 3).await;
    let declared = declared(&report);
    assert_eq!(declared.len(), 1);
    assert_eq!(declared[0].hops[0].timeouts.tries, Some(3));
    let codes: Vec<&str> = report.findings.iter().map(|finding| &*finding.code).collect();
    assert_eq!(codes, ["client.deadline_exceeds_nothing", "client.retry_storm"]);
    assert!(report.findings.iter().all(|finding| !finding.cites.is_empty()));
    assert_eq!(report.verdict.as_ref().unwrap().kind(), "reached");
}

#[tokio::test]
async fn a_path_that_declares_nothing_leaves_no_trace() {
    let report = traced(Path::of_url(), 1).await;
    assert!(declared(&report).is_empty());
    assert!(report.findings.is_empty());
}

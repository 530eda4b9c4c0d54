//! The runner where things go beyond the ordinary: panics, redirects, proxies, and time that is not enough.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use common::Nowhere;
use reqpath_core::*;

/// What the stage does in one run, given its number and the context.
type Deed = fn(u32, &Subject, &Context) -> (Duration, Left);

/// A stage that does its deed, then takes a while.
#[derive(Debug)]
struct Does {
    deed: Deed,
    runs: AtomicU32,
}

impl Does {
    fn new(deed: Deed) -> Self {
        Self { deed, runs: AtomicU32::new(0) }
    }
}

#[async_trait]
impl Stage for Does {
    fn name(&self) -> &'static str {
        "toy"
    }
    fn causes(&self) -> &[&'static Cause] {
        CAUSES
    }
    fn plan(&self, _: &Subject, _: &Path, target: &Target) -> Vec<Contact> {
        let tunnel = u32::from(target.scheme() == Scheme::Https);
        vec![
            Contact::new(ContactKind::Request, "the server", 1, "the request"),
            Contact::new(ContactKind::Connection, "a proxy", tunnel, "a tunnel"),
            Contact::new(ContactKind::File, "a file", 1, "a look").once(),
        ]
    }
    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let (time, left) = (self.deed)(self.runs.fetch_add(1, Ordering::SeqCst), at, cx);
        tokio::time::sleep(time).await;
        Ok(left)
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Status(u16);

impl Evidence for Status {
    const KIND: &'static str = "toy.status";
}

static CAUSES: &[&Cause] = &[&FAILED];

cause! {
    /// The answer is a failure.
    static FAILED: "toy.failed" = failed { scope(Scope::Sample) }
}

fn failed(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let status = case.first::<Status>(at)?;
    if status.0 < 500 {
        return Err(Decline::not("it is a good answer", &status));
    }
    Ok(Finding::new(at, &status, "the answer is a failure").ends_sample())
}

fn target(url: &str) -> TargetBuilder {
    Target::builder(url).unwrap()
}

fn traced(target: TargetBuilder) -> Trace {
    Trace::new(target.build(), Arc::new(Nowhere))
}

async fn run(deed: Deed, trace: Trace) -> Report {
    Pipeline::builder().stage(Does::new(deed)).build().unwrap().trace(trace).await
}

fn trials(report: &Report) -> Vec<(Role, Left)> {
    report.observations.iter().filter_map(Observation::get::<Trial>).map(|t| (t.role, t.left)).collect()
}

const NO_TIME: Duration = Duration::ZERO;

#[tokio::test]
async fn a_stage_that_panics_is_trouble_of_the_probe() {
    let report = run(|_, _, _| panic!("a stage that panics"), traced(target("http://192.0.2.1/"))).await;
    assert!(matches!(report.verdict, Some(Verdict::Unknown { .. })), "{:?}", report.verdict);
    assert!(report.errors[0].message.contains("panicked"));
}

#[tokio::test]
async fn a_deadline_without_end_is_no_overflow() {
    let trace = traced(target("http://192.0.2.1/").max_time(Micros(u64::MAX))).deadline(Duration::MAX);
    let report = run(|_, _, _| (NO_TIME, Left::Alive), trace).await;
    assert!(matches!(report.verdict, Some(Verdict::Reached { .. })));
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_half_way_is_recorded_as_not_known() {
    let stop = tokio::time::sleep(Duration::from_millis(300));
    let hang = |_: u32, _: &Subject, cx: &Context| {
        cx.sent();
        (Duration::from_secs(3600), Left::Alive)
    };
    let report = run(hang, traced(target("http://192.0.2.1/")).stop_when(stop)).await;
    let trial = report.observations.iter().find(|o| o.get::<Trial>().is_some()).expect("recorded");
    assert!(!trial.complete);
    let trial = trial.get::<Trial>().unwrap();
    assert_eq!((trial.left, trial.sent, trial.phases.len()), (Left::Unknown, true, 1));
    let Some(Verdict::Unknown { why, .. }) = &report.verdict else { panic!("{:?}", report.verdict) };
    assert!(why.contains("stopped"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn being_stopped_takes_nothing_from_the_samples_before() {
    let stop = tokio::time::sleep(Duration::from_millis(350));
    let trace = traced(target("http://192.0.2.1/")).samples(12).stop_when(stop);
    let report = run(|_, _, _| (Duration::from_millis(100), Left::Alive), trace).await;
    let Some(Verdict::Reached { outcome, .. }) = &report.verdict else { panic!("{:?}", report.verdict) };
    assert_eq!(outcome.samples, 3);
}

#[tokio::test(start_paused = true)]
async fn no_sample_dies_of_the_deadline_of_the_trace() {
    let trace = traced(target("http://192.0.2.1/")).samples(12).deadline(Duration::from_millis(1_000));
    let report = run(|_, _, _| (Duration::from_millis(150), Left::Alive), trace).await;
    let Some(Verdict::Reached { outcome, .. }) = &report.verdict else { panic!("{:?}", report.verdict) };
    assert_eq!((outcome.samples, outcome.died), (5, 0), "the sixth would not have had its time");
    assert!(report.errors.iter().any(|e| e.message.contains("5 of 12 samples")), "{:?}", report.errors);
}

#[tokio::test]
async fn controls_are_made_where_they_can_tell() {
    let die = |_: u32, _: &Subject, _: &Context| (NO_TIME, Left::Dead);
    let trace = || traced(target("http://192.0.2.1/")).control(Role::Direct).control(Role::Patient);
    let report = run(die, trace()).await;
    let roles: Vec<Role> = trials(&report).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, [Role::Fresh, Role::Last], "no proxy to leave out, and no time that ran out");

    let proxied = |_: u32, at: &Subject, cx: &Context| {
        let mut to = Destination::of(cx.target());
        to.proxy = (cx.role() != Role::Direct).then(|| Proxy::new("http_proxy", "http://p.example:1", None));
        cx.hand_on(at, to);
        (NO_TIME, Left::Dead)
    };
    let report = run(proxied, trace()).await;
    let roles: Vec<Role> = trials(&report).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, [Role::Fresh, Role::Direct, Role::Last]);
}

#[tokio::test(start_paused = true)]
async fn more_time_is_given_to_what_ran_out_of_it() {
    let slow = |_: u32, _: &Subject, _: &Context| (Duration::from_secs(2), Left::Alive);
    let request = target("http://192.0.2.1/").max_time(Duration::from_secs(1));
    let trace = traced(request).deadline(Duration::from_secs(9)).control(Role::Patient);
    let report = run(slow, trace).await;
    let expected = [(Role::Fresh, Left::Dead), (Role::Patient, Left::Alive), (Role::Last, Left::Dead)];
    assert_eq!(trials(&report), expected);
}

#[tokio::test(start_paused = true)]
async fn the_time_to_connect_counts_until_the_request_is_sent_and_binds_no_control_with_more_time() {
    // Needs two seconds to connect.
    let connects = |_: u32, _: &Subject, cx: &Context| {
        let limit = cx.connect_limit(Duration::from_secs(5));
        let left = if limit < Duration::from_secs(2) { Left::Dead } else { Left::Alive };
        (limit.min(Duration::from_secs(2)), left)
    };
    let timeout = |seconds| {
        let trace = traced(target("http://192.0.2.1/")).deadline(Duration::from_secs(20));
        trace.connect_timeout(Duration::from_secs(seconds)).control(Role::Patient)
    };
    let report = run(connects, timeout(1)).await;
    let expected = [(Role::Fresh, Left::Dead), (Role::Patient, Left::Alive), (Role::Last, Left::Dead)];
    assert_eq!(trials(&report), expected);
    let kept = report.observations.iter().filter_map(Observation::get::<Trial>);
    let limits: Vec<_> = kept.map(|trial| trial.connect_limit_us).collect();
    assert_eq!(limits, [Some(Micros(1_000_000)), None, Some(Micros(1_000_000))]);
    // The caller's time takes the place of the stage's own, be it longer or shorter.
    let longer = |_: u32, _: &Subject, cx: &Context| {
        let limit = cx.connect_limit(Duration::from_millis(1));
        (NO_TIME, if limit > Duration::from_secs(8) { Left::Alive } else { Left::Dead })
    };
    assert_eq!(trials(&run(longer, timeout(9)).await), [(Role::Fresh, Left::Alive)]);
    // What dies after the request was sent did not run out of time to connect.
    let later = |_: u32, _: &Subject, cx: &Context| {
        cx.sent();
        (Duration::from_secs(2), Left::Dead)
    };
    let ended = trials(&run(later, timeout(1)).await);
    assert_eq!(ended, [(Role::Fresh, Left::Dead), (Role::Last, Left::Dead)]);
}

#[tokio::test]
async fn an_answer_that_is_a_failure_is_tried_once_more() {
    let flips = |run: u32, at: &Subject, cx: &Context| {
        cx.suspect();
        cx.record(at, Status(if run == 0 { 503 } else { 200 }));
        (NO_TIME, Left::Alive)
    };
    let report = run(flips, traced(target("http://192.0.2.1/"))).await;
    assert_eq!(trials(&report), [(Role::Fresh, Left::Alive), (Role::Last, Left::Alive)]);
    assert!(matches!(report.verdict, Some(Verdict::Degraded { at: None, .. })), "{:?}", report.verdict);

    let odd = |_: u32, at: &Subject, cx: &Context| {
        cx.suspect();
        cx.record(at, Status(404));
        (NO_TIME, Left::Alive)
    };
    let report = run(odd, traced(target("http://192.0.2.1/"))).await;
    assert_eq!(trials(&report), [(Role::Fresh, Left::Alive)], "suspected, and no failure");
}

#[tokio::test]
async fn redirects_end_with_what_the_plan_announced() {
    let on = |_: u32, _: &Subject, cx: &Context| {
        cx.redirect(cx.target().clone());
        (NO_TIME, Left::Alive)
    };
    let report = run(on, traced(target("http://192.0.2.1/").max_redirects(3))).await;
    assert_eq!(trials(&report).len(), 4);
    let hops: Vec<&str> = report.hops.iter().map(|hop| hop.hop.as_str()).collect();
    assert_eq!(hops, ["client", "server", "redirect-1", "redirect-2", "redirect-3"]);
    assert!(report.hops.iter().all(|hop| hop.arrived == Tri::Yes), "{:?}", report.hops);
}

#[tokio::test]
async fn as_many_permits_are_given_as_the_plan_announces() {
    static GIVEN: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];
    const KINDS: [ContactKind; 3] = [ContactKind::Request, ContactKind::Connection, ContactKind::File];
    let taken = |_: u32, _: &Subject, cx: &Context| {
        for (given, kind) in GIVEN.iter().zip(KINDS) {
            while cx.permit(kind).is_ok() {
                given.fetch_add(1, Ordering::SeqCst);
            }
        }
        (NO_TIME, Left::Alive)
    };
    let pipeline = Pipeline::builder().stage(Does::new(taken)).build().unwrap();
    let secured = target("https://192.0.2.2/");
    let entered = Entry::new("client", "server", secured.clone().build(), Arc::new(Nowhere));
    let trace = traced(secured.max_redirects(2)).samples(3).entry(entered);
    let mut announced = [0; 3];
    for contact in pipeline.plan(&trace) {
        announced[KINDS.iter().position(|kind| *kind == contact.kind).unwrap()] += contact.most;
    }
    pipeline.trace(trace).await;
    assert_eq!(GIVEN.each_ref().map(|given| given.load(Ordering::SeqCst)), announced);
    assert_eq!(announced, [15, 15, 4], "four at the front, thrice each, and three at the entry");
}

#[test]
fn a_plan_covers_where_redirects_may_lead() {
    let pipeline = Pipeline::builder().stage(Does::new(|_, _, _| (NO_TIME, Left::Alive))).build().unwrap();
    let most = |kind: ContactKind, redirects: u32| -> u32 {
        let trace = traced(target("http://192.0.2.1/").max_redirects(redirects)).samples(3);
        pipeline.plan(&trace).iter().filter(|contact| contact.kind == kind).map(|contact| contact.most).sum()
    };
    // Three samples and a last try.
    assert_eq!((most(ContactKind::Request, 0), most(ContactKind::Connection, 0)), (4, 0));
    assert_eq!((most(ContactKind::Request, 2), most(ContactKind::Connection, 2)), (12, 8), "to TLS, for one");
    assert_eq!(
        (most(ContactKind::File, 0), most(ContactKind::File, 2)),
        (1, 3),
        "looks beside the road, once"
    );
}

/// Answers 200 so many times, and then that it was one too many.
fn sheds_after(fine: u32, run: u32, at: &Subject, cx: &Context) -> (Duration, Left) {
    cx.suspect();
    if run >= fine {
        cx.one_too_many();
    }
    cx.record(at, Status(if run < fine { 200 } else { 503 }));
    (NO_TIME, Left::Alive)
}

#[tokio::test]
async fn a_limit_met_by_our_own_requests_ends_them_and_is_nobodys_fault() {
    let ours = |report: &Report| {
        report.errors.iter().any(|error| error.message.contains("our own requests met a limit"))
    };
    let deed: Deed = |run, at, cx| sheds_after(2, run, at, cx);
    for samples in [3, 12] {
        let report = run(deed, traced(target("http://192.0.2.1/")).samples(samples)).await;
        assert_eq!(trials(&report).len(), 3, "two that came back, one too many, and no more");
        let Some(Verdict::Reached { outcome, .. }) = &report.verdict else { panic!("{:?}", report.verdict) };
        assert_eq!((outcome.samples, ours(&report)), (2, true), "{:?}", report.errors);
        let stored = Report::load(&serde_json::to_vec(&report).unwrap()).unwrap();
        assert_eq!(stored.judged(&Catalogue::new(CAUSES.to_vec()).unwrap()).verdict, report.verdict);
    }
    // The very first is not our doing.
    let deed: Deed = |run, at, cx| sheds_after(0, run, at, cx);
    let report = run(deed, traced(target("http://192.0.2.1/")).samples(3)).await;
    let Some(Verdict::Died { outcome, .. }) = &report.verdict else { panic!("{:?}", report.verdict) };
    assert_eq!((outcome.samples, ours(&report)), (3, false));
    // Nor do those that enter further in go on.
    let entered: Deed = |_, at, cx| {
        let run = at.sample().unwrap() % 4;
        if at.as_leg().unwrap().to.as_str() == "server" {
            (NO_TIME, Left::Alive)
        } else {
            sheds_after(1, run, at, cx)
        }
    };
    let path = Path::new(vec![
        Hop::new("client", HopKind::Client),
        Hop::new("server", HopKind::Nginx),
        Hop::new("shop", HopKind::Pod),
    ]);
    let inner = target("http://192.0.2.2/").build();
    let trace = traced(target("http://192.0.2.1/")).path(path).samples(3);
    let report = run(entered, trace.entry(Entry::new("server", "shop", inner, Arc::new(Nowhere)))).await;
    assert!(matches!(report.verdict, Some(Verdict::Reached { .. })), "{:?}", report.verdict);
    assert_eq!((trials(&report).len(), ours(&report)), (5, true), "{:?}", report.errors);
}

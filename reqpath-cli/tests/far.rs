//! A look made whole by another reqpath, and judged here: the very program, run as if it were far away.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use reqpath_core::{Entry, Hop, HopKind, Path, Report, Target, Trace, Trial, Verdict};
use reqpath_stages::Road;
use reqpath_stages::local::{FarCommand, LocalVantage};
use reqpath_testkit::MockUpstream;
use reqpath_testkit::mock::{ClosedPort, Reply};
use reqpath_testkit::pki::Authority;

fn far() -> FarCommand {
    FarCommand::new("shop's place", [env!("CARGO_BIN_EXE_reqpath")])
}

/// A front that answers 502, and what is behind it looked at from far away.
fn trace(target: Target, at: std::net::SocketAddr, far: FarCommand) -> Report {
    let front = MockUpstream::builder().reply(Reply::status(502)).start().unwrap();
    let path = Path::new(vec![
        Hop::new("client", HopKind::Client),
        Hop::new("shop", HopKind::Nginx),
        Hop::new("cart", HopKind::Pod),
    ]);
    let entry = Entry::from_far("shop", "cart", target, Arc::new(far)).at(at.into());
    let front = Target::get(&format!("http://{}/", front.address())).unwrap();
    let trace = Trace::new(front, Arc::new(LocalVantage::new())).path(path).entry(entry);
    let mut road = Road::new().road_only();
    road.client.environment = false;
    let pipeline = road.pipeline().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(pipeline.trace(trace.deadline(Duration::from_secs(20)).request_id("far")))
}

fn inner(report: &Report) -> Option<&reqpath_core::Observation> {
    report.observations.iter().find(|seen| {
        seen.get::<Trial>().is_some() && seen.subject.as_leg().is_some_and(|leg| leg.to.as_str() == "cart")
    })
}

#[test]
fn what_is_seen_there_decides_here() {
    let closed = ClosedPort::reserve().unwrap();
    let report = trace(Target::get("http://cart.test/items?page=2").unwrap(), closed.address(), far());
    let Verdict::Died { at, chain, .. } = report.verdict.as_ref().unwrap() else { panic!("{report:#?}") };
    assert_eq!((at.hop.as_str(), chain.join("<").as_str()), ("cart", "http.error<tcp.refused"));
    assert_eq!(inner(&report).unwrap().vantage, "shop's place");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

#[test]
fn it_is_the_request_that_was_meant() {
    let cart = MockUpstream::builder().reply(Reply::ok("fine")).start().unwrap();
    let target = Target::builder("http://cart.test/a%20b?x='1'&y=$HOME").unwrap();
    let target = target.header("X-Tenant", "it's; mine").unwrap().build();
    for far in [
        far(),
        FarCommand::new("a shell", ["sh", "-c", "eval \"$0 $*\"", env!("CARGO_BIN_EXE_reqpath")])
            .through_shell(),
    ] {
        let report = trace(target.clone(), cart.address(), far);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        assert_eq!(report.verdict.as_ref().unwrap().at().unwrap().hop.as_str(), "shop");
        let trial = inner(&report).unwrap();
        assert_eq!(trial.get::<Trial>().unwrap().answer.as_deref(), Some("HTTP/1.1 200"));
        let sample = trial.subject.sample().unwrap();
        let asked = cart.requests().pop().unwrap();
        assert_eq!(asked.header("host"), Some("cart.test"));
        assert_eq!(asked.header("x-tenant"), Some("it's; mine"));
        assert_eq!(asked.header("x-request-id"), Some(format!("far-{sample}").as_str()));
        assert_eq!(asked.target, target.path_and_query());
    }
    assert_eq!(cart.requests().len(), 2, "one request each time, whatever came of it");
}

#[test]
fn what_cannot_be_done_there_is_said_and_nothing_claimed() {
    let closed = ClosedPort::reserve().unwrap();
    let plain = || Target::get("http://cart.test/").unwrap();
    let secret =
        Target::builder("http://cart.test/").unwrap().header("Authorization", "Bearer s3cret").unwrap();
    for (target, far, words) in [
        (
            plain(),
            FarCommand::new("gone", ["no-such-program-here"]),
            "gone: `no-such-program-here` is not there",
        ),
        (plain(), FarCommand::new("mute", ["true"]), "mute: no report came; try `true --version`"),
        (plain(), FarCommand::new("odd", ["echo"]), "odd: "),
        (secret.build(), far(), "cannot be given credentials"),
    ] {
        let report = trace(target, closed.address(), far);
        assert!(inner(&report).is_none());
        let told = report.errors.iter().any(|error| error.message.contains(words));
        assert!(told && !format!("{:?}", report.errors).contains("s3cret"), "{:?}", report.errors);
        assert_ne!(report.verdict.as_ref().unwrap().at().map(|at| at.hop.as_str()), Some("cart"));
    }
}

/// A path file whose edge is such a place, walked by the program.
fn walked(front: &MockUpstream, shop: &str, more: &[&str]) -> common::Run {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("road.yaml");
    let text = format!(
        "vantages: {{edge: {{command: ['{}']}}}}\n\
         hops:\n\
         - {{name: client, kind: client}}\n\
         - {{name: edge, kind: nginx, vantage: edge}}\n\
         - {{name: shop, kind: pod, {shop}}}\n",
        env!("CARGO_BIN_EXE_reqpath")
    );
    std::fs::write(&file, text).unwrap();
    let mut command = common::reqpath();
    command.arg("trace").arg("-f").arg(&file).arg(front.url("/items?page=2")).args(more);
    common::run(command)
}

#[test]
fn a_path_file_names_such_a_place() {
    let front = MockUpstream::start(Reply::status(502)).unwrap();
    let closed = ClosedPort::reserve().unwrap();
    let run = walked(&front, &format!("addresses: ['{}'], sends: {{}}", closed.address()), &["--json"]);
    run.assert_died("tcp.refused");
    let seen = run.report["observations"].as_array().unwrap();
    let refused =
        |one: &&serde_json::Value| one["kind"] == "tcp.attempt" && one["data"]["outcome"] == "failed";
    let refused = seen.iter().find(refused).unwrap_or_else(|| panic!("{seen:#?}"));
    assert_eq!(
        (refused["vantage"].as_str(), &refused["subject"]["leg"]["to"]),
        (Some("edge"), &"shop".into())
    );

    let shop = MockUpstream::start(Reply::ok("fine")).unwrap();
    let run = walked(&front, &format!("addresses: ['{}'], sends: {{uri: /v1}}", shop.address()), &["--json"]);
    assert_eq!((run.kind(), run.code()), ("died", "http.error"), "{}", run.told());
    let asked: Vec<String> = shop.requests().into_iter().map(|request| request.target).collect();
    assert!(!asked.is_empty() && asked.iter().all(|target| target == "/v1"), "{asked:?}");
}

#[test]
fn a_certificate_that_the_hop_does_not_look_at_kills_nobody_there_either() {
    let front = MockUpstream::start(Reply::status(502)).unwrap();
    let leaf = Authority::new().unwrap().leaf("another.test").issue().unwrap();
    let shop = MockUpstream::builder().tls(&leaf).reply(Reply::ok("fine")).start().unwrap();
    let sends = |more: &str| {
        let address = shop.address();
        format!("addresses: ['{address}'], sends: {{scheme: https, host: shop.test{more}}}")
    };
    let run = walked(&front, &sends(""), &["--json"]);
    assert_eq!((run.kind(), run.code()), ("died", "http.error"), "{}", run.told());
    assert!(!shop.requests().is_empty());
    let run = walked(&front, &sends(", verifies: true"), &["--json"]);
    assert!(run.code().starts_with("tls."), "{}: {}", run.code(), run.told());
}

#[test]
fn what_such_a_place_cannot_do_is_said() {
    let front = MockUpstream::start(Reply::status(502)).unwrap();
    let closed = ClosedPort::reserve().unwrap();
    let shop = format!("addresses: ['{}']", closed.address());
    // What is sent there is not known, so that it would have to end before HTTP.
    let run = walked(&front, &shop, &[]);
    assert!(run.told().contains("edge: this place cannot end a request after `tls`"), "{}", run.told());
    assert!(!run.told().contains("tcp.refused"), "{}", run.told());
    let run = walked(&front, &shop, &["--dry-run"]);
    assert!(run.told().contains("edge (far away, by "), "{}", run.told());
}

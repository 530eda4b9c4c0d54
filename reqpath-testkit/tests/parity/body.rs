//! The one body, and what of its evidence must be the same.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqpath_core::{KernelInfo, Report, Target, Trace, Vantage};
use reqpath_stages::Road;
use reqpath_stages::local::LocalVantage;
use reqpath_testkit::FakeVantage;
use reqpath_testkit::assertions::text;
use reqpath_testkit::mock::MockUpstream;
use reqpath_testkit::vantage::Dial;
use serde_json::Value;

/// How a member of the evidence may differ.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// Its value; it must be there in both, or in neither.
    Value,
    /// The numbers in its words.
    Numbers,
    /// Altogether.
    Wholly,
}

/// Kind of evidence (`*` for any), member (`*_us` for all that end so, `header date` for that header), how it may differ, and why.
pub(crate) type Differs = (&'static str, &'static str, How, &'static str);

/// What differs always.
const DIFFERS: &[Differs] = &[
    (
        "http.exchange",
        "max_gap_us",
        How::Wholly,
        "in memory no time passes between two bytes, so there is no gap",
    ),
    ("http.exchange", "max_gap_at", How::Wholly, "the place of a gap that is not there"),
    ("http.exchange", "clock_s", How::Value, "the one walk is made after the other"),
    ("tls.handshake", "clock", How::Value, "the one walk is made after the other"),
    ("tls.handshake", "error", How::Numbers, "for a date, the words hold the second of the verification"),
    ("tls.handshake", "words", How::Numbers, "for a date, the words hold the second of the verification"),
    ("tcp.attempt", "message", How::Numbers, "for a timeout, the words hold the time that was left for it"),
    (
        "tls.handshake",
        "received_bytes",
        How::Value,
        "a signature in the handshake is a byte longer or shorter each time",
    ),
    ("*", "*_us", How::Value, "real time passes on real sockets; the fake's clock stands still"),
    ("*", "local", How::Value, "the kernel draws the port, the fake counts from 40000"),
    ("*", "kernel", How::Wholly, "the fake has figures of the kernel only where they are scripted"),
    ("tcp.kernel", "", How::Wholly, "the same figures, as a record of their own"),
];

/// The walk: what every fault is put to, in both places.
pub(crate) async fn walk(vantage: Arc<dyn Vantage>, road: Road, target: Target) -> Report {
    let pipeline = road.pipeline().unwrap();
    let trace = Trace::new(target, vantage).without_last_try().request_id("0123456789abcdef0123456789abcdef");
    pipeline.trace(trace).await
}

/// The road without what this machine, and not the fault, would show.
pub(crate) fn road() -> Road {
    let mut road = Road::new().road_only();
    road.client.environment = false;
    road.tcp.connect_timeout = Duration::from_millis(600);
    road
}

pub(crate) fn target(url: &str) -> Target {
    Target::builder(url).unwrap().max_time(Duration::from_millis(1500)).build()
}

/// A real part, held as long as it is looked at.
pub(crate) struct Real {
    pub(crate) address: SocketAddr,
    _part: Box<dyn Any + Send>,
}

impl Real {
    pub(crate) fn of(address: SocketAddr, part: impl Any + Send) -> Self {
        Self { address, _part: Box::new(part) }
    }

    pub(crate) fn mock(mock: MockUpstream) -> Self {
        Self::of(mock.address(), mock)
    }
}

/// A runtime whose clock stands still, or does not.
pub(crate) fn runtime(paused: bool) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(paused).build().unwrap()
}

/// Walks both places and compares.
#[track_caller]
pub(crate) fn compare(
    url: &str,
    road: Road,
    real: Real,
    fake: impl FnOnce(SocketAddr) -> Arc<FakeVantage>,
) -> Report {
    compare_but(&[], url, road, real, fake)
}

/// Walks both places and compares all but these too.
#[track_caller]
pub(crate) fn compare_but(
    but: &[Differs],
    url: &str,
    road: Road,
    real: Real,
    fake: impl FnOnce(SocketAddr) -> Arc<FakeVantage>,
) -> Report {
    let target = target(
        &url.replace("ADDRESS", &real.address.to_string()).replace("PORT", &real.address.port().to_string()),
    );
    let on_sockets =
        runtime(false).block_on(walk(Arc::new(LocalVantage::new()), road.clone(), target.clone()));
    let (in_memory, vantage) = runtime(true).block_on(async {
        let vantage = fake(real.address);
        (walk(vantage.clone(), road, target).await, vantage)
    });
    if let Err(unmet) = vantage.verify() {
        panic!("{unmet}\n{}", text(&in_memory));
    }
    same_but(but, &on_sockets, &in_memory);
    in_memory
}

/// Fails unless both saw the same.
#[track_caller]
pub(crate) fn same(on_sockets: &Report, in_memory: &Report) {
    same_but(&[], on_sockets, in_memory);
}

/// Fails unless both saw the same, but for these too.
#[track_caller]
pub(crate) fn same_but(but: &[Differs], on_sockets: &Report, in_memory: &Report) {
    let (a, b) = (comparable(but, on_sockets), comparable(but, in_memory));
    assert!(
        a == b,
        "the evidence differs\non sockets: {a:#}\nin memory: {b:#}\n\non sockets\n{}\nin memory\n{}",
        text(on_sockets),
        text(in_memory)
    );
}

/// What must be the same: verdict, findings, and evidence without what may differ.
fn comparable(but: &[Differs], report: &Report) -> Value {
    let verdict = report.verdict.as_ref().unwrap();
    let mut findings: Vec<_> =
        report.findings.iter().map(|finding| (finding.code.clone(), finding.weight)).collect();
    findings.sort();
    let mut seen: Vec<Value> = Vec::new();
    for observation in &report.observations {
        let mut data = observation.value().into_owned();
        if differs(but, observation.kind(), "").is_some() {
            continue;
        }
        strip(but, observation.kind(), &mut data);
        seen.push(serde_json::json!({
            "kind": observation.kind(),
            "subject": observation.subject,
            "complete": observation.complete,
            "data": data,
        }));
    }
    // Looks at the same time may be recorded in either order.
    seen.sort_by_key(ToString::to_string);
    serde_json::json!({
        "verdict": verdict.kind(),
        "cause": verdict.cause().map(|cause| cause.code.clone()),
        "findings": findings,
        "errors": report.errors,
        "seen": seen,
    })
}

fn differs(but: &[Differs], kind: &str, member: &str) -> Option<How> {
    let rule = but.iter().chain(DIFFERS).find(|(of, name, ..)| {
        let same = match name.strip_prefix('*') {
            Some(ending) => member.ends_with(ending) && !member.is_empty(),
            None => *name == member,
        };
        same && (*of == "*" || *of == kind)
    });
    rule.map(|(_, _, how, _)| *how)
}

fn strip(but: &[Differs], kind: &str, value: &mut Value) {
    match value {
        Value::Array(list)
            if let [Value::String(name), Value::String(_)] = list.as_slice()
                && differs(but, kind, &format!("header {name}")).is_some() =>
        {
            list.truncate(1);
        }
        Value::Array(list) => list.iter_mut().for_each(|child| strip(but, kind, child)),
        Value::Object(map) => {
            map.retain(|name, _| !matches!(differs(but, kind, name), Some(How::Wholly)));
            for (name, child) in map {
                match differs(but, kind, name) {
                    Some(How::Numbers) => *child = without_numbers(child),
                    Some(_) => *child = "(may differ)".into(),
                    None => strip(but, kind, child),
                }
            }
        }
        _ => {}
    }
}

/// The same words with `#` for each run of digits.
fn without_numbers(value: &Value) -> Value {
    let Some(words) = value.as_str() else { return value.clone() };
    let mut out = String::new();
    for c in words.chars() {
        match c.is_ascii_digit() {
            true if out.ends_with('#') => {}
            true => out.push('#'),
            false => out.push(c),
        }
    }
    out.into()
}

/// The kernel has figures of an open connection, whatever they are.
pub(crate) fn figures() -> KernelInfo {
    let mut figures = KernelInfo::default();
    figures.state = 1;
    figures
}

pub(crate) fn one(address: SocketAddr, dial: Dial) -> Arc<FakeVantage> {
    FakeVantage::builder().tcp(address, dial.kernel(figures())).build()
}

pub(crate) const OK: &str =
    "HTTP/1.1 200 OK\r\nserver: toy\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

//! Parity: the same fault, once on the fake vantage and once on real sockets, gives the same evidence.
//!
//! One body walks the whole road in both places; [`DIFFERS`] names every member of the evidence that may
//! differ, with the reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqpath_core::{KernelInfo, Report, Target, Trace, Vantage};
use reqpath_stages::Road;
use reqpath_stages::local::LocalVantage;
use reqpath_stages::tls::{Bundle, Trust};
use reqpath_testkit::FakeVantage;
use reqpath_testkit::assertions::text;
use reqpath_testkit::dns::{FakeDns, Fault, On, Zone};
use reqpath_testkit::mock::{ClosedPort, Connection, MockUpstream, Reply};
use reqpath_testkit::pki::{Authority, Leaf};
use reqpath_testkit::vantage::{Dial, Exchange, Packets};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

/// How a member of the evidence may differ.
#[derive(Clone, Copy)]
enum How {
    /// Its value; it must be there in both, or in neither.
    Value,
    /// Altogether.
    Wholly,
}

/// Kind of evidence (`*` for any), member (`*_us` for all that end so), how it may differ, and why.
const DIFFERS: &[(&str, &str, How, &str)] = &[
    (
        "http.exchange",
        "max_gap_us",
        How::Wholly,
        "in memory no time passes between two bytes, so there is no gap",
    ),
    ("http.exchange", "max_gap_at", How::Wholly, "the place of a gap that is not there"),
    ("http.exchange", "clock_s", How::Value, "the one walk is made after the other"),
    ("tls.handshake", "clock", How::Value, "the one walk is made after the other"),
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
async fn walk(vantage: Arc<dyn Vantage>, road: Road, target: Target) -> Report {
    let pipeline = road.pipeline().unwrap();
    let trace = Trace::new(target, vantage).without_last_try().request_id("0123456789abcdef0123456789abcdef");
    pipeline.trace(trace).await
}

/// The road without what this machine, and not the fault, would show.
fn road() -> Road {
    let mut road = Road::new().road_only();
    road.client.environment = false;
    road.tcp.connect_timeout = Duration::from_millis(600);
    road
}

fn target(url: &str) -> Target {
    Target::builder(url).unwrap().max_time(Duration::from_millis(1500)).build()
}

/// A real part, held as long as it is looked at.
struct Real {
    address: SocketAddr,
    _part: Box<dyn Any>,
}

impl Real {
    fn of(address: SocketAddr, part: impl Any) -> Self {
        Self { address, _part: Box::new(part) }
    }

    fn mock(mock: MockUpstream) -> Self {
        Self::of(mock.address(), mock)
    }
}

/// Walks both places and compares.
#[track_caller]
fn compare(url: &str, road: Road, real: Real, fake: impl FnOnce(SocketAddr) -> Arc<FakeVantage>) -> Report {
    let target = target(
        &url.replace("ADDRESS", &real.address.to_string()).replace("PORT", &real.address.port().to_string()),
    );
    let runtime = |paused| {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(paused).build().unwrap()
    };
    let on_sockets =
        runtime(false).block_on(walk(Arc::new(LocalVantage::new()), road.clone(), target.clone()));
    let (in_memory, vantage) = runtime(true).block_on(async {
        let vantage = fake(real.address);
        (walk(vantage.clone(), road, target).await, vantage)
    });
    if let Err(unmet) = vantage.verify() {
        panic!("{unmet}\n{}", text(&in_memory));
    }
    let (a, b) = (comparable(&on_sockets), comparable(&in_memory));
    assert!(
        a == b,
        "the evidence differs\non sockets: {a:#}\nin memory: {b:#}\n\non sockets\n{}\nin memory\n{}",
        text(&on_sockets),
        text(&in_memory)
    );
    in_memory
}

/// What must be the same: verdict, findings, and evidence without what may differ.
fn comparable(report: &Report) -> Value {
    let verdict = report.verdict.as_ref().unwrap();
    let mut findings: Vec<_> =
        report.findings.iter().map(|finding| (finding.code.clone(), finding.weight)).collect();
    findings.sort();
    let mut seen: Vec<Value> = Vec::new();
    for observation in &report.observations {
        let mut data = observation.value().into_owned();
        if differs(observation.kind(), "").is_some() {
            continue;
        }
        strip(observation.kind(), &mut data);
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

fn differs(kind: &str, member: &str) -> Option<How> {
    let rule = DIFFERS.iter().find(|(of, name, ..)| {
        let same = match name.strip_prefix('*') {
            Some(ending) => member.ends_with(ending) && !member.is_empty(),
            None => *name == member,
        };
        same && (*of == "*" || *of == kind)
    });
    rule.map(|(_, _, how, _)| *how)
}

fn strip(kind: &str, value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|child| strip(kind, child)),
        Value::Object(map) => {
            map.retain(|name, _| !matches!(differs(kind, name), Some(How::Wholly)));
            for (name, child) in map {
                match differs(kind, name) {
                    Some(_) => *child = "(may differ)".into(),
                    None => strip(kind, child),
                }
            }
        }
        _ => {}
    }
}

/// The kernel has figures of an open connection, whatever they are.
fn figures() -> KernelInfo {
    let mut figures = KernelInfo::default();
    figures.state = 1;
    figures
}

fn one(address: SocketAddr, dial: Dial) -> Arc<FakeVantage> {
    FakeVantage::builder().tcp(address, dial.kernel(figures())).build()
}

const OK: &str = "HTTP/1.1 200 OK\r\nserver: toy\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// A plain HTTP server that says these bytes, on sockets and in memory.
#[track_caller]
fn says(bytes: &'static str) -> Report {
    let real = MockUpstream::start(Reply::raw(bytes)).unwrap();
    compare("http://ADDRESS/x", road(), Real::mock(real), |address| one(address, Dial::answers(bytes)))
}

#[test]
fn a_whole_answer() {
    reqpath_testkit::assert_reached!(says(OK), with "HTTP/1.1 200");
}

#[test]
fn a_failure_by_status() {
    says("HTTP/1.1 503 Service Unavailable\r\nserver: toy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

#[test]
fn bytes_that_are_no_http() {
    says("\u{1}\u{2}\u{1b}[31mwhatever\r\n\r\n");
}

#[test]
fn an_answer_cut_short() {
    says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this");
}

#[test]
fn a_closed_port() {
    let port = ClosedPort::reserve().unwrap();
    compare("http://ADDRESS/x", road(), Real::of(port.address(), port), |address| {
        one(address, Dial::refused())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_that_does_not_answer() {
    let full = reqpath_testkit::mock::FullAcceptQueue::start().unwrap();
    compare("http://ADDRESS/x", road(), Real::of(full.address(), full), |address| {
        one(address, Dial::silent())
    });
}

/// A plain HTTP server that treats the request so, on sockets and in memory.
#[track_caller]
fn treats<F, R>(reply: Reply, serve: F) -> Report
where
    F: Fn(Exchange) -> R + Send + Sync + 'static,
    R: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let real = MockUpstream::start(reply).unwrap();
    compare("http://ADDRESS/x", road(), Real::mock(real), |address| one(address, Dial::serve(serve)))
}

#[test]
fn a_request_that_is_read_and_not_answered() {
    treats(Reply::hang(), Exchange::hold);
}

#[test]
fn a_connection_closed_after_the_request() {
    treats(Reply::close(), |mut exchange| async move { exchange.read_head().await.map(drop) });
}

#[test]
fn a_connection_reset_after_the_request() {
    treats(Reply::reset(), |mut exchange| async move {
        exchange.read_head().await?;
        exchange.reset();
        Ok(())
    });
}

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it";

#[test]
fn a_body_that_stops() {
    treats(Reply::raw(HALF).stop_after(HALF.len() as u64), |mut exchange| async move {
        exchange.read_head().await?;
        exchange.write_all(HALF.as_bytes()).await?;
        exchange.hold().await
    });
}

#[test]
fn a_body_that_is_reset() {
    treats(Reply::raw(HALF).reset_after(HALF.len() as u64), |mut exchange| async move {
        exchange.read_head().await?;
        exchange.write_all(HALF.as_bytes()).await?;
        exchange.reset();
        Ok(())
    });
}

#[test]
fn a_server_of_another_protocol() {
    let real = MockUpstream::builder().connections(Connection::ssh()).start().unwrap();
    compare("http://ADDRESS/x", road(), Real::mock(real), |address| {
        one(
            address,
            Dial::serve(|mut exchange: Exchange| async move {
                exchange.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await?;
                exchange.hold().await
            }),
        )
    });
}

/// A name looked up at a server with this script, then a good answer; on sockets and in memory.
#[track_caller]
fn named(script: impl Fn(Zone) -> reqpath_testkit::dns::Builder) -> Report {
    let upstream = MockUpstream::start(Reply::raw(OK)).unwrap();
    let builder = || script(Zone::new("shop.test").a("@", [127, 0, 0, 1]));
    let dns = builder().start().unwrap();
    let server = dns.address();
    let mut road = road();
    road.dns.servers = vec![server];
    road.dns.query_timeout = Some(Duration::from_millis(300));
    compare("http://shop.test:PORT/x", road, Real::of(upstream.address(), (upstream, dns)), |address| {
        let offline = builder().offline().unwrap();
        FakeVantage::builder()
            .udp(server, offline.clone())
            .tcp(server, offline)
            .tcp(address, Dial::answers(OK).kernel(figures()))
            .build()
    })
}

fn dns(zone: Zone) -> reqpath_testkit::dns::Builder {
    FakeDns::builder().zone(zone)
}

#[test]
fn a_name_that_resolves() {
    reqpath_testkit::assert_reached!(named(dns));
}

#[test]
fn a_name_that_does_not_exist() {
    named(|zone| dns(zone).fault(On::any(), Fault::nxdomain()));
}

#[test]
fn a_name_without_an_address() {
    named(|zone| dns(zone).fault(On::any(), Fault::no_data()));
}

#[test]
fn a_server_that_fails() {
    named(|zone| dns(zone).fault(On::any(), Fault::servfail().extended(6, "DNSSEC Bogus")));
}

#[test]
fn a_server_that_refuses() {
    named(|zone| dns(zone).fault(On::any(), Fault::refused()));
}

#[test]
fn a_server_that_is_silent() {
    named(|zone| dns(zone).fault(On::any(), Fault::drop()));
}

#[test]
fn answers_cut_to_nothing_over_udp() {
    named(|zone| dns(zone).fault(On::any().udp(), Fault::truncate()));
}

#[test]
fn answers_to_another_question() {
    named(|zone| dns(zone).fault(On::any(), Fault::wrong_id()));
}

#[test]
fn a_nameserver_that_is_not_there() {
    let upstream = MockUpstream::start(Reply::raw(OK)).unwrap();
    // A port that is ours over TCP only: a datagram to it is answered with an ICMP error.
    let port = ClosedPort::reserve().unwrap();
    let server = port.address();
    let mut road = road();
    road.dns.servers = vec![server];
    road.dns.query_timeout = Some(Duration::from_millis(300));
    compare("http://shop.test:PORT/x", road, Real::of(upstream.address(), (upstream, port)), |_| {
        FakeVantage::builder().udp(server, Packets::refused()).build()
    });
}

/// A TLS server with this certificate, on sockets and in memory.
#[track_caller]
fn secured(authority: &Authority, leaf: &Leaf) -> Report {
    let config = Arc::new(leaf.server_config().unwrap());
    let real = MockUpstream::builder().tls(config.clone()).reply(Reply::raw(OK)).start().unwrap();
    let mut road = road();
    road.tls.trust = Trust::Bundle(Bundle::new("test", vec![authority.certificate_der().clone()]));
    road.client.resolve = vec![format!("shop.test:{}:127.0.0.1", real.address().port()).parse().unwrap()];
    compare("https://shop.test:PORT/x", road, Real::mock(real), |address| {
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        one(
            address,
            Dial::serve(move |exchange: Exchange| {
                let acceptor = acceptor.clone();
                async move {
                    let mut stream = acceptor.accept(exchange).await?;
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        use tokio::io::AsyncReadExt;
                        head.push(stream.read_u8().await?);
                    }
                    stream.write_all(OK.as_bytes()).await?;
                    stream.shutdown().await
                }
            }),
        )
    })
}

#[test]
fn a_good_certificate() {
    let authority = Authority::new().unwrap();
    reqpath_testkit::assert_reached!(secured(&authority, &authority.leaf("shop.test").issue().unwrap()));
}

#[test]
fn an_expired_certificate() {
    let authority = Authority::new().unwrap();
    secured(&authority, &authority.leaf("shop.test").expired(3).issue().unwrap());
}

#[test]
fn a_certificate_for_another_name() {
    let authority = Authority::new().unwrap();
    secured(&authority, &authority.leaf("other.test").issue().unwrap());
}

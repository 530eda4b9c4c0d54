//! The stage by itself, between one that hands it addresses and one that uses what it hands on.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqpath_core::{
    Addresses, Again, Cause, Contact, ContactKind, Context, Destination, Dialled, Error, Left, Micros, Path,
    Pipeline, Report, Stage, Subject, Target, Trace, Verdict, Weight,
};
use reqpath_local::LocalVantage;
use reqpath_tcp::{
    Attempt, Broken, Closing, Figures, ListenQueue, NotDialled, Outcome, Progress, Purpose, RouteTaken,
    SILENCE, Silence, Tcp, TcpOptions, record_kernel, silence,
};
use reqpath_testkit::lab::{self, Filter, Lab, Link};
use reqpath_testkit::mock::{ClosedPort, Connection, MockUpstream, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Stands for the stages before.
#[derive(Debug)]
struct Feed(Vec<IpAddr>, u16);

#[async_trait]
impl Stage for Feed {
    fn name(&self) -> &'static str {
        "dns"
    }
    fn causes(&self) -> &[&'static Cause] {
        &[]
    }
    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }
    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let mut destination = Destination::of(cx.target());
        destination.port = self.1;
        cx.hand_on(at, destination);
        cx.hand_on(at, Addresses(self.0.clone()));
        Ok(Left::Alive)
    }
}

/// Stands for the stages after: says something, and looks closer when the connection dies of it.
#[derive(Debug)]
struct Use;

#[async_trait]
impl Stage for Use {
    fn name(&self) -> &'static str {
        "http"
    }
    fn causes(&self) -> &[&'static Cause] {
        &[]
    }
    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        vec![Contact::new(ContactKind::Connection, "the server", 1, "once more")]
    }
    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let mut dialled: Dialled = cx.take(at).expect("a connection");
        let Again(again) = cx.peek(at).expect("a way to open another");
        let began = Instant::now();
        let mut byte = [0];
        let _ = dialled.connection.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let how = match dialled.connection.read(&mut byte).await {
            Ok(0) => Closing::Fin,
            Ok(_) => {
                record_kernel(cx, at, &*dialled.connection);
                assert!(again.redial(at, cx).await?.is_some());
                return Ok(Left::Alive);
            }
            Err(_) => Closing::Reset,
        };
        let broken = Broken::new(Progress::Sent, how, Micros::from(began.elapsed()), 0);
        cx.record(&at.at_address(dialled.peer), broken);
        silence(cx, at, dialled.peer, SILENCE).await?;
        Ok(Left::Dead)
    }
}

fn trace(options: TcpOptions, addresses: &[IpAddr], port: u16, max_time: Duration) -> Report {
    let report = trace_with_trouble(options, addresses, port, max_time);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    report
}

fn trace_with_trouble(options: TcpOptions, addresses: &[IpAddr], port: u16, max_time: Duration) -> Report {
    let pipeline =
        Pipeline::builder().stage(Feed(addresses.to_vec(), port)).stage(Tcp::new(options)).stage(Use);
    let pipeline = pipeline.build().unwrap();
    let target = Target::builder("http://server.example/").unwrap().max_time(max_time).build();
    let trace = Trace::new(target, Arc::new(LocalVantage::new())).without_last_try();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(pipeline.trace(trace))
}

fn seen<E: reqpath_core::Evidence + Clone>(report: &Report) -> Vec<(IpAddr, E)> {
    let seen = report.observations.iter().filter_map(|seen| Some((seen.subject.address(), seen.get::<E>()?)));
    seen.map(|(address, evidence)| (address.expect("an address").ip(), evidence.clone())).collect()
}

fn codes(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| &*finding.code).collect()
}

fn local(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

const LONG: Duration = Duration::from_secs(10);

#[test]
fn an_address_that_refuses_makes_room_for_the_next_at_once() {
    let server = MockUpstream::start(Reply::ok("x")).unwrap();
    let began = Instant::now();
    let report = trace(TcpOptions::default(), &[local(9), local(1)], server.address().port(), LONG);
    assert!(matches!(report.verdict, Some(Verdict::Reached { .. })), "{:?}", report.verdict);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(codes(&report), ["dns.dead_address", "tcp.refused"]);
    let attempts = seen::<Attempt>(&report);
    let told: Vec<_> = attempts.iter().map(|(at, a)| (*at, a.outcome, a.purpose, a.used)).collect();
    assert_eq!(
        told,
        [
            (local(9), Outcome::Failed, Purpose::Road, false),
            (local(1), Outcome::Connected, Purpose::Road, true),
            (local(1), Outcome::Connected, Purpose::Again, false),
        ]
    );
    assert_eq!(seen::<Figures>(&report).len(), 1);
    assert_eq!(seen::<RouteTaken>(&report).len(), 2);
}

#[test]
fn an_address_that_was_not_needed_is_tried_beside_the_road() {
    let server = MockUpstream::start(Reply::ok("x")).unwrap();
    let report = trace(TcpOptions::default(), &[local(1), local(9)], server.address().port(), LONG);
    assert_eq!(codes(&report), ["dns.dead_address", "tcp.refused"]);
    let aside = seen::<Attempt>(&report).into_iter().find(|(at, _)| *at == local(9)).unwrap().1;
    assert_eq!((aside.purpose, aside.outcome), (Purpose::Aside, Outcome::Failed));
}

#[test]
fn without_side_looks_there_is_one_connection_and_one_record() {
    let server = MockUpstream::start(Reply::ok("x")).unwrap();
    let mut options = TcpOptions::default();
    options.side_looks = false;
    let report = trace(options, &[local(1), local(9)], server.address().port(), LONG);
    // The stage after this one records figures and dials once more by itself.
    let road: Vec<_> =
        seen::<Attempt>(&report).into_iter().filter(|(_, a)| a.purpose != Purpose::Again).collect();
    assert_eq!(road.len(), 1, "{road:?}");
    assert!(road[0].1.used && road[0].1.local.is_some());
    assert!(seen::<RouteTaken>(&report).is_empty());
}

#[test]
fn the_family_that_is_not_wanted_is_not_dialled() {
    let server = MockUpstream::start(Reply::ok("x")).unwrap();
    let mut options = TcpOptions::default();
    options.family = Some(4);
    let addresses = ["::1".parse().unwrap(), local(1)];
    let report = trace(options, &addresses, server.address().port(), LONG);
    assert!(seen::<Attempt>(&report).iter().all(|(at, _)| at.is_ipv4()));
    assert!(codes(&report).is_empty(), "{:?}", codes(&report));
}

#[test]
fn a_name_with_many_addresses_is_reached_by_the_last_of_them() {
    // Whatever the others do at once: one address after the other, until one answers.
    let server = MockUpstream::start(Reply::ok("x")).unwrap();
    let mut addresses: Vec<IpAddr> = (2..=64).map(local).collect();
    addresses.push(local(1));
    let report = trace(TcpOptions::default(), &addresses, server.address().port(), LONG);
    assert!(matches!(report.verdict, Some(Verdict::Reached { .. })), "{:?}", report.verdict);
    let attempts = seen::<Attempt>(&report);
    assert!(!report.observations.iter().any(|seen| seen.get::<NotDialled>().is_some()));
    let used = attempts.iter().find(|(_, attempt)| attempt.used).unwrap();
    assert_eq!(used.0, local(1));
    assert_eq!(attempts.iter().filter(|(_, attempt)| attempt.purpose == Purpose::Road).count(), 64);
    assert!(seen::<RouteTaken>(&report).len() <= 17);
    assert!(report.findings.iter().all(|finding| finding.weight == Weight::Warning), "{:?}", report.findings);

    // Where the first one answers, the others are not all dialled for that.
    addresses.rotate_right(1);
    let report = trace(TcpOptions::default(), &addresses, server.address().port(), LONG);
    assert_eq!(seen::<Attempt>(&report).iter().filter(|(_, a)| a.purpose != Purpose::Again).count(), 16);
    let left = report.observations.iter().find_map(|seen| seen.get::<NotDialled>()).unwrap();
    assert_eq!((left.dialled, left.left), (16, 48));
}

#[test]
fn where_every_address_refuses_it_matters_whether_all_were_asked() {
    let closed = ClosedPort::reserve_at(IpAddr::from([0, 0, 0, 0])).unwrap();
    let addresses = |count| (1..=count).map(local).collect::<Vec<IpAddr>>();
    let report = trace(TcpOptions::default(), &addresses(64), closed.address().port(), LONG);
    assert_eq!(seen::<Attempt>(&report).len(), 64);
    assert!(codes(&report).iter().all(|code| *code == "tcp.refused"), "{:?}", codes(&report));
    assert!(matches!(report.verdict, Some(Verdict::Died { .. })), "{:?}", report.verdict);

    // One of those that were left out may serve.
    let report = trace_with_trouble(TcpOptions::default(), &addresses(200), closed.address().port(), LONG);
    assert_eq!(seen::<Attempt>(&report).len(), 64);
    let left = report.observations.iter().find_map(|seen| seen.get::<NotDialled>()).unwrap();
    assert_eq!((left.dialled, left.left), (64, 136));
    assert!(matches!(report.verdict, Some(Verdict::Unknown { .. })), "{:?}", report.verdict);
    assert!(report.findings.iter().all(|finding| finding.weight == Weight::Warning), "{:?}", report.findings);
}

#[test]
fn addresses_that_the_time_did_not_suffice_for_are_counted() {
    let Some(lab) = lab::or_skip(Lab::builder().host("host").build()) else { return };
    if lab::or_skip(lab["host"].rules()).is_none() {
        return;
    }
    let port = 4000;
    let fault = lab["host"].impose(&Filter::incoming().tcp_port(port).drop()).unwrap();
    let addresses: Vec<IpAddr> = (1..=30).map(local).collect();
    let look = || trace(TcpOptions::default(), &addresses, port, Duration::from_secs(1));
    let report = lab["host"].run(look).unwrap();
    let left = report.observations.iter().find_map(|seen| seen.get::<NotDialled>()).unwrap();
    assert_eq!(left.dialled + left.left, 30, "{left:?}");
    assert!((3..=4).contains(&left.dialled), "{left:?}");
    // The request died of it: no client would have come to them in that time.
    let Some(Verdict::Died { cause, .. }) = &report.verdict else { panic!("{:?}", report.verdict) };
    let words = format!("; {} of the 30 addresses were not dialled", left.left);
    assert!(cause.code == "tcp.timed_out" && cause.summary.ends_with(&words), "{cause:?}");

    // Their twin: all refuse, all were asked.
    fault.lift().unwrap();
    let report = lab["host"].run(look).unwrap();
    assert!(!report.observations.iter().any(|seen| seen.get::<NotDialled>().is_some()));
    assert!(codes(&report).iter().all(|code| *code == "tcp.refused"), "{:?}", codes(&report));
}

#[test]
fn an_address_that_had_no_time_to_answer_is_not_called_silent() {
    let Some(lab) = lab::or_skip(Lab::builder().host("host").build()) else { return };
    if lab::or_skip(lab["host"].rules()).is_none() {
        return;
    }
    let server = lab["host"]
        .run(|| {
            MockUpstream::builder()
                .bind_exactly(SocketAddr::new(local(1), 4001))
                .reply(Reply::ok("x"))
                .start()
                .unwrap()
        })
        .unwrap();
    lab["host"].impose(&Filter::incoming().to("127.0.0.9/32").drop()).unwrap();
    for (time, found) in [(Duration::from_millis(700), false), (LONG, true)] {
        let look = || trace(TcpOptions::default(), &[local(1), local(9)], server.address().port(), time);
        let report = lab["host"].run(look).unwrap();
        assert!(matches!(report.verdict, Some(Verdict::Reached { .. })), "{:?}", report.verdict);
        assert_eq!(codes(&report).contains(&"dns.dead_address"), found, "{time:?}: {:?}", report.findings);
    }
}

#[test]
fn nothing_listens_on_port_0_whatever_listens_elsewhere() {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = ClosedPort::reserve().unwrap();
    let why = [(0, "nothing can listen on port 0"), (closed.address().port(), "as this very host confirms")];
    for (port, why) in why {
        let report = trace(TcpOptions::default(), &[local(1)], port, LONG);
        let queue = seen::<ListenQueue>(&report);
        assert!(matches!(&queue[..], [(_, seen)] if seen.queue.is_none()), "{queue:?}");
        let Some(Verdict::Died { cause, .. }) = &report.verdict else { panic!("{:?}", report.verdict) };
        assert!(cause.code == "tcp.refused" && cause.summary.ends_with(why), "{cause:?}");
    }
    drop(listener);
}

#[test]
fn what_is_said_matters_only_where_silence_is_left_alone() {
    for (connection, closed, code) in [
        (Connection::close_at_accept(), Closing::Fin, Some("tcp.closed")),
        (Connection::reset_at_accept(), Closing::Reset, Some("tcp.reset")),
        (Connection::close_after_first_bytes(), Closing::None, None),
        (Connection::reset_after_first_bytes(), Closing::None, None),
    ] {
        let server = MockUpstream::builder().connections(connection).start().unwrap();
        let report = trace(TcpOptions::default(), &[local(1)], server.address().port(), LONG);
        assert_eq!(codes(&report).first().copied(), code, "{closed}: {:?}", report.findings);
        // A peer may be so quick that connect() itself sees the reset.
        if let Some((_, silence)) = seen::<Silence>(&report).first() {
            assert_eq!(silence.closed, closed, "{silence:?}");
        } else {
            assert_eq!(closed, Closing::Reset);
        }
    }
}

#[test]
fn a_silent_address_costs_the_stagger_and_is_kept_as_evidence() {
    let near = Link::between("client", "edge").delay(Duration::from_millis(1));
    let lab = Lab::builder().host("client").router("edge").host("dead").host("alive");
    let lab = lab.connect(near).link("edge", "dead").link("edge", "alive").build();
    let Some(lab) = lab::or_skip(lab) else { return };
    if lab::or_skip(lab["edge"].rules()).is_none() {
        return;
    }
    let (dead, alive) = (IpAddr::from(lab["dead"].ipv4()), IpAddr::from(lab["alive"].ipv4()));
    lab["edge"].impose(&Filter::forwarded().to(format!("{dead}/32")).drop()).unwrap();
    let server = move || MockUpstream::builder().bind(alive).reply(Reply::ok("x")).start().unwrap();
    let server = lab["alive"].run(server).unwrap();
    let port = server.address().port();

    let began = Instant::now();
    let report = lab["client"].run(|| trace(TcpOptions::default(), &[dead, alive], port, LONG)).unwrap();
    let took = began.elapsed();
    assert!(matches!(report.verdict, Some(Verdict::Reached { .. })), "{:?}", report.verdict);
    assert_eq!(codes(&report), ["dns.dead_address", "tcp.timed_out"]);
    let attempts = seen::<Attempt>(&report);
    let second =
        report.observations.iter().find(|seen| seen.subject.address().map(|a| a.ip()) == Some(alive));
    let waited = second.unwrap().at;
    assert!((240_000..600_000).contains(&waited.0), "the second address was dialled after {waited}");
    let lost = &attempts.iter().find(|(at, _)| *at == dead).unwrap().1;
    assert_eq!(lost.outcome, Outcome::Failed);
    assert!(took < Duration::from_secs(3), "the trace waits for two SYNs, and took {took:?}");

    // Where the time of the request is short, the look ends before it and is whole.
    let report = lab["client"]
        .run(|| trace(TcpOptions::default(), &[dead], port, Duration::from_millis(600)))
        .unwrap();
    let seen = report.observations.iter().find(|seen| seen.get::<Attempt>().is_some()).unwrap();
    assert!(seen.complete);
    assert_eq!(
        report.verdict.as_ref().and_then(Verdict::cause).map(|c| c.code.as_str()),
        Some("tcp.timed_out")
    );
    assert!(seen.get::<Attempt>().unwrap().failure.as_ref().unwrap().timed_out);
    let peer = SocketAddr::new(dead, port);
    assert!(report.next.iter().any(|command| command.contains(&peer.ip().to_string())), "{:?}", report.next);
}

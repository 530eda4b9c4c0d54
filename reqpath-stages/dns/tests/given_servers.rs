//! The stage through given nameservers on loopback, each fault and each twin.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqpath_core::{Pipeline, Report, Target, Trace, Verdict, Weight};
use reqpath_dns::{Answer, Dns, DnsOptions};
use reqpath_local::LocalVantage;
use reqpath_testkit::dns::{FakeDns, Fault, On, RecordType, Zone};

const NAME: &str = "www.shop.test";
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn zone() -> Zone {
    Zone::new("shop.test").a("www", HERE).cname("lost", "nowhere").txt("text", "no address")
}

fn options(servers: &[SocketAddr]) -> DnsOptions {
    let mut options = DnsOptions::default();
    options.servers = servers.to_vec();
    options.query_timeout = Some(Duration::from_millis(250));
    options
}

async fn trace_with(host: &str, options: DnsOptions) -> Report {
    let pipeline = Pipeline::builder().stage(Dns::new(options)).build().unwrap();
    let target = Target::get(&format!("http://{host}/")).unwrap();
    let trace = Trace::new(target, Arc::new(LocalVantage::new())).without_last_try();
    pipeline.trace(trace.deadline(Duration::from_secs(5))).await
}

async fn trace(host: &str, servers: &[SocketAddr]) -> Report {
    trace_with(host, options(servers)).await
}

/// A nameserver of one zone with one fault.
fn faulty(on: On, fault: Fault) -> FakeDns {
    FakeDns::builder().zone(zone()).fault(on, fault).start().unwrap()
}

/// An address where nobody answers, and a socket that keeps it silent.
fn silent() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((HERE, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// An address where nobody is.
fn closed() -> SocketAddr {
    silent().1
}

fn died_of(report: &Report) -> &str {
    match &report.verdict {
        Some(Verdict::Died { cause, also, .. }) => {
            assert!(also.is_empty(), "also {also:?}");
            &cause.code
        }
        other => panic!("{other:?}\n{:?}", report.findings),
    }
}

fn warnings(report: &Report) -> Vec<&str> {
    assert!(matches!(report.verdict, Some(Verdict::Reached { .. })), "{:?}", report.verdict);
    assert!(report.findings.iter().all(|finding| finding.weight == Weight::Warning));
    report.findings.iter().map(|finding| &*finding.code).collect()
}

fn answers(report: &Report) -> Vec<&Answer> {
    report.observations.iter().filter_map(|observation| observation.get::<Answer>()).collect()
}

#[tokio::test]
async fn a_name_with_an_address_goes_on_and_nothing_is_found() {
    let dns = FakeDns::start(zone()).unwrap();
    let report = trace(NAME, &[dns.address()]).await;
    assert_eq!(warnings(&report), [""; 0]);
    let answers = answers(&report);
    assert_eq!(answers.len(), 2);
    let a = answers.iter().find(|answer| answer.record_type == "A").unwrap();
    assert_eq!(a.addresses[0].address, HERE);
    assert!(a.on_road && a.tries == 1 && a.local.is_some() && a.response_bytes > 0);
}

#[tokio::test]
async fn an_address_in_place_of_a_name_is_not_looked_up() {
    let dns = FakeDns::builder().zone(zone()).never_asked().start().unwrap();
    let report = trace("127.0.0.1", &[dns.address()]).await;
    assert_eq!(warnings(&report), [""; 0]);
    let report = trace("[::1]", &[dns.address()]).await;
    assert_eq!(warnings(&report), [""; 0]);
    dns.verify().unwrap();
}

#[tokio::test]
async fn without_side_looks_only_the_road_is_asked() {
    let dns = FakeDns::start(zone()).unwrap();
    let other = FakeDns::builder().zone(zone()).never_asked().start().unwrap();
    let mut options = options(&[dns.address(), other.address()]);
    options.side_looks = false;
    options.family = Some(4);
    assert_eq!(warnings(&trace_with(NAME, options).await), [""; 0]);
    assert_eq!(dns.query_count(), 1);
    other.verify().unwrap();
}

#[tokio::test]
async fn the_four_kinds_of_no_are_told_apart() {
    let dns = FakeDns::start(zone()).unwrap();
    let servers = [dns.address()];
    assert_eq!(died_of(&trace("nobody.shop.test", &servers).await), "dns.name_not_resolved");
    assert_eq!(died_of(&trace("text.shop.test", &servers).await), "dns.no_address");
    assert_eq!(died_of(&trace("lost.shop.test", &servers).await), "dns.dangling_cname");
    let refusing = faulty(On::any(), Fault::refused());
    assert_eq!(died_of(&trace(NAME, &[refusing.address()]).await), "dns.refused");
}

#[tokio::test]
async fn a_server_failure_is_no_signature_failure() {
    let dns = faulty(On::any(), Fault::servfail().extended(22, "no reachable authority"));
    let report = trace(NAME, &[dns.address()]).await;
    assert_eq!(died_of(&report), "dns.server");
    assert!(report.ruled_out.iter().any(|ruled| ruled.code == "dns.dnssec_bogus"), "{:?}", report.ruled_out);
    assert!(report.findings[0].summary.contains("no reachable authority"));
}

#[tokio::test]
async fn a_signature_failure_is_no_server_failure() {
    let dns = faulty(On::any(), Fault::servfail_unless_cd().extended(6, "bogus"));
    let report = trace(NAME, &[dns.address()]).await;
    assert_eq!(died_of(&report), "dns.dnssec_bogus");
    assert!(report.ruled_out.iter().any(|ruled| ruled.code == "dns.server"), "{:?}", report.ruled_out);
}

#[tokio::test]
async fn a_failure_of_the_moment_is_no_signature_failure() {
    // Both first questions fail; what comes after them does not.
    let dns = faulty(On::any().times(2), Fault::servfail());
    let report = trace(NAME, &[dns.address()]).await;
    assert_eq!(died_of(&report), "dns.server");
}

#[tokio::test]
async fn silence_and_absence_are_told_apart() {
    let (socket, address) = silent();
    let report = trace(NAME, &[address]).await;
    assert_eq!(died_of(&report), "dns.timed_out");
    assert!(report.ruled_out.iter().any(|ruled| ruled.code == "dns.unreachable"), "{:?}", report.ruled_out);
    assert_eq!(answers(&report)[0].tries, 3);
    drop(socket);
    let report = trace(NAME, &[closed()]).await;
    assert_eq!(died_of(&report), "dns.unreachable");
    assert!(report.findings[0].error.as_deref().unwrap().contains("refused"));
    assert!(report.ruled_out.iter().any(|ruled| ruled.code == "dns.timed_out"), "{:?}", report.ruled_out);
}

#[tokio::test]
async fn one_dead_server_of_two_is_a_warning() {
    let dns = FakeDns::start(zone()).unwrap();
    let (_held, dead) = silent();
    for servers in [[dead, dns.address()], [dns.address(), dead], [closed(), dns.address()]] {
        let report = trace(NAME, &servers).await;
        assert_eq!(warnings(&report), ["dns.partial_resolvers"], "{servers:?}");
    }
}

#[tokio::test]
async fn a_dead_server_beside_one_that_denies_is_not_what_killed_it() {
    let dns = FakeDns::start(zone()).unwrap();
    let report = trace("nobody.shop.test", &[closed(), dns.address()]).await;
    assert_eq!(died_of(&report), "dns.name_not_resolved");
    assert!(report.findings.iter().any(|finding| finding.code == "dns.partial_resolvers"));
}

#[tokio::test]
async fn every_answer_that_cannot_be_used_is_survived_and_named() {
    let faults =
        [Fault::garbage(), Fault::pointer_loop(), Fault::cname_loop(), Fault::rcode(4), Fault::rcode(1)];
    for fault in faults {
        let shown = format!("{fault:?}");
        let dns = faulty(On::any(), fault);
        let report = trace(NAME, &[dns.address()]).await;
        let code = died_of(&report);
        assert!(
            code == "dns.failed" || (shown.contains("arbage") && code == "dns.timed_out"),
            "{shown}: {code}"
        );
    }
}

#[tokio::test]
async fn answers_to_other_questions_are_not_taken() {
    for fault in [Fault::wrong_id(), Fault::wrong_question()] {
        let shown = format!("{fault:?}");
        let dns = faulty(On::any(), fault);
        let report = trace(NAME, &[dns.address()]).await;
        assert_eq!(died_of(&report), "dns.timed_out", "{shown}");
        assert!(answers(&report).iter().all(|answer| answer.mismatched > 0), "{shown}");
    }
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_over_tcp() {
    let dns = faulty(On::any().udp(), Fault::truncate());
    let report = trace(NAME, &[dns.address()]).await;
    assert_eq!(warnings(&report), [""; 0]);
    let blocked = FakeDns::builder()
        .zone(zone())
        .fault(On::any().udp(), Fault::truncate())
        .without_tcp()
        .start()
        .unwrap();
    let report = trace(NAME, &[blocked.address()]).await;
    assert_eq!(died_of(&report), "dns.truncated_tcp_blocked");
    let mute = FakeDns::builder()
        .zone(zone())
        .fault(On::any().udp(), Fault::truncate())
        .fault(On::any().tcp(), Fault::drop())
        .start()
        .unwrap();
    let report = trace(NAME, &[mute.address()]).await;
    assert_eq!(died_of(&report), "dns.truncated_tcp_blocked");
}

#[tokio::test]
async fn servers_that_disagree_are_named() {
    let one = FakeDns::start(zone()).unwrap();
    let other = FakeDns::start(Zone::new("shop.test").a("www", Ipv4Addr::new(127, 0, 0, 2))).unwrap();
    let report = trace(NAME, &[one.address(), other.address()]).await;
    assert_eq!(warnings(&report), ["dns.resolvers_disagree"]);
    let report = trace(NAME, &[one.address(), one.address()]).await;
    assert_eq!(warnings(&report), [""; 0]);
    let denying = FakeDns::start(Zone::new("shop.test").txt("other", "x")).unwrap();
    let report = trace(NAME, &[denying.address(), one.address()]).await;
    assert_eq!(died_of(&report), "dns.resolvers_disagree");
}

#[tokio::test]
async fn questions_for_one_family_that_go_unanswered_are_a_warning() {
    let dns = faulty(On::any().record_type(RecordType::AAAA), Fault::drop());
    let report = trace(NAME, &[dns.address()]).await;
    assert_eq!(warnings(&report), ["dns.timed_out"]);
    let report = trace("nobody.shop.test", &[dns.address()]).await;
    assert_eq!(died_of(&report), "dns.timed_out");
}

#[tokio::test]
async fn only_the_family_that_is_wanted_is_asked_for() {
    let zone = Zone::new("shop.test").aaaa("six", Ipv6Addr::LOCALHOST);
    let dns = FakeDns::start(zone).unwrap();
    let mut options = options(&[dns.address()]);
    options.family = Some(4);
    let report = trace_with("six.shop.test", options).await;
    assert_eq!(died_of(&report), "dns.no_address");
    assert!(report.findings[0].summary.contains("only IPv4 is wanted"), "{}", report.findings[0].summary);
}

#[tokio::test]
async fn nothing_a_terminal_obeys_gets_into_evidence() {
    let dns = faulty(On::any(), Fault::control_characters());
    let report = trace(NAME, &[dns.address()]).await;
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains("\\u001b") && !json.chars().any(char::is_control), "{json}");
}

#[tokio::test]
async fn a_silent_server_does_not_hold_the_trace_beyond_its_time() {
    let (_held, dead) = silent();
    let mut options = options(&[dead]);
    options.query_timeout = None;
    let pipeline = Pipeline::builder().stage(Dns::new(options)).build().unwrap();
    let target =
        Target::builder(&format!("http://{NAME}/")).unwrap().max_time(Duration::from_millis(300)).build();
    let began = Instant::now();
    let report = pipeline.trace(Trace::new(target, Arc::new(LocalVantage::new()))).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(died_of(&report), "dns.timed_out");
}

#[tokio::test]
async fn evidence_comes_back_from_a_stored_report() {
    let (_held, dead) = silent();
    let dns = faulty(On::any(), Fault::servfail_unless_cd().extended(6, "bogus"));
    let pipeline = Pipeline::builder().stage(Dns::new(DnsOptions::default())).build().unwrap();
    let report = trace(NAME, &[dead, dns.address()]).await;
    let stored = Report::load(serde_json::to_string(&report).unwrap().as_bytes()).unwrap();
    let judged = stored.judged(pipeline.catalogue());
    assert_eq!(died_of(&judged), died_of(&report));
}

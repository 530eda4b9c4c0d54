//! Names that do not resolve, and their look-alikes, by real and misbehaving nameservers on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::{Run, trace};
use reqpath_testkit::MockUpstream;
use reqpath_testkit::dns::{FakeDns, Fault, On, RecordType, Zone as FakeZone};
use reqpath_testkit::mock::Reply;
use reqpath_testkit::real::{Knot, Signing, Unbound, Zone, require};

/// A zone of this run alone, as real servers read it.
struct Made {
    origin: String,
    records: String,
}

fn made() -> Made {
    let origin = format!("z{:08x}.test", fastrand::u32(..));
    let records = "www A 127.0.0.1\ntext TXT \"no address\"\nlost CNAME nowhere\nshop CNAME www\n".to_owned();
    Made { origin, records }
}

impl Made {
    fn zone(&self) -> Zone {
        Zone::new(&self.origin, &self.records)
    }

    fn fake(&self) -> FakeZone {
        FakeZone::new(&self.origin).a("www", Ipv4Addr::LOCALHOST)
    }

    fn name(&self, host: &str) -> String {
        format!("{host}.{}", self.origin)
    }

    fn url(&self, host: &str, port: u16) -> String {
        format!("http://{}:{port}/", self.name(host))
    }
}

fn upstream() -> MockUpstream {
    MockUpstream::start(Reply::ok("hello")).expect("loopback")
}

/// Traces a name of the zone through these nameservers, with any more arguments.
fn ask(made: &Made, host: &str, servers: &[SocketAddr], more: &[&str]) -> Run {
    let upstream = upstream();
    let mut arguments = vec![made.url(host, upstream.address().port())];
    for server in servers {
        arguments.extend(["--dns-server".to_owned(), server.to_string()]);
    }
    if !more.contains(&"--max-time") {
        arguments.extend(["--max-time".to_owned(), "8".to_owned()]);
    }
    arguments.extend(more.iter().map(ToString::to_string));
    trace(arguments)
}

fn knot(made: &Made) -> Option<Knot> {
    require(Knot::builder().zone(made.zone()).start())
}

fn faulty(made: &Made, on: On, fault: Fault) -> FakeDns {
    FakeDns::builder().zone(made.fake()).fault(on, fault).start().expect("loopback")
}

/// An address where questions arrive and nobody answers.
fn silent() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

/// An address where nobody is.
fn closed() -> SocketAddr {
    silent().1
}

#[test]
fn a_good_name_is_reached_and_nothing_is_said_of_it() {
    let made = made();
    let Some(knot) = knot(&made) else { return };
    for host in ["www", "shop"] {
        let run = ask(&made, host, &[knot.address()], &[]);
        run.assert_reached();
        let found = [run.found("warning"), run.found("fatal")].concat();
        assert!(!found.iter().any(|code| code.starts_with("dns.")), "{}", run.told());
        assert!(run.seen("dns.system").is_empty(), "the system resolver was asked\n{}", run.told());
    }
}

#[test]
fn a_name_that_does_not_exist() {
    let made = made();
    let Some(knot) = knot(&made) else { return };
    let run = ask(&made, "nobody", &[knot.address()], &[]);
    run.assert_died("dns.name_not_resolved").assert_not_blamed("dns.no_address");
    run.assert_not_blamed("dns.dangling_cname").assert_not_blamed("dns.server");
    let answer = run.seen("dns.answer")[0];
    assert_eq!(answer["rcode"], "NXDOMAIN");
    assert_eq!(answer["authority"]["zone"], format!("{}.", made.origin));
    assert_eq!(run.report["verdict"]["at"]["station"], "dns");
    // What was not reached is not there: no connection, no handshake, no answer.
    assert!(run.seen("tcp.attempt").is_empty() && run.seen("http.answer").is_empty(), "{}", run.told());
    assert!(run.ruled_out().contains(&"dns.no_address"), "{}", run.told());
}

#[test]
fn a_name_without_an_address() {
    let made = made();
    let Some(knot) = knot(&made) else { return };
    let run = ask(&made, "text", &[knot.address()], &[]);
    run.assert_died("dns.no_address").assert_not_blamed("dns.name_not_resolved");
    assert!(run.ruled_out().contains(&"dns.name_not_resolved"), "{}", run.told());
    // An address of the other version only.
    let run = ask(&made, "www", &[knot.address()], &["-6"]);
    run.assert_died("dns.no_address");
}

#[test]
fn an_alias_of_nothing() {
    let made = made();
    let Some(knot) = knot(&made) else { return };
    let run = ask(&made, "lost", &[knot.address()], &[]);
    run.assert_died("dns.dangling_cname").assert_not_blamed("dns.name_not_resolved");
    assert_eq!(run.seen("dns.answer")[0]["chain"][0]["target"], format!("{}.", made.name("nowhere")));
}

/// A validating resolver over a zone signed so, behind which the zone itself is fine.
fn validating(made: &Made, signing: Signing) -> Option<(Knot, Unbound)> {
    let zone = require(made.zone().signed(signing))?;
    let knot = require(Knot::builder().zone(zone.clone()).start())?;
    let unbound = require(Unbound::builder().trust(&zone).ask(&made.origin, knot.address()).start())?;
    Some((knot, unbound))
}

#[test]
fn signatures_that_do_not_hold() {
    for signing in [Signing::Expired, Signing::NotYetValid, Signing::Broken, Signing::Stripped] {
        let made = made();
        let Some((_knot, unbound)) = validating(&made, signing) else { return };
        let run = ask(&made, "www", &[unbound.address()], &[]);
        run.assert_died("dns.dnssec_bogus").assert_not_blamed("dns.server");
        assert!(run.ruled_out().contains(&"dns.server"), "{signing:?}\n{}", run.told());
        let failure = run.seen("dns.answer").into_iter().find(|answer| answer["rcode"] == "SERVFAIL");
        let failure = failure.unwrap_or_else(|| panic!("{}", run.told()));
        assert!(failure["extended_errors"][0]["code"].is_u64(), "{signing:?}: {failure}");
    }
    let made = made();
    let Some((_knot, unbound)) = validating(&made, Signing::Valid) else { return };
    ask(&made, "www", &[unbound.address()], &[]).assert_reached().assert_not_blamed("dns.dnssec_bogus");
}

#[test]
fn a_resolver_that_cannot_find_out() {
    let made = made();
    // The zone's only server does not know the zone.
    let Some(lame) = knot(&self::made()) else { return };
    let Some(unbound) = require(Unbound::builder().ask(&made.origin, lame.address()).start()) else { return };
    let run = ask(&made, "www", &[unbound.address()], &[]);
    run.assert_died("dns.server").assert_not_blamed("dns.dnssec_bogus");
    assert!(run.ruled_out().contains(&"dns.dnssec_bogus"), "{}", run.told());
    // Another server has it: the client goes on to that one.
    let Some(knot) = knot(&made) else { return };
    let run = ask(&made, "www", &[unbound.address(), knot.address()], &[]);
    run.assert_reached().assert_warned("dns.server");
}

#[test]
fn a_server_that_refuses() {
    let made = made();
    let Some(unbound) = require(Unbound::builder().refusing().start()) else { return };
    let run = ask(&made, "www", &[unbound.address()], &[]);
    run.assert_died("dns.refused").assert_not_blamed("dns.server").assert_not_blamed("dns.unreachable");
    // An authority that is asked for a zone of others refuses as well.
    let Some(knot) = knot(&self::made()) else { return };
    ask(&made, "www", &[knot.address()], &[]).assert_died("dns.refused");
}

#[test]
fn answers_that_cannot_be_used() {
    for fault in [Fault::cname_loop(), Fault::pointer_loop(), Fault::rcode(4), Fault::rcode(1)] {
        let made = made();
        let shown = format!("{fault:?}");
        let dns = faulty(&made, On::any(), fault);
        let run = ask(&made, "www", &[dns.address()], &[]);
        run.assert_died("dns.failed").assert_not_blamed("dns.server").assert_not_blamed("dns.timed_out");
        assert!(dns.query_count() > 0, "{shown}");
    }
}

#[test]
fn control_characters_in_names_reach_no_terminal() {
    let made = made();
    let dns = faulty(&made, On::any(), Fault::control_characters());
    let run = ask(&made, "www", &[dns.address()], &[]);
    assert!(!run.stdout.chars().any(|c| c.is_control() && c != '\n'), "{}", run.told());
    let mut command = common::reqpath();
    let url = made.url("www", 80);
    command.args(["trace", &url, "--dns-server", &dns.address().to_string(), "--max-time", "2"]);
    let run = common::run(command);
    assert!(!run.stdout.chars().any(|c| c.is_control() && c != '\n'), "{}", run.stdout);
}

#[test]
fn every_nameserver_dead() {
    let made = made();
    let held = (silent(), silent());
    let run = ask(&made, "www", &[held.0.1, held.1.1], &["--max-time", "1.5"]);
    run.assert_died("dns.timed_out").assert_not_blamed("tcp.timed_out").assert_not_blamed("dns.unreachable");
    assert!(run.ruled_out().contains(&"dns.unreachable"), "{}", run.told());
    let run = ask(&made, "www", &[closed(), closed()], &[]);
    run.assert_died("dns.unreachable").assert_not_blamed("dns.timed_out");
    assert!(run.ruled_out().contains(&"dns.timed_out"), "{}", run.told());
    let finding = &run.report["findings"][0];
    assert!(finding["error"].as_str().is_some_and(|words| words.contains("refused")), "{}", run.told());
}

#[test]
fn silence_is_not_of_the_far_end_s_making() {
    // The twin of a silent nameserver: the name resolves, and nobody is at the address.
    let made = made();
    let dns = FakeDns::start(made.fake()).expect("loopback");
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let run = trace([made.url("www", port), "--dns-server".to_owned(), dns.address().to_string()]);
    run.assert_died("tcp.refused").assert_not_blamed("dns.timed_out").assert_not_blamed("dns.unreachable");
}

#[test]
fn one_dead_nameserver_of_two() {
    let made = made();
    let Some(knot) = knot(&made) else { return };
    let (_held, dead) = silent();
    for servers in [[dead, knot.address()], [knot.address(), dead], [closed(), knot.address()]] {
        let quick = &["--max-time", "1.2"];
        ask(&made, "www", &servers, quick).assert_reached().assert_warned("dns.partial_resolvers");
        let run = ask(&made, "www", &servers, &["--max-time", "1.2", "--fail-on", "warning"]);
        assert_eq!((run.kind(), run.status), ("reached", 1), "{}", run.told());
    }
    let both = ask(&made, "www", &[knot.address()], &["--fail-on", "warning"]);
    both.assert_not_blamed("dns.partial_resolvers");
}

#[test]
fn a_dead_nameserver_beside_a_plain_no_is_not_what_killed_it() {
    let made = made();
    let Some(knot) = knot(&made) else { return };
    let run = ask(&made, "nobody", &[closed(), knot.address()], &[]);
    run.assert_died("dns.name_not_resolved").assert_warned("dns.partial_resolvers");
}

#[test]
fn answers_too_large_for_a_datagram() {
    let mut made = made();
    for n in 1..=120 {
        made.records.push_str(&format!("big A 127.0.3.{n}\n"));
    }
    made.records.push_str("small A 127.0.0.1\n");
    let Some(blocked) = require(Unbound::builder().zone(made.zone()).without_tcp().start()) else { return };
    let run = ask(&made, "big", &[blocked.address()], &[]);
    run.assert_died("dns.truncated_tcp_blocked");
    run.assert_not_blamed("dns.timed_out").assert_not_blamed("dns.unreachable");
    ask(&made, "small", &[blocked.address()], &[])
        .assert_reached()
        .assert_not_blamed("dns.truncated_tcp_blocked");
    // The same answer where TCP is open.
    let Some(knot) = knot(&made) else { return };
    let run = ask(&made, "big", &[knot.address()], &["--connect-timeout", "2", "--max-time", "4"]);
    run.assert_not_blamed("dns.truncated_tcp_blocked");
    assert!(run.seen("dns.answer").iter().any(|answer| answer["transport"] == "tcp"), "{}", run.told());
}

#[test]
fn nameservers_that_disagree() {
    let one = made();
    let other = Made { origin: one.origin.clone(), records: "www A 127.0.0.2\n".to_owned() };
    let (Some(first), Some(second)) = (knot(&one), knot(&other)) else { return };
    let run = ask(&one, "www", &[first.address(), second.address()], &[]);
    run.assert_reached().assert_warned("dns.resolvers_disagree");
    // The first denies what the second has: the client believes the first.
    let run = ask(&one, "text", &[first.address(), second.address()], &[]);
    run.assert_died("dns.no_address").assert_not_blamed("dns.resolvers_disagree");
    let denying = Made { origin: one.origin.clone(), records: "other A 127.0.0.1\n".to_owned() };
    let Some(third) = knot(&denying) else { return };
    let run = ask(&one, "www", &[third.address(), first.address()], &[]);
    run.assert_died("dns.resolvers_disagree");
    let chain = &run.report["verdict"]["chain"];
    assert_eq!(chain[0], "dns.name_not_resolved", "{}", run.told());
    ask(&one, "www", &[first.address(), first.address()], &[])
        .assert_reached()
        .assert_not_blamed("dns.resolvers_disagree");
}

#[test]
fn every_third_look_up_fails() {
    let made = made();
    let on = On::any().record_type(RecordType::A).every(3);
    let dns = faulty(&made, on, Fault::servfail());
    let run = ask(&made, "www", &[dns.address()], &["-4", "-n", "12"]);
    run.assert_degraded("dns.server");
    assert_eq!(run.report["verdict"]["outcome"]["died"], 4, "{}", run.told());
}

#[test]
fn a_black_hole_ends_at_the_deadline() {
    let made = made();
    let (_held, dead) = silent();
    let trace = || ask(&made, "www", &[dead], &["--max-time", "0.6"]);
    common::once_within(Duration::from_millis(700), trace, |run| {
        run.assert_died("dns.timed_out");
    });
}

#[test]
fn one_family_unanswered() {
    let made = made();
    let dns = faulty(&made, On::any().record_type(RecordType::AAAA), Fault::drop());
    // Of two servers the first has half of the time, which leaves the other half to the request.
    let run = ask(&made, "www", &[dns.address(), dns.address()], &["--max-time", "3"]);
    run.assert_reached().assert_warned("dns.timed_out").assert_not_blamed("dns.partial_resolvers");
}

#[test]
fn one_family_unanswered_leaves_the_request_its_time() {
    let made = made();
    let dns = faulty(&made, On::any().record_type(RecordType::AAAA), Fault::drop());
    let run = ask(&made, "www", &[dns.address()], &["--max-time", "3"]);
    run.assert_reached().assert_warned("dns.timed_out").assert_not_blamed("http.response.timed_out");
    let took = run.seen("dns.resolution")[0]["time_us"].as_u64().expect("a time");
    assert!((700_000..1_500_000).contains(&took), "a quarter of the time, and the answer's own: {took}");
    // The twin: a server that had its time and is silent is blamed.
    let hangs = MockUpstream::start(Reply::hang()).expect("loopback");
    let run = within(&made, &hangs, &dns, &["--max-time", "2"]);
    run.assert_died("http.response.timed_out").assert_warned("dns.timed_out");
}

#[test]
fn a_server_is_not_blamed_for_the_time_that_the_look_up_took() {
    let made = made();
    let late = || Fault::answers_from(made.fake()).delayed(Duration::from_millis(2300));
    let slow = faulty(&made, On::any(), late());
    let takes_a_while = || Reply::ok("hello").delay(Duration::from_millis(600));
    let upstream = MockUpstream::start(takes_a_while()).expect("loopback");
    let run = within(&made, &upstream, &slow, &["--max-time", "2.5"]);
    assert_eq!(run.kind(), "unknown", "{}", run.told());
    run.assert_not_blamed("http.response.timed_out");
    let why = run.report["verdict"]["why"].as_str().expect("a reason");
    assert!(why.contains("of dns had left no time"), "{why}");
    // A control with more time tells.
    let run = within(&made, &upstream, &slow, &["--max-time", "2.5", "--deadline", "9"]);
    run.assert_died("client.deadline_too_short");
    // So does a question that was left open all that time.
    let silent = FakeDns::builder().zone(made.fake()).fault(On::any().record_type(RecordType::A), late());
    let silent = silent.fault(On::any().record_type(RecordType::AAAA), Fault::drop());
    let silent = silent.start().expect("loopback");
    let run = within(&made, &upstream, &silent, &["--max-time", "2.5"]);
    run.assert_died("dns.timed_out").assert_not_blamed("http.response.timed_out");
    assert_eq!(run.report["verdict"]["at"]["station"], "dns");
    // The twin: the same server, and a look-up that takes no time.
    let quick = FakeDns::start(made.fake()).expect("loopback");
    let run = within(&made, &upstream, &quick, &["--max-time", "0.4"]);
    run.assert_died("http.response.timed_out").assert_not_blamed("dns.timed_out");
    within(&made, &upstream, &quick, &["--max-time", "2.5"]).assert_reached();
}

/// Traces the zone's name to this server, through this nameserver.
fn within(made: &Made, upstream: &MockUpstream, dns: &FakeDns, more: &[&str]) -> Run {
    let mut arguments = vec![made.url("www", upstream.address().port())];
    arguments.extend(["--dns-server".to_owned(), dns.address().to_string()]);
    arguments.extend(more.iter().map(ToString::to_string));
    trace(arguments)
}

#[test]
fn what_is_judged_again_says_the_same() {
    let made = made();
    let Some((_knot, unbound)) = validating(&made, Signing::Expired) else { return };
    let run = ask(&made, "www", &[unbound.address()], &[]);
    run.assert_died("dns.dnssec_bogus");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &run.stdout).expect("written");
    let mut command = common::reqpath();
    command.arg("judge").arg("--json").arg(file.path());
    let judged = common::run(command);
    assert_eq!(judged.report["verdict"], run.report["verdict"], "{}", judged.told());
}

#[test]
fn a_host_that_is_no_name_is_the_caller_s_mistake() {
    let label = "x".repeat(64);
    let name = vec!["x".repeat(63); 4].join(".");
    for (host, why) in [
        ("a..b", "nothing stands between two dots"),
        (label.as_str(), "has 64 bytes, and 63 is the most"),
        (name.as_str(), "has 255 bytes, and 253 is the most"),
    ] {
        let run = trace([&format!("http://{host}:9/")]);
        assert_eq!(run.status, 2, "{}", run.told());
        assert!(run.stderr.contains("is not a name") && run.stderr.contains(why), "{}", run.stderr);
    }
    // The longest that may be asked for is asked for.
    let run = trace([&format!("http://{}:9/", "x".repeat(63)), "--dns-server", &closed().to_string()]);
    run.assert_died("dns.unreachable");
}

#[test]
fn a_name_below_localhost_is_this_very_host() {
    let upstream = upstream();
    let port = upstream.address().port();
    for host in ["localhost", "foo.localhost"] {
        let run = trace([&format!("http://{host}:{port}/"), "--max-time", "5"]);
        run.assert_reached();
        assert!(run.seen("dns.system").is_empty(), "{}", run.told());
        assert_eq!(run.seen("dns.resolution")[0]["by_rule"], true);
        // It serves over IPv4 alone, which nobody promised otherwise.
        assert!(run.found("warning").is_empty(), "{}", run.told());
        let run = trace([&format!("http://{host}:{port}/"), "-4", "--max-time", "5"]);
        run.assert_reached();
        assert!(run.found("warning").is_empty(), "{}", run.told());
    }
    let there = format!("http://foo.localhost:{port}/");
    let leading = MockUpstream::start(Reply::redirect(302, &there)).unwrap();
    let run = trace(["-L", "--max-time", "5", &leading.url("/")]);
    run.assert_reached().assert_not_blamed("dns.system_resolver_failed");
    let run = trace([&format!("http://foo.localhost:{}/", closed().port()), "-4", "--max-time", "5"]);
    run.assert_died("tcp.refused").assert_not_blamed("dns.system_resolver_failed");
    let run = trace([&format!("http://localhost:{}/", closed().port()), "--max-time", "5"]);
    run.assert_died("tcp.refused");
    // The twin: who gives a name both addresses promises both.
    let both = format!("shop.test:{port}:127.0.0.1,[::1]");
    let run = trace(["--resolve", &both, &format!("http://shop.test:{port}/"), "--max-time", "5"]);
    run.assert_reached().assert_warned("tcp.refused");
}

#[test]
fn a_name_whose_last_address_serves_is_reached() {
    let made = made();
    let upstream = upstream();
    let addresses = (1..=19).map(|n| Ipv4Addr::new(127, 0, 3, n)).chain([Ipv4Addr::LOCALHOST]);
    let zone = addresses.fold(FakeZone::new(&made.origin), |zone, address| zone.a("www", address));
    let dns = FakeDns::builder().zone(zone).start().expect("loopback");
    let run = within(&made, &upstream, &dns, &["--max-time", "5"]);
    run.assert_reached();
    let used = run.seen("tcp.attempt").into_iter().filter(|attempt| attempt["used"] == true).count();
    assert_eq!((used, upstream.request_count() > 0), (1, true), "{}", run.told());
    // The twin: nobody at any of them.
    let nobody = closed().port();
    let url = made.url("www", nobody);
    let run = trace([&url, "--dns-server", &dns.address().to_string(), "--max-time", "5"]);
    run.assert_died("tcp.refused");
    // Once, and once more at the end: every address both times.
    assert_eq!(run.seen("tcp.attempt").len(), 2 * 20, "{}", run.told());
}

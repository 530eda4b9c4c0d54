//! Names by the system's own resolver, traced inside a host of its own with its own configuration.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use common::{REQPATH, Run};
use reqpath_testkit::MockUpstream;
use reqpath_testkit::dns::{FakeDns, Fault, On, RecordType, Zone as FakeZone};
use reqpath_testkit::lab::{Filter, Host, HostSpec, Lab, or_skip};
use reqpath_testkit::mock::Reply;
use reqpath_testkit::real::{Knot, Signing, Unbound, Zone, require};
use serde_json::Value;

const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 53);
const ONE: &str = "nameserver 127.0.0.53\noptions timeout:1 attempts:1";
const TWO: &str = "nameserver 127.0.0.53\nnameserver 127.0.1.53\noptions timeout:1 attempts:1";

/// A host with nothing but its loopback.
fn host(resolv_conf: &str) -> Option<Lab> {
    or_skip(Lab::builder().host(HostSpec::new("client").resolv_conf(resolv_conf)).build())
}

fn at(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 53))
}

/// `reqpath trace --json` on the host.
fn trace(host: &Host, url: &str, more: &[&str]) -> Run {
    let began = Instant::now();
    let program = host.command(REQPATH).args(["trace", "--json", url]).args(more);
    let output = program.output().expect("the program runs");
    let wall = began.elapsed();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Run {
        status: output.status.code().unwrap_or(-1),
        report: serde_json::from_str(&stdout).unwrap_or(Value::Null),
        stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        wall,
    }
}

fn upstream(host: &Host) -> MockUpstream {
    host.run(|| MockUpstream::start(Reply::ok("hello")).expect("loopback")).expect("the host is there")
}

fn knot(host: &Host, ip: Ipv4Addr, zone: Zone) -> Option<Knot> {
    require(host.run(|| Knot::builder().zone(zone).at(at(ip)).start()).expect("the host is there"))
}

fn fake(host: &Host, ip: Ipv4Addr, zones: Vec<FakeZone>, faults: Vec<(On, Fault)>) -> FakeDns {
    let mut dns = FakeDns::builder().bind_exactly(at(ip));
    for zone in zones {
        dns = dns.zone(zone);
    }
    for (on, fault) in faults {
        dns = dns.fault(on, fault);
    }
    host.run(|| dns.start().expect("port 53")).expect("the host is there")
}

fn silent(host: &Host, ip: Ipv4Addr) -> UdpSocket {
    host.run(|| UdpSocket::bind(at(ip)).expect("port 53")).expect("the host is there")
}

fn origin() -> String {
    format!("z{:08x}.test", fastrand::u32(..))
}

fn zone(origin: &str) -> Zone {
    Zone::new(origin, "www A 127.0.0.1\ntext TXT \"no address\"\nlost CNAME nowhere\n")
}

#[test]
fn what_the_system_says_stands_beside_what_the_nameserver_says() {
    let Some(lab) = host(ONE) else { return };
    let (host, origin) = (&lab["client"], origin());
    let Some(_knot) = knot(host, FIRST, zone(&origin)) else { return };
    let port = upstream_port(host);
    let good = trace(host, &format!("http://www.{origin}:{}/", port.0), &["--max-time", "5"]);
    good.assert_reached();
    assert!(!good.found("warning").iter().any(|code| code.starts_with("dns.")), "{}", good.told());
    for (name, code, symbol, twin) in [
        ("nobody", "dns.name_not_resolved", "EAI_NONAME", "dns.no_address"),
        ("text", "dns.no_address", "EAI_NODATA", "dns.name_not_resolved"),
        ("lost", "dns.dangling_cname", "EAI_NONAME", "dns.name_not_resolved"),
    ] {
        let run = trace(host, &format!("http://{name}.{origin}/"), &["--max-time", "5"]);
        run.assert_died(code).assert_not_blamed(twin).assert_not_blamed("dns.search_mismatch");
        assert_eq!(run.seen("dns.system")[0]["symbol"], symbol, "{}", run.told());
        let words = run.report["findings"][0]["error"].as_str().unwrap_or_default();
        assert!(words.starts_with(symbol) && words.len() > symbol.len() + 2, "{}", run.told());
        assert_eq!(run.seen("dns.resolvers")[0]["nameservers"][0], "127.0.0.53:53");
    }
}

fn upstream_port(host: &Host) -> (u16, MockUpstream) {
    let upstream = upstream(host);
    (upstream.address().port(), upstream)
}

#[test]
fn a_validating_resolver_refuses_what_is_badly_signed() {
    for (signing, code) in [(Signing::Expired, Some("dns.dnssec_bogus")), (Signing::Valid, None)] {
        let Some(lab) = host(ONE) else { return };
        let (host, origin) = (&lab["client"], origin());
        let Some(zone) = require(zone(&origin).signed(signing)) else { return };
        let Some(_knot) = knot(host, SECOND, zone.clone()) else { return };
        let resolver = Unbound::builder().trust(&zone).ask(&origin, at(SECOND)).at(at(FIRST));
        let Some(_unbound) = require(host.run(|| resolver.start()).expect("the host is there")) else {
            return;
        };
        let port = upstream_port(host);
        let run = trace(host, &format!("http://www.{origin}:{}/", port.0), &["--max-time", "5"]);
        match code {
            Some(code) => run.assert_died(code).assert_not_blamed("dns.server"),
            None => run.assert_reached().assert_not_blamed("dns.dnssec_bogus"),
        };
    }
}

#[test]
fn every_nameserver_dead() {
    let Some(lab) = host(TWO) else { return };
    let host = &lab["client"];
    let url = format!("http://www.{}/", origin());
    let run = trace(host, &url, &["--max-time", "5"]);
    run.assert_died("dns.unreachable").assert_not_blamed("dns.timed_out");
    assert_eq!(run.report["verdict"]["at"]["hop"], "client", "{}", run.told());
    let _held = (silent(host, FIRST), silent(host, SECOND));
    let run = trace(host, &url, &["--max-time", "8"]);
    run.assert_died("dns.timed_out").assert_not_blamed("dns.unreachable").assert_not_blamed("tcp.timed_out");
    assert_eq!(run.seen("dns.system")[0]["symbol"], "EAI_AGAIN", "{}", run.told());
}

#[test]
fn one_dead_nameserver_of_two() {
    let Some(lab) = host(TWO) else { return };
    let (host, origin) = (&lab["client"], origin());
    let Some(_knot) = knot(host, SECOND, zone(&origin)) else { return };
    let (port, _upstream) = upstream_port(host);
    let url = format!("http://www.{origin}:{port}/");
    let _held = silent(host, FIRST);
    trace(host, &url, &["--max-time", "5"]).assert_reached().assert_warned("dns.partial_resolvers");
    let strict = trace(host, &url, &["--max-time", "5", "--fail-on", "warning"]);
    assert_eq!((strict.kind(), strict.status), ("reached", 1), "{}", strict.told());
    // A client with less patience than the dead server takes never comes to the live one.
    let hasty = trace(host, &url, &["--max-time", "0.5"]);
    hasty.assert_died("dns.partial_resolvers");
    assert_eq!(hasty.report["verdict"]["chain"][0], "dns.timed_out", "{}", hasty.told());
}

#[test]
fn a_black_holed_nameserver_ends_at_the_deadline() {
    // The resolver of the C library would wait for ten seconds, and cannot be cancelled.
    let Some(lab) = host("nameserver 127.0.0.53\noptions timeout:5 attempts:2") else { return };
    let host = &lab["client"];
    if or_skip(host.rules()).is_none() {
        return;
    }
    let hole = Filter::incoming().udp_port(53).to("127.0.0.53/32").drop();
    let fault = host.impose(&hole).expect("nft takes the rule");
    let trace = || trace(host, &format!("http://www.{}/", origin()), &["--max-time", "0.7"]);
    common::once_within(Duration::from_millis(800), trace, |run| {
        run.assert_died("dns.timed_out").assert_not_blamed("dns.unreachable");
        assert!(run.seen("tcp.attempt").is_empty() && run.seen("tls.handshake").is_empty());
        assert_eq!(run.seen("dns.system")[0]["still_waiting"], true, "{}", run.told());
    });
    assert!(fault.packets().expect("the counter") > 0);
}

#[test]
fn a_rule_of_this_very_host_is_no_silence() {
    let Some(lab) = host(ONE) else { return };
    let host = &lab["client"];
    if or_skip(host.rules()).is_none() {
        return;
    }
    let _rule = host.impose(&Filter::outgoing().udp_port(53).drop()).expect("nft takes the rule");
    let run = trace(host, &format!("http://www.{}/", origin()), &["--max-time", "3"]);
    run.assert_died("dns.unreachable").assert_not_blamed("dns.timed_out");
    let summary = run.report["verdict"]["cause"]["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("own rules"), "{summary}");
}

#[test]
fn the_search_list_leads_astray() {
    let Some(lab) = host("nameserver 127.0.0.53\nsearch corp.test\noptions ndots:5 timeout:1") else {
        return;
    };
    let (host, origin) = (&lab["client"], origin());
    let corp = FakeZone::new("corp.test").a("*", Ipv4Addr::new(127, 9, 9, 9));
    let shop = FakeZone::new(&origin).a("www", Ipv4Addr::LOCALHOST);
    let _dns = fake(host, FIRST, vec![corp, shop], vec![]);
    let (port, upstream) = upstream_port(host);
    // Nothing listens at the other name's address.
    let run = trace(host, &format!("http://www.{origin}:{port}/"), &["--max-time", "5"]);
    run.assert_died("dns.search_mismatch");
    assert_eq!(run.report["verdict"]["chain"][0], "tcp.refused", "{}", run.told());
    assert_eq!(upstream.request_count(), 0);
    let list = run.seen("dns.search")[0];
    assert_eq!(list["names"][0], format!("www.{origin}.corp.test."));
    // Its twin: no name of the list exists.
    let Some(other) = self::host("nameserver 127.0.0.53\nsearch corp.test\noptions ndots:5 timeout:1") else {
        return;
    };
    let host = &other["client"];
    let nothing = vec![FakeZone::new("corp.test").txt("x", "x"), FakeZone::new(&origin).txt("x", "x")];
    let _dns = fake(host, FIRST, nothing, vec![]);
    let run = trace(host, &format!("http://www.{origin}/"), &["--max-time", "5"]);
    run.assert_died("dns.name_not_resolved").assert_not_blamed("dns.search_mismatch");
    assert_eq!(run.seen("dns.search")[0]["names"].as_array().map_or(0, Vec::len), 2);
}

#[test]
fn many_suffixes_are_worth_a_word() {
    let lines = "nameserver 127.0.0.53\nsearch a.corp.test b.corp.test corp.test\noptions ndots:5 timeout:1";
    let Some(lab) = host(lines) else { return };
    let (host, origin) = (&lab["client"], origin());
    let zones =
        vec![FakeZone::new(&origin).a("www", Ipv4Addr::LOCALHOST), FakeZone::new("corp.test").txt("x", "x")];
    let dns = fake(host, FIRST, zones, vec![]);
    let (port, _upstream) = upstream_port(host);
    let run = trace(host, &format!("http://www.{origin}:{port}/"), &["--max-time", "5"]);
    run.assert_reached().assert_warned("dns.search_amplification");
    for name in run.seen("dns.search")[0]["names"].as_array().into_iter().flatten() {
        assert!(dns.queries_for(name.as_str().unwrap_or_default()).len() >= 2, "{name} was never asked for");
    }
    let run = trace(host, &format!("http://www.{origin}.:{port}/"), &["--max-time", "5"]);
    run.assert_reached().assert_not_blamed("dns.search_amplification");
}

#[test]
fn an_answer_too_large_for_a_program_without_edns() {
    let origin = origin();
    let many = (1..=40).fold(FakeZone::new(&origin), |zone, n| zone.a("all", Ipv4Addr::new(127, 0, 2, n)));
    let Some(lab) = host(ONE) else { return };
    let host = &lab["client"];
    let blocked = FakeDns::builder().bind_exactly(at(FIRST)).zone(many.clone()).without_tcp();
    let blocked = host.run(|| blocked.start().expect("port 53")).expect("the host is there");
    let url = format!("http://all.{origin}/");
    let run = trace(host, &url, &["--max-time", "5"]);
    run.assert_died("dns.truncated_tcp_blocked").assert_not_blamed("dns.timed_out");
    drop(blocked);
    let _open = fake(host, FIRST, vec![many], vec![]);
    let run = trace(host, &url, &["--max-time", "3", "--connect-timeout", "1"]);
    run.assert_not_blamed("dns.truncated_tcp_blocked");
    assert!(!run.code().starts_with("dns.name") && !run.seen("tcp.attempt").is_empty(), "{}", run.told());
}

#[test]
fn the_system_resolver_alone_fails() {
    // This one asks over TCP only, and nobody listens there.
    let Some(lab) = host(&format!("{ONE} use-vc")) else { return };
    let (host, origin) = (&lab["client"], origin());
    let zone = FakeZone::new(&origin).a("www", Ipv4Addr::LOCALHOST);
    let dns = FakeDns::builder().bind_exactly(at(FIRST)).zone(zone).without_tcp();
    let _dns = host.run(|| dns.start().expect("port 53")).expect("the host is there");
    let run = trace(host, &format!("http://www.{origin}/"), &["--max-time", "5"]);
    run.assert_died("dns.system_resolver_failed").assert_not_blamed("dns.timed_out");
    assert_eq!(run.seen("dns.system")[0]["symbol"], "EAI_AGAIN", "{}", run.told());
}

#[test]
fn what_the_hosts_file_knows_is_no_fault_of_a_nameserver() {
    let Some(lab) = host(ONE) else { return };
    let host = &lab["client"];
    let _dns = fake(host, FIRST, vec![FakeZone::new("shop.test").txt("x", "x")], vec![]);
    host.set_hosts("127.0.0.1 localhost only.hosts.test\n").expect("written");
    let (port, _upstream) = upstream_port(host);
    let run = trace(host, &format!("http://only.hosts.test:{port}/"), &["--max-time", "5"]);
    run.assert_reached();
    let found = run.found("warning");
    assert!(!found.iter().any(|code| code.starts_with("dns.")), "{}", run.told());
}

#[test]
fn the_zone_s_own_servers_are_asked_when_wanted() {
    let Some(lab) = host(ONE) else { return };
    let (host, origin) = (&lab["client"], origin());
    let records =
        format!("@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {SECOND}\nwww A 127.0.0.1\n");
    let Some(_own) = knot(host, SECOND, Zone::new(&origin, &records)) else { return };
    let resolver = Unbound::builder().ask(&origin, at(SECOND)).at(at(FIRST));
    let Some(_unbound) = require(host.run(|| resolver.start()).expect("the host is there")) else { return };
    let (port, _upstream) = upstream_port(host);
    let run = trace(host, &format!("http://www.{origin}:{port}/"), &["--authority", "--max-time", "5"]);
    run.assert_reached();
    let own = run.seen("dns.answer").into_iter().find(|answer| answer["asked"] == "authority");
    let own = own.unwrap_or_else(|| panic!("{}", run.told()));
    assert_eq!((&own["flags"]["aa"], &own["addresses"][0]["address"]), (&true.into(), &"127.0.0.1".into()));
    let without = trace(host, &format!("http://www.{origin}:{port}/"), &["--max-time", "5"]);
    assert!(without.seen("dns.answer").iter().all(|answer| answer["asked"] != "authority"));
}

#[test]
fn a_search_list_is_not_blamed_for_what_the_name_itself_meets() {
    let origin = origin();
    let list = format!("nameserver {FIRST}\nsearch bad.{origin} {origin}\noptions ndots:4 timeout:5");
    let wildcard = || FakeZone::new(&origin).a("*", Ipv4Addr::LOCALHOST);
    let name = format!("www.{origin}");
    let of_version_6 = |on: On| on.record_type(RecordType::AAAA);
    for (on, code, other) in [
        (of_version_6(On::any()), "dns.timed_out", "dns.search_mismatch"),
        (of_version_6(On::below(&format!("bad.{origin}"))), "dns.search_mismatch", "dns.name_not_resolved"),
    ] {
        let Some(lab) = host(&list) else { return };
        let host = &lab["client"];
        let _dns = fake(host, FIRST, vec![wildcard()], vec![(on, Fault::drop())]);
        let (port, _upstream) = upstream_port(host);
        let run = trace(host, &format!("http://{name}:{port}/"), &["--max-time", "1.5"]);
        run.assert_died(code).assert_not_blamed(other);
        let summary = run.report["verdict"]["cause"]["summary"].as_str().expect("a summary");
        assert!(summary.contains("AAAA"), "{summary}");
        // What the search list is told to do about it: it helps where the list is blamed, and only there.
        let run = trace(host, &format!("http://{name}.:{port}/"), &["--max-time", "1.5"]);
        assert_eq!(run.kind() == "reached", code == "dns.search_mismatch", "{}", run.told());
    }
}

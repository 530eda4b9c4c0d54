//! The stage by the system resolver, in a host of its own with its own `resolv.conf` and hosts file.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqpath_core::{Pipeline, Report, Target, Trace, Verdict};
use reqpath_dns::{Answer, Asked, Dns, DnsOptions, Resolution, SearchList, SystemLookup};
use reqpath_local::LocalVantage;
use reqpath_testkit::dns::{FakeDns, Fault, On, RecordType, Zone};
use reqpath_testkit::lab::{self, Host, HostSpec, Lab};

const NAME: &str = "www.shop.test";
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 53);

/// A host with nothing but its loopback, and these lines in its `resolv.conf`.
fn host(resolv_conf: &str) -> Option<Lab> {
    lab::or_skip(Lab::builder().host(HostSpec::new("client").resolv_conf(resolv_conf)).build())
}

fn at(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 53))
}

fn serve(host: &Host, ip: Ipv4Addr, zones: Vec<Zone>, faults: Vec<(On, Fault)>) -> FakeDns {
    let mut dns = FakeDns::builder().bind_exactly(at(ip));
    for zone in zones {
        dns = dns.zone(zone);
    }
    for (on, fault) in faults {
        dns = dns.fault(on, fault);
    }
    host.run(|| dns.start().unwrap()).unwrap()
}

fn silent(host: &Host, ip: Ipv4Addr) -> UdpSocket {
    host.run(|| UdpSocket::bind(at(ip)).unwrap()).unwrap()
}

fn zone() -> Zone {
    Zone::new("shop.test").a("www", Ipv4Addr::LOCALHOST).txt("text", "no address").cname("lost", "nowhere")
}

fn trace_with(host: &Host, name: &str, options: DnsOptions, deadline: Duration) -> (Report, Duration) {
    let target = Target::get(&format!("http://{name}/")).unwrap();
    host.run_async(async move {
        let pipeline = Pipeline::builder().stage(Dns::new(options)).build().unwrap();
        let trace = Trace::new(target, Arc::new(LocalVantage::new())).without_last_try().deadline(deadline);
        let began = Instant::now();
        (pipeline.trace(trace).await, began.elapsed())
    })
    .unwrap()
}

fn trace(host: &Host, name: &str) -> Report {
    trace_with(host, name, DnsOptions::default(), Duration::from_secs(10)).0
}

#[track_caller]
fn died_of(report: &Report) -> (String, Vec<String>) {
    match &report.verdict {
        Some(Verdict::Died { cause, chain, also, .. }) => {
            assert!(also.is_empty(), "also {also:?}");
            (cause.code.clone(), chain.clone())
        }
        other => panic!("{other:?}\n{:#?}\n{}", report.findings, told(report)),
    }
}

#[track_caller]
fn warnings(report: &Report) -> Vec<&str> {
    assert!(
        matches!(report.verdict, Some(Verdict::Reached { .. })),
        "{:?}\n{}",
        report.verdict,
        told(report)
    );
    report.findings.iter().map(|finding| &*finding.code).collect()
}

fn told(report: &Report) -> String {
    let lines = report.observations.iter().map(|seen| format!("{}: {}", seen.kind(), seen.brief()));
    lines.chain(report.errors.iter().map(|error| format!("{error:?}"))).collect::<Vec<_>>().join("\n")
}

fn seen<E: reqpath_core::Evidence>(report: &Report) -> Vec<&E> {
    report.observations.iter().filter_map(|observation| observation.get::<E>()).collect()
}

const ONE: &str = "nameserver 127.0.0.53\noptions timeout:1 attempts:1";
const TWO: &str = "nameserver 127.0.0.53\nnameserver 127.0.1.53\noptions timeout:1 attempts:1";

#[test]
fn the_system_and_the_nameserver_agree() {
    let Some(lab) = host(ONE) else { return };
    let host = &lab["client"];
    let _dns = serve(host, FIRST, vec![zone()], vec![]);
    let report = trace(host, NAME);
    assert_eq!(warnings(&report), [""; 0]);
    assert_eq!(seen::<SystemLookup>(&report)[0].addresses, [Ipv4Addr::LOCALHOST]);
    for (name, code, symbol) in [
        ("nobody.shop.test", "dns.name_not_resolved", "EAI_NONAME"),
        ("text.shop.test", "dns.no_address", "EAI_NODATA"),
        ("lost.shop.test", "dns.dangling_cname", "EAI_NONAME"),
    ] {
        let report = trace(host, name);
        assert_eq!(died_of(&report).0, code, "{}", told(&report));
        assert_eq!(seen::<SystemLookup>(&report)[0].symbol.as_deref(), Some(symbol));
        assert!(report.findings[0].error.as_deref().unwrap().contains(symbol));
    }
}

#[test]
fn a_server_that_fails_refuses_or_cannot_be_read_is_named() {
    for (fault, code) in [
        (Fault::servfail(), "dns.server"),
        (Fault::servfail_unless_cd(), "dns.dnssec_bogus"),
        (Fault::refused(), "dns.refused"),
        (Fault::cname_loop(), "dns.failed"),
    ] {
        let Some(lab) = host(ONE) else { return };
        let host = &lab["client"];
        let _dns = serve(host, FIRST, vec![zone()], vec![(On::any(), fault)]);
        let report = trace(host, NAME);
        assert_eq!(died_of(&report).0, code, "{}", told(&report));
    }
}

#[test]
fn nobody_at_any_nameserver() {
    let Some(lab) = host(TWO) else { return };
    let report = trace(&lab["client"], NAME);
    assert_eq!(died_of(&report).0, "dns.unreachable", "{}", told(&report));
}

#[test]
fn silence_from_every_nameserver_ends_at_the_deadline() {
    let Some(lab) = host("nameserver 127.0.0.53\nnameserver 127.0.1.53") else { return };
    let host = &lab["client"];
    let _held = (silent(host, FIRST), silent(host, SECOND));
    let (report, took) = trace_with(host, NAME, DnsOptions::default(), Duration::from_millis(700));
    assert_eq!(died_of(&report).0, "dns.timed_out", "{}", told(&report));
    assert!(took < Duration::from_millis(800), "{took:?}");
    assert!(seen::<SystemLookup>(&report)[0].still_waiting);
}

#[test]
fn one_dead_nameserver_of_two_costs_its_timeout() {
    let Some(lab) = host(TWO) else { return };
    let host = &lab["client"];
    let _dns = serve(host, SECOND, vec![zone()], vec![]);
    let held = silent(host, FIRST);
    let report = trace(host, NAME);
    assert_eq!(warnings(&report), ["dns.partial_resolvers"]);
    assert!(report.findings[0].summary.contains("waits 1 s"), "{}", report.findings[0].summary);
    // With less time than that, the client never comes to the second.
    let (report, _) = trace_with(host, NAME, DnsOptions::default(), Duration::from_millis(500));
    let (code, chain) = died_of(&report);
    assert_eq!((code.as_str(), chain.len()), ("dns.partial_resolvers", 2), "{}", told(&report));
    drop(held);
    let report = trace(host, NAME);
    assert_eq!(warnings(&report), ["dns.partial_resolvers"]);
    assert!(!report.findings[0].summary.contains("waits"), "{}", report.findings[0].summary);
}

#[test]
fn the_search_list_makes_another_name_of_it() {
    let Some(lab) = host("nameserver 127.0.0.53\nsearch corp.test\noptions ndots:5 timeout:1") else {
        return;
    };
    let host = &lab["client"];
    let corp = Zone::new("corp.test").a("*", Ipv4Addr::new(127, 9, 9, 9)).a("db", Ipv4Addr::LOCALHOST);
    let _dns = serve(host, FIRST, vec![zone(), corp], vec![]);
    let report = trace(host, NAME);
    assert_eq!(warnings(&report), ["dns.search_mismatch"]);
    let list = seen::<SearchList>(&report)[0];
    assert_eq!(list.names, ["www.shop.test.corp.test.", "www.shop.test."]);
    // A name without dots is meant to be searched for; one with a final dot is not searched for.
    assert_eq!(warnings(&trace(host, "db")), [""; 0]);
    assert_eq!(warnings(&trace(host, "www.shop.test.")), [""; 0]);
}

#[test]
fn a_silent_suffix_takes_the_time_away() {
    let lines = "nameserver 127.0.0.53\nsearch corp.test\noptions ndots:5 timeout:1 attempts:1";
    let Some(lab) = host(lines) else { return };
    let host = &lab["client"];
    let _dns = serve(host, FIRST, vec![zone()], vec![(On::below("corp.test"), Fault::drop())]);
    let (report, _) = trace_with(host, NAME, DnsOptions::default(), Duration::from_millis(500));
    let (code, chain) = died_of(&report);
    assert_eq!((code.as_str(), chain.len()), ("dns.search_mismatch", 2), "{}", told(&report));
    // With time enough the C library comes to the name itself.
    assert_eq!(warnings(&trace(host, NAME)), ["dns.timed_out"]);
}

#[test]
fn a_question_that_the_name_itself_leaves_open_too_is_no_fault_of_the_list() {
    let lines = "nameserver 127.0.0.53\nsearch corp.test\noptions ndots:5 timeout:1 attempts:1";
    let Some(lab) = host(lines) else { return };
    let host = &lab["client"];
    let corp = || Zone::new("corp.test").a("*", Ipv4Addr::LOCALHOST);
    let short = Duration::from_millis(500);
    let everywhere = On::any().record_type(RecordType::AAAA);
    {
        let _dns = serve(host, FIRST, vec![zone(), corp()], vec![(everywhere, Fault::drop())]);
        let (report, _) = trace_with(host, NAME, DnsOptions::default(), short);
        assert_eq!(died_of(&report).0, "dns.timed_out", "{}", told(&report));
        assert!(report.findings[0].summary.contains(" AAAA "), "{}", report.findings[0].summary);
        // So it is indeed.
        let (report, _) = trace_with(host, "www.shop.test.", DnsOptions::default(), short);
        assert_eq!(died_of(&report).0, "dns.timed_out", "{}", told(&report));
    }
    // The twin: only the suffix's server leaves it open.
    let below = On::below("corp.test").record_type(RecordType::AAAA);
    let _dns = serve(host, FIRST, vec![zone(), corp()], vec![(below, Fault::drop())]);
    let (report, _) = trace_with(host, NAME, DnsOptions::default(), short);
    let (code, chain) = died_of(&report);
    assert_eq!((code.as_str(), chain.len()), ("dns.search_mismatch", 2), "{}", told(&report));
    let summary = &report.findings.iter().find(|finding| finding.code == code).unwrap().summary;
    assert!(summary.contains("left its AAAA question unanswered"), "{summary}");
    let (report, _) = trace_with(host, "www.shop.test.", DnsOptions::default(), short);
    assert_eq!(warnings(&report), [""; 0]);
}

#[test]
fn many_suffixes_cost_many_questions() {
    let suffixes =
        "nameserver 127.0.0.53\nsearch a.corp.test b.corp.test corp.test\noptions ndots:5 timeout:1";
    let Some(lab) = host(suffixes) else { return };
    let host = &lab["client"];
    let dns = serve(host, FIRST, vec![zone(), Zone::new("corp.test").txt("x", "x")], vec![]);
    let report = trace(host, NAME);
    assert_eq!(warnings(&report), ["dns.search_amplification"]);
    // The list is the one that the C library really asked for.
    for name in &seen::<SearchList>(&report)[0].names {
        assert!(dns.queries_for(name).len() >= 2, "{name} was never asked for");
    }
    assert_eq!(warnings(&trace(host, "www.shop.test.")), [""; 0]);
}

#[test]
fn what_the_hosts_file_knows_is_no_fault_of_a_nameserver() {
    let Some(lab) = host(ONE) else { return };
    let host = &lab["client"];
    let refusing = serve(host, FIRST, vec![zone()], vec![(On::name("refused.test"), Fault::refused())]);
    host.set_hosts("127.0.0.1 localhost\n127.0.0.9 only.hosts.test refused.test\n").unwrap();
    assert_eq!(warnings(&trace(host, "only.hosts.test")), [""; 0]);
    assert_eq!(warnings(&trace(host, "refused.test")), [""; 0]);
    let before = refusing.query_count();
    assert_eq!(warnings(&trace(host, "localhost")), [""; 0]);
    assert_eq!(refusing.query_count(), before);
}

#[test]
fn a_name_of_this_very_host_is_asked_of_nobody() {
    let Some(lab) = host(ONE) else { return };
    let host = &lab["client"];
    // A nameserver that has another opinion, and a hosts file that knows none of them.
    let dns = serve(host, FIRST, vec![Zone::new("localhost").a("*", Ipv4Addr::new(192, 0, 2, 7))], vec![]);
    host.set_hosts("").unwrap();
    for name in ["localhost", "LOCALHOST.", "foo.localhost", "a.b.Localhost"] {
        let report = trace(host, name);
        assert_eq!(warnings(&report), [""; 0]);
        let road = seen::<Resolution>(&report)[0];
        assert_eq!(road.addresses, [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]);
        assert!(road.by_rule && seen::<SystemLookup>(&report).is_empty(), "{}", told(&report));
        for (family, address) in [(4, IpAddr::from(Ipv4Addr::LOCALHOST)), (6, Ipv6Addr::LOCALHOST.into())] {
            let mut options = DnsOptions::default();
            options.family = Some(family);
            let (report, _) = trace_with(host, name, options, Duration::from_secs(5));
            assert_eq!(seen::<Resolution>(&report)[0].addresses, [address]);
        }
        let mut options = DnsOptions::default();
        options.servers = vec![at(FIRST)];
        let (report, _) = trace_with(host, name, options, Duration::from_secs(5));
        assert_eq!(seen::<Resolution>(&report)[0].addresses.len(), 2);
    }
    assert_eq!(dns.query_count(), 0);
    // The twin: a name that only looks so.
    for name in ["foolocalhost", "localhost.test"] {
        let report = trace(host, name);
        assert!(died_of(&report).0.starts_with("dns."), "{}", told(&report));
    }
    assert!(dns.query_count() > 0);
}

#[test]
fn an_answer_too_large_for_a_program_without_edns() {
    let many = (0..40).fold(Zone::new("shop.test"), |zone, n| zone.a("all", Ipv4Addr::new(127, 0, 2, n)));
    for (lines, has_tcp, code) in [
        (ONE.to_owned(), false, Some("dns.truncated_tcp_blocked")),
        (ONE.to_owned(), true, None),
        (format!("{ONE} edns0"), false, None),
    ] {
        let Some(lab) = host(&lines) else { return };
        let host = &lab["client"];
        let mut dns = FakeDns::builder().bind_exactly(at(FIRST)).zone(many.clone());
        if !has_tcp {
            dns = dns.without_tcp();
        }
        let _dns = host.run(|| dns.start().unwrap()).unwrap();
        let report = trace(host, "all.shop.test");
        match code {
            Some(code) => assert_eq!(died_of(&report).0, code, "{}", told(&report)),
            None => assert_eq!(warnings(&report), [""; 0], "{}", told(&report)),
        }
    }
}

#[test]
fn the_system_resolver_alone_fails() {
    // This system resolver asks over TCP only, and nobody listens there.
    let Some(lab) = host(&format!("{ONE} use-vc")) else { return };
    let host = &lab["client"];
    let dns = FakeDns::builder().bind_exactly(at(FIRST)).zone(zone()).without_tcp();
    let _dns = host.run(|| dns.start().unwrap()).unwrap();
    let report = trace(host, NAME);
    assert_eq!(died_of(&report).0, "dns.system_resolver_failed", "{}", told(&report));
    // Its twin: the same with TCP.
    let Some(lab) = self::host(&format!("{ONE} use-vc")) else { return };
    let host = &lab["client"];
    let _dns = serve(host, FIRST, vec![zone()], vec![]);
    assert_eq!(warnings(&trace(host, NAME)), [""; 0]);
}

#[test]
fn the_zone_s_own_servers_are_asked_when_wanted() {
    let Some(lab) = host(ONE) else { return };
    let host = &lab["client"];
    let own = Zone::new("shop.test").ttl(300).a("www", Ipv4Addr::new(127, 0, 0, 7)).a("ns", SECOND);
    let own = own.record("@", "NS", "ns");
    let cached = own.clone();
    let resolver = FakeDns::builder().bind_exactly(at(FIRST)).zone(cached).fault(
        On::name(NAME).record_type(RecordType::A),
        Fault::answers_from(
            Zone::new("shop.test")
                .ttl(300)
                .a("www", Ipv4Addr::LOCALHOST)
                .cached_for(Duration::from_secs(100)),
        ),
    );
    let _resolver = host.run(|| resolver.start().unwrap()).unwrap();
    let authority = FakeDns::builder().bind_exactly(at(SECOND)).zone(own).authoritative();
    let _authority = host.run(|| authority.start().unwrap()).unwrap();
    let mut options = DnsOptions::default();
    options.authority = true;
    let (report, _) = trace_with(host, NAME, options, Duration::from_secs(10));
    let answers = seen::<Answer>(&report);
    let of = |asked| {
        answers.iter().find(move |answer| answer.asked == asked && answer.record_type == "A" && !answer.again)
    };
    let truth = answers.iter().find(|answer| answer.asked == Asked::Authority && answer.record_type == "A");
    let truth = truth.unwrap_or_else(|| panic!("{}", told(&report)));
    assert!(truth.flags.aa && !truth.flags.rd);
    assert_eq!(truth.addresses[0].address, Ipv4Addr::new(127, 0, 0, 7));
    let cached = of(Asked::Configured).unwrap();
    assert_eq!(cached.addresses[0].address, Ipv4Addr::LOCALHOST);
    let again = answers.iter().find(|answer| answer.again).unwrap_or_else(|| panic!("{}", told(&report)));
    assert!(again.ttl_left_s() < cached.ttl_left_s(), "{}", told(&report));
}

#[test]
fn a_server_that_only_takes_connections_is_still_a_dead_one_for_datagrams() {
    let Some(lab) = host(ONE) else { return };
    let host = &lab["client"];
    let _tcp_only = host.run(|| TcpListener::bind(at(FIRST)).unwrap()).unwrap();
    assert_eq!(died_of(&trace(host, NAME)).0, "dns.unreachable");
}

#[test]
fn a_nameserver_that_this_host_has_no_way_to_is_one_of_the_dead() {
    let lines = "nameserver 2001:db8::53\nnameserver 127.0.0.53\noptions timeout:1 attempts:1";
    let Some(lab) = host(lines) else { return };
    let host = &lab["client"];
    let _dns = serve(host, FIRST, vec![zone()], vec![]);
    let report = trace(host, NAME);
    assert_eq!(warnings(&report), ["dns.partial_resolvers"], "{}", told(&report));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

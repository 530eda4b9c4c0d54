//! Every cause's own example, and the twins that must not be blamed.

use reqpath_core::{Catalogue, Report, Verdict, Weight};
use serde_json::{Value, json};

use super::CAUSES;

fn catalogue() -> Catalogue {
    let before = reqpath_client::CAUSES.iter().chain(reqpath_dns::CAUSES);
    Catalogue::new(before.chain(CAUSES).copied()).unwrap()
}

fn judged(json: &str) -> Report {
    Report::load(json.as_bytes()).unwrap().judged(&catalogue())
}

/// The verdict's cause, or nothing where the request arrived.
fn cause(report: &Report) -> Option<&str> {
    report.verdict.as_ref().and_then(Verdict::cause).map(|cause| cause.code.as_str())
}

fn warned(report: &Report) -> Vec<&str> {
    let warnings = report.findings.iter().filter(|finding| finding.weight == Weight::Warning);
    warnings.map(|finding| &*finding.code).collect()
}

#[test]
fn examples_yield_their_cause() {
    for known in CAUSES {
        let report = judged(&known.doc.example().unwrap_or_else(|| panic!("{} has no example", known.code)));
        let found = cause(&report) == Some(known.code)
            || report.findings.iter().any(|finding| finding.code == known.code)
                && matches!(report.verdict, Some(Verdict::Reached { .. }));
        assert!(found, "{}: {:?} {:?}", known.code, report.verdict, report.findings);
        for part in [known.doc.summary(), known.doc.explanation(), known.doc.what_to_do()] {
            assert!(!part.is_empty(), "{} lacks a part of its documentation", known.code);
        }
    }
}

const A: &str = "192.0.2.7:443";
const B: &str = "192.0.2.8:443";
const SIX: &str = "[2001:db8::7]:443";

fn at(kind: &str, address: &str, data: Value) -> Value {
    let leg = json!({"from": "client", "to": "server", "address": address, "sample": 0});
    json!({"kind": kind, "subject": {"leg": leg}, "data": data})
}

fn failed(address: &str, symbol: &str, icmp: Option<Value>) -> Value {
    let mut failure = json!({"symbol": symbol, "message": "words"});
    if let Some(icmp) = icmp {
        failure["icmp"] = icmp;
    }
    at("tcp.attempt", address, json!({"outcome": "failed", "elapsed_us": 500, "failure": failure}))
}

fn silent(address: &str) -> Value {
    let failure =
        json!({"message": "no answer within 2.00 s", "timed_out": true, "kernel": {"retransmits": 1}});
    at("tcp.attempt", address, json!({"outcome": "failed", "elapsed_us": 2_000_000, "failure": failure}))
}

fn connected(address: &str) -> Value {
    at("tcp.attempt", address, json!({"outcome": "connected", "used": true, "elapsed_us": 500}))
}

fn case(stage: &str, left: &str, mut observations: Vec<Value>) -> Report {
    let subject = json!({"leg": {"from": "client", "to": "server", "sample": 0}});
    let data = json!({"role": "fresh", "left": left, "stage": stage});
    observations.push(json!({"kind": "request.trial", "subject": subject, "data": data}));
    judged(&json!({"schema": "reqpath.report/1", "observations": observations}).to_string())
}

fn ruled_out(report: &Report) -> Vec<&str> {
    report.ruled_out.iter().map(|ruled| ruled.code.as_str()).collect()
}

#[test]
fn one_error_number_is_several_causes() {
    let icmp = |code: u8| Some(json!({"kind": 3, "code": code, "offender": "198.51.100.1"}));
    for (symbol, icmp, expected) in [
        ("ECONNREFUSED", None, "tcp.refused"),
        ("ECONNREFUSED", icmp(3), "tcp.administratively_prohibited"),
        ("EHOSTUNREACH", icmp(1), "tcp.address_unreachable"),
        ("EHOSTUNREACH", icmp(13), "tcp.administratively_prohibited"),
        ("ENETUNREACH", icmp(0), "tcp.address_unreachable"),
        ("ENETUNREACH", None, "tcp.no_local_route"),
        ("EPERM", None, "tcp.administratively_prohibited"),
        ("ECONNRESET", None, "tcp.reset"),
        ("ETIMEDOUT", None, "tcp.timed_out"),
        ("ENOMEM", None, "tcp.failed"),
    ] {
        let report = case("tcp", "dead", vec![failed(A, symbol, icmp)]);
        assert_eq!(cause(&report), Some(expected), "{symbol}: {:?}", report.findings);
        assert_eq!(report.findings.len(), 1, "{symbol}: {:?}", report.findings);
    }
    let refused = case("tcp", "dead", vec![failed(A, "ECONNREFUSED", None)]);
    assert!(ruled_out(&refused).contains(&"tcp.administratively_prohibited"), "{:?}", refused.ruled_out);
}

#[test]
fn the_route_tells_whose_no_route_to_host_it_is() {
    let local = at("tcp.route", A, json!({"kind": "unreachable"}));
    let report = case("tcp", "dead", vec![failed(A, "EHOSTUNREACH", None), local]);
    assert_eq!(cause(&report), Some("tcp.no_local_route"));
    assert!(ruled_out(&report).contains(&"tcp.address_unreachable"));
    let neighbour = at("tcp.route", A, json!({"kind": "unicast", "interface": "eth0"}));
    let report = case("tcp", "dead", vec![failed(A, "EHOSTUNREACH", None), neighbour]);
    assert_eq!(cause(&report), Some("tcp.address_unreachable"));
    assert!(ruled_out(&report).contains(&"tcp.no_local_route"));
}

#[test]
fn a_message_of_our_own_kernel_is_a_neighbour_that_does_not_answer() {
    let icmp = Some(json!({"kind": 3, "code": 1, "offender": "198.51.100.20"}));
    let mut attempt = failed(A, "EHOSTUNREACH", icmp);
    attempt["data"]["failure"]["local"] = json!("198.51.100.20:40000");
    let route =
        at("tcp.route", A, json!({"kind": "unicast", "interface": "eth0", "gateway": "198.51.100.1"}));
    let report = case("tcp", "dead", vec![attempt, route]);
    assert_eq!(cause(&report), Some("tcp.address_unreachable"));
    let summary = &report.findings[0].summary;
    assert!(summary.contains("nobody answers for 198.51.100.1 on eth0"), "{summary}");
}

#[test]
fn silence_is_a_full_queue_only_where_the_queue_is_full() {
    let queue = |waiting: u32| at("tcp.listener", A, json!({"queue": {"waiting": waiting, "backlog": 8}}));
    let full = case("tcp", "dead", vec![silent(A), queue(9)]);
    assert_eq!(cause(&full), Some("tcp.accept_queue_full"));
    let dropped = case("tcp", "dead", vec![silent(A), queue(0)]);
    assert_eq!(cause(&dropped), Some("tcp.timed_out"));
    assert!(ruled_out(&dropped).contains(&"tcp.accept_queue_full"), "{:?}", dropped.ruled_out);
    let counters =
        |n: u32| at("tcp.listener", A, json!({"queue": {"waiting": 8, "backlog": 8}, "overflows": n}));
    let rising = case("tcp", "dead", vec![silent(A), counters(3), counters(5)]);
    assert_eq!(cause(&rising), Some("tcp.accept_queue_full"));
    let still = case("tcp", "dead", vec![silent(A), counters(5), counters(5)]);
    assert_eq!(cause(&still), Some("tcp.timed_out"));
}

#[test]
fn a_peer_that_dislikes_our_words_does_not_end_a_silent_connection() {
    let broken = |how: &str| at("tcp.broken", A, json!({"after": "sent", "how": how, "after_us": 1000}));
    let silence =
        |closed: &str, after: u64| at("tcp.silence", A, json!({"closed": closed, "after_us": after}));
    for (how, closed, after, expected) in [
        ("reset", "reset", 900, Some("tcp.reset")),
        // A peer that closes with bytes unread resets the connection that sent them.
        ("reset", "fin", 900, Some("tcp.closed")),
        ("fin", "fin", 900, Some("tcp.closed")),
        ("reset", "none", 1_000_000, None),
        // Its own patience with silent clients is another matter.
        ("reset", "fin", 900_000, None),
    ] {
        let report = case("http", "dead", vec![connected(A), broken(how), silence(closed, after)]);
        assert_eq!(cause(&report), expected, "{how} {closed} {after}");
    }
    let without = case("http", "dead", vec![connected(A), broken("reset")]);
    let Some(Verdict::Unknown { what_would_tell, .. }) = &without.verdict else {
        panic!("{:?}", without.verdict)
    };
    assert!(what_would_tell.iter().any(|look| look.contains("nc -v 192.0.2.7 443")), "{what_would_tell:?}");
    // Watched for less time than the one that spoke had lived.
    let seen = vec![connected(A), broken("reset"), silence("none", 900)];
    let shortly = case("http", "dead", seen);
    let Some(Verdict::Unknown { what_would_tell, .. }) = &shortly.verdict else {
        panic!("{:?}", shortly.verdict)
    };
    assert!(what_would_tell.iter().any(|look| look.contains("nc -v 192.0.2.7 443")), "{what_would_tell:?}");
    assert!(!ruled_out(&shortly).contains(&"tcp.reset"), "{:?}", shortly.ruled_out);
}

#[test]
fn a_dead_address_warns_and_is_not_a_broken_version() {
    let report = case("http", "alive", vec![failed(A, "ECONNREFUSED", None), connected(B)]);
    assert_eq!(warned(&report), ["dns.dead_address", "tcp.refused"]);
    let report = case("http", "alive", vec![silent(SIX), connected(A), connected(B)]);
    assert_eq!(warned(&report), ["dns.broken_family", "tcp.timed_out"]);
    // All dead: the name is not to blame.
    let report = case("tcp", "dead", vec![failed(A, "ECONNREFUSED", None), failed(B, "ECONNREFUSED", None)]);
    assert_eq!(cause(&report), Some("tcp.refused"));
    assert!(warned(&report).is_empty(), "{:?}", warned(&report));
}

#[test]
fn nothing_is_said_of_addresses_that_were_not_dialled() {
    const OTHER_SIX: &str = "[2001:db8::8]:443";
    let summary = |left: Option<u32>| {
        let mut seen = vec![silent(SIX), silent(OTHER_SIX), connected(A)];
        if let Some(left) = left {
            let mut left = at("tcp.not_dialled", A, json!({"dialled": 3, "left": left}));
            left["subject"]["leg"]["address"] = Value::Null;
            seen.push(left);
        }
        let report = case("http", "alive", seen);
        assert_eq!(warned(&report)[0], "dns.broken_family");
        report.findings[0].summary.clone()
    };
    assert!(summary(Some(37)).starts_with("none of the 2 IPv6 addresses dialled answers"));
    assert!(summary(Some(37)).ends_with("; 37 of the 40 addresses were not dialled"));
    let all = summary(None);
    assert!(all.starts_with("none of the 2 IPv6 addresses answers") && !all.contains("dialled"), "{all}");
}

#[test]
fn addresses_that_a_path_declares_are_no_name_s() {
    let leg = |address: &str, sample: u32| json!({"leg": {"from": "edge", "to": "nodes", "address": address, "sample": sample}});
    let mut dead = failed(A, "ECONNREFUSED", None);
    let mut alive = connected(B);
    for other in [B, SIX] {
        (dead["subject"], alive["subject"]) = (leg(A, 7), leg(other, 8));
        let hop = |id: &str, kind: &str, addresses: &[&str]| json!({"id": id, "kind": kind, "addresses": addresses});
        let report = judged(
            &json!({"schema": "reqpath.report/1",
                    "path": {"hops": [hop("client", "client", &[]), hop("edge", "nginx", &[]),
                                      hop("nodes", "node", &[A, other])]},
                    "observations": [dead, alive]})
            .to_string(),
        );
        assert_eq!(warned(&report), ["tcp.refused"]);
    }
}

#[test]
fn a_host_without_ipv6_is_nobodys_fault() {
    let report = case("http", "alive", vec![failed(SIX, "ENETUNREACH", None), connected(A)]);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let alone = case("tcp", "dead", vec![failed(SIX, "ENETUNREACH", None)]);
    assert_eq!(cause(&alone), Some("tcp.no_local_route"));
}

#[test]
fn no_address_to_speak_from_is_not_a_want_of_ports() {
    let ports = |used: u32| at("tcp.ports", A, json!({"first": 40_000, "last": 40_009, "used": used}));
    let attempt = || failed(A, "EADDRNOTAVAIL", None);
    let report = case("tcp", "dead", vec![attempt(), ports(10)]);
    assert_eq!(cause(&report), Some("client.ports_exhausted"));
    let bare = at("tcp.route", A, json!({"kind": "unicast", "interface": "eth0"}));
    let report = case("tcp", "dead", vec![attempt(), ports(0), bare]);
    assert_eq!(cause(&report), Some("tcp.no_local_route"));
}

fn answer(server: &str, address: &str, ttl: u32, more: Value) -> Value {
    let mut data = json!({"server": server, "name": "server.example.", "rcode": "NOERROR",
                          "addresses": [{"address": address, "ttl_s": ttl}]});
    for (key, value) in more.as_object().unwrap() {
        data[key] = value.clone();
    }
    let leg = json!({"from": "client", "to": "server", "sample": 0});
    json!({"kind": "dns.answer", "subject": {"leg": leg}, "data": data})
}

#[test]
fn an_old_address_is_stale_only_when_a_cache_has_it_and_it_is_gone() {
    let zone =
        || answer("203.0.113.1:53", "192.0.2.8", 300, json!({"asked": "authority", "flags": {"aa": true}}));
    let cache = |ttl| answer("198.51.100.53:53", "192.0.2.7", ttl, json!({}));
    let refused = || failed(A, "ECONNREFUSED", None);
    let report = case("tcp", "dead", vec![cache(100), zone(), refused()]);
    assert_eq!(cause(&report), Some("dns.stale_answer"));
    // Another view of the zone: its TTL is the zone's own.
    let report = case("tcp", "dead", vec![cache(300), zone(), refused()]);
    assert_eq!(cause(&report), Some("tcp.refused"));
    // The zone has the address too: it is simply refused.
    let current = answer("203.0.113.1:53", "192.0.2.7", 300, json!({"asked": "authority"}));
    let report = case("tcp", "dead", vec![cache(100), current, refused()]);
    assert_eq!(cause(&report), Some("tcp.refused"));
    // It still serves: nothing died of it.
    let report = case("http", "alive", vec![cache(100), zone(), connected(A)]);
    assert!(!warned(&report).contains(&"dns.stale_answer"));
}

#[test]
fn a_hosts_file_that_agrees_with_the_dns_overrides_nothing() {
    let hosts = |address: &str| {
        let leg = json!({"from": "client", "to": "server", "sample": 0});
        json!({"kind": "client.hosts", "subject": {"leg": leg}, "data": {"file": "/etc/hosts",
               "name": "server.example", "entries": [{"address": address, "line": 3}]}})
    };
    let dns = || answer("198.51.100.53:53", "192.0.2.8", 100, json!({}));
    let report = case("tcp", "dead", vec![hosts("192.0.2.7"), dns(), failed(A, "ECONNREFUSED", None)]);
    assert_eq!(cause(&report), Some("client.hosts_override"));
    let report = case("tcp", "dead", vec![hosts("192.0.2.8"), dns(), failed(B, "ECONNREFUSED", None)]);
    assert_eq!(cause(&report), Some("tcp.refused"));
}

#[test]
fn any_json_is_survived() {
    let hostile = [
        json!(null),
        json!([]),
        json!({"failure": 3}),
        json!({"outcome": "new", "elapsed_us": -1}),
        json!({"queue": {"waiting": 1}}),
        json!({"first": 9, "last": 1, "used": 4}),
        json!({"kind": ""}),
    ];
    let kinds = [
        "tcp.attempt",
        "tcp.listener",
        "tcp.ports",
        "tcp.route",
        "tcp.broken",
        "tcp.silence",
        "tcp.kernel",
        "tcp.descriptors",
    ];
    for data in &hostile {
        let mut observations: Vec<Value> = kinds.iter().map(|kind| at(kind, A, data.clone())).collect();
        observations.push(failed(A, "EADDRNOTAVAIL", None));
        case("tcp", "dead", observations);
    }
}

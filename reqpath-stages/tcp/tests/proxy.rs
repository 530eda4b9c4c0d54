//! A proxy's addresses and the target's: what is seen of the one tells nothing of the other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use reqpath_core::{Catalogue, Report, Verdict};
use serde_json::{Value, json};

const PROXY: &str = "192.0.2.3:3128";
const TARGET: &str = "192.0.2.7:80";

fn at(kind: &str, sample: u32, address: Option<&str>, data: &Value) -> Value {
    let mut leg = json!({"from": "client", "to": "server", "sample": sample});
    if let Some(address) = address {
        leg["address"] = json!(address);
    }
    json!({"kind": kind, "subject": {"leg": leg}, "data": data})
}

fn attempt(sample: u32, address: &str, symbol: Option<&str>) -> Value {
    let data = match symbol {
        None => json!({"outcome": "connected", "used": true, "elapsed_us": 300}),
        Some(symbol) => json!({"outcome": "failed", "elapsed_us": 500,
                               "failure": {"symbol": symbol, "message": "words"}}),
    };
    at("tcp.attempt", sample, Some(address), &data)
}

fn through() -> Value {
    let data = json!({"proxy": {"variable": "http_proxy", "url": "http://proxy.example:3128"}});
    at("client.environment", 0, None, &data)
}

fn trial(sample: u32, role: &str, left: &str, stage: &str) -> Value {
    let by_proxy = if role == "direct" { Value::Null } else { json!("relayed") };
    at(
        "request.trial",
        sample,
        None,
        &json!({"role": role, "left": left, "stage": stage, "by_proxy": by_proxy}),
    )
}

fn judged(observations: &[Value]) -> Report {
    let before = reqpath_client::CAUSES.iter().chain(reqpath_dns::CAUSES);
    let catalogue = Catalogue::new(before.chain(reqpath_tcp::CAUSES).copied()).unwrap();
    let report = json!({"schema": "reqpath.report/1", "observations": observations});
    Report::load(report.to_string().as_bytes()).unwrap().judged(&catalogue)
}

fn codes(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| &*finding.code).collect()
}

#[test]
fn a_proxy_and_a_target_are_not_two_addresses_of_one_name() {
    for (of_proxy, of_target) in [
        (None, Some("ECONNREFUSED")),
        (Some("ECONNREFUSED"), None),
        (Some("ECONNREFUSED"), Some("ECONNREFUSED")),
    ] {
        let died = |symbol: Option<&str>| if symbol.is_some() { ("dead", "tcp") } else { ("alive", "http") };
        let ((front, front_in), (direct, direct_in)) = (died(of_proxy), died(of_target));
        let report = judged(&[
            through(),
            attempt(0, PROXY, of_proxy),
            trial(0, "fresh", front, front_in),
            attempt(1, TARGET, of_target),
            trial(1, "direct", direct, direct_in),
        ]);
        assert!(!codes(&report).contains(&"dns.dead_address"), "{:?}", report.findings);
        let ruled_out = report.ruled_out.iter().any(|out| out.because.contains("2 addresses"));
        assert!(!ruled_out, "{:?}", report.ruled_out);
    }
}

#[test]
fn a_target_of_the_other_ip_version_is_no_broken_version() {
    let report = judged(&[
        through(),
        attempt(0, PROXY, None),
        trial(0, "fresh", "dead", "http"),
        attempt(1, "[2001:db8::7]:80", Some("ECONNREFUSED")),
        trial(1, "direct", "dead", "tcp"),
    ]);
    assert!(!codes(&report).contains(&"dns.broken_family"), "{:?}", report.findings);
}

#[test]
fn one_of_a_proxy_s_own_addresses_or_of_the_target_s_may_still_be_dead() {
    let report = judged(&[
        through(),
        attempt(0, PROXY, None),
        attempt(0, "192.0.2.4:3128", Some("ECONNREFUSED")),
        trial(0, "fresh", "dead", "http"),
        attempt(1, TARGET, Some("ECONNREFUSED")),
        attempt(1, "192.0.2.8:80", None),
        trial(1, "direct", "alive", "http"),
    ]);
    let dead = report.findings.iter().filter(|finding| finding.code == "dns.dead_address");
    let mut dead: Vec<String> = dead.map(|f| format!("{} {:?}", f.summary, f.next)).collect();
    dead.sort();
    let [first, second] = &dead[..] else { panic!("{:?}", report.findings) };
    assert!(
        first.starts_with("192.0.2.4:3128") && first.contains("of 2 addresses dialled 1 answered"),
        "{first}"
    );
    assert!(first.contains("all of the proxy") && first.contains("dig +short proxy.example A"), "{first}");
    assert!(second.starts_with(TARGET) && second.contains("of 2 addresses dialled 1 answered"), "{second}");
    assert!(!second.contains("proxy"), "{second}");
}

#[test]
fn a_dead_proxy_is_named_and_its_server_is_not_blamed() {
    for scheme in ["relayed", "tunnelled"] {
        let mut died = trial(0, "fresh", "dead", "tcp");
        died["data"]["by_proxy"] = json!(scheme);
        let report = judged(&[through(), attempt(0, PROXY, Some("ECONNREFUSED")), died]);
        let Some(Verdict::Died { at, cause, chain, .. }) = &report.verdict else {
            panic!("{:?}", report.verdict)
        };
        assert_eq!((cause.code.as_str(), at.hop.as_str()), ("client.proxy_unreachable", "client"));
        assert!(cause.summary.contains("http://proxy.example:3128"), "{}", cause.summary);
        assert_eq!(*chain, ["tcp.refused", "client.proxy_unreachable"]);
    }
}

#[test]
fn a_proxy_whose_name_stands_for_nothing_is_named_and_a_mute_resolver_is_not_its_fault() {
    let looked_up = |symbol: &str| {
        let data = json!({"name": "proxy.example", "symbol": symbol, "time_us": 900});
        let died = trial(0, "fresh", "dead", "dns");
        judged(&[through(), at("dns.system", 0, None, &data), died])
    };
    let report = looked_up("EAI_NONAME");
    let verdict = report.verdict.as_ref().unwrap();
    let summary = &report.findings.iter().find(|f| f.code == "client.proxy_unreachable").unwrap().summary;
    assert!(summary.contains("proxy.example has no address"), "{summary}");
    assert_ne!(verdict.at().unwrap().hop.as_str(), "server", "{verdict:?}");
    let report = looked_up("EAI_AGAIN");
    assert!(!codes(&report).contains(&"client.proxy_unreachable"), "{:?}", report.findings);
}

#[test]
fn the_same_death_without_a_proxy_and_one_of_this_host_are_not_the_proxy_s() {
    let plain = json!({"role": "fresh", "left": "dead", "stage": "tcp"});
    let plain = judged(&[attempt(0, TARGET, Some("ECONNREFUSED")), at("request.trial", 0, None, &plain)]);
    let at = plain.verdict.as_ref().unwrap().at().unwrap();
    assert_eq!((codes(&plain), at.hop.as_str()), (vec!["tcp.refused"], "server"));
    assert!(at.leg.is_none(), "{at:?}");

    let ours =
        judged(&[through(), attempt(0, PROXY, Some("EADDRNOTAVAIL")), trial(0, "fresh", "dead", "tcp")]);
    assert!(!codes(&ours).contains(&"client.proxy_unreachable"), "{:?}", ours.findings);
}

#[test]
fn what_the_control_met_past_a_dead_proxy_is_no_echo_of_it() {
    let report = judged(&[
        through(),
        attempt(0, PROXY, Some("ECONNREFUSED")),
        trial(0, "fresh", "dead", "tcp"),
        attempt(1, TARGET, Some("ECONNREFUSED")),
        trial(1, "direct", "dead", "tcp"),
    ]);
    let refused = report.findings.iter().filter(|finding| finding.code == "tcp.refused");
    assert_eq!(refused.count(), 2, "{:?}", report.findings);
    let summary = &report.verdict.as_ref().unwrap().cause().unwrap().summary;
    assert!(summary.contains("past the proxy the request dies as well, in tcp"), "{summary}");
}

//! Each cause and its look-alikes on hand-made cases that are hard to make with a server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use reqpath_core::{Catalogue, Report, Verdict};
use serde_json::{Value, json};

const A: &str = "192.0.2.1:53";
const B: &str = "192.0.2.2:53";
const NAME: &str = "www.shop.test";

fn seen(kind: &str, sample: u32, data: &Value) -> Value {
    json!({"kind": kind, "data": data, "subject": {"leg": {"from": "client", "to": "server", "sample": sample}}})
}

fn system(data: &Value) -> Value {
    seen("dns.system", 0, data)
}

fn failed(symbol: &str) -> Value {
    system(&json!({"name": NAME, "symbol": symbol, "message": "words"}))
}

fn resolved(address: &str) -> Value {
    system(&json!({"name": NAME, "addresses": [address]}))
}

fn answer(server: &str, data: Value) -> Value {
    let mut data = data;
    data["server"] = server.into();
    if data["name"].is_null() {
        data["name"] = format!("{NAME}.").into();
    }
    seen("dns.answer", 0, &data)
}

fn address(server: &str, address: &str) -> Value {
    answer(server, json!({"rcode": "NOERROR", "addresses": [{"address": address, "ttl_s": 60}]}))
}

fn ended(left: &str) -> Value {
    seen("request.trial", 0, &json!({"role": "fresh", "left": left, "stage": "dns"}))
}

fn judged(observations: &[Value]) -> Report {
    let report = json!({"schema": "reqpath.report/1", "observations": observations});
    let catalogue = Catalogue::new(reqpath_dns::CAUSES.iter().copied()).unwrap();
    Report::load(report.to_string().as_bytes()).unwrap().judged(&catalogue)
}

fn codes(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| &*finding.code).collect()
}

#[track_caller]
fn died_of(observations: &[Value]) -> String {
    let mut observations = observations.to_vec();
    observations.push(ended("dead"));
    let report = judged(&observations);
    match &report.verdict {
        Some(Verdict::Died { cause, .. }) => cause.code.clone(),
        other => panic!("{other:?} {:?}", codes(&report)),
    }
}

#[track_caller]
fn warned(observations: &[Value]) -> Vec<String> {
    let mut observations = observations.to_vec();
    observations.push(ended("alive"));
    codes(&judged(&observations)).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_temporary_failure_is_not_explained_by_a_plain_no() {
    let no = || answer(A, json!({"rcode": "NXDOMAIN"}));
    assert_eq!(died_of(&[failed("EAI_NONAME"), no()]), "dns.name_not_resolved");
    assert_eq!(died_of(&[failed("EAI_AGAIN"), no()]), "dns.system_resolver_failed");
    // With a silent server beside it, it is.
    let silent = answer(B, json!({"timed_out": true}));
    assert_eq!(died_of(&[failed("EAI_AGAIN"), no(), silent]), "dns.name_not_resolved");
}

#[test]
fn the_system_s_word_alone_is_said_to_be_alone() {
    let code = died_of(&[failed("EAI_NONAME")]);
    assert_eq!(code, "dns.system_resolver_failed");
    // A look that was cut short is no evidence of silence.
    assert_eq!(died_of(&[failed("EAI_AGAIN"), answer(A, json!({}))]), "dns.system_resolver_failed");
}

#[test]
fn a_failure_of_the_moment_is_not_a_bad_signature() {
    let failure = || answer(A, json!({"rcode": "SERVFAIL"}));
    let unchecked = || {
        answer(
            A,
            json!({"rcode": "NOERROR", "checking_disabled": true, "addresses": [{"address": "192.0.2.7"}]}),
        )
    };
    let again = |rcode: &str| answer(A, json!({"rcode": rcode, "again": true}));
    let death = || failed("EAI_AGAIN");
    assert_eq!(died_of(&[death(), failure(), unchecked(), again("SERVFAIL")]), "dns.dnssec_bogus");
    assert_eq!(died_of(&[death(), failure(), unchecked(), again("NOERROR")]), "dns.server");
    assert_eq!(died_of(&[death(), failure()]), "dns.server");
    // Another server's unchecked data say nothing of this one.
    let other = answer(
        B,
        json!({"rcode": "NOERROR", "checking_disabled": true, "addresses": [{"address": "192.0.2.7"}]}),
    );
    assert_eq!(
        died_of(&[death(), failure(), answer(B, json!({"rcode": "SERVFAIL"})), other]),
        "dns.dnssec_bogus"
    );
}

#[test]
fn a_server_that_failed_outweighs_one_that_is_silent() {
    let silent = || answer(A, json!({"timed_out": true}));
    let failure = || answer(B, json!({"rcode": "SERVFAIL"}));
    assert_eq!(died_of(&[failed("EAI_AGAIN"), silent(), failure()]), "dns.server");
    let unreachable = || answer(B, json!({"unreachable": true, "error": "Connection refused"}));
    assert_eq!(died_of(&[failed("EAI_AGAIN"), silent(), unreachable()]), "dns.timed_out");
    assert_eq!(died_of(&[failed("EAI_AGAIN"), unreachable()]), "dns.unreachable");
}

#[test]
fn a_name_that_dns_does_not_know_and_the_system_does_is_no_fault() {
    for rcode in ["NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR"] {
        assert!(warned(&[resolved("192.0.2.7"), answer(A, json!({"rcode": rcode}))]).is_empty(), "{rcode}");
    }
}

#[test]
fn one_family_that_fails_beside_one_that_works_is_a_warning() {
    let six = |data: Value| {
        let mut data = data;
        data["record_type"] = "AAAA".into();
        answer(A, data)
    };
    let four = || address(A, "192.0.2.7");
    let road = || resolved("192.0.2.7");
    assert_eq!(warned(&[road(), four(), six(json!({"rcode": "SERVFAIL"}))]), ["dns.server"]);
    assert_eq!(warned(&[road(), four(), six(json!({"timed_out": true}))]), ["dns.timed_out"]);
    assert!(warned(&[road(), four(), six(json!({"rcode": "NOERROR"}))]).is_empty());
}

#[test]
fn the_order_of_addresses_is_no_disagreement() {
    let two = |server, first: &str, second: &str| {
        answer(server, json!({"rcode": "NOERROR", "addresses": [{"address": first}, {"address": second}]}))
    };
    let road = || resolved("192.0.2.7");
    let (one, other) = ("192.0.2.7", "192.0.2.8");
    assert!(warned(&[road(), two(A, one, other), two(B, other, one)]).is_empty());
    assert_eq!(warned(&[road(), two(A, one, other), two(B, other, "192.0.2.9")]), ["dns.resolvers_disagree"]);
}

#[test]
fn only_a_name_that_was_turned_into_another_is_a_mismatch() {
    let search = seen(
        "dns.search",
        0,
        &json!({"name": NAME, "ndots": 5, "names": [format!("{NAME}.corp.test."), format!("{NAME}.")]}),
    );
    let astray = || {
        answer(
            A,
            json!({"name": format!("{NAME}.corp.test."), "rcode": "NOERROR", "addresses": [{"address": "10.9.9.9"}]}),
        )
    };
    let own = || address(A, "192.0.2.7");
    assert_eq!(warned(&[resolved("10.9.9.9"), search.clone(), astray(), own()]), ["dns.search_mismatch"]);
    // The hosts file, or a resolver of other habits, gave the right one all the same.
    assert!(warned(&[resolved("192.0.2.7"), search.clone(), astray(), own()]).is_empty());
    // The name itself does not exist: it was meant to be searched for.
    let none = answer(A, json!({"rcode": "NXDOMAIN"}));
    assert!(warned(&[resolved("10.9.9.9"), search, astray(), none]).is_empty());
}

#[test]
fn the_sample_that_failed_is_the_one_that_is_judged() {
    let of = |sample: u32, rcode: &str, addresses: Value| {
        seen(
            "dns.answer",
            sample,
            &json!({"server": A, "name": format!("{NAME}."), "rcode": rcode, "addresses": addresses, "on_road": true}),
        )
    };
    let road = |sample: u32, addresses: Value| {
        seen("dns.resolution", sample, &json!({"name": NAME, "addresses": addresses}))
    };
    let trial = |sample: u32, left: &str| {
        seen("request.trial", sample, &json!({"role": "fresh", "left": left, "stage": "dns"}))
    };
    let report = judged(&[
        road(0, json!(["192.0.2.7"])),
        of(0, "NOERROR", json!([{"address": "192.0.2.7"}])),
        trial(0, "alive"),
        road(1, json!([])),
        of(1, "SERVFAIL", json!([])),
        trial(1, "dead"),
        road(2, json!(["192.0.2.7"])),
        of(2, "NOERROR", json!([{"address": "192.0.2.7"}])),
        trial(2, "alive"),
    ]);
    match &report.verdict {
        Some(Verdict::Degraded { cause: Some(cause), .. }) => assert_eq!(cause.code, "dns.server"),
        other => panic!("{other:?}"),
    }
}

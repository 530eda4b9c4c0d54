//! Every example yields its cause with the way to it, and every twin is told apart.

use reqpath_core::{At, Catalogue, Report, Verdict, Weight};
use serde_json::{Value, json};

use super::CAUSES;

fn catalogue() -> Catalogue {
    let crates = [
        reqpath_client::CAUSES,
        reqpath_dns::CAUSES,
        reqpath_tcp::CAUSES,
        reqpath_tls::CAUSES,
        reqpath_http::CAUSES,
        CAUSES,
    ];
    Catalogue::new(crates.into_iter().flatten().copied()).unwrap()
}

fn judged(report: &Value) -> Report {
    Report::load(report.to_string().as_bytes()).unwrap().judged(&catalogue())
}

fn died(report: &Report) -> (&At, &str, &[String]) {
    match report.verdict.as_ref().unwrap() {
        Verdict::Died { at, cause, chain, .. } => (at, &cause.code, chain),
        other => panic!("{other:#?}\n{:#?}", report.findings),
    }
}

/// The application answers 500, and this is what an entry at its database met, seen from `from`.
fn behind_500(from: &str, stage: &str, mut seen: Vec<Value>) -> Value {
    let leg = json!({"from": from, "to": "prices", "sample": 10});
    for one in &mut seen {
        let mut leg = leg.clone();
        if one.get("address").is_some() {
            leg["address"] = one["address"].take();
        }
        one["subject"] = json!({"leg": leg});
        one.as_object_mut().unwrap().remove("address");
    }
    let left = if stage == "alive" { "alive" } else { "dead" };
    let stage = if stage == "alive" { "db" } else { stage };
    let mut observations = vec![
        json!({"kind": "http.exchange",
               "subject": {"leg": {"from": "client", "to": "shop", "address": "192.0.2.7:80", "sample": 0}},
               "data": {"request": {"url": "http://shop.example/"}, "version": "HTTP/1.1", "status": 500,
                        "end": "complete"}}),
        json!({"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "shop", "sample": 0}},
               "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
                        "answer": "HTTP/1.1 500"}}),
    ];
    observations.extend(seen);
    observations.push(json!({"kind": "request.trial", "subject": {"leg": leg},
                             "data": {"role": "inner", "left": left, "stage": stage, "elapsed_us": 900}}));
    json!({"schema": "reqpath.report/1",
           "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "shop", "kind": "pod"},
                             {"id": "prices", "kind": "db", "branch_of": "shop"}]},
           "observations": observations})
}

fn attempt(failure: Value) -> Value {
    json!({"kind": "tcp.attempt", "address": "10.0.0.5:5432",
           "data": {"outcome": "failed", "elapsed_us": 500, "failure": failure}})
}

fn refused() -> Value {
    attempt(json!({"errno": 111, "symbol": "ECONNREFUSED", "message": "Connection refused"}))
}

fn asked(mode: &str, mut data: Value) -> Value {
    data["mode"] = json!(mode);
    json!({"kind": "db.ssl_request", "address": "10.0.0.5:5432", "data": data})
}

fn untrusted() -> Value {
    json!({"kind": "tls.handshake", "address": "10.0.0.5:5432",
           "data": {"host": "prices.example", "ended": "refused",
                    "error": "invalid peer certificate: UnknownIssuer",
                    "verification": {"verdict": "refused", "reason": "unknown_issuer"},
                    "chain": [{"subject": "CN=prices.example", "issuer": "CN=Cloud Database CA"}]}})
}

#[test]
fn every_example_yields_its_cause() {
    for cause in CAUSES {
        let example = cause.doc.example().expect(cause.code);
        let report = judged(&serde_json::from_str(&example).expect(cause.code));
        let (at, code, chain) = died(&report);
        assert_eq!(code, cause.code);
        assert_eq!((at.hop.as_str(), chain.first().map(String::as_str)), ("prices", Some("http.error")));
    }
}

#[test]
fn the_chain_shows_how_it_showed_on_the_databases_leg() {
    let report = judged(&behind_500("shop", "tcp", vec![refused()]));
    assert_eq!(died(&report).2, ["http.error", "tcp.refused", "db.unreachable"]);
    let finding = report.findings.iter().find(|finding| finding.code == "db.unreachable").unwrap();
    assert_eq!(
        finding.summary,
        "the database `prices` cannot be reached from `shop`: 10.0.0.5:5432 refused the connection"
    );
    assert!(finding.cites.len() >= 2 && finding.weight == Weight::Fatal);
    assert_eq!(report.next[0], "pg_isready -h 10.0.0.5 -p 5432   # on shop");

    let lookup = json!({"kind": "dns.system", "data": {"name": "prices.example", "symbol": "EAI_NONAME",
                        "message": "Name or service not known", "time_us": 3000}});
    let report = judged(&behind_500("shop", "dns", vec![lookup]));
    let (at, code, chain) = died(&report);
    assert_eq!((code, at.leg.is_some()), ("db.unreachable", true));
    assert_eq!(chain.len(), 3, "{chain:?}");
    assert!(chain[1].starts_with("dns."), "{chain:?}");

    let seen = vec![asked("verify-full", json!({"answer": "accepted"})), untrusted()];
    let report = judged(&behind_500("shop", "tls", seen));
    assert_eq!(died(&report).2, ["http.error", "tls.cert.authority_invalid", "db.tls_failed"]);
}

#[test]
fn what_takes_the_connection_and_is_no_database_is_none() {
    let cases = [
        (json!({"answer": "closed", "elapsed_us": 900}), "closed the connection without an answer after 900"),
        (json!({"answer": "silent"}), "took the connection and said nothing"),
        (json!({"answer": "reset"}), "reset the connection without an answer"),
        (json!({"answer": "foreign", "first_bytes": "HTTP/1.1 400"}), "speaks HTTP, not PostgreSQL"),
        (json!({"answer": "foreign", "first_bytes": "J\\u{0}\\u{0}\\u{0}\\n8.0.36"}), "speaks MySQL"),
        (json!({"answer": "error", "error": {"message": "could not fork"}}), "an error: could not fork"),
        (json!({}), "had not answered when the time was up"),
    ];
    for (data, words) in cases {
        let report = judged(&behind_500("shop", "db", vec![asked("prefer", data)]));
        let (_, code, _) = died(&report);
        let summary = &report.verdict.as_ref().unwrap().cause().unwrap().summary;
        assert!(code == "db.unreachable" && summary.contains(words), "{code}: {summary}");
    }
}

#[test]
fn a_server_may_demand_tls_itself() {
    let error = json!({"severity": "FATAL", "code": "28000",
                       "message": "no pg_hba.conf entry for host \"10.0.0.9\", user \"app\", no encryption"});
    let data = json!({"answer": "error", "error": error});
    let report = judged(&behind_500("shop", "db", vec![asked("prefer", data)]));
    let (at, code, _) = died(&report);
    assert_eq!((code, at.hop.as_str()), ("db.tls_required", "shop"));
    assert!(!report.findings.iter().any(|finding| finding.code == "db.unreachable"));
}

#[test]
fn twins_are_not_blamed() {
    let ruled_out = |report: &Report| report.ruled_out.iter().map(|r| r.code.to_string()).collect::<Vec<_>>();
    let report = judged(&behind_500("shop", "db", vec![asked("require", json!({"answer": "refused"}))]));
    assert_eq!(died(&report).1, "db.tls_required");
    assert_eq!(ruled_out(&report), ["db.unreachable", "db.tls_failed"]);

    let seen = vec![asked("verify-full", json!({"answer": "accepted"})), untrusted()];
    let report = judged(&behind_500("shop", "tls", seen));
    assert_eq!(died(&report).1, "db.tls_failed");
    assert_eq!(ruled_out(&report).iter().filter(|code| code.starts_with("db.")).count(), 2);
}

#[test]
fn a_database_that_works_is_not_blamed() {
    let fine = [
        vec![asked("prefer", json!({"answer": "refused"}))],
        vec![asked("disable", json!({"answer": "refused"}))],
        vec![asked("require", json!({"answer": "accepted"}))],
    ];
    for seen in fine {
        let report = judged(&behind_500("shop", "alive", seen));
        assert!(!report.findings.iter().any(|f| f.code.starts_with("db.")), "{:#?}", report.findings);
        assert_eq!(died(&report).1, "http.error");
    }
    // One who merely prefers TLS goes on in the clear: worth saying, and no death.
    let seen = vec![asked("prefer", json!({"answer": "accepted"})), untrusted()];
    let report = judged(&behind_500("shop", "alive", seen));
    let finding = report.findings.iter().find(|finding| finding.code == "db.tls_failed").unwrap();
    assert_eq!(finding.weight, Weight::Warning);
    assert_eq!(died(&report).1, "http.error");
}

#[test]
fn what_another_place_cannot_reach_this_one_may() {
    let report = judged(&behind_500("client", "tcp", vec![refused()]));
    assert!(!report.findings.iter().any(|finding| finding.code == "db.unreachable"));
}

#[test]
fn an_application_without_ports_is_its_own_trouble() {
    let failure =
        json!({"errno": 99, "symbol": "EADDRNOTAVAIL", "message": "Cannot assign requested address"});
    let report = judged(&behind_500("shop", "tcp", vec![attempt(failure)]));
    assert!(
        !report.findings.iter().any(|finding| finding.code == "db.unreachable"),
        "{:#?}",
        report.findings
    );
}

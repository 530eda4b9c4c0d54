//! Every cause by its own example, and every twin that must not be blamed.

use reqpath_core::{Catalogue, Finding, Report, Verdict, Weight};
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

fn code(report: &Report) -> &str {
    report.verdict.as_ref().and_then(Verdict::cause).map_or("", |cause| cause.code.as_str())
}

fn hop(report: &Report) -> &str {
    report.verdict.as_ref().and_then(Verdict::at).map_or("", |at| at.hop.as_str())
}

fn chain(report: &Report) -> Vec<&str> {
    match report.verdict.as_ref().unwrap() {
        Verdict::Died { chain, .. } | Verdict::Degraded { chain, .. } => {
            chain.iter().map(String::as_str).collect()
        }
        _ => Vec::new(),
    }
}

fn kind(report: &Report) -> &str {
    report.verdict.as_ref().map_or("", Verdict::kind)
}

fn found<'a>(report: &'a Report, code: &str) -> Option<&'a Finding> {
    report.findings.iter().find(|finding| finding.code == code)
}

/// The report of a cause's own example.
fn example(code: &str) -> Value {
    let cause = CAUSES.iter().find(|cause| cause.code == code).unwrap();
    serde_json::from_str(&cause.doc.example().unwrap()).unwrap()
}

/// The same with one thing in it changed.
fn changed(code: &str, pointer: &str, to: Value) -> Value {
    let mut report = example(code);
    *report.pointer_mut(pointer).unwrap_or_else(|| panic!("{code} has no {pointer}")) = to;
    report
}

/// A report of the road client → gateway → shop, with these hops' own settings.
fn road(hops: &Value, caller: &Value, observations: Vec<Value>) -> Value {
    let mut all = vec![json!({"kind": "road.declared", "subject": "path", "data": {"caller": caller}})];
    all.extend(observations);
    let client = json!({"id": "client", "kind": "client"});
    let hops: Vec<Value> = std::iter::once(client).chain(hops.as_array().unwrap().iter().cloned()).collect();
    json!({"schema": "reqpath.report/1", "path": {"hops": hops, "caller": caller}, "observations": all})
}

/// A request between two hops that was answered so after this time.
fn answered(from: &str, to: &str, sample: u32, status: u16, after_ms: u64) -> Vec<Value> {
    let us = after_ms * 1000;
    let role = if sample < 10 { "fresh" } else { "inner" };
    let leg = json!({"leg": {"from": from, "to": to, "address": "10.0.0.9:8080", "sample": sample}});
    let trial = json!({"leg": {"from": from, "to": to, "sample": sample}});
    vec![
        json!({"kind": "tcp.attempt", "subject": leg,
               "data": {"outcome": "connected", "used": true, "elapsed_us": 300}}),
        json!({"kind": "http.exchange", "subject": leg,
               "data": {"request": {"url": "http://shop.example/"}, "request_sent_us": 50, "first_byte_us": us + 50,
                        "ended_us": us + 90, "version": "HTTP/1.1", "status": status, "end": "complete"}}),
        json!({"kind": "request.trial", "subject": trial,
               "data": {"role": role, "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
                        "answer": format!("HTTP/1.1 {status}"), "elapsed_us": us + 500}}),
    ]
}

/// A request between two hops that was waited for in vain, for this long.
fn silent(from: &str, to: &str, sample: u32, for_ms: u64) -> Vec<Value> {
    let us = for_ms * 1000;
    let role = if sample < 10 { "fresh" } else { "inner" };
    let leg = json!({"leg": {"from": from, "to": to, "address": "10.0.0.9:8080", "sample": sample}});
    let trial = json!({"leg": {"from": from, "to": to, "sample": sample}});
    vec![
        json!({"kind": "tcp.attempt", "subject": leg,
               "data": {"outcome": "connected", "used": true, "elapsed_us": 300}}),
        json!({"kind": "http.exchange", "subject": leg,
               "data": {"request": {"url": "http://shop.example/"}, "request_sent_us": 50, "ended_us": us + 50,
                        "bytes_sent": 90, "end": "timed_out"}}),
        json!({"kind": "request.trial", "subject": trial,
               "data": {"role": role, "left": "dead", "stage": "http", "sent": true, "out_of_time": true,
                        "elapsed_us": us + 500, "limit_us": us + 500}}),
    ]
}

/// The kernel's figures of a connection on which so much was sent again.
fn kernel(total_retrans: u32, rto_us: u64) -> Value {
    let mut figures = reqpath_core::KernelInfo::default();
    (figures.total_retrans, figures.rto_us) = (total_retrans, reqpath_core::Micros(rto_us));
    serde_json::to_value(figures).unwrap()
}

fn gateway(timeouts: Value) -> Value {
    json!({"id": "gateway", "kind": "nginx", "timeouts": timeouts})
}

fn shop(budget_us: Option<u64>) -> Value {
    match budget_us {
        Some(budget) => json!({"id": "shop", "kind": "pod", "budget_us": budget}),
        None => json!({"id": "shop", "kind": "pod"}),
    }
}

fn one_second() -> Value {
    json!({"connect_us": 1_000_000, "read_us": 1_000_000, "tries": 1})
}

#[test]
fn every_example_yields_its_cause() {
    for cause in CAUSES {
        let report = judged(&example(cause.code));
        let finding =
            found(&report, cause.code).unwrap_or_else(|| panic!("{}: {:#?}", cause.code, report.findings));
        if cause.only_warns {
            assert_eq!((finding.weight, kind(&report)), (Weight::Warning, "reached"), "{}", cause.code);
        } else {
            assert_eq!(code(&report), cause.code, "{:#?} {:#?}", report.verdict, report.findings);
        }
        assert!(
            !finding.next.is_empty() || finding.error.is_some(),
            "{} says nothing to do next",
            cause.code
        );
        let stored = serde_json::to_vec(&report).unwrap();
        let again = Report::load(&stored).unwrap().judged(&catalogue());
        assert_eq!(again.verdict, report.verdict, "{}", cause.code);
        assert_eq!(again.findings, report.findings, "{}", cause.code);
    }
}

#[test]
fn a_plain_url_is_not_spoken_of() {
    let mut observations = answered("client", "server", 0, 500, 3000);
    observations.insert(
        0,
        json!({"kind": "dns.system",
        "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
        "data": {"name": "a.example", "addresses": ["192.0.2.1"]}}),
    );
    let report = judged(&json!({"schema": "reqpath.report/1", "observations": observations}));
    assert_eq!(code(&report), "http.error");
    assert!(CAUSES.iter().all(|cause| found(&report, cause.code).is_none()));
}

#[test]
fn chains_lead_from_the_symptom_inwards() {
    let chains: [(&str, &str, &[&str]); 5] = [
        ("pod.slow", "shop", &["http.error", "pod.slow"]),
        ("pod.app_error", "shop", &["http.error", "pod.app_error"]),
        ("proxy.timeout_budget_inverted", "gateway", &["http.error", "proxy.timeout_budget_inverted"]),
        (
            "pod.dependency_failed",
            "prices",
            &["http.error", "pod.app_error", "tcp.refused", "pod.dependency_failed"],
        ),
        ("pod.dependency_slow", "prices", &["http.error", "pod.slow", "pod.dependency_slow"]),
    ];
    for (code, place, expected) in chains {
        let report = judged(&example(code));
        assert_eq!((hop(&report), chain(&report)), (place, expected.to_vec()), "{code}");
        let Some(Verdict::Died { also, .. }) = &report.verdict else {
            panic!("{code}: {:?}", report.verdict)
        };
        assert!(also.is_empty(), "{code}: {also:?}");
    }
}

#[test]
fn an_inversion_that_did_not_fire_is_a_warning_and_blames_nobody() {
    let hops = json!([gateway(one_second()), shop(Some(5_000_000))]);
    let well = judged(&road(&hops, &json!({}), answered("client", "gateway", 0, 200, 20)));
    let finding = found(&well, "proxy.timeout_budget_inverted").unwrap();
    assert_eq!((kind(&well), finding.weight), ("reached", Weight::Warning));

    // A quick 502 is not the end of anybody's patience.
    let mut seen = answered("client", "gateway", 0, 502, 3);
    seen.extend(answered("gateway", "shop", 10, 200, 3200));
    let quick = judged(&road(&hops, &json!({}), seen));
    assert!(found(&quick, "proxy.timeout_budget_inverted").is_none(), "{:?}", quick.findings);

    // Nor is a quick refusal, nor an answer that is not what was expected.
    let mut seen = answered("client", "gateway", 0, 403, 3);
    seen[1]["data"]["headers"] = json!([["server", "nginx"]]);
    seen[1]["data"]["body"] =
        json!({"received": 60, "start": "<center><h1>403 Forbidden</h1></center><hr><center>nginx</center>"});
    let mut other = answered("client", "gateway", 0, 200, 3);
    other[1]["data"]["body_holds"] = json!(false);
    let mut other = road(&hops, &json!({}), other);
    other["target"] = json!({"url": "http://shop.example/", "expect": {"body": "a cart"}});
    for report in [road(&hops, &json!({}), seen), other] {
        let report = judged(&report);
        assert_ne!(kind(&report), "reached", "{:?}", report.verdict);
        assert!(found(&report, "proxy.timeout_budget_inverted").is_none(), "{:?}", report.findings);
    }
}

#[test]
fn where_a_log_leads_the_request_that_entered_there_has_the_finer_name() {
    let hops = json!([gateway(json!({})), shop(None)]);
    let mut seen = answered("client", "gateway", 0, 500, 20);
    seen.push(json!({"kind": "proxy.access",
        "subject": {"leg": {"from": "gateway", "to": "shop", "address": "10.0.0.9:8080", "sample": 0}},
        "data": {"hop": "gateway", "log": "/var/log/nginx/access.log", "status": 500, "tells_upstream": true,
                 "tries": [{"address": "10.0.0.9:8080", "status": 500}]}}));
    let told = |mut inner: Vec<Value>| {
        inner.extend(seen.iter().cloned());
        judged(&road(&hops, &json!({}), inner))
    };
    let same = told(answered("gateway", "shop", 10, 500, 5));
    assert_eq!((code(&same), hop(&same)), ("pod.app_error", "shop"), "{:#?}", same.findings);
    assert_eq!(chain(&same), ["http.error", "pod.app_error"]);
    // Another answer is another matter.
    let other = told(answered("gateway", "shop", 10, 503, 5));
    assert_eq!((code(&other), hop(&other)), ("http.error", "shop"), "{:#?}", other.findings);
}

#[test]
fn an_answer_over_budget_is_slow_and_one_within_it_is_not() {
    let hops = |budget| json!([gateway(one_second()), shop(Some(budget))]);
    let mut seen = answered("client", "gateway", 0, 504, 1000);
    seen.extend(answered("gateway", "shop", 10, 200, 3200));
    let over = judged(&road(&hops(2_000_000), &json!({}), seen.clone()));
    assert_eq!((code(&over), hop(&over)), ("pod.slow", "shop"), "{:#?}", over.findings);
    assert!(found(&over, "proxy.timeout_budget_inverted").is_none());
    let within = judged(&road(&hops(4_000_000), &json!({}), seen));
    assert_eq!((code(&within), hop(&within)), ("proxy.timeout_budget_inverted", "gateway"));
    assert!(found(&within, "pod.slow").is_none());
    let because = within.ruled_out.iter().find(|twin| twin.code == "pod.slow").unwrap();
    assert!(because.because.contains("its budget is 4 s"), "{}", because.because);
}

#[test]
fn without_a_budget_the_patience_of_those_before_counts() {
    let mut seen = answered("client", "gateway", 0, 504, 1000);
    seen.extend(answered("gateway", "shop", 10, 200, 3200));
    let declared = judged(&road(&json!([gateway(one_second()), shop(None)]), &json!({}), seen.clone()));
    assert_eq!(code(&declared), "pod.slow");
    let summary = &found(&declared, "pod.slow").unwrap().summary;
    assert!(summary.contains("gateway waits 1 s for it"), "{summary}");
    let observed = judged(&road(&json!([gateway(json!({})), shop(None)]), &json!({}), seen));
    assert_eq!(code(&observed), "pod.slow");
    let summary = &found(&observed, "pod.slow").unwrap().summary;
    assert!(summary.contains("given up after 1.00 s"), "{summary}");
}

#[test]
fn a_slow_network_is_not_a_slow_application() {
    let mut report = example("pod.slow");
    *report.pointer_mut("/observations/3/data/elapsed_us").unwrap() = json!(3_000_000);
    assert!(found(&judged(&report), "pod.slow").is_none(), "connecting took as long");
    let mut report = example("pod.slow");
    let again = json!({"kind": "tcp.kernel",
        "subject": {"leg": {"from": "gateway", "to": "shop", "address": "10.0.0.9:8080", "sample": 10}},
        "data": kernel(3, 1_000_000)});
    report["observations"].as_array_mut().unwrap().push(again);
    assert!(found(&judged(&report), "pod.slow").is_none(), "most of it was lost on the way");
}

#[test]
fn quick_applications_behind_a_504_are_not_slow() {
    let mut seen = answered("client", "gateway", 0, 504, 1000);
    seen.extend(answered("gateway", "shop", 10, 200, 3));
    let report = judged(&road(&json!([gateway(json!({})), shop(Some(500_000))]), &json!({}), seen));
    assert!(found(&report, "pod.slow").is_none());
    assert_ne!(hop(&report), "shop", "{:?}", report.verdict);
}

#[test]
fn slow_and_answered_in_time_all_the_same_is_a_warning() {
    let mut seen = answered("client", "gateway", 0, 200, 3200);
    seen.extend(answered("gateway", "shop", 10, 200, 3200));
    let report = judged(&road(&json!([gateway(json!({})), shop(Some(500_000))]), &json!({}), seen));
    assert_eq!((kind(&report), found(&report, "pod.slow").unwrap().weight), ("reached", Weight::Warning));
    let mut seen = answered("client", "gateway", 0, 200, 320);
    seen.extend(answered("gateway", "shop", 10, 200, 310));
    let report = judged(&road(&json!([gateway(json!({})), shop(Some(500_000))]), &json!({}), seen));
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[test]
fn silence_is_slow_only_where_a_budget_says_so() {
    let mut seen = silent("client", "gateway", 0, 2000);
    seen.extend(silent("gateway", "shop", 10, 2000));
    let budget = judged(&road(&json!([gateway(json!({})), shop(Some(500_000))]), &json!({}), seen.clone()));
    assert_eq!((code(&budget), hop(&budget)), ("pod.slow", "shop"), "{:#?}", budget.verdict);
    let none = judged(&road(&json!([gateway(json!({})), shop(None)]), &json!({}), seen));
    assert_eq!(code(&none), "http.response.timed_out", "{:#?}", none.verdict);
}

#[test]
fn an_error_page_of_a_proxy_is_not_the_applications() {
    let page = "<html>\\r\\n<head><title>500 Internal Server Error</title></head>\\r\\n<body>\\r\\n<center><h1>500 Internal Server Error</h1></center>\\r\\n<hr><center>nginx/1.22.1</center>\\r\\n</body>";
    let mut report = changed("pod.app_error", "/observations/2/data/body/start", json!(page));
    *report.pointer_mut("/observations/2/data").unwrap() = {
        let mut data = report.pointer("/observations/2/data").unwrap().clone();
        data["headers"] = json!([["server", "nginx/1.22.1"]]);
        data
    };
    assert!(found(&judged(&report), "pod.app_error").is_none());
}

#[test]
fn an_application_may_send_502_and_504_of_its_own() {
    for status in [502, 503, 504] {
        let mut seen = answered("client", "gateway", 0, status, 4);
        seen.extend(answered("gateway", "shop", 10, status, 3));
        let report = judged(&road(&json!([gateway(json!({})), shop(None)]), &json!({}), seen));
        assert_eq!(
            (code(&report), hop(&report)),
            ("pod.app_error", "shop"),
            "{status}: {:#?}",
            report.verdict
        );
    }
}

#[test]
fn an_error_made_at_once_was_not_waited_for() {
    for (front, shop_status, expected) in [(504, 504, "pod.app_error"), (504, 200, "http.error")] {
        let mut seen = answered("client", "gateway", 0, front, 1);
        seen.extend(answered("gateway", "shop", 10, shop_status, 3));
        let report = judged(&road(&json!([gateway(json!({})), shop(None)]), &json!({}), seen));
        assert!(found(&report, "pod.slow").is_none(), "{:#?}", report.findings);
        assert!(expected == "http.error" || code(&report) == expected, "{:#?}", report.verdict);
    }
    // Late and failing: what came through is the error, and not the wait.
    let mut seen = answered("client", "gateway", 0, 500, 3000);
    seen.extend(answered("gateway", "shop", 10, 500, 3000));
    let report = judged(&road(&json!([gateway(json!({})), shop(Some(500_000))]), &json!({}), seen));
    assert_eq!((code(&report), hop(&report)), ("pod.app_error", "shop"), "{:#?}", report.verdict);
}

#[test]
fn an_error_that_was_expected_there_is_none() {
    let mut hops = json!([gateway(json!({})), shop(None)]);
    hops[1]["expect"] = json!({"status": ["503"]});
    let mut seen = answered("client", "gateway", 0, 200, 4);
    seen.extend(answered("gateway", "shop", 10, 503, 3));
    let report = judged(&road(&hops, &json!({}), seen));
    assert_eq!(kind(&report), "reached");
    assert!(found(&report, "pod.app_error").is_none());
}

#[test]
fn a_proxys_own_error_is_not_the_applications() {
    let mut seen = answered("client", "gateway", 0, 500, 4);
    seen.extend(answered("gateway", "shop", 10, 200, 3));
    let report = judged(&road(&json!([gateway(json!({})), shop(None)]), &json!({}), seen));
    assert!(found(&report, "pod.app_error").is_none());
    assert_eq!(hop(&report), "gateway", "{:?}", report.verdict);
}

#[test]
fn a_dead_dependency_of_an_application_that_works_is_a_warning() {
    let mut report = example("pod.dependency_failed");
    for place in [0, 2] {
        report["observations"][place]["data"]["status"] = json!(200);
        report["observations"][place + 1]["data"]["answer"] = json!("HTTP/1.1 200");
    }
    let report = judged(&report);
    assert_eq!(kind(&report), "reached");
    assert_eq!(found(&report, "pod.dependency_failed").unwrap().weight, Weight::Warning);
}

#[test]
fn a_dependency_that_answers_is_not_blamed() {
    let mut seen = answered("client", "gateway", 0, 500, 4);
    seen.extend(answered("gateway", "shop", 10, 500, 3));
    seen.extend(answered("shop", "prices", 11, 200, 2));
    let mut prices = shop(None);
    (prices["id"], prices["branch_of"]) = (json!("prices"), json!("shop"));
    let report = judged(&road(&json!([gateway(json!({})), shop(None), prices]), &json!({}), seen));
    assert_eq!((code(&report), hop(&report)), ("pod.app_error", "shop"));
    let twin = report.ruled_out.iter().find(|twin| twin.code == "pod.dependency_failed");
    assert!(twin.is_none() || twin.unwrap().because.contains("answered"));
}

#[test]
fn a_dependency_that_answers_with_an_error_has_failed() {
    let mut seen = answered("client", "gateway", 0, 500, 4);
    seen.extend(answered("gateway", "shop", 10, 500, 3));
    seen.extend(answered("shop", "prices", 11, 503, 2));
    let mut prices = shop(None);
    (prices["id"], prices["branch_of"]) = (json!("prices"), json!("shop"));
    let report = judged(&road(&json!([gateway(json!({})), shop(None), prices]), &json!({}), seen));
    assert_eq!((code(&report), hop(&report)), ("pod.dependency_failed", "prices"), "{:#?}", report.verdict);
}

#[test]
fn a_database_is_not_spoken_of_here() {
    let report = changed("pod.dependency_failed", "/path/hops/3/kind", json!("db"));
    assert!(found(&judged(&report), "pod.dependency_failed").is_none());
}

#[test]
fn a_set_that_rotates_is_not_wrong() {
    let mut report = example("dns.wrong_address");
    let answer = json!({"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
        "data": {"server": "198.51.100.53:53", "name": "shop.example.", "rcode": "NOERROR",
                 "addresses": [{"address": "192.0.2.7", "ttl_s": 20}]}});
    report["observations"].as_array_mut().unwrap().insert(1, answer);
    let report = judged(&report);
    assert!(found(&report, "dns.wrong_address").is_none());
    assert_eq!(code(&report), "tcp.refused", "{:?}", report.verdict);
}

#[test]
fn a_declared_address_or_a_declared_name_is_not_wrong() {
    let right = changed("dns.wrong_address", "/observations/0/data/addresses", json!(["192.0.2.7"]));
    assert!(found(&judged(&right), "dns.wrong_address").is_none());
    let name = changed("dns.wrong_address", "/path/hops/1/addresses", json!(["edge.example:443"]));
    assert!(found(&judged(&name), "dns.wrong_address").is_none());
    let hosts = json!({"kind": "client.hosts", "subject": {"leg": {"from": "client", "to": "edge"}},
        "data": {"file": "/etc/hosts", "name": "shop.example", "entries": [{"address": "198.51.100.9", "line": 3}]}});
    let mut by_hosts = example("dns.wrong_address");
    by_hosts["observations"].as_array_mut().unwrap().insert(0, hosts);
    assert!(found(&judged(&by_hosts), "dns.wrong_address").is_none(), "the hosts file gave it");
}

#[test]
fn a_wrong_address_that_serves_is_a_warning() {
    let mut report = example("dns.wrong_address");
    report["observations"][1]["data"] = json!({"outcome": "connected", "used": true, "elapsed_us": 200});
    report["observations"][2]["data"] = json!({"role": "fresh", "left": "alive", "stage": "http"});
    let report = judged(&report);
    assert_eq!(kind(&report), "reached");
    assert_eq!(found(&report, "dns.wrong_address").unwrap().weight, Weight::Warning);
}

#[test]
fn settings_within_bounds_are_not_warned_of() {
    for (code, pointer, to) in [
        ("client.deadline_exceeds_nothing", "/path/caller/deadline_us", json!(10_000_000)),
        ("client.retry_storm", "/path/caller/tries", json!(2)),
        ("client.no_reuse", "/path/caller/pool", json!(8)),
        ("client.no_reuse", "/observations/1/data/outcome", json!("not_allowed")),
        ("dns.ttl_too_long", "/path/caller/change_window_us", json!(90_000_000_000_u64)),
        ("dns.ttl_too_long", "/observations/1/data/addresses/0/ttl_s", json!(30)),
    ] {
        let report = judged(&changed(code, pointer, to));
        assert!(found(&report, code).is_none(), "{code}: {:?}", report.findings);
    }
}

#[test]
fn what_is_not_declared_is_not_warned_of() {
    for cause in CAUSES.iter().filter(|cause| cause.only_warns) {
        let report = judged(&changed(cause.code, "/path/caller", json!({})));
        assert!(found(&report, cause.code).is_none(), "{}", cause.code);
    }
}

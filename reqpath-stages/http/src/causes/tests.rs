//! Every cause by its own example, and every twin that must not be blamed.

use reqpath_core::{Catalogue, Report, Weight};
use serde_json::{Value, json};

use super::CAUSES;

fn catalogue() -> Catalogue {
    let crates =
        [reqpath_client::CAUSES, reqpath_dns::CAUSES, reqpath_tcp::CAUSES, reqpath_tls::CAUSES, CAUSES];
    Catalogue::new(crates.into_iter().flatten().copied()).unwrap()
}

fn judged(report: &Value) -> Report {
    Report::load(report.to_string().as_bytes()).unwrap().judged(&catalogue())
}

fn code(report: &Report) -> &str {
    report.verdict.as_ref().and_then(|verdict| verdict.cause()).map_or("", |cause| cause.code.as_str())
}

fn kind(report: &Report) -> &str {
    report.verdict.as_ref().map_or("", |verdict| verdict.kind())
}

fn found<'a>(report: &'a Report, code: &str) -> Option<&'a reqpath_core::Finding> {
    report.findings.iter().find(|finding| finding.code == code)
}

fn leg() -> Value {
    json!({"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}})
}

fn trial(left: &str, stage: &str) -> Value {
    json!({"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
           "data": {"role": "fresh", "left": left, "stage": stage, "sent": true}})
}

/// A trace with this exchange, and with these observations besides.
fn with(exchange: Value, besides: &[Value]) -> Value {
    let alive = matches!(exchange["end"].as_str(), Some("complete" | "limit"));
    let mut observations = vec![json!({"kind": "http.exchange", "subject": leg(), "data": exchange})];
    observations.extend(besides.iter().cloned());
    observations.push(trial(if alive { "alive" } else { "dead" }, "http"));
    json!({"schema": "reqpath.report/1", "observations": observations})
}

fn traced(exchange: Value) -> Report {
    judged(&with(exchange, &[]))
}

#[test]
fn every_example_yields_its_cause() {
    for cause in CAUSES {
        let example = cause.doc.example().unwrap_or_else(|| panic!("{} has no example", cause.code));
        let report = Report::load(example.as_bytes()).unwrap_or_else(|e| panic!("{}: {e}", cause.code));
        let report = report.judged(&catalogue());
        let finding =
            found(&report, cause.code).unwrap_or_else(|| panic!("{}: {:#?}", cause.code, report.findings));
        if cause.only_warns || cause.code == "client.stale_connection" {
            assert_eq!((finding.weight, kind(&report)), (Weight::Warning, "reached"), "{}", cause.code);
        } else {
            assert_eq!(code(&report), cause.code, "{:#?}", report.verdict);
        }
        assert!(
            !finding.next.is_empty() || finding.error.is_some(),
            "{} says nothing to do next",
            cause.code
        );
        assert!(!cause.doc.what_to_do().is_empty() && !cause.doc.explanation().is_empty(), "{}", cause.code);
        // A stored report judges the same.
        let stored = serde_json::to_vec(&report).unwrap();
        let again = Report::load(&stored).unwrap().judged(&catalogue());
        assert_eq!(again.verdict, report.verdict, "{}", cause.code);
        assert_eq!(again.findings, report.findings, "{}", cause.code);
    }
}

#[test]
fn the_ways_an_exchange_ends_are_told_apart() {
    let cases = [
        (json!({"end": "empty", "closed": "fin"}), "http.response.empty"),
        (json!({"end": "empty", "closed": "goaway", "spoken": "HTTP/2"}), "http.response.empty"),
        (json!({"end": "reset", "closed": "rst"}), "http.response.reset"),
        (json!({"end": "timed_out"}), "http.response.timed_out"),
        (json!({"end": "invalid", "first_bytes": "SSH-2.0-x"}), "http.response.invalid"),
        (json!({"end": "too_large"}), "http.response.header_section_size"),
        (
            json!({"end": "version_required", "closed": "stream_reset", "spoken": "HTTP/2", "h2_code": "HTTP_1_1_REQUIRED"}),
            "http.version_required",
        ),
        (json!({"end": "empty", "closed": "fin", "only_interim": true}), "http.response.empty"),
        (
            json!({"end": "truncated", "status": 200, "body": {"promised": 9, "received": 1}}),
            "response.truncated",
        ),
        (json!({"end": "reset_mid_body", "status": 200, "closed": "rst"}), "response.reset_mid_body"),
        (
            json!({"end": "stalled", "status": 200, "headers_us": 100, "ended_us": 2_000_000,
                "body": {"received": 5, "max_gap_us": 1_900_000, "max_gap_at": 5}}),
            "response.stalled",
        ),
        (json!({"end": "failed"}), "http.failed"),
    ];
    let codes: Vec<&str> = cases.iter().map(|(_, code)| *code).collect();
    for (exchange, expected) in &cases {
        let report = traced(exchange.clone());
        assert_eq!(code(&report), *expected, "{exchange}");
        for other in codes.iter().filter(|other| *other != expected) {
            assert!(found(&report, other).is_none(), "{other} blamed for {exchange}");
        }
        // The twins say why not.
        let cause = CAUSES.iter().find(|cause| cause.code == *expected).unwrap();
        for twin in cause.twins.iter().filter(|twin| codes.contains(twin)) {
            assert!(
                report.ruled_out.iter().any(|ruled| ruled.code == *twin),
                "{twin} not ruled out for {expected}"
            );
        }
    }
}

const NGINX_404: &str = "<html><head><title>404 Not Found</title></head><body><center><h1>404 Not Found</h1></center><hr><center>nginx</center></body></html>";

#[test]
fn a_404_of_the_application_is_an_answer() {
    let report = traced(
        json!({"end": "complete", "version": "HTTP/1.1", "status": 404, "headers": [["server", "nginx"]],
                               "body": {"start": "{\"detail\": \"no such user\"}"}}),
    );
    assert_eq!(kind(&report), "reached");
    let finding = found(&report, "http.error").unwrap();
    assert_eq!(finding.weight, Weight::Warning);
    assert!(finding.summary.contains("nothing in it proves who made it"), "{}", finding.summary);
}

#[test]
fn a_404_of_a_proxy_is_a_death() {
    let report = traced(json!({"end": "complete", "status": 404, "body": {"start": NGINX_404}}));
    assert_eq!((kind(&report), code(&report)), ("died", "http.error"));
    assert!(found(&report, "http.error").unwrap().summary.contains("nginx made that answer itself"));
}

#[test]
fn an_expectation_settles_what_an_error_is() {
    let expecting = |status: &str, exchange: Value| {
        let mut report = with(exchange, &[]);
        report["target"] =
            json!({"url": "http://server.example/", "method": "GET", "expect": {"status": [status]}});
        judged(&report)
    };
    let answer = |status: u16| json!({"end": "complete", "status": status});
    let wanted = expecting("404", json!({"end": "complete", "status": 404, "body": {"start": NGINX_404}}));
    assert_eq!(kind(&wanted), "reached");
    assert!(wanted.findings.is_empty(), "{:?}", wanted.findings);
    assert_eq!(kind(&expecting("5xx", answer(503))), "reached");
    assert_eq!(code(&expecting("200", answer(204))), "http.response.unexpected");
    assert_eq!(code(&expecting("200", answer(404))), "http.response.unexpected");
    assert_eq!(code(&expecting("421", answer(200))), "http.response.unexpected");
    // An error explains why the answer is another.
    let report = expecting("200", answer(503));
    assert_eq!(code(&report), "http.error");
    assert!(found(&report, "http.response.unexpected").is_some());
}

#[test]
fn headers_and_bodies_can_be_expected_too() {
    let mut report = with(
        json!({"end": "complete", "status": 200, "unmet_headers": ["X-Version"],
                                 "headers": [["x-version", "1"]], "body_holds": false}),
        &[],
    );
    report["target"] = json!({"url": "http://server.example/",
                              "expect": {"headers": [{"name": "X-Version", "value": "2"}], "body": "welcome"}});
    let report = judged(&report);
    let summary = &found(&report, "http.response.unexpected").unwrap().summary;
    assert_eq!(code(&report), "http.response.unexpected");
    assert!(summary.contains("X-Version is `1`") && summary.contains("body"), "{summary}");
}

#[test]
fn a_flow_that_is_merely_large_is_not_stalled() {
    let report = traced(json!({"end": "stalled", "status": 200, "headers_us": 1000, "ended_us": 2_000_000,
                               "body": {"promised": 1_000_000_000_u64, "received": 90_000_000, "max_gap_us": 900}}));
    assert_eq!(kind(&report), "unknown");
    assert!(found(&report, "response.stalled").is_none());
}

#[test]
fn a_trickle_is_stalled() {
    let report = traced(json!({"end": "stalled", "status": 200, "headers_us": 1000, "ended_us": 2_000_000,
                               "body": {"promised": 1000, "received": 40, "max_gap_us": 51_000, "max_gap_at": 7,
                                        "last_byte_us": 1_990_000}}));
    assert_eq!(code(&report), "response.stalled");
    assert!(found(&report, "response.stalled").unwrap().summary.contains("trickles"));
}

fn reuse(idle_us: u64, outcome: &str) -> Value {
    json!({"kind": "http.reuse", "subject": leg(), "data": {"idle_us": idle_us, "outcome": outcome, "url": "http://h/"}})
}

#[test]
fn a_connection_is_stale_only_where_fresh_ones_live() {
    let alive = json!({"end": "complete", "status": 200});
    for outcome in ["lost", "reset", "closed_after"] {
        let report = judged(&with(alive.clone(), &[reuse(0, "answered"), reuse(5_000_000, outcome)]));
        assert_eq!(kind(&report), "reached");
        assert!(found(&report, "client.stale_connection").is_some(), "{outcome}");
    }
    // The peer closed in time: healthy pooling. Or it serves.
    for outcome in ["closed_before", "answered", "not_allowed", "not_sent", "no_time", "no_first"] {
        let report = judged(&with(alive.clone(), &[reuse(0, "answered"), reuse(5_000_000, outcome)]));
        assert!(found(&report, "client.stale_connection").is_none(), "{outcome}");
    }
    // Fresh ones die as well: the server resets.
    let dead = json!({"end": "reset", "closed": "rst"});
    let report = judged(&with(dead, &[reuse(5_000_000, "reset")]));
    assert_eq!(code(&report), "http.response.reset");
    assert!(found(&report, "client.stale_connection").is_none());
}

#[test]
fn a_silent_connection_that_dies_too_takes_the_blame_from_the_request() {
    let dead = json!({"end": "reset", "closed": "rst"});
    let broken = json!({"kind": "tcp.broken", "subject": leg(), "data": {"after": "sent", "how": "reset", "after_us": 900}});
    let silence = |closed: &str| json!({"kind": "tcp.silence", "subject": leg(), "data": {"closed": closed, "after_us": 800}});
    assert_eq!(code(&judged(&with(dead.clone(), &[broken.clone(), silence("reset")]))), "tcp.reset");
    assert_eq!(code(&judged(&with(dead, &[broken, silence("none")]))), "http.response.reset");
}

fn clock(peer: &str, ahead_s: i64) -> Value {
    json!({"kind": "http.clock", "subject": {"leg": {"from": "client", "to": "server"}},
           "data": {"peer": peer, "date": "x", "local_s": 1_800_000_000, "ahead_s": ahead_s}})
}

fn expired(until: &str) -> Value {
    json!({"kind": "tls.handshake", "subject": leg(),
           "data": {"host": "server.example", "sni": "server.example", "ended": "refused",
                    "error": "invalid peer certificate: certificate expired",
                    "verification": {"verdict": "refused", "reason": "expired"}, "clock": "2027-08-18T10:00:00Z",
                    "chain": [{"subject": "CN=server.example", "not_before": "2026-07-20T00:00:00Z", "not_after": until}]}})
}

fn of(mut observations: Vec<Value>) -> Report {
    observations.push(trial("dead", "tls"));
    judged(&json!({"schema": "reqpath.report/1", "observations": observations}))
}

const YEAR: i64 = 31_363_200;

#[test]
fn a_wrong_clock_needs_two_witnesses_who_agree() {
    let cert = || expired("2026-10-18T00:00:00Z");
    let both = of(vec![clock("http://a/", YEAR), clock("http://b/", YEAR + 2), cert()]);
    assert_eq!(code(&both), "client.clock_skew");
    for (why, clocks) in [
        ("one witness", vec![clock("http://a/", YEAR)]),
        ("the same twice", vec![clock("http://a/x", YEAR), clock("http://a/y", YEAR)]),
        ("one agrees with us", vec![clock("http://a/", YEAR), clock("http://b/", 1)]),
        ("they disagree", vec![clock("http://a/", YEAR), clock("http://b/", YEAR / 2)]),
    ] {
        let report = of(clocks.into_iter().chain([cert()]).collect());
        assert_eq!(code(&report), "tls.cert.date_invalid", "{why}");
    }
}

#[test]
fn a_certificate_that_is_expired_by_every_clock_is_expired() {
    let report =
        of(vec![clock("http://a/", YEAR), clock("http://b/", YEAR), expired("2026-08-01T00:00:00Z")]);
    assert_eq!(code(&report), "tls.cert.date_invalid");
    assert!(report.ruled_out.iter().any(|ruled| ruled.code == "client.clock_skew"), "{:?}", report.ruled_out);
}

fn handshake(sent: bool, asked: bool) -> Value {
    let mut data = json!({"host": "server.example", "ended": "completed", "version": "TLSv1.3", "certificate_sent": sent});
    if asked {
        data["certificate_request"] = json!({"authorities": 1, "first": ["CN=Robots"]});
    }
    json!({"kind": "tls.handshake", "subject": leg(), "data": data})
}

#[test]
fn client_certificates_wanted_and_refused_are_told_apart() {
    let answer = |text: &str| {
        json!({"end": "complete", "secured": true, "status": 400,
               "body": {"start": format!("<html><head><title>400 {text}</title></head><body><center><h1>400 Bad Request</h1></center><center>{text}</center><hr><center>nginx</center>")}})
    };
    let missing = answer("No required SSL certificate was sent");
    let refused = answer("The SSL certificate error");
    assert_eq!(code(&judged(&with(missing.clone(), &[handshake(false, true)]))), "tls.client_cert_required");
    assert_eq!(code(&judged(&with(refused, &[handshake(true, true)]))), "tls.client_cert_rejected");
    // An application that says 400 for its own reasons.
    let own = judged(&with(answer("Bad Request"), &[handshake(false, true)]));
    assert_eq!(code(&own), "http.error");
    // Asked for, not sent, not needed.
    let fine =
        judged(&with(json!({"end": "complete", "status": 200, "secured": true}), &[handshake(false, true)]));
    assert_eq!(kind(&fine), "reached");
    assert!(fine.findings.is_empty(), "{:?}", fine.findings);
    // The words alone, without the wish in the handshake, prove nothing.
    assert_eq!(code(&judged(&with(missing, &[handshake(false, false)]))), "http.error");
}

#[test]
fn plain_http_on_a_tls_port_shows_as_an_answer_or_as_an_alert() {
    let nginx = json!({"end": "complete", "status": 400, "body": {"start": "<center>The plain HTTP request was sent to HTTPS port</center>"}});
    assert_eq!(code(&traced(nginx)), "tls.plaintext_to_tls");
    let alert = json!({"end": "invalid", "first_bytes": "\\u{15}\\u{3}\\u{1}\\u{0}\\u{2}\\u{2}F"});
    let report = traced(alert);
    assert_eq!(code(&report), "tls.plaintext_to_tls");
    assert!(found(&report, "http.response.invalid").is_some());
    let other = json!({"end": "invalid", "first_bytes": "\\u{0}\\u{1}garbage"});
    assert_eq!(code(&traced(other)), "http.response.invalid");
}

#[test]
fn some_samples_die_and_some_do_not() {
    let sample = |k: u32, end: &str| {
        let at = json!({"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": k}});
        let left = if end == "complete" { "alive" } else { "dead" };
        [
            json!({"kind": "http.exchange", "subject": at, "data": {"end": end, "status": if end == "complete" { 200 } else { 0 }, "closed": "fin"}}),
            json!({"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": k}},
                   "data": {"role": "fresh", "left": left, "stage": "http"}}),
        ]
    };
    let samples = (0..12).flat_map(|k| sample(k, if k % 3 == 2 { "empty" } else { "complete" }));
    let report = judged(&json!({"schema": "reqpath.report/1", "observations": samples.collect::<Vec<_>>()}));
    assert_eq!((kind(&report), code(&report)), ("degraded", "http.response.empty"));
    assert_eq!(report.verdict.unwrap().outcome().died, 4);
}

#[test]
fn arbitrary_json_is_survived() {
    let nothing =
        [json!(null), json!([]), json!({}), json!({"status": -1}), json!({"headers": [["a"]]}), json!("x")];
    let kinds = [
        "http.exchange",
        "http.redirect",
        "http.reuse",
        "http.clock",
        "tunnel.answer",
        "tls.handshake",
        "tls.alert",
    ];
    for data in &nothing {
        for kind in kinds {
            let observation = json!({"kind": kind, "subject": leg(), "data": data});
            judged(
                &json!({"schema": "reqpath.report/1", "observations": [observation, trial("dead", "http")]}),
            );
        }
    }
    traced(json!({"end": "too_large", "met": {"limit": "of some other kind", "most": 7}}));
    traced(
        json!({"end": "invalid", "status": 700, "informational": [1, 1], "informational_left_out": u32::MAX,
                  "body": {"received": u64::MAX, "promised": 0}}),
    );
    let large = json!({"end": "stalled", "status": 999, "ended_us": u64::MAX, "headers_us": 0,
                       "body": {"received": u64::MAX, "promised": u64::MAX, "max_gap_us": u64::MAX}});
    traced(large);
    of(vec![clock("", i64::MIN), clock("b", i64::MAX), expired("2026-10-18T00:00:00Z")]);
    of(vec![clock("a", i64::MIN), clock("b", i64::MIN), expired("2026-10-18T00:00:00Z")]);
}

/// A road of two proxies: what came back at the front, and to a request that entered at the second one.
fn at_both(front: Value, inner: Value, hop: Value) -> Report {
    let leg = |from: &str, to: &str, sample: u32| json!({"leg": {"from": from, "to": to, "address": "192.0.2.7:80", "sample": sample}});
    let mut observations = Vec::new();
    for (subject, role, exchange) in
        [(leg("client", "edge", 0), "fresh", front), (leg("edge", "gateway", 9), "inner", inner)]
    {
        let answer = format!("HTTP/1.1 {}", exchange["status"]);
        observations.push(json!({"kind": "http.exchange", "subject": subject, "data": exchange}));
        observations.push(json!({"kind": "request.trial", "subject": subject, "data": {"role": role,
            "left": "alive", "stage": "http", "sent": true, "arrived": "yes", "answer": answer}}));
    }
    judged(&json!({"schema": "reqpath.report/1",
        "target": {"url": "http://a.example/", "method": "GET",
                   "headers": [{"name": "Authorization", "value": "[redacted]"}]},
        "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx"}, hop]},
        "observations": observations}))
}

#[test]
fn to_be_refused_without_the_credentials_of_the_first_proves_nothing() {
    let page = "<html><center><h1>401 Authorization Required</h1></center><hr><center>nginx</center></html>";
    let answer = |status: u16| {
        json!({"status": status, "end": "complete", "headers": [["server", "nginx"]],
               "body": {"coding": "length", "promised": 90, "received": 90, "start": page}})
    };
    for front in [502, 401] {
        let report = at_both(answer(front), answer(401), json!({"id": "gateway", "kind": "nginx"}));
        assert_eq!(kind(&report), "unknown", "{front}: {:?}", report.verdict);
    }
    let trusted = json!({"id": "gateway", "kind": "nginx", "credentials": true});
    let report = at_both(answer(401), answer(401), trusted);
    assert_eq!((kind(&report), code(&report)), ("died", "http.error"));
}

#[test]
fn of_hops_behind_a_cache_nothing_is_said() {
    let kept = |age: &str| {
        json!({"status": 500, "end": "complete", "headers": [["age", age]],
               "body": {"coding": "length", "promised": 4, "received": 4, "start": "oops"}})
    };
    let at = |front: &str, inner: &str| {
        let report =
            at_both(kept(front), kept(inner), json!({"id": "gateway", "kind": "nginx", "credentials": true}));
        report.verdict.as_ref().unwrap().at().unwrap().hop.to_string()
    };
    assert_eq!(at("7", "0"), "edge", "the gateway fails too, but was not asked");
    assert_eq!(at("7", "7"), "gateway", "the cache is there");
    assert_eq!(at("0", "0"), "gateway");
}

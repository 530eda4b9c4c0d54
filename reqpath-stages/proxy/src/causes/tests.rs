//! Every cause by its own example, and every twin that must not be blamed.

use reqpath_core::{Catalogue, Report, Weight};
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
    report.verdict.as_ref().and_then(|verdict| verdict.cause()).map_or("", |cause| cause.code.as_str())
}

fn summary(report: &Report) -> &str {
    report.verdict.as_ref().and_then(|verdict| verdict.cause()).map_or("", |cause| cause.summary.as_str())
}

fn hop(report: &Report) -> String {
    let at = report.verdict.as_ref().and_then(|verdict| verdict.at());
    at.map(|at| at.hop.to_string()).unwrap_or_default()
}

fn kind(report: &Report) -> &str {
    report.verdict.as_ref().map_or("", |verdict| verdict.kind())
}

fn found<'a>(report: &'a Report, code: &str) -> Option<&'a reqpath_core::Finding> {
    report.findings.iter().find(|finding| finding.code == code)
}

/// What was seen on a road client → edge → gateway → shop.
struct Road {
    target: Value,
    path: Value,
    observations: Vec<Value>,
}

fn leg(from: &str, to: &str, sample: u32) -> Value {
    json!({"leg": {"from": from, "to": to, "sample": sample}})
}

impl Road {
    fn answered(status: u16) -> Self {
        let hops = json!([
            {"id": "client", "kind": "client"},
            {"id": "edge", "kind": "nginx", "addresses": ["192.0.2.7:80"]},
            {"id": "gateway", "kind": "nginx", "addresses": ["10.0.0.1:80"]},
            {"id": "shop", "kind": "pod", "addresses": ["10.0.0.7:8080"]},
        ]);
        let road = Self {
            target: json!({"url": "http://edge.example/", "method": "GET"}),
            path: json!({"hops": hops}),
            observations: Vec::new(),
        };
        road.front(json!({"status": status}), 0)
    }

    fn front(mut self, exchange: Value, sample: u32) -> Self {
        let mut data =
            json!({"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "end": "complete"});
        let answer = format!("HTTP/1.1 {}", exchange["status"]);
        data.as_object_mut().unwrap().extend(exchange.as_object().unwrap().clone());
        let trial = json!({"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes", "answer": answer});
        self.observations
            .push(json!({"kind": "http.exchange", "subject": leg("client", "edge", sample), "data": data}));
        self.observations
            .push(json!({"kind": "request.trial", "subject": leg("client", "edge", sample), "data": trial}));
        self
    }

    fn with(mut self, kind: &str, from: &str, to: &str, data: Value) -> Self {
        self.observations.push(json!({"kind": kind, "subject": leg(from, to, 0), "data": data}));
        self
    }

    fn access(self, hop: &str, to: &str, status: u16, tries: Value) -> Self {
        let data = json!({"hop": hop, "log": "/l", "status": status, "tells_upstream": true, "tries": tries});
        self.with("proxy.access", hop, to, data)
    }

    fn error(self, hop: &str, to: &str, words: &str) -> Self {
        let (message, action) = words.split_once(" while ").unwrap_or((words, ""));
        let number = message.split(['(', ':']).find_map(|part| part.parse::<i32>().ok());
        let mut data = json!({"hop": hop, "log": "/e", "level": "error", "message": message, "upstream": "http://10.0.0.7:8080/"});
        if !action.is_empty() {
            data["action"] = action.into();
        }
        if let Some(number) = number {
            data["number"] = number.into();
        }
        self.with("proxy.error", hop, to, data)
    }

    fn error_log(mut self, hop: &str) -> Self {
        let data = json!({"kind": "error_log", "log": "/e", "holds_errors": true});
        self.observations.push(json!({"kind": "proxy.log", "subject": {"hop": hop}, "data": data}));
        self
    }

    fn expecting(mut self, status: &str) -> Self {
        self.target["expect"] = json!({"status": [status]});
        self
    }

    fn judged(self) -> Report {
        judged(
            &json!({"schema": "reqpath.report/1", "target": self.target, "path": self.path, "observations": self.observations}),
        )
    }
}

#[test]
fn every_example_yields_its_cause() {
    for cause in CAUSES {
        let example = cause.doc.example().unwrap_or_else(|| panic!("{} has no example", cause.code));
        let report = Report::load(example.as_bytes()).unwrap_or_else(|e| panic!("{}: {e}", cause.code));
        let report = report.judged(&catalogue());
        if cause.only_warns {
            assert_eq!(found(&report, cause.code).unwrap().weight, Weight::Warning, "{}", cause.code);
            assert_eq!(kind(&report), "reached");
        } else {
            assert_eq!(code(&report), cause.code, "{:#?}", report.findings);
            assert_eq!(kind(&report), "died", "{}", cause.code);
        }
    }
}

#[test]
fn a_fault_at_the_gateway_is_placed_there_through_the_logs_of_both() {
    let report = Road::answered(502)
        .access("edge", "gateway", 502, json!([{"address": "10.0.0.1:80", "status": 502, "answered": true}]))
        .access(
            "gateway",
            "shop",
            502,
            json!([{"address": "10.0.0.7:8080", "status": 502, "answered": false}]),
        )
        .error("gateway", "shop", "connect() failed (111: Connection refused) while connecting to upstream")
        .judged();
    assert_eq!(
        (code(&report), hop(&report).as_str()),
        ("proxy.connection_refused", "shop"),
        "{:#?}",
        report.verdict
    );
    assert!(summary(&report).contains("gateway answered 502 itself"), "{}", summary(&report));
}

#[test]
fn an_application_that_sends_502_itself_is_not_taken_for_a_broken_connection() {
    for status in [502, 504, 500, 503] {
        let came = json!([{"address": "10.0.0.7:8080", "status": status, "answered": true}]);
        let report = Road::answered(status)
            .access(
                "edge",
                "gateway",
                status,
                json!([{"address": "10.0.0.1:80", "status": status, "answered": true}]),
            )
            .access("gateway", "shop", status, came)
            .judged();
        assert_eq!(
            (code(&report), hop(&report).as_str()),
            ("http.error", "shop"),
            "{status}: {:#?}",
            report.verdict
        );
        assert!(found(&report, "proxy.connection_refused").is_none());
    }
}

#[test]
fn a_500_of_the_proxy_itself_is_not_the_applications() {
    let report = Road::answered(500).access("edge", "gateway", 500, json!([])).judged();
    assert_eq!((code(&report), hop(&report).as_str()), ("http.error", "edge"), "{:#?}", report.verdict);
    assert!(summary(&report).contains("edge made that answer itself"), "{}", summary(&report));
}

#[test]
fn a_page_in_place_of_an_answer_is_made_where_it_was_put() {
    let report = Road::answered(503)
        .access("edge", "gateway", 503, json!([{"address": "10.0.0.1:80", "status": 404, "answered": true}]))
        .judged();
    assert_eq!((code(&report), hop(&report).as_str()), ("http.error", "edge"));
    assert!(summary(&report).contains("answered 404, and that it answered 503"), "{}", summary(&report));
}

#[test]
fn a_4xx_of_the_application_is_an_answer_whatever_its_page_looks_like() {
    let page = "<html><head><title>404 Not Found</title></head><body><center><h1>404 Not Found</h1></center><hr><center>nginx</center></body></html>";
    let road = || {
        let mut road = Road::answered(404);
        road.observations[0]["data"]["body"] = json!({"start": page});
        road
    };
    assert_ne!(kind(&road().judged()), "reached", "by its page alone a proxy made it");
    let passed = |at: &str| json!([{"address": at, "status": 404}]);
    let report = road()
        .access("edge", "gateway", 404, passed("10.0.0.1:80"))
        .access("gateway", "shop", 404, passed("10.0.0.7:8080"))
        .judged();
    assert_eq!(kind(&report), "reached", "{:#?}", report.verdict);
}

#[test]
fn a_refusal_is_the_hops_own_only_where_nobody_behind_it_was_asked() {
    for (status, cause) in [
        (401, "proxy.authentication_required"),
        (403, "proxy.authorization_denied"),
        (429, "proxy.rate_limited"),
    ] {
        let own = || Road::answered(status).access("edge", "gateway", status, json!([])).error_log("edge");
        let report = own().judged();
        assert_eq!((code(&report), hop(&report).as_str()), (cause, "edge"), "{:#?}", report.verdict);
        assert_eq!(kind(&own().expecting(&status.to_string()).judged()), "reached", "{status} was expected");

        let deeper = Road::answered(status)
            .access("edge", "gateway", status, json!([{"address": "10.0.0.1:80", "status": status}]))
            .access("gateway", "shop", status, json!([]))
            .error_log("gateway")
            .judged();
        assert_eq!((code(&deeper), hop(&deeper).as_str()), (cause, "gateway"), "{:#?}", deeper.verdict);

        let passed = Road::answered(status)
            .access("edge", "gateway", status, json!([{"address": "10.0.0.1:80", "status": status}]))
            .access("gateway", "shop", status, json!([{"address": "10.0.0.7:8080", "status": status}]))
            .judged();
        assert!(found(&passed, cause).is_none(), "the application's own {status}");
        assert_eq!(kind(&passed), "reached", "{:#?}", passed.verdict);
    }
}

#[test]
fn an_address_that_is_refused_is_no_matter_of_who_asks() {
    let report = Road::answered(403)
        .access("edge", "gateway", 403, json!([]))
        .error("edge", "gateway", "access forbidden by rule")
        .error_log("edge")
        .judged();
    assert_eq!((code(&report), hop(&report).as_str()), ("http.error", "edge"), "{:#?}", report.verdict);
    assert!(found(&report, "proxy.authorization_denied").is_none());
}

#[test]
fn who_asks_at_the_wrong_place_is_to_blame_for_it() {
    let words = "connect() failed (111: Connection refused) while connecting to upstream";
    // The line names 10.0.0.7:8080, which is the shop and not the gateway.
    let report = Road::answered(502).error("edge", "gateway", words).judged();
    assert_eq!((code(&report), hop(&report).as_str()), ("proxy.connection_refused", "edge"));
    assert!(summary(&report).contains("no address of gateway"), "{}", summary(&report));
    let report = Road::answered(502).error("gateway", "shop", words).judged();
    assert_eq!((code(&report), hop(&report).as_str()), ("proxy.connection_refused", "shop"));
}

#[test]
fn a_503_without_a_line_of_a_limit_is_no_rate_limit() {
    let report = Road::answered(503).access("edge", "gateway", 503, json!([])).error_log("edge").judged();
    assert_eq!(code(&report), "http.error");
    let report = Road::answered(503)
        .access("edge", "gateway", 503, json!([]))
        .error("edge", "gateway", "limiting requests, excess: 0.990 by zone \"one\"")
        .judged();
    assert_eq!((code(&report), hop(&report).as_str()), ("proxy.rate_limited", "edge"));
}

#[test]
fn a_try_that_another_one_saved_only_warns() {
    let tries =
        json!([{"address": "10.0.0.7:8080", "status": 502}, {"address": "10.0.0.8:8080", "status": 200}]);
    let report = Road::answered(200)
        .access("edge", "gateway", 200, tries)
        .error("edge", "gateway", "connect() failed (111: Connection refused) while connecting to upstream")
        .judged();
    assert_eq!(kind(&report), "reached");
    let warning = found(&report, "proxy.retried").unwrap();
    assert_eq!(warning.weight, Weight::Warning);
    assert!(warning.summary.contains("Connection refused"), "{}", warning.summary);
    assert!(found(&report, "proxy.connection_refused").is_none(), "nothing died of it");
}

#[test]
fn of_several_tries_the_last_one_is_what_the_request_died_of() {
    let report = Road::answered(504)
        .error("edge", "gateway", "connect() failed (111: Connection refused) while connecting to upstream")
        .error("edge", "gateway", "upstream timed out (110: x) while reading response header from upstream")
        .judged();
    assert_eq!(code(&report), "proxy.http_response_timeout");
    assert!(found(&report, "proxy.connection_refused").is_none());
    let ruled_out: Vec<_> = report.ruled_out.iter().map(|out| out.code.as_str()).collect();
    assert!(ruled_out.contains(&"proxy.connection_timeout"), "{ruled_out:?}");
}

#[test]
fn what_marked_all_down_comes_before_that_they_are() {
    let report = Road::answered(502)
        .error("edge", "gateway", "connect() failed (111: Connection refused) while connecting to upstream")
        .error("edge", "gateway", "no live upstreams while connecting to upstream")
        .judged();
    assert_eq!(code(&report), "proxy.connection_refused");
}

#[test]
fn the_times_of_an_access_log_tell_a_connection_from_an_answer() {
    let tried = |connect: Value| {
        let tries = json!([{"address": "10.0.0.1:80", "status": 504, "timed": true, "answered": false, "connect_us": connect}]);
        Road::answered(504).access("edge", "gateway", 504, tries).judged()
    };
    assert_eq!(code(&tried(json!(1000))), "proxy.http_response_timeout");
    assert_eq!(code(&tried(Value::Null)), "proxy.connection_timeout");
}

#[test]
fn proxy_status_of_any_proxy_gives_the_same_codes() {
    for (token, cause, at) in [
        ("connection_refused", "proxy.connection_refused", "shop"),
        ("connection_timeout", "proxy.connection_timeout", "shop"),
        ("connection_terminated", "proxy.connection_terminated", "shop"),
        ("destination_ip_unroutable", "proxy.connect_route", "shop"),
        ("dns_error", "proxy.dns_error", "gateway"),
        ("dns_timeout", "proxy.dns_timeout", "gateway"),
        ("http_response_timeout", "proxy.http_response_timeout", "shop"),
        ("http_response_header_section_size", "proxy.http_response_header_section_size", "shop"),
        ("http_response_incomplete", "proxy.http_response_incomplete", "shop"),
        ("destination_unavailable", "proxy.destination_unavailable", "shop"),
        ("tls_alert_received", "proxy.tls_protocol_error", "shop"),
        ("tls_certificate_error", "proxy.tls_certificate_error", "shop"),
        ("proxy_loop_detected", "proxy.loop_detected", "gateway"),
    ] {
        let mut road = Road::answered(502);
        let value = format!("gateway; error={token}; details=\"x, y; z\", edge; received-status=502");
        road.observations[0]["data"]["headers"] = json!([["proxy-status", value]]);
        let report = road.judged();
        assert_eq!((code(&report), hop(&report).as_str()), (cause, at), "{token}: {:#?}", report.verdict);
    }
}

#[test]
fn proxy_status_of_a_plain_url_blames_the_server_it_is() {
    let leg = leg("client", "server", 0);
    let exchange = json!({"request": {"url": "http://a.example/"}, "status": 502, "end": "complete", "headers": [["proxy-status", "cdn.example; error=connection_refused"]]});
    let trial = json!({"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes", "answer": "HTTP/1.1 502"});
    let report = judged(&json!({"schema": "reqpath.report/1", "observations": [
        {"kind": "http.exchange", "subject": leg, "data": exchange},
        {"kind": "request.trial", "subject": leg, "data": trial},
    ]}));
    assert_eq!(
        (code(&report), hop(&report).as_str()),
        ("proxy.connection_refused", "server"),
        "{:#?}",
        report.verdict
    );
}

#[test]
fn a_retry_of_the_hop_before_is_no_loop() {
    let tried = json!([{"address": "10.0.0.7:8080", "status": 502, "answered": false}]);
    let report = Road::answered(502)
        .access("gateway", "shop", 502, tried.clone())
        .access("gateway", "shop", 502, tried)
        .judged();
    assert!(found(&report, "proxy.loop_detected").is_none());
}

#[test]
fn a_new_connection_that_ends_is_no_race() {
    let terminated = || {
        Road::answered(502).error(
            "edge",
            "gateway",
            "upstream prematurely closed connection while reading response header from upstream",
        )
    };
    assert_eq!(code(&terminated().judged()), "proxy.connection_terminated");
    let inverted = |connect: u64| {
        let tries = json!([{"address": "10.0.0.1:80", "status": 502, "timed": true, "connect_us": connect}]);
        let mut road = terminated().access("edge", "gateway", 502, tries);
        road.path["hops"][1]["timeouts"] = json!({"keep_idle_us": 60_000_000});
        road.path["hops"][2]["timeouts"] = json!({"idle_us": 5_000_000});
        road.judged()
    };
    assert_eq!(code(&inverted(0)), "proxy.keepalive_race");
    assert_eq!(code(&inverted(4_000)), "proxy.connection_terminated");
}

#[test]
fn apisix_is_known_by_the_words_of_its_plugins() {
    let mut road = Road::answered(401);
    road.path["hops"][2]["kind"] = "apisix".into();
    road.observations[0]["data"]["headers"] = json!([["server", "APISIX/3.9.0"]]);
    road.observations[0]["data"]["body"] = json!({"start": "{\"message\":\"Missing API key in request\"}"});
    let report = road.judged();
    assert_eq!(
        (code(&report), hop(&report).as_str()),
        ("proxy.authentication_required", "gateway"),
        "{:#?}",
        report.verdict
    );
}

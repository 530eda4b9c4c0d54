//! The catalogue as a whole: documented, illustrated by examples that hold, and survived by nothing worse than silence.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqpath_core::{Catalogue, Cause, Report, Weight};
use serde_json::Value;

/// The codes that one leg, seen from its near side, must be able to show, and those that several hops show.
const FLOOR: &[&str] = &[
    "client.hosts_override",
    "client.proxy_env",
    "client.proxy_failed",
    "client.proxy_unreachable",
    "client.stale_connection",
    "client.deadline_too_short",
    "client.ports_exhausted",
    "client.fds_exhausted",
    "client.clock_skew",
    "dns.name_not_resolved",
    "dns.no_address",
    "dns.dangling_cname",
    "dns.server",
    "dns.dnssec_bogus",
    "dns.refused",
    "dns.failed",
    "dns.timed_out",
    "dns.unreachable",
    "dns.partial_resolvers",
    "dns.stale_answer",
    "dns.resolvers_disagree",
    "dns.dead_address",
    "dns.broken_family",
    "dns.search_mismatch",
    "dns.search_amplification",
    "dns.truncated_tcp_blocked",
    "tcp.refused",
    "tcp.timed_out",
    "tcp.accept_queue_full",
    "tcp.address_unreachable",
    "tcp.administratively_prohibited",
    "tcp.reset",
    "tcp.closed",
    "tcp.retransmits",
    "tcp.no_local_route",
    "tls.cert.date_invalid",
    "tls.cert.chain_expired",
    "tls.cert.name_invalid",
    "tls.cert.default_served",
    "tls.cert.authority_invalid",
    "tls.cert.incomplete_chain",
    "tls.cert.self_signed",
    "tls.cert.revoked",
    "tls.cert.expiring",
    "tls.version_or_cipher_mismatch",
    "tls.alpn_mismatch",
    "tls.unrecognized_name_alert",
    "tls.client_cert_required",
    "tls.client_cert_rejected",
    "tls.plaintext_peer",
    "tls.plaintext_to_tls",
    "tls.timed_out",
    "tls.protocol.error",
    "http.error",
    "http.response.redirect_loop",
    "http.response.invalid",
    "http.version_required",
    "http.response.header_section_size",
    "http.response.empty",
    "http.response.reset",
    "http.response.misdirected",
    "http.response.timed_out",
    "http.response.unexpected",
    "response.truncated",
    "response.reset_mid_body",
    "response.stalled",
    "client.deadline_exceeds_nothing",
    "client.retry_storm",
    "client.no_reuse",
    "dns.ttl_too_long",
    "dns.wrong_address",
    "proxy.no_resolver",
    "proxy.dns_error",
    "proxy.dns_timeout",
    "proxy.connect_route",
    "proxy.connection_refused",
    "proxy.connection_timeout",
    "proxy.connection_terminated",
    "proxy.tls_protocol_error",
    "proxy.tls_certificate_error",
    "proxy.keepalive_race",
    "proxy.http_response_timeout",
    "proxy.http_response_header_section_size",
    "proxy.http_response_incomplete",
    "proxy.destination_unavailable",
    "proxy.authentication_required",
    "proxy.authorization_denied",
    "proxy.rate_limited",
    "proxy.loop_detected",
    "proxy.timeout_budget_inverted",
    "pod.slow",
    "pod.app_error",
    "pod.dependency_failed",
    "pod.dependency_slow",
];

/// Codes of stages that do not exist yet, named as twins already.
const LATER: &[&str] =
    &["proxy.", "service.", "cni.", "pod.", "db.", "response.mtu_blackhole", "response.conntrack_invalid"];

fn catalogue() -> Catalogue {
    reqpath_stages::catalogue().expect("each code once")
}

fn examples() -> Vec<(&'static Cause, Value)> {
    let of = |cause: &'static Cause| {
        let json = cause.doc.example().unwrap_or_else(|| panic!("{} has no example", cause.code));
        (cause, serde_json::from_str(&json).unwrap_or_else(|error| panic!("{}: {error}", cause.code)))
    };
    catalogue().iter().map(of).collect()
}

#[test]
fn the_catalogue_holds_what_one_leg_can_show() {
    let catalogue = catalogue();
    let missing: Vec<_> = FLOOR.iter().filter(|code| catalogue.find(code).is_none()).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn every_cause_is_documented() {
    for cause in catalogue().iter() {
        let doc = cause.doc;
        assert!(doc.summary().ends_with('.'), "{}: the summary is a sentence: {}", cause.code, doc.summary());
        assert!(doc.summary().len() < 200, "{}: the summary is short", cause.code);
        assert!(doc.explanation().len() > 80, "{}: explain it", cause.code);
        assert!(doc.what_to_do().len() > 20, "{}: say what to do", cause.code);
    }
}

#[test]
fn twins_and_symptoms_are_codes() {
    let catalogue = catalogue();
    let known = |code: &str| {
        catalogue.find(code).is_some()
            || LATER.iter().any(|later| code.starts_with(later))
            || code.strip_suffix('*').is_some_and(|prefix| {
                prefix.starts_with("tunnel.") || catalogue.iter().any(|cause| cause.code.starts_with(prefix))
            })
    };
    for cause in catalogue.iter() {
        for code in cause.twins.iter().chain(cause.explains) {
            assert!(known(code), "{} names `{code}`, which is no code", cause.code);
        }
    }
}

#[test]
fn every_example_yields_its_cause() {
    let catalogue = catalogue();
    for (cause, example) in examples() {
        let report = Report::load(example.to_string().as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error:?}", cause.code))
            .judged(&catalogue);
        let verdict = report.verdict.as_ref().expect("judged");
        let named = verdict.cause().is_some_and(|named| named.code == cause.code);
        let warned = report.findings.iter().any(|f| f.code == cause.code && f.weight == Weight::Warning);
        assert!(
            named || warned,
            "{}: its example yields {verdict:#?} and {:#?}",
            cause.code,
            report.findings
        );
        for finding in &report.findings {
            assert!(!finding.cites.is_empty(), "{} cites nothing", finding.code);
        }
    }
}

#[test]
fn examples_survive_storage_unchanged() {
    let catalogue = catalogue();
    for (cause, example) in examples() {
        let once = Report::load(example.to_string().as_bytes()).unwrap().judged(&catalogue);
        let json = serde_json::to_value(&once).unwrap();
        let again = Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue);
        assert_eq!(serde_json::to_value(&again).unwrap(), json, "{}", cause.code);
    }
}

/// One value somewhere in the evidence, replaced by another or removed.
fn spoil(value: &mut Value, place: usize, with: &Value) -> usize {
    let mut count = 0;
    let mut visit = |child: &mut Value| {
        if count == place {
            *child = with.clone();
        }
        count += 1;
        count += spoil(child, place.wrapping_sub(count), with);
    };
    match value {
        Value::Array(list) => list.iter_mut().for_each(&mut visit),
        Value::Object(map) => map.iter_mut().for_each(|(_, child)| visit(child)),
        _ => {}
    }
    count
}

#[test]
fn spoilt_evidence_is_survived() {
    let catalogue = catalogue();
    let examples = examples();
    let odd = prop_oneof![
        Just(Value::Null),
        Just(Value::from(-1)),
        Just(Value::from(u64::MAX)),
        Just(Value::from(1e300)),
        Just(Value::from("\u{1b}[2J\u{202e}é\0")),
        Just(Value::from("x".repeat(5000))),
        Just(serde_json::json!([[], {}, "a", 5])),
        Just(serde_json::json!({"leg": 3})),
        Just(Value::Bool(true)),
    ];
    let strategy = (0..examples.len(), prop::collection::vec((0usize..60, odd), 1..4));
    let mut runner = TestRunner::new(Config { cases: 3000, ..Config::default() });
    runner
        .run(&strategy, |(which, changes)| {
            let (_, mut example) = examples[which].clone();
            let observations = example["observations"].as_array_mut().expect("observations");
            for observation in observations {
                for (place, with) in &changes {
                    spoil(&mut observation["data"], *place, with);
                }
            }
            // Judging must not panic; what it says of nonsense is its own affair, but it must be serialisable.
            if let Ok(report) = Report::load(example.to_string().as_bytes()) {
                let judged = report.judged(&catalogue);
                prop_assert!(serde_json::to_vec(&judged).is_ok());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn codes_stand_once() {
    let mut seen = HashSet::new();
    for cause in reqpath_stages::causes() {
        assert!(seen.insert(cause.code), "{} stands twice", cause.code);
    }
}

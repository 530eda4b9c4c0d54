//! Recognisers read whatever a stored report holds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use reqpath_core::{Catalogue, Report};
use serde_json::{Map, Value, json};

const KINDS: [&str; 6] =
    ["dns.system", "dns.answer", "dns.resolution", "dns.search", "dns.resolvers", "request.trial"];
const FIELDS: [&str; 24] = [
    "server",
    "name",
    "record_type",
    "rcode",
    "addresses",
    "chain",
    "timed_out",
    "unreachable",
    "flags",
    "transport",
    "checking_disabled",
    "again",
    "error",
    "symbol",
    "message",
    "still_waiting",
    "names",
    "ndots",
    "nameservers",
    "settled_by",
    "extended_errors",
    "role",
    "left",
    "stage",
];

fn value() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "a.test",
        "a.test.",
        "b.a.test.",
        "A",
        "AAAA",
        "NXDOMAIN",
        "NOERROR",
        "SERVFAIL",
        "192.0.2.1:53",
        "tcp",
        "EAI_AGAIN",
        "\u{1b}[31m",
        "",
        "dead",
        "fresh",
        "dns",
    ]);
    let leaf = prop_oneof![
        words.prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!([{"address": "192.0.2.7", "ttl_s": 1}])),
        Just(json!([{"name": "a.test.", "target": "b.test."}])),
        Just(json!([{"code": 6, "text": "x"}])),
        Just(json!(["a.test.", "b.a.test."])),
        Just(json!(["192.0.2.1:53", "192.0.2.2:53"])),
        Just(json!({"tc": true})),
        Just(Value::Null),
    ];
    leaf.boxed()
}

fn observation() -> impl Strategy<Value = Value> {
    let data = prop::collection::vec((prop::sample::select(FIELDS.to_vec()), value()), 0..10);
    (prop::sample::select(KINDS.to_vec()), data, any::<bool>()).prop_map(|(kind, data, complete)| {
        let mut fields: Map<String, Value> =
            data.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (name, usual) in [
            ("server", json!("192.0.2.1:53")),
            ("name", json!("a.test.")),
            ("role", json!("fresh")),
            ("left", json!("dead")),
            ("stage", json!("dns")),
        ] {
            fields.entry(name).or_insert(usual);
        }
        json!({"kind": kind, "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
               "complete": complete, "data": fields})
    })
}

proptest! {
    #[test]
    fn no_report_makes_a_recogniser_panic(observations in prop::collection::vec(observation(), 0..12)) {
        let report = json!({"schema": "reqpath.report/1", "observations": observations});
        let catalogue = Catalogue::new(reqpath_dns::CAUSES.iter().copied()).unwrap();
        let report = Report::load(report.to_string().as_bytes()).unwrap().judged(&catalogue);
        for finding in &report.findings {
            prop_assert!(!finding.summary.is_empty() && !finding.cites.is_empty());
        }
    }
}

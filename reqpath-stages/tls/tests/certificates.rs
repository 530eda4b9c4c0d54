//! Certificates, good and bad, shown by a server that is real but for its script.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod road;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqpath_core::Verdict;
use reqpath_local::LocalVantage;
use reqpath_testkit::mock::{Connection, MockUpstream, Reply, Tls};
use reqpath_testkit::pki::{Authority, Leaf};
use reqpath_tls::{Alert, Ended, Purpose, Reason, TlsOptions, Trust, Verification};
use road::{
    AnotherTime, assert_died, assert_reached, code, handshake, handshakes, trace, trace_from, trusting,
};

const NAME: &str = "www.example.test";

fn serving(tls: impl Into<Tls>) -> MockUpstream {
    MockUpstream::builder().tls(tls).start().unwrap()
}

fn root() -> Authority {
    Authority::named("Test Root").unwrap()
}

fn traced(options: TlsOptions, leaf: &Leaf) -> reqpath_core::Report {
    trace(options, NAME, serving(leaf).address())
}

#[test]
fn a_good_handshake_is_recorded_whole_and_blames_nobody() {
    let root = root();
    let leaf = root.intermediate("R1").issue().unwrap().leaf(NAME).issue().unwrap();
    let report = traced(trusting(&root), &leaf);
    assert_reached(&report);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let road = handshake(&report, Purpose::Road);
    assert_eq!(road.sni.as_deref(), Some(NAME));
    assert_eq!((road.version.as_deref(), road.alpn.as_deref()), (Some("TLSv1.3"), Some("h2")));
    assert_eq!(road.suite.as_deref(), Some("TLS13_AES_256_GCM_SHA384"));
    assert_eq!(road.group.as_deref(), Some("X25519"));
    assert_eq!((road.served, road.chain.certificates().len()), (2, 2));
    assert_eq!(road.verification, Some(Verification::Trusted));
    assert_eq!((&*road.trust.name, road.trust.authorities), ("ca.pem", 1));
    assert!(road.hello_us <= road.total_us && road.hello_us.is_some());
    assert!(road.sent_bytes > 200 && road.received_bytes > 500);
    assert!(road.certificate_request.is_none() && road.error.is_none() && road.first_bytes.is_none());
    assert_eq!(handshakes(&report).len(), 1, "nothing beside the road");
    let source = report.observations.iter().find(|one| one.kind() == "tls.handshake").unwrap().source();
    assert!(source.starts_with("openssl s_client -connect 127.0.0.1:"), "{source}");
}

#[test]
fn an_expired_leaf() {
    let root = root();
    let report = traced(trusting(&root), &root.leaf(NAME).expired(3).issue().unwrap());
    assert_died(&report, "tls.cert.date_invalid");
    let road = handshake(&report, Purpose::Road);
    assert_eq!(road.ended, Some(Ended::Refused));
    assert_eq!(road.alert_sent.as_ref().map(|alert: &Alert| &*alert.name), Some("certificate_expired"));
    assert_eq!(road.apart_from_dates, Some(Verification::Trusted), "only the date is wrong");
    // What the client's own handshake could not learn, the next one did.
    let learnt = handshake(&report, Purpose::Learn);
    assert_eq!((learnt.ended, learnt.version.as_deref()), (Some(Ended::Completed), Some("TLSv1.3")));
    assert!(report.findings[0].summary.contains("expired 3 days ago"), "{}", report.findings[0].summary);
    assert!(report.findings[0].error.as_ref().unwrap().contains("certificate expired"));
}

#[test]
fn a_leaf_that_is_not_valid_yet() {
    let root = root();
    let report = traced(trusting(&root), &root.leaf(NAME).not_yet_valid(2).issue().unwrap());
    assert_died(&report, "tls.cert.date_invalid");
    assert!(report.findings[0].summary.contains("not valid yet"), "{}", report.findings[0].summary);
}

#[test]
fn dates_are_judged_by_the_clock_of_the_vantage() {
    let root = root();
    let mock = serving(&root.leaf(NAME).issue().unwrap());
    let past = AnotherTime(LocalVantage::new(), SystemTime::now() - Duration::from_secs(400 * 86_400));
    let report = trace_from(Arc::new(past), Duration::from_secs(5), trusting(&root), NAME, mock.address());
    assert_died(&report, "tls.cert.date_invalid");
    assert!(report.findings[0].summary.contains("not valid yet"), "{}", report.findings[0].summary);

    let mock = serving(&root.leaf(NAME).expired(3).issue().unwrap());
    let past = AnotherTime(LocalVantage::new(), SystemTime::now() - Duration::from_secs(4 * 86_400));
    let report = trace_from(Arc::new(past), Duration::from_secs(5), trusting(&root), NAME, mock.address());
    // The root is younger than that clock: no date of an authority in the store is looked at.
    assert_reached(&report);
}

#[test]
fn an_expired_intermediate_under_a_leaf_in_date() {
    let root = root();
    let leaf = root.intermediate("R1").expired(1).issue().unwrap().leaf(NAME).issue().unwrap();
    let report = traced(trusting(&root), &leaf);
    assert_died(&report, "tls.cert.chain_expired");
    assert!(report.findings[0].summary.contains("`R1`, number 2 of the chain"));
    assert!(report.ruled_out.iter().any(|ruled| ruled.code == "tls.cert.date_invalid"));
}

#[test]
fn a_wrong_name_with_and_without_names_to_compare() {
    let root = root();
    let report =
        traced(trusting(&root), &root.leaf("other.example.test").also_for("192.0.2.9").issue().unwrap());
    assert_died(&report, "tls.cert.name_invalid");
    assert!(report.findings[0].summary.contains("`other.example.test`, `192.0.2.9`"));
    assert!(handshake(&report, Purpose::WithoutName).sni.is_none());

    let report = traced(trusting(&root), &root.leaf(NAME).common_name_only().issue().unwrap());
    assert_died(&report, "tls.cert.name_invalid");
    assert!(report.findings[0].summary.contains("holds no name at all"), "{}", report.findings[0].summary);
}

#[test]
fn the_default_certificate_is_known_by_a_name_that_is_served() {
    let root = root();
    let fallback = root.leaf("fallback.example.test").issue().unwrap();
    let known = root.leaf("known.example.test").issue().unwrap();
    let mock = serving(Tls::new(&fallback).for_name("known.example.test", &known));
    let mut options = trusting(&root);
    options.known_name = Some("known.example.test".to_owned());
    let report = trace(options, NAME, mock.address());
    assert_died(&report, "tls.cert.default_served");
    let Some(Verdict::Died { chain, .. }) = &report.verdict else { panic!() };
    assert_eq!(chain, &["tls.cert.name_invalid", "tls.cert.default_served"]);
    assert_eq!(handshake(&report, Purpose::KnownName).verification, Some(Verification::Trusted));
}

#[test]
fn a_certificate_chosen_for_the_wrong_name_is_no_default() {
    let root = root();
    let fallback = root.leaf("fallback.example.test").issue().unwrap();
    let wrong = root.leaf("misissued.example.test").issue().unwrap();
    let known = root.leaf("known.example.test").issue().unwrap();
    let tls = Tls::new(&fallback).for_name(NAME, &wrong).for_name("known.example.test", &known);
    let mock = serving(tls);
    let mut options = trusting(&root);
    options.known_name = Some("known.example.test".to_owned());
    let report = trace(options, NAME, mock.address());
    assert_died(&report, "tls.cert.name_invalid");
    assert!(report.ruled_out.iter().any(|ruled| ruled.code == "tls.cert.default_served"));
}

#[test]
fn an_address_is_asked_for_without_a_name() {
    let root = root();
    let mock = serving(&root.leaf("127.0.0.1").issue().unwrap());
    let report = trace(trusting(&root), "127.0.0.1", mock.address());
    assert_reached(&report);
    assert!(handshake(&report, Purpose::Road).sni.is_none());
    let mock = serving(&root.leaf(NAME).issue().unwrap());
    assert_died(&trace(trusting(&root), "127.0.0.1", mock.address()), "tls.cert.name_invalid");
}

#[test]
fn an_unknown_issuer_and_an_impostor() {
    let (root, stranger) = (root(), Authority::named("Stranger").unwrap());
    let report = traced(trusting(&root), &stranger.leaf(NAME).issue().unwrap());
    assert_died(&report, "tls.cert.authority_invalid");
    assert!(report.findings[0].summary.contains("`Stranger`"), "{}", report.findings[0].summary);

    let report = traced(trusting(&root), &root.impostor().unwrap().leaf(NAME).issue().unwrap());
    assert_died(&report, "tls.cert.authority_invalid");
    assert!(handshake(&report, Purpose::Road).refused_for(Reason::BadSignature));
    assert!(report.findings[0].summary.contains("another key"), "{}", report.findings[0].summary);
}

#[test]
fn a_whole_chain_of_an_unknown_root_is_not_incomplete() {
    let (root, stranger) = (root(), Authority::named("Stranger").unwrap());
    let middle = stranger.intermediate("S1").issue().unwrap();
    let mut options = trusting(&root);
    options.spare_intermediates = vec![root.intermediate("R1").issue().unwrap().certificate_der().clone()];
    let report = traced(options, &middle.leaf(NAME).with_root().issue().unwrap());
    assert_died(&report, "tls.cert.authority_invalid");
    let because = report.ruled_out.iter().find(|ruled| ruled.code == "tls.cert.incomplete_chain");
    assert!(because.is_some(), "{:?}", report.ruled_out);
}

#[test]
fn a_missing_intermediate_that_was_given() {
    let root = root();
    let middle = root.intermediate("R1").issue().unwrap();
    let leaf = middle.leaf(NAME).without_intermediates().issue().unwrap();
    let mut options = trusting(&root);
    options.spare_intermediates = vec![middle.certificate_der().clone()];
    let report = traced(options, &leaf);
    assert_died(&report, "tls.cert.incomplete_chain");
    let summary = &report.findings[0].summary;
    assert!(summary.contains("leaves out `R1`") && summary.contains("given by the caller"), "{summary}");

    let report = traced(trusting(&root), &leaf);
    assert_died(&report, "tls.cert.authority_invalid");
}

#[test]
fn a_missing_intermediate_is_fetched_only_when_asked() {
    let root = root();
    let middle = root.intermediate("R1").issue().unwrap();
    let shop = MockUpstream::start(Reply::ok(middle.certificate_der().to_vec())).unwrap();
    let leaf =
        middle.leaf(NAME).without_intermediates().issuer_url(&shop.url("/r1.der?a=b")).issue().unwrap();
    let report = traced(trusting(&root), &leaf);
    assert_died(&report, "tls.cert.authority_invalid");
    assert!(report.next.iter().any(|next| next.contains("--fetch-aia")), "{:?}", report.next);
    assert_eq!(shop.connection_count(), 0);

    let mut options = trusting(&root);
    options.fetch_aia = true;
    let report = traced(options, &leaf);
    assert_died(&report, "tls.cert.incomplete_chain");
    assert_eq!(shop.requests()[0].target, "/r1.der?a=b");
    assert!(report.findings[0].summary.contains(&shop.url("/r1.der")), "{}", report.findings[0].summary);
}

#[test]
fn a_hostile_place_to_fetch_from_is_bounded_and_said() {
    let root = root();
    let middle = root.intermediate("R1").issue().unwrap();
    let endless = MockUpstream::start(Reply::endless()).unwrap();
    let silent = MockUpstream::start(Reply::hang()).unwrap();
    let page = MockUpstream::start(Reply::ok("<html>")).unwrap();
    let cases = [
        (endless.url("/"), "more than 64 KiB"),
        (silent.url("/"), "nothing came within"),
        (page.url("/"), "no certificate"),
        ("https://127.0.0.1:1/".to_owned(), "only http://"),
        ("ldap://x/".to_owned(), "only http://"),
    ];
    for (url, problem) in cases {
        let mut options = trusting(&root);
        options.fetch_aia = true;
        let leaf = middle.leaf(NAME).without_intermediates().issuer_url(&url).issue().unwrap();
        let report = traced(options, &leaf);
        assert_died(&report, "tls.cert.authority_invalid");
        let completion = report.observations.iter().find(|one| one.kind() == "tls.completion").unwrap();
        let said = completion.value()["tried"][0]["problem"].as_str().unwrap().to_owned();
        assert!(said.contains(problem), "{url}: {said}");
    }
}

#[test]
fn a_leaf_that_signs_itself() {
    let root = root();
    let report = traced(trusting(&root), &root.leaf(NAME).self_signed().issue().unwrap());
    assert_died(&report, "tls.cert.self_signed");
    let ruled: Vec<_> = report.ruled_out.iter().map(|ruled| ruled.code.as_str()).collect();
    assert!(ruled.contains(&"tls.cert.authority_invalid"), "{ruled:?}");
}

#[test]
fn a_certificate_for_clients_is_not_for_servers() {
    let root = root();
    let report = traced(trusting(&root), &root.client(NAME).also_for(NAME).issue().unwrap());
    assert_died(&report, "tls.cert.invalid");
}

#[test]
fn a_revoked_certificate_and_one_that_is_not() {
    let root = root();
    let (bad, good) = (root.leaf(NAME).issue().unwrap(), root.leaf(NAME).issue().unwrap());
    root.revoke(&bad);
    let mut options = trusting(&root);
    options.crls = vec![root.crl().unwrap().der().clone()];
    assert_died(&traced(options.clone(), &bad), "tls.cert.revoked");
    assert_reached(&traced(options, &good));
    // Without the list nobody knows.
    assert_reached(&traced(trusting(&root), &bad));
}

#[test]
fn a_certificate_about_to_expire_is_worth_a_warning() {
    let root = root();
    let report = traced(trusting(&root), &root.leaf(NAME).valid_for(5).issue().unwrap());
    assert_reached(&report);
    assert_eq!(report.findings[0].code, "tls.cert.expiring");
    let mut options = trusting(&root);
    options.expiring_within = Duration::from_secs(3 * 86_400);
    assert!(traced(options, &root.leaf(NAME).valid_for(5).issue().unwrap()).findings.is_empty());
}

#[test]
fn what_is_not_verified_goes_on_and_warns() {
    let root = root();
    let leaf = root.leaf("other.example.test").expired(3).self_signed().issue().unwrap();
    let mut options = TlsOptions::default();
    options.trust = Trust::None;
    let report = traced(options, &leaf);
    assert_reached(&report);
    let codes: Vec<_> = report.findings.iter().map(|finding| &*finding.code).collect();
    assert_eq!(codes, ["tls.cert.date_invalid", "tls.cert.name_invalid"]);
    assert_eq!(handshake(&report, Purpose::Road).verification, Some(Verification::Skipped));
}

#[test]
fn two_faults_at_once_are_both_said() {
    let (root, stranger) = (root(), Authority::named("Stranger").unwrap());
    let report = traced(trusting(&root), &stranger.leaf("other.example.test").expired(3).issue().unwrap());
    let Some(Verdict::Died { cause, also, .. }) = &report.verdict else { panic!("{:?}", report.verdict) };
    assert_eq!(cause.code, "tls.cert.date_invalid");
    assert_eq!(also, &["tls.cert.authority_invalid", "tls.cert.name_invalid"]);
}

#[test]
fn a_chain_beyond_all_limits_ends_bounded() {
    let root = root();
    let report = traced(trusting(&root), &root.leaf(NAME).chain_of_at_least(70_000).issue().unwrap());
    assert_died(&report, "tls.protocol.error");
    let summary = &report.findings[0].summary;
    assert!(summary.contains("64 KiB"), "{summary}");
}

#[test]
fn names_with_control_characters_reach_no_terminal() {
    let (root, stranger) = (root(), Authority::named("\u{1b}]0;owned\u{7}\u{202e}CA").unwrap());
    let report = traced(trusting(&root), &stranger.leaf(NAME).issue().unwrap());
    assert_died(&report, "tls.cert.authority_invalid");
    let json = reqpath_core::serde_json::to_string(&report).unwrap();
    assert!(!json.contains("\\u001b") && !json.contains('\u{202e}') && !json.contains("\\u0007"), "{json}");
    assert!(json.contains("\\\\u{1b}]0;owned"), "{json}");
}

#[test]
fn without_side_looks_there_is_one_connection() {
    let root = root();
    let mock = serving(&root.leaf("other.example.test").issue().unwrap());
    let mut options = trusting(&root);
    options.side_looks = false;
    options.known_name = Some("other.example.test".to_owned());
    let report = trace(options, NAME, mock.address());
    assert_died(&report, "tls.cert.name_invalid");
    assert_eq!(mock.connection_count(), 1);
}

#[test]
fn every_third_server_behind_one_address_is_wrong() {
    let root = root();
    // One handshake of three dies: a fault of one server among several.
    let mock = MockUpstream::builder()
        .tls(&root.leaf(NAME).issue().unwrap())
        .connections(Connection::every(3, Connection::tls_alert(80)))
        .start()
        .unwrap();
    let mut options = trusting(&root);
    options.side_looks = false;
    let codes: Vec<_> =
        (0..6).map(|_| code(&trace(options.clone(), NAME, mock.address())).to_owned()).collect();
    let died = codes.iter().filter(|code| *code == "tls.protocol.error").count();
    assert_eq!((died, codes.iter().filter(|code| *code == "reached").count()), (2, 4), "{codes:?}");
}

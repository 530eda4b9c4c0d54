//! Peers that do not get as far as a certificate, or want one of ours.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod road;

use std::time::{Duration, Instant};

use reqpath_core::{Report, Verdict};
use reqpath_testkit::mock::{Connection, MockUpstream, Tls};
use reqpath_testkit::pki::Authority;
use reqpath_tls::{Ended, Identity, Purpose, TlsOptions};
use road::{assert_died, assert_reached, code, handshake, trace, trace_within, trusting};

const NAME: &str = "www.example.test";

fn root() -> Authority {
    Authority::named("Test Root").unwrap()
}

fn behaving(connection: Connection) -> (MockUpstream, TlsOptions) {
    let root = root();
    let leaf = root.leaf(NAME).issue().unwrap();
    let mock = MockUpstream::builder().tls(&leaf).connections(connection).start().unwrap();
    (mock, trusting(&root))
}

fn after(connection: Connection) -> Report {
    let (mock, options) = behaving(connection);
    trace_within(Duration::from_secs(4), options, NAME, mock.address())
}

#[test]
fn a_silent_server_is_waited_for_and_no_longer() {
    let (mock, mut options) = behaving(Connection::silent());
    options.limit = Duration::from_millis(300);
    let began = Instant::now();
    let report = trace(options, NAME, mock.address());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_died(&report, "tls.timed_out");
    let road = handshake(&report, Purpose::Road);
    assert_eq!((road.ended, road.received_bytes, road.hello_us), (Some(Ended::TimedOut), 0, None));
    assert!(road.sent_bytes > 200);
}

#[test]
fn a_deadline_that_is_shorter_still_leaves_a_complete_record() {
    let (mock, options) = behaving(Connection::silent());
    let report = trace_within(Duration::from_millis(250), options, NAME, mock.address());
    assert_died(&report, "tls.timed_out");
    assert!(report.observations.iter().all(|observation| observation.complete), "{:?}", report.observations);
}

#[test]
fn a_server_that_speaks_something_else() {
    for (connection, language) in [
        (Connection::plain_http_400(), "plain HTTP"),
        (Connection::ssh(), "SSH"),
        (Connection::greets("220 mail.example ESMTP\r\n"), "SMTP"),
        (Connection::answers("-ERR"), "Redis"),
        (Connection::answers("\u{1b}[2J\u{1b}[31m"), "something else"),
    ] {
        let report = after(connection);
        assert_died(&report, "tls.plaintext_peer");
        let summary = &report.findings[0].summary;
        assert!(summary.contains(language), "{summary}");
        assert!(!summary.contains('\u{1b}'));
    }
}

#[test]
fn alerts_before_a_certificate() {
    for (alert, code) in [
        (70, "tls.version_or_cipher_mismatch"),
        (71, "tls.version_or_cipher_mismatch"),
        (40, "tls.version_or_cipher_mismatch"),
        (112, "tls.unrecognized_name_alert"),
        (120, "tls.alpn_mismatch"),
        (80, "tls.protocol.error"),
        (50, "tls.protocol.error"),
    ] {
        let report = after(Connection::tls_alert(alert));
        assert_died(&report, code);
        assert_eq!(handshake(&report, Purpose::Road).alert.as_ref().map(|alert| alert.number), Some(alert));
    }
}

#[test]
fn a_name_that_is_refused_whatever_the_alert() {
    let root = root();
    let known = root.leaf("known.example.test").issue().unwrap();
    let tls = Tls::new(&known).for_name("known.example.test", &known).refuse_unknown_names();
    let mock = MockUpstream::builder().tls(tls).start().unwrap();
    let mut options = trusting(&root);
    options.known_name = Some("known.example.test".to_owned());
    let report = trace(options, NAME, mock.address());
    assert_died(&report, "tls.unrecognized_name_alert");
    assert_eq!(handshake(&report, Purpose::KnownName).ended, Some(Ended::Completed));
}

#[test]
fn a_server_of_another_generation() {
    let root = root();
    let leaf = root.leaf(NAME).issue().unwrap();
    for (tls, version) in
        [(Tls::new(&leaf).only_tls12(), "TLSv1.2"), (Tls::new(&leaf).only_tls13(), "TLSv1.3")]
    {
        let mock = MockUpstream::builder().tls(tls).start().unwrap();
        let report = trace(trusting(&root), NAME, mock.address());
        assert_reached(&report);
        assert_eq!(handshake(&report, Purpose::Road).version.as_deref(), Some(version));
    }
}

#[test]
fn protocols_that_do_not_meet() {
    let root = root();
    let leaf = root.leaf(NAME).issue().unwrap();
    let only = |protocol: &str| {
        let mut options = trusting(&root);
        options.alpn = vec![protocol.as_bytes().to_vec()];
        options
    };
    let mock = MockUpstream::builder().tls(Tls::new(&leaf).alpn(&["http/1.1"])).start().unwrap();
    assert_died(&trace(only("h2"), NAME, mock.address()), "tls.alpn_mismatch");
    assert_reached(&trace(only("http/1.1"), NAME, mock.address()));
    // A server that knows nothing of the extension leaves HTTP/1.1, which is not what was offered.
    let mock = MockUpstream::builder().tls(Tls::new(&leaf).alpn(&[])).start().unwrap();
    let report = trace(only("h2"), NAME, mock.address());
    assert_died(&report, "tls.alpn_mismatch");
    assert!(handshake(&report, Purpose::Road).completed());
    assert_reached(&trace(only("http/1.1"), NAME, mock.address()));
}

#[test]
fn a_connection_that_ends_at_the_client_hello_and_one_that_always_does() {
    for connection in [Connection::reset_after_first_bytes(), Connection::close_after_first_bytes()] {
        let report = after(connection);
        assert_died(&report, "tls.protocol.error");
        let summary = &report.findings[0].summary;
        assert!(summary.contains("while one on which nothing was said stayed open"), "{summary}");
        let Some(Verdict::Died { at, .. }) = &report.verdict else { panic!() };
        assert!(at.leg.is_some(), "who ended it may stand between");
    }
    for connection in [Connection::reset_at_accept(), Connection::close_at_accept()] {
        let report = after(connection);
        assert!(
            report.findings.iter().all(|finding| finding.code != "tls.protocol.error"),
            "{:?}",
            report.findings
        );
        assert!(matches!(code(&report), "tcp.reset" | "tcp.closed"), "{:?}", report.verdict);
    }
}

#[test]
fn the_wish_for_a_client_certificate_is_seen() {
    let root = root();
    let leaf = root.leaf(NAME).issue().unwrap();
    let mock = MockUpstream::builder().tls(Tls::new(&leaf).require_client(&root)).start().unwrap();
    let report = trace(trusting(&root), NAME, mock.address());
    // With TLS 1.3 the handshake is over before the server judges: the stage after this one meets the alert.
    assert_reached(&report);
    let road = handshake(&report, Purpose::Road);
    let request = road.certificate_request.as_ref().unwrap();
    assert_eq!((request.authorities, &*request.first), (1, &["CN=Test Root".to_owned()][..]));
    assert!(!request.schemes.is_empty() && !road.certificate_sent);

    let mock =
        MockUpstream::builder().tls(Tls::new(&leaf).only_tls12().require_client(&root)).start().unwrap();
    let report = trace(trusting(&root), NAME, mock.address());
    // With TLS 1.2 it is told within the handshake; what it means is decided where answers are read as well.
    assert_eq!(code(&report), "unknown", "{:?}", report.findings);
    let road = handshake(&report, Purpose::Road);
    assert!(road.certificate_request.is_some());
    assert!(road.alert.as_ref().unwrap().is_about_a_client_certificate(), "{:?}", road.alert);
}

#[test]
fn a_client_certificate_is_shown_when_asked_for() {
    let root = root();
    let leaf = root.leaf(NAME).issue().unwrap();
    let robot = root.client("robot").issue().unwrap();
    let tls = Tls::new(&leaf).only_tls12().require_client(&root);
    let mock = MockUpstream::builder().tls(tls).start().unwrap();
    let mut options = trusting(&root);
    let identity =
        Identity::from_pem("c", robot.chain_pem().as_bytes(), "k", robot.key_pem().as_bytes()).unwrap();
    options.identity = Some(identity);
    let report = trace(options, NAME, mock.address());
    assert_reached(&report);
    assert!(handshake(&report, Purpose::Road).certificate_sent);
    // The server's last word is on its way before it notes what it was shown.
    assert!(mock.wait_until(Duration::from_secs(10), |seen| {
        seen.connections
            .iter()
            .filter_map(|one| one.tls.as_ref())
            .any(|tls| tls.client_certificates.len() == 1)
    }));
    let json = reqpath_core::serde_json::to_string(&report).unwrap();
    assert!(!json.contains("PRIVATE KEY"));
}

//! Servers that misbehave at a chosen byte, traced by the built program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Run, name, trace};
use reqpath_testkit::mock::{Connection, MockUpstream, Reply, Request, Tls};
use reqpath_testkit::pki::{Authority, Leaf};

fn ask(server: &MockUpstream, more: &[&str]) -> Run {
    let url = server.url("/x");
    trace([in_time(more), vec![url.as_str()]].concat())
}

/// A time for the request, unless the test has its own.
fn in_time<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let own: &[&str] = if more.contains(&"--max-time") { &[] } else { &["--max-time", "4"] };
    [own, more].concat()
}

fn answering(reply: Reply) -> MockUpstream {
    MockUpstream::start(reply).unwrap()
}

/// A server behind TLS, and flags that lead to it.
struct Secured {
    mock: MockUpstream,
    name: String,
    folder: tempfile::TempDir,
}

impl Secured {
    fn new(tls: impl FnOnce(Tls) -> Tls, connections: Connection, reply: Reply) -> Self {
        let (authority, name) = (Authority::new().unwrap(), name());
        let leaf = authority.leaf(&name).issue().unwrap();
        let mock =
            MockUpstream::builder().tls(tls(Tls::new(&leaf))).connections(connections).reply(reply).start();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.certificate_pem()).unwrap();
        Self { mock: mock.unwrap(), name, folder }
    }

    fn ask(&self, more: &[&str]) -> Run {
        let port = self.mock.address().port();
        let (resolve, url) =
            (format!("{}:{port}:127.0.0.1", self.name), format!("https://{}:{port}/x", self.name));
        let ca = self.folder.path().join("ca.pem").display().to_string();
        trace([vec!["--resolve", &resolve, "--cacert", &ca, &url], in_time(more)].concat())
    }
}

#[track_caller]
fn assert_only(run: &Run, code: &str, not: &[&str]) {
    run.assert_died(code);
    for other in not {
        run.assert_not_blamed(other);
    }
}

#[test]
fn a_close_and_a_reset_after_the_request() {
    let run = ask(&answering(Reply::close()), &[]);
    assert_only(&run, "http.response.empty", &["http.response.reset", "tcp.closed", "tcp.reset"]);
    let run = ask(&answering(Reply::reset()), &[]);
    assert_only(&run, "http.response.reset", &["http.response.empty", "tcp.closed", "tcp.reset"]);
    assert!(run.ruled_out().contains(&"tcp.reset"), "{}", run.told());
    let error = run.report["findings"][0]["error"].as_str().unwrap();
    assert!(error.contains("Connection reset by peer"), "{error}");
}

#[test]
fn a_server_that_ends_every_connection_is_another_matter() {
    let resetting = MockUpstream::builder().connections(Connection::reset_at_accept()).start().unwrap();
    let run = ask(&resetting, &[]);
    assert_only(&run, "tcp.reset", &["client.stale_connection"]);
    let closing = MockUpstream::builder().connections(Connection::close_at_accept()).start().unwrap();
    // It reads on after its FIN, so that no RST follows, however early the request comes.
    assert_only(&ask(&closing, &[]), "tcp.closed", &["tcp.reset", "client.stale_connection"]);
}

#[test]
fn a_close_and_a_reset_within_tls() {
    let closing = Secured::new(|tls| tls, Connection::serve().without_close_notify(), Reply::close());
    for flag in ["--http1.1", "--http2"] {
        assert_only(&closing.ask(&[flag]), "http.response.empty", &["tcp.closed", "http.failed"]);
    }
    let resetting = Secured::new(|tls| tls, Connection::serve(), Reply::reset());
    for flag in ["--http1.1", "--http2"] {
        assert_only(&resetting.ask(&[flag]), "http.response.reset", &["tcp.reset", "http.failed"]);
    }
}

#[test]
fn silence_after_the_request() {
    let server = answering(Reply::hang());
    let run = ask(&server, &["--max-time", "0.7"]);
    assert_only(
        &run,
        "http.response.timed_out",
        &["response.stalled", "http.response.empty", "tls.timed_out"],
    );
    assert!(run.wall < Duration::from_secs(3), "{:?}", run.wall);
    let exchange = &run.seen("http.exchange")[0];
    for phase in ["first_byte_us", "headers_us", "body_us", "status"] {
        assert!(exchange.get(phase).is_none(), "{phase} was never reached: {exchange}");
    }
    let slow = Secured::new(|tls| tls, Connection::serve(), Reply::hang());
    for flag in ["--http1.1", "--http2"] {
        let run = slow.ask(&[flag, "--max-time", "0.7"]);
        assert_only(&run, "http.response.timed_out", &["response.stalled", "tls.timed_out"]);
    }
}

#[test]
fn what_is_no_http() {
    let run = ask(&answering(Reply::garbage()), &[]);
    assert_only(&run, "http.response.invalid", &["tls.plaintext_to_tls", "response.truncated"]);
    assert!(
        !run.stdout.contains('\u{1b}') && !run.stdout.contains('\u{7}'),
        "control characters in the report"
    );
    let ssh = MockUpstream::builder().connections(Connection::ssh()).start().unwrap();
    let run = ask(&ssh, &[]);
    assert_only(&run, "http.response.invalid", &[]);
    assert!(run.report["verdict"]["cause"]["summary"].as_str().unwrap().contains("SSH"), "{}", run.told());
    // HTTP/2 was agreed on and HTTP/1.1 is spoken.
    let liar = Secured::new(|tls| tls, Connection::serve().speaks_http1_only(), Reply::ok("hello"));
    let run = liar.ask(&[]);
    run.assert_died("tls.alpn_mismatch");
    assert_eq!(run.report["verdict"]["chain"][0], "http.response.invalid", "{}", run.told());
}

#[test]
fn plain_http_to_tls_answered_by_an_alert() {
    let secured = Secured::new(|tls| tls, Connection::serve(), Reply::ok("hello"));
    let url = format!("http://{}/", secured.mock.address());
    let not = &["http.response.empty", "http.response.reset", "tls.plaintext_peer"];
    assert_only(&trace(["--max-time", "4", &url]), "tls.plaintext_to_tls", not);
    let explained = Secured::new(Tls::explain_plain_http, Connection::serve(), Reply::ok("hello"));
    let url = format!("http://{}/", explained.mock.address());
    assert_only(&trace(["--max-time", "4", &url]), "tls.plaintext_to_tls", &["tls.plaintext_peer"]);
    let alert = MockUpstream::builder().connections(Connection::tls_alert(10)).start().unwrap();
    assert_only(&ask(&alert, &[]), "tls.plaintext_to_tls", &[]);
}

#[test]
fn a_head_that_is_too_large() {
    let run = ask(&answering(Reply::ok("x").oversized_headers(200_000)), &[]);
    assert_only(&run, "http.response.header_section_size", &["http.response.invalid"]);
    // Just above what is read, above what the library takes apart, and above what it looks at.
    for bytes in [66_000, 100_000, 200_000, 700_000] {
        let two = Secured::new(|tls| tls, Connection::serve(), Reply::ok("x").oversized_headers(bytes));
        let run = two.ask(&["--http2"]);
        assert_only(&run, "http.response.header_section_size", &["http.response.invalid"]);
    }
    let two = Secured::new(|tls| tls, Connection::serve(), Reply::ok("x").oversized_headers(30_000));
    two.ask(&["--http2"]).assert_reached();
    // Large, and within what is read.
    ask(&answering(Reply::ok("x").oversized_headers(30_000)), &[]).assert_reached();
}

#[test]
fn a_misdirected_request() {
    let run = ask(&answering(Reply::misdirected()), &[]);
    run.assert_died("http.response.misdirected");
    let two = Secured::new(|tls| tls, Connection::serve(), Reply::misdirected());
    let run = two.ask(&[]);
    run.assert_died("http.response.misdirected");
    let summary = run.report["verdict"]["cause"]["summary"].as_str().unwrap();
    assert!(summary.contains(&format!("SNI sent was `{}`", two.name)), "{summary}");
    // An application's 404 on the same road is no misdirection.
    ask(&answering(Reply::status(404).body("none")), &[])
        .assert_reached()
        .assert_not_blamed("http.response.misdirected");
}

#[test]
fn every_third_sample_failing() {
    let server = MockUpstream::builder()
        .connections(Connection::every(3, Connection::close_after_first_bytes()))
        .reply(Reply::ok("hello"))
        .start()
        .unwrap();
    let url = server.url("/");
    let run = trace(["-n", "12", "--max-time", "4", "--deadline", "20", &url]);
    // Those that die are heard out and closed without an answer: that is what every one of them is called.
    run.assert_degraded("http.response.empty").assert_not_blamed("http.response.reset");
    let died = run.report["verdict"]["outcome"]["died"].as_u64().unwrap();
    assert!((3..=5).contains(&died), "{}", run.told());
}

#[test]
fn http_2_streams_and_connections_that_end() {
    let secured = |connections, reply| Secured::new(|tls| tls, connections, reply);
    let cut = secured(Connection::serve(), Reply::ok(vec![b'x'; 5000]).truncate_after(100));
    assert_only(&cut.ask(&["--http2"]), "response.truncated", &["response.reset_mid_body"]);
    let reset = secured(
        Connection::serve(),
        Reply::ok(vec![b'x'; 5000]).trickle(50, Duration::from_millis(5)).reset_after(200),
    );
    let run = reset.ask(&["--http2"]);
    assert_only(&run, "response.reset_mid_body", &["response.truncated"]);
    assert!(run.seen("http.exchange")[0]["h2_code"].is_string(), "{}", run.told());
    let leaving = secured(Connection::serve().goaway_after(0), Reply::ok("hello"));
    let run = leaving.ask(&["--http2"]);
    assert_only(&run, "http.response.empty", &["http.response.reset", "tcp.closed"]);
    // One request and no more: the second is not lost, for it is announced.
    let once = secured(Connection::serve().goaway_after(1), Reply::ok("hello"));
    once.ask(&["--http2"]).assert_reached().assert_not_blamed("client.stale_connection");
}

#[test]
fn prior_knowledge_of_http_2() {
    let server = answering(Reply::ok("hello"));
    let run = ask(&server, &["--http2"]);
    run.assert_reached();
    assert_eq!(run.seen("http.exchange")[0]["version"], "HTTP/2");
}

#[test]
fn the_request_is_the_callers_own() {
    let server = answering(Reply::ok("hello"));
    let url = format!("http://me:s3cr3t%20pw@{}/p?q=1", server.address());
    let run = trace([
        "-d",
        "a=b",
        "-H",
        "X-Own: 1",
        "-H",
        "Accept;",
        "-H",
        "Host: shop.test",
        "--max-time",
        "4",
        &url,
    ]);
    run.assert_reached();
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "a POST is sent once and never again");
    let asked = &requests[0];
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str(), &asked.body[..]),
        ("POST", "/p?q=1", &b"a=b"[..])
    );
    assert_eq!(
        (asked.header("x-own"), asked.host(), asked.header("accept")),
        (Some("1"), Some("shop.test"), None)
    );
    assert_eq!(asked.header("authorization"), Some("Basic bWU6czNjcjN0IHB3"));
    let id = run.report["request_id"].as_str().unwrap();
    assert_eq!(asked.header("x-request-id"), Some(id));
    assert!(asked.header("user-agent").unwrap().contains(id));
    assert_eq!(asked.header("traceparent"), run.report["traceparent"].as_str());
    assert!(!run.stdout.contains("s3cr3t") && !run.stdout.contains("bWU6czNj"), "{}", run.stdout);
    let run =
        trace(["-H", "X-Request-Id: mine", "-H", "User-Agent: me", "--max-time", "4", &server.url("/")]);
    run.assert_reached();
    let asked = &server.requests()[1];
    assert_eq!((asked.header("x-request-id"), asked.header("user-agent")), (Some("mine"), Some("me")));
}

#[test]
fn credentials_stay_with_their_host() {
    let elsewhere = answering(Reply::ok("hello"));
    let there = elsewhere.url("/landing");
    let server = MockUpstream::start(move |_: &Request| Reply::redirect(302, &there)).unwrap();
    let run = trace([
        "-L",
        "-H",
        "Authorization: Bearer t0psecret",
        "-H",
        "Cookie: id=c00kie",
        "--max-time",
        "4",
        &server.url("/"),
    ]);
    run.assert_reached();
    let asked = &elsewhere.requests()[0];
    assert_eq!((asked.header("authorization"), asked.header("cookie")), (None, None));
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer t0psecret"));
    assert!(!run.stdout.contains("t0psecret") && !run.stdout.contains("c00kie"));
    assert_eq!(run.seen("http.redirect")[0]["left_behind"], serde_json::json!(["Authorization", "Cookie"]));
}

#[test]
fn an_echo_of_our_secrets_is_not_kept() {
    let echo = |request: &Request| {
        let auth = request.header("authorization").unwrap_or_default().to_owned();
        Reply::status(500).header("x-echo", &auth).body(format!("you sent {auth}"))
    };
    let server = MockUpstream::start(echo).unwrap();
    let run = ask(&server, &["-H", "Authorization: Bearer ech0edsecret"]);
    run.assert_died("http.error");
    assert!(!run.stdout.contains("ech0edsecret"), "{}", run.stdout);
    let url = format!("http://me:ech0edsecret@{}/", server.address());
    let run = trace(["--max-time", "4", &url]);
    assert!(!run.stdout.contains("ech0ed") && !run.stdout.contains("bWU6ZWNo"), "{}", run.stdout);
}

#[test]
fn a_dry_run_announces_no_less_than_is_done() {
    let server = answering(Reply::ok("hello"));
    let run = trace(["--idle", "50ms", "-n", "2", "--max-time", "4", &server.url("/")]);
    run.assert_reached();
    assert!(run.report["errors"].is_null(), "{}", run.told());
    // Two fresh ones, one at once again, two around the pause.
    assert_eq!(server.request_count(), 5);
    let quiet = answering(Reply::ok("hello"));
    trace(["--road-only", "--max-time", "4", &quiet.url("/")]).assert_reached();
    assert_eq!((quiet.request_count(), quiet.connection_count()), (1, 1));
}

#[test]
fn a_client_certificate_asked_for_by_alert() {
    let clients = Authority::named("Robots").unwrap();
    let stranger = Authority::named("Strangers").unwrap().client("robot").issue().unwrap();
    let known = clients.client("robot").issue().unwrap();
    for only in [Tls::only_tls12 as fn(Tls) -> Tls, Tls::only_tls13] {
        let server =
            Secured::new(|tls| only(tls.require_client(&clients)), Connection::serve(), Reply::ok("hello"));
        let with = |leaf: &Leaf| {
            let files = leaf.write_pem(server.folder.path()).unwrap();
            let (chain, key) = (files.chain.display().to_string(), files.key.display().to_string());
            server.ask(&["--cert", &chain, "--key", &key])
        };
        for flag in ["--http1.1", "--http2"] {
            let run = server.ask(&[flag]);
            assert_only(&run, "tls.client_cert_required", &["tls.client_cert_rejected"]);
        }
        assert_only(&with(&stranger), "tls.client_cert_rejected", &["tls.client_cert_required"]);
        with(&known).assert_reached().assert_not_blamed("tls.client_cert_rejected");
    }
}

#[test]
fn a_redirect_to_where_nobody_can_follow() {
    let server = answering(Reply::redirect(302, "ftp://files.example/x"));
    ask(&server, &[]).assert_reached();
    let run = ask(&server, &["-L"]);
    assert_only(&run, "http.response.invalid", &["http.response.redirect_loop"]);
    assert!(run.report["verdict"]["cause"]["summary"].as_str().unwrap().contains("ftp"), "{}", run.told());
}

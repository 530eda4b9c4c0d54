//! Handshakes that do not come to a certificate, or want one of ours: real nginx, and the built program.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
mod tls_front;

use std::time::Duration;

use common::{Run, trace};
use reqpath_testkit::mock::{Connection, MockUpstream};
use reqpath_testkit::pki::{Authority, Leaf};
use reqpath_testkit::real::{Flavour, Nginx, require};
use tls_front::{Front, Frozen, Plan};

fn good(plan: &Plan) -> Leaf {
    plan.root.leaf(&plan.name).issue().unwrap()
}

/// A front with these directives, on every nginx there is.
fn on_each(directives: &str, test: impl Fn(&Front)) {
    for flavour in Flavour::each() {
        let plan = Plan::new();
        let leaf = good(&plan);
        if let Some(front) = plan.shows(&leaf, directives).start(flavour) {
            test(&front);
        }
    }
}

#[track_caller]
fn assert_only(run: &Run, code: &str) {
    run.assert_died(code);
    let others: Vec<_> = run.found("fatal").into_iter().filter(|found| *found != code).collect();
    assert!(others.is_empty(), "also {others:?}\n{}", run.told());
}

#[test]
fn a_client_certificate_is_wanted_and_one_is_shown() {
    for flavour in Flavour::each() {
        let plan = Plan::new();
        let clients = Authority::named("Robots").unwrap();
        let leaf = good(&plan);
        let front = plan
            .with(|nginx| nginx.file("robots.pem", clients.certificate_pem()))
            .shows(&leaf, "ssl_verify_client on; ssl_client_certificate {file:robots.pem};")
            .start(flavour);
        let Some(front) = front else { continue };
        let run = front.trace(&[]);
        run.assert_died("tls.client_cert_required");
        run.assert_not_blamed("tls.client_cert_rejected").assert_not_blamed("tls.protocol.error");
        assert!(
            run.seen("tls.handshake")[0]["certificate_request"]["first"][0]
                .as_str()
                .unwrap()
                .contains("Robots")
        );

        let shown = |leaf: &Leaf| {
            let chain = front.file("client.pem", leaf.chain_pem());
            let key = front.file("client.key", leaf.key_pem());
            front.trace(&["--cert", &chain, "--key", &key])
        };
        shown(&clients.client("robot").issue().unwrap()).assert_reached();
        let run = shown(&Authority::named("Strangers").unwrap().client("robot").issue().unwrap());
        run.assert_died("tls.client_cert_rejected").assert_not_blamed("tls.client_cert_required");
    }
}

#[test]
fn a_server_that_opens_connections_and_says_nothing() {
    on_each("", |front| {
        front.trace(&[]).assert_reached();
        let frozen = Frozen::workers_of(&front.nginx);
        let run = front.trace(&["--max-time", "1"]);
        assert_only(&run, "tls.timed_out");
        run.assert_not_blamed("tcp.timed_out").assert_not_blamed("tls.plaintext_peer");
        assert!(run.wall < Duration::from_secs(3), "{:?}", run.wall);
        let handshake = &run.seen("tls.handshake")[0];
        assert!(handshake.get("hello_us").is_none() && handshake.get("version").is_none(), "{handshake}");
        drop(frozen);
        front.trace(&[]).assert_reached();
    });
}

#[test]
fn a_listener_that_lost_its_ssl() {
    for flavour in Flavour::each() {
        let started = Nginx::builder().flavour(flavour).server("listen {listen}; return 200 'open';").start();
        let Some(nginx) = require(started) else { continue };
        let run = trace(["--max-time", "5", &format!("https://{}/", nginx.address())]);
        assert_only(&run, "tls.plaintext_peer");
        run.assert_not_blamed("tls.protocol.error");
        assert!(run.seen("tls.handshake")[0]["first_bytes"].as_str().unwrap().starts_with("HTTP/1.1 400"));
        trace(["--max-time", "5", &format!("http://{}/", nginx.address())]).assert_reached();
    }
}

#[test]
fn no_version_in_common() {
    on_each("ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;", |front| {
        let run = front.trace(&[]);
        assert_only(&run, "tls.version_or_cipher_mismatch");
        run.assert_not_blamed("tls.unrecognized_name_alert").assert_not_blamed("tls.client_cert_required");
    });
}

#[test]
fn no_cipher_in_common() {
    on_each("ssl_protocols TLSv1.2; ssl_ciphers AES128-SHA:AES256-SHA;", |front| {
        let run = front.trace(&[]);
        assert_only(&run, "tls.version_or_cipher_mismatch");
        assert_eq!(run.seen("tls.handshake")[0]["alert"]["number"], 40);
    });
}

#[test]
fn an_older_version_that_is_still_good() {
    on_each("ssl_protocols TLSv1.2;", |front| {
        let run = front.trace(&[]);
        run.assert_reached();
        assert_eq!(run.seen("tls.handshake")[0]["version"], "TLSv1.2");
    });
}

#[test]
fn a_server_for_another_protocol() {
    let plan = Plan::new();
    let leaf = good(&plan);
    // Debian's nginx has its `stream` in another package; the wheel has it built in.
    let front = plan
        .with(|nginx| {
            nginx.certificate("leaf", leaf.chain_pem(), leaf.key_pem()).main(
                "stream { server { listen {listen} ssl; ssl_alpn mqtt; ssl_certificate {certificate:leaf};
                   ssl_certificate_key {key:leaf}; return 'hello'; } }\n",
            )
        })
        .start(Flavour::Wheel);
    let Some(front) = front else { return };
    let run = front.trace(&[]);
    assert_only(&run, "tls.alpn_mismatch");
    run.assert_not_blamed("tls.version_or_cipher_mismatch");
    assert_eq!(run.seen("tls.handshake")[0]["alert"]["number"], 120);
}

#[test]
fn a_name_that_is_refused() {
    for flavour in Flavour::each() {
        let plan = Plan::new();
        let known = plan.root.leaf("known.example.test").issue().unwrap();
        let front = plan
            .with(|nginx| nginx.server("listen {listen} ssl default_server; ssl_reject_handshake on;"))
            .server_for("known.example.test", "known", &known, "")
            .start(flavour);
        let Some(front) = front else { continue };
        let run = front.trace(&["--known-name", "known.example.test"]);
        assert_only(&run, "tls.unrecognized_name_alert");
        run.assert_not_blamed("tls.version_or_cipher_mismatch");
        assert_eq!(run.seen("tls.handshake")[0]["alert"]["number"], 112);
        let known = Front { name: "known.example.test".to_owned(), ..front };
        known.trace(&[]).assert_reached();
    }
}

#[test]
fn a_client_hello_that_is_answered_with_a_reset_and_a_port_that_resets_everybody() {
    let plan = Plan::new();
    let leaf = good(&plan);
    let of = |connection: Connection| {
        let mock = MockUpstream::builder().tls(&leaf).connections(connection).start().unwrap();
        trace(["--max-time", "5", &format!("https://{}/", mock.address())])
    };
    for connection in [Connection::reset_after_first_bytes(), Connection::close_after_first_bytes()] {
        let run = of(connection);
        assert_only(&run, "tls.protocol.error");
        run.assert_not_blamed("tcp.reset").assert_not_blamed("tcp.closed");
    }
    of(Connection::reset_at_accept()).assert_died("tcp.reset").assert_not_blamed("tls.protocol.error");
    of(Connection::close_at_accept()).assert_died("tcp.closed").assert_not_blamed("tls.protocol.error");
}

#[test]
fn every_third_handshake_fails() {
    let plan = Plan::new();
    let leaf = plan.root.leaf("127.0.0.1").issue().unwrap();
    let mock = MockUpstream::builder()
        .tls(&leaf)
        .connections(Connection::every(3, Connection::tls_alert(80)))
        .start()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, plan.root.certificate_pem()).unwrap();
    let url = format!("https://{}/", mock.address());
    // Without looks beside the road every third connection is every third sample.
    let run = trace(["-n", "12", "--road-only", "--cacert", ca.to_str().unwrap(), &url]);
    run.assert_degraded("tls.protocol.error");
    assert_eq!(run.report["verdict"]["outcome"], serde_json::json!({"samples": 12, "died": 4}));
}

#[test]
fn a_chain_beyond_64_kib_and_names_full_of_control_characters() {
    let plan = Plan::new();
    let huge = plan.root.leaf("127.0.0.1").chain_of_at_least(70_000).issue().unwrap();
    let hostile = Authority::named("\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}CA").unwrap();
    let hostile = hostile.leaf("127.0.0.1").issue().unwrap();
    for (leaf, code) in [(huge, "tls.protocol.error"), (hostile, "tls.cert.authority_invalid")] {
        let mock = MockUpstream::builder().tls(&leaf).start().unwrap();
        let url = format!("https://{}/", mock.address());
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&ca, plan.root.certificate_pem()).unwrap();
        let ca = ca.path().to_str().unwrap();
        trace(["--max-time", "5", "--cacert", ca, &url]).assert_died(code);
        let mut text = common::reqpath();
        text.args(["trace", "-v", "--max-time", "5", "--cacert", ca, &url]);
        let text = common::run(text).stdout;
        let driving = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(driving), "{text:?}");
    }
}

#[test]
fn mistakes_are_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let root = Authority::new().unwrap();
    let (one, other) = (root.client("one").issue().unwrap(), root.client("other").issue().unwrap());
    let (chain, key) = (file("one.pem", one.chain_pem()), file("other.key", other.key_pem()));
    let junk = file("junk.pem", "not a certificate");
    let url = "https://127.0.0.1:1/";
    trace(["--cert", &chain, "--key", &key, url]).assert_mistake("is not the key of the certificate in");
    trace(["--cacert", &junk, url]).assert_mistake("junk.pem: holds no certificate");
    trace(["--cacert", "/nonexistent/ca.pem", url]).assert_mistake("/nonexistent/ca.pem");
    trace(["--crlfile", &junk, url]).assert_mistake("junk.pem: holds no revocation list");
    trace(["--known-name", "not a name", url]).assert_mistake("`not a name` is not a server name");
    trace(["--cert", &chain, "--key", &junk, url]).assert_mistake("junk.pem: holds no private key");
}

#[test]
fn an_end_that_came_late_is_not_called_silence_by_looks_that_had_less_time() {
    let plan = Plan::new();
    let leaf = good(&plan);
    let warns_and_leaves = Connection::answers(&b"\x15\x03\x03\x00\x02\x01\x70"[..]);
    for (dies, says) in [
        (warns_and_leaves, "after 7 bytes of answer"),
        (Connection::close_after_first_bytes(), "before a byte of answer"),
    ] {
        let late = dies.begin_after(Duration::from_millis(1_500));
        let mock = MockUpstream::builder().tls(&leaf).connections(late).start().unwrap();
        let url = format!("https://{}/", mock.address());
        for limit in ["2", "8"] {
            let run = trace(["--max-time", limit, &url]);
            assert_only(&run, "tls.protocol.error");
            run.assert_not_blamed("tls.timed_out");
            let summary = run.report["verdict"]["cause"]["summary"].as_str().unwrap();
            assert!(summary.contains(says), "{summary}");
            // Nor does a silent connection show that it would live, which was watched for half a second.
            let open = summary.contains("nothing was said stayed open");
            assert_eq!(open, limit == "8" && says.starts_with("before"), "{limit} s: {summary}");
        }
    }
    // What the road itself was not told is still silence.
    let mock = MockUpstream::builder().tls(&leaf).connections(Connection::silent()).start().unwrap();
    let run = trace(["--max-time", "2", &format!("https://{}/", mock.address())]);
    assert_only(&run, "tls.timed_out");
}

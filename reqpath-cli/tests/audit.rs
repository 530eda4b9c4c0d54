//! Look-alikes that a later station has to tell apart, and promises that no other test holds the program to.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
mod tls_front;

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Duration;

use common::{Run, name, reqpath, run, trace};
use reqpath_testkit::dns::{FakeDns, Fault, On, RecordType, Zone};
use reqpath_testkit::mock::{ClosedPort, Connection, MockUpstream, Reply, Request, Tls};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{Flavour, Nginx, Tinyproxy, require};
use tls_front::Plan;

fn ask(server: &MockUpstream, more: &[&str]) -> Run {
    let url = server.url("/x");
    trace([&["--max-time", "4", url.as_str()], more].concat())
}

fn answering(reply: Reply) -> MockUpstream {
    MockUpstream::start(reply).unwrap()
}

fn summary(run: &Run) -> String {
    run.report["verdict"]["cause"]["summary"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_application_s_own_400_is_no_matter_of_certificates() {
    // The server would have liked a certificate, got none, and let the request pass: what comes is the application's.
    let app = answering(
        Reply::status(400)
            .header("content-type", "application/json")
            .body(r#"{"error":"field `certificate` is required"}"#),
    );
    for flavour in Flavour::each() {
        let plan = Plan::new();
        let clients = Authority::named("Robots").unwrap();
        let leaf = plan.root.leaf(&plan.name).issue().unwrap();
        let more = format!(
            "ssl_verify_client optional; ssl_client_certificate {{file:clients.pem}};
             location = /app {{ proxy_pass http://{}; }}",
            app.address()
        );
        let front = plan
            .with(|nginx| nginx.file("clients.pem", clients.certificate_pem()))
            .shows(&leaf, &more)
            .start(flavour);
        let Some(front) = front else { continue };
        let url = format!("{}app", front.url());
        let mut arguments = front.flags();
        arguments.extend(["--max-time".to_owned(), "5".to_owned(), url]);
        let run = trace(arguments);
        assert!(run.seen("tls.handshake")[0]["certificate_request"].is_object(), "{}", run.told());
        run.assert_reached().assert_warned("http.error");
        for code in ["tls.client_cert_required", "tls.client_cert_rejected", "tls.plaintext_to_tls"] {
            run.assert_not_blamed(code);
        }
    }
}

#[test]
fn chain_and_key_may_stand_in_one_file() {
    for flavour in Flavour::each() {
        let plan = Plan::new();
        let clients = Authority::named("Robots").unwrap();
        let robot = clients.client("robot").issue().unwrap();
        let leaf = plan.root.leaf(&plan.name).issue().unwrap();
        let front = plan
            .with(|nginx| nginx.file("clients.pem", clients.certificate_pem()))
            .shows(&leaf, "ssl_verify_client on; ssl_client_certificate {file:clients.pem};")
            .start(flavour);
        let Some(front) = front else { continue };
        let both = front.file("both.pem", format!("{}{}", robot.chain_pem(), robot.key_pem()));
        front.trace(&["--cert", &both]).assert_reached();
    }
}

#[test]
fn a_name_nobody_serves_is_not_misdirected_and_one_beside_the_sni_is() {
    for flavour in Flavour::each() {
        // The twin: the default server answers for a name that it does not know.
        let started = Nginx::builder()
            .flavour(flavour.clone())
            .server("listen {listen} default_server; return 404;")
            .server("listen {listen}; server_name known.example.test; return 200 'here';")
            .start();
        let Some(nginx) = require(started) else { continue };
        let url = format!("http://{}/", nginx.address());
        trace(["--max-time", "4", "-H", "Host: known.example.test", &url]).assert_reached();
        let lost = format!("Host: {}", name());
        let run = trace(["--max-time", "4", "-H", &lost, &url]);
        run.assert_died("http.error").assert_not_blamed("http.response.misdirected");

        // The real thing: nginx answers 421 when the Host is one that wants a certificate, and the SNI was another.
        let plan = Plan::new();
        let clients = Authority::named("Robots").unwrap();
        let leaf = plan.root.leaf(&plan.name).also_for("strict.example.test").issue().unwrap();
        let front = plan
            .with(|nginx| nginx.file("clients.pem", clients.certificate_pem()))
            .shows(&leaf, "")
            .server_for(
                "strict.example.test",
                "strict",
                &leaf,
                "ssl_verify_client on; ssl_client_certificate {file:clients.pem};",
            )
            .start(flavour);
        let Some(front) = front else { continue };
        front.trace(&[]).assert_reached();
        let run = front.trace(&["-H", "Host: strict.example.test"]);
        run.assert_died("http.response.misdirected").assert_not_blamed("tls.client_cert_required");
        assert!(summary(&run).contains(&front.name), "{}", summary(&run));
    }
}

#[test]
fn nginx_that_closes_idle_connections_is_a_healthy_pool() {
    let server = "listen {listen}; keepalive_timeout 1s 7s; return 200 'open';";
    for flavour in Flavour::each() {
        let Some(nginx) = require(Nginx::builder().flavour(flavour.clone()).server(server).start()) else {
            continue;
        };
        let url = format!("http://{}/", nginx.address());
        let run = trace(["--max-time", "5", "--deadline", "9", "--idle", "50ms,1800ms", &url]);
        run.assert_reached().assert_not_blamed("client.stale_connection");
        let mut reuse = run.seen("http.reuse");
        reuse.sort_by_key(|reuse| reuse["idle_us"].as_u64());
        let outcomes: Vec<_> = reuse.iter().map(|reuse| reuse["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["answered", "answered", "closed_before"], "{}", run.told());
        assert!(reuse.iter().all(|reuse| reuse["announced_timeout_s"] == 7), "{}", run.told());

        if flavour != Flavour::Wheel {
            continue;
        }
        // HTTP/2: the close is announced by GOAWAY.
        let plan = Plan::new();
        let leaf = plan.root.leaf(&plan.name).issue().unwrap();
        let Some(front) = plan.shows(&leaf, "http2 on; keepalive_timeout 1s;").start(flavour) else {
            continue;
        };
        let run = front.trace(&["--http2", "--deadline", "9", "--idle", "1800ms"]);
        run.assert_reached().assert_not_blamed("client.stale_connection");
        let idle = run.seen("http.reuse").into_iter().find(|reuse| reuse["idle_us"].as_u64() > Some(0));
        assert_eq!(idle.unwrap()["goaway"], true, "{}", run.told());
    }
}

#[test]
fn a_peer_that_goes_away_after_one_request_says_so() {
    let (authority, name) = (Authority::new().unwrap(), name());
    let leaf = authority.leaf(&name).issue().unwrap();
    let server = MockUpstream::builder()
        .tls(&leaf)
        .connections(Connection::serve().goaway_after(1))
        .reply(Reply::ok("open"))
        .start()
        .unwrap();
    let port = server.address().port();
    let resolve = format!("{name}:{port}:127.0.0.1");
    let url = format!("https://{name}:{port}/");
    for version in ["--http2", "--http1.1"] {
        let run = trace(["-k", version, "--max-time", "4", "--resolve", &resolve, &url]);
        run.assert_reached().assert_not_blamed("client.stale_connection");
        let goaway = run.seen("http.reuse")[0]["goaway"].as_bool().unwrap_or_default();
        assert_eq!(goaway, version == "--http2", "{}", run.told());
    }
}

#[test]
fn a_server_that_resets_everybody_has_no_stale_connections() {
    let server = MockUpstream::builder().connections(Connection::reset_at_accept()).start().unwrap();
    let run = trace(["--idle", "50ms", "--max-time", "3", "--deadline", "6", &server.url("/")]);
    run.assert_died("tcp.reset").assert_not_blamed("client.stale_connection");
}

#[test]
fn behind_a_working_proxy_the_target_s_own_fault_is_blamed() {
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    let authority = Authority::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.certificate_pem()).unwrap();
    let leaf = authority.leaf("127.0.0.1").expired(5).issue().unwrap();
    let secured = MockUpstream::builder().tls(&leaf).reply(Reply::ok("open")).start().unwrap();
    let cut = answering(Reply::ok(vec![b'x'; 4000]).truncate_after(700));
    for (variable, url, code) in [
        ("https_proxy", format!("https://{}/", secured.address()), "tls.cert.date_invalid"),
        ("http_proxy", cut.url("/"), "response.truncated"),
    ] {
        let mut command = reqpath();
        command.env(variable, proxy.url()).args(["trace", "--json", "--max-time", "5", "--cacert"]);
        command.arg(&ca).arg(&url);
        let run = run(command);
        run.assert_died(code).assert_not_blamed("client.proxy_env").assert_not_blamed("client.tunnel_failed");
        assert_ne!(run.report["verdict"]["at"]["hop"], "client", "{}", run.told());
    }
}

#[test]
fn a_method_and_a_body_go_along_as_curl_takes_them() {
    for (status, method, body) in [
        (301, "GET", ""),
        (302, "GET", ""),
        (303, "GET", ""),
        (307, "POST", "a=b&c=d"),
        (308, "POST", "a=b&c=d"),
    ] {
        let server = MockUpstream::start(move |request: &Request| match request.target.as_str() {
            "/x" => Reply::redirect(status, "/y"),
            _ => Reply::ok("there"),
        })
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("data"), "c=d").unwrap();
        let file = format!("@{}", folder.path().join("data").display());
        ask(&server, &["-L", "--road-only", "-d", "a=b", "-d", &file]).assert_reached();
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "{status}");
        assert_eq!((requests[0].method.as_str(), &requests[0].body[..]), ("POST", &b"a=b&c=d"[..]));
        let asked = (requests[1].method.as_str(), String::from_utf8_lossy(&requests[1].body).into_owned());
        assert_eq!((requests[1].target.as_str(), asked), ("/y", (method, body.to_owned())), "{status}");
    }
}

#[test]
fn a_client_certificate_stays_with_its_host() {
    let (servers, clients) = (Authority::new().unwrap(), Authority::named("Robots").unwrap());
    let (here, elsewhere) = (name(), name());
    let secured = |name: &str, reply: Reply| {
        let tls = Tls::new(&servers.leaf(name).issue().unwrap()).ask_client(&clients);
        MockUpstream::builder().tls(tls).reply(reply).start().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let robot = clients.client("robot").issue().unwrap().write_pem(folder.path()).unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, servers.certificate_pem()).unwrap();
    // From the first host, whatever its port and scheme, to itself, and to another one.
    for (to, wanted) in [(&here, true), (&elsewhere, false)] {
        let landing = secured(to, Reply::ok("there"));
        let landing_port = landing.address().port();
        let first = secured(&here, Reply::redirect(302, &format!("https://{to}:{landing_port}/")));
        let port = first.address().port();
        let mut command = reqpath();
        command.args(["trace", "--json", "-L", "--max-time", "5"]);
        command.args(["--resolve", &format!("{here}:{port}:127.0.0.1")]);
        command.args(["--resolve", &format!("{to}:{landing_port}:127.0.0.1")]);
        command.arg("--cacert").arg(&ca).arg("--cert").arg(&robot.chain).arg("--key").arg(&robot.key);
        command.arg(format!("https://{here}:{port}/"));
        let run = run(command);
        if wanted {
            run.assert_reached();
        } else {
            // The other one wants a certificate too, as nginx does: it is told apart from one that was rejected.
            run.assert_died("tls.client_cert_required").assert_not_blamed("tls.client_cert_rejected");
            assert_eq!(
                run.report["verdict"]["cause"]["subject"]["leg"]["to"],
                "redirect-1",
                "{}",
                run.told()
            );
        }
        let shown = |mock: &MockUpstream| {
            let shown = |request: &Request| !request.tls.as_ref().unwrap().client_certificates.is_empty();
            mock.requests().iter().map(shown).collect::<Vec<_>>()
        };
        assert!(shown(&first).iter().all(|shown| *shown), "{}", run.told());
        assert!(shown(&landing).iter().all(|shown| *shown == wanted), "{to}: {}", run.told());
        // What the mock refuses by itself is no request of the landing's; the connection was made.
        assert!(landing.connection_count() > 0);
        let seen = landing.connections().into_iter().filter_map(|one| one.tls);
        assert!(seen.into_iter().all(|tls| tls.client_certificates.is_empty() != wanted), "{}", run.told());
    }
}

#[test]
fn the_trust_store_is_the_platform_s_unless_told() {
    let (authority, name) = (Authority::new().unwrap(), name());
    let leaf = authority.leaf(&name).issue().unwrap();
    let server = MockUpstream::builder().tls(&leaf).reply(Reply::ok("open")).start().unwrap();
    let port = server.address().port();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.certificate_pem()).unwrap();
    let traced = |store: bool, more: &[&str]| {
        let mut command = reqpath();
        if store {
            // What this platform calls its own store can be named in the environment.
            command.env("SSL_CERT_FILE", &ca);
        }
        command.args([
            "trace",
            "--json",
            "--max-time",
            "5",
            "--resolve",
            &format!("{name}:{port}:127.0.0.1"),
        ]);
        command.arg(format!("https://{name}:{port}/")).args(more);
        run(command)
    };
    traced(true, &[]).assert_reached();
    traced(false, &[]).assert_died("tls.cert.authority_invalid");
    traced(false, &["-k"]).assert_reached();
}

#[test]
fn answers_that_are_not_to_our_question_are_no_answers() {
    let origin = format!("z{:08x}.test", fastrand::u32(..));
    for fault in [Fault::wrong_id(), Fault::wrong_source(), Fault::wrong_question(), Fault::garbage()] {
        let shown = format!("{fault:?}");
        let zone = Zone::new(&origin).a("www", Ipv4Addr::LOCALHOST);
        let dns = FakeDns::builder().zone(zone).fault(On::any(), fault).start().unwrap();
        let url = format!("http://www.{origin}/");
        let asked = || trace(["--max-time", "1", "--dns-server", &dns.address().to_string(), &url]);
        // A wrong number may, by chance, be that of the question before.
        let by_chance = |run: &Run| run.seen("dns.answer").iter().any(|answer| answer["late"] == true);
        let run =
            std::iter::repeat_with(asked).take(3).find(|run| !by_chance(run)).expect("no chance thrice");
        assert!(matches!(run.code(), "dns.timed_out" | "dns.failed"), "{shown}: {}", run.told());
        run.assert_died(run.code()).assert_not_blamed("dns.server").assert_not_blamed("dns.unreachable");
        assert!(run.seen("tcp.attempt").is_empty(), "an address from nowhere was used: {}", run.told());
    }
}

#[test]
fn a_failure_costs_one_question_without_validation() {
    let origin = format!("z{:08x}.test", fastrand::u32(..));
    let zone = Zone::new(&origin).a("www", Ipv4Addr::LOCALHOST);
    let text = "\u{1b}[31mwhy\u{7}\u{202e}";
    for (fault, code) in [
        (Fault::servfail().extended(0, text), "dns.server"),
        (Fault::servfail_unless_cd().extended(6, text), "dns.dnssec_bogus"),
    ] {
        let dns = FakeDns::builder().zone(zone.clone()).fault(On::any(), fault).start().unwrap();
        let run = trace([
            "-4",
            "--max-time",
            "3",
            "--dns-server",
            &dns.address().to_string(),
            &format!("http://www.{origin}/"),
        ]);
        // What the server says in words is kept, and drives no terminal: every report is looked at for that.
        run.assert_died(code);
        assert!(run.stdout.contains("[31mwhy"), "{}", run.told());
        let unchecked = dns.queries().iter().filter(|query| query.checking_disabled).count();
        assert_eq!(unchecked, 1, "{}", run.told());
        assert!(dns.queries().iter().all(|query| query.record_type == RecordType::A));
    }
}

#[test]
fn what_peers_say_drives_no_terminal_wherever_it_stands() {
    let evil = "\u{1b}]0;owned\u{7}\u{202e}";
    let greeting = MockUpstream::builder().connections(Connection::greets(format!("220 {evil}\r\n"))).start();
    let greeting = greeting.unwrap();
    let redirecting = answering(Reply::raw(
        "HTTP/1.1 302 Found\r\nlocation: http://x.test/%1b[31m\u{202e}\u{9b}\r\ncontent-length: 0\r\n\r\n",
    ));
    let proxy = answering(Reply::raw(format!(
        "HTTP/1.1 502 \u{202e}\r\nvia: 1.1 \u{202e}\r\nserver: {}\r\n\r\n",
        "\u{200f}x"
    )));
    let plain = |server: &MockUpstream| server.url("/");
    let secured = |server: &MockUpstream| format!("https://{}/", server.address());
    let cases: [(String, Option<String>); 4] = [
        (plain(&greeting), None),
        (secured(&greeting), None),
        (plain(&redirecting), None),
        ("https://127.0.0.1:1/".to_owned(), Some(format!("http://{}", proxy.address()))),
    ];
    for (url, through) in cases {
        for how in [&["--json"][..], &["-v"], &[]] {
            let mut command = reqpath();
            command
                .args(["trace", "-L", "--max-time", "2", "--dns-server", "127.0.0.1:1"])
                .args(how)
                .arg(&url);
            if let Some(through) = &through {
                command.env("https_proxy", through);
            }
            let run = run(command);
            assert!(matches!(run.status, 0 | 1), "{}", run.told());
            for text in [&run.stdout, &run.stderr] {
                let driving = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{200f}' | '\u{202e}');
                assert!(!text.contains(driving), "{url}: {text:?}");
            }
        }
    }
}

#[test]
fn records_that_break_the_rules_are_an_error_of_the_protocol() {
    // A handshake record that announces another length than its message has, and an alert that is none.
    for bytes in [&b"\x16\x03\x03\x00\x06\x02\x00\x00\x02\xff\xff"[..], b"\x15\x03\x03\x00\x01\x02"] {
        let server = MockUpstream::builder().connections(Connection::answers(bytes)).start().unwrap();
        let run = trace(["--max-time", "3", &format!("https://{}/", server.address())]);
        run.assert_died("tls.protocol.error");
        run.assert_not_blamed("tls.plaintext_peer").assert_not_blamed("tls.version_or_cipher_mismatch");
    }
}

#[test]
fn hostile_handshakes_and_names_end_bounded() {
    let authority = Authority::new().unwrap();
    let huge = authority.leaf("127.0.0.1").chain_of_at_least(70_000).issue().unwrap();
    let chain = MockUpstream::builder().tls(&huge).start().unwrap();
    let origin = format!("z{:08x}.test", fastrand::u32(..));
    let looping = |fault| {
        let zone = Zone::new(&origin).a("www", Ipv4Addr::LOCALHOST);
        FakeDns::builder().zone(zone).fault(On::any(), fault).start().unwrap()
    };
    let (pointers, aliases) = (looping(Fault::pointer_loop()), looping(Fault::cname_loop()));
    let url = format!("http://www.{origin}/");
    let (to_pointers, to_aliases) = (pointers.address().to_string(), aliases.address().to_string());
    let secured = format!("https://{}/", chain.address());
    for (arguments, code) in [
        (vec![secured.as_str()], "tls.protocol.error"),
        (vec!["--dns-server", &to_pointers, &url], "dns.failed"),
        (vec!["--dns-server", &to_aliases, &url], "dns.failed"),
    ] {
        let mut command = reqpath();
        command.args(["trace", "--json", "--max-time", "3"]).args(&arguments);
        let (run, resident) = common::watched(command);
        run.assert_died(code);
        assert!(resident < 64 << 10, "{code}: {resident} KiB resident");
        assert!(run.wall < Duration::from_secs(4), "{:?}", run.wall);
    }
}

#[test]
fn a_deadline_alone_bounds_the_trace() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", deaf.local_addr().unwrap());
    let through = format!("http://{}", deaf.local_addr().unwrap());
    let cases: [(&[&str], Option<&str>); 4] = [
        (&["--deadline", "0.7", &url], None),
        (&["--deadline", "0.7", "-n", "5", "--idle", "5s,30s", &url], None),
        (&["--deadline", "0.7", "--max-time", "30", &url], None),
        // A proxy that accepts and says nothing.
        (&["--deadline", "0.7", "https://203.0.113.1/"], Some(&through)),
    ];
    for (arguments, proxy) in cases {
        let trace = || {
            let mut command = reqpath();
            command.args(["trace", "--json"]).args(arguments);
            if let Some(proxy) = proxy {
                command.env("https_proxy", proxy);
            }
            run(command)
        };
        common::once_within(Duration::from_millis(800), trace, |run| {
            assert_eq!((run.kind(), run.status), ("died", 1), "{}", run.told());
            assert!(run.wall >= Duration::from_millis(600), "{:?}", run.wall);
        });
    }
}

#[test]
fn the_time_to_connect_bounds_every_step_to_a_connection() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (secured, server) =
        (format!("https://{}/", deaf.local_addr().unwrap()), silent.local_addr().unwrap().to_string());
    let named = format!("http://{}/", name());
    let cases: [(&[&str], &str); 2] =
        [(&[&secured], "tls.timed_out"), (&["--dns-server", &server, &named], "dns.timed_out")];
    for (arguments, code) in cases {
        let run = trace([&["--connect-timeout", "0.4", "--max-time", "20"], arguments].concat());
        run.assert_died(code).assert_not_blamed("client.deadline_too_short");
        // The looks after a failure have their own time; no step waits for the request's.
        assert!(run.wall < Duration::from_secs(8), "{:?}", run.wall);
        let trial = run.seen("request.trial")[0];
        let elapsed = trial["elapsed_us"].as_u64().unwrap();
        assert!((300_000..3_000_000).contains(&elapsed), "{}", run.told());
    }
    // An answer has the request's time, not the connection's.
    let slow = answering(Reply::ok("at last").delay(Duration::from_millis(900)));
    trace(["--connect-timeout", "0.4", "--max-time", "8", &slow.url("/")]).assert_reached();
}

#[test]
fn the_time_to_connect_bounds_the_steps_together() {
    let elapsed =
        |run: &Run| Duration::from_micros(run.seen("request.trial")[0]["elapsed_us"].as_u64().unwrap());
    let (deaf, web) = (TcpListener::bind("127.0.0.1:0").unwrap(), answering(Reply::ok("hello")));
    let port = deaf.local_addr().unwrap().port();
    let dns = FakeDns::builder()
        .zone(Zone::new("example.test").a("slow", Ipv4Addr::LOCALHOST))
        .fault(On::name("slow.example.test"), Fault::nothing().delayed(Duration::from_secs(1)))
        .start()
        .unwrap();
    let (server, url) = (dns.address().to_string(), format!("https://slow.example.test:{port}/"));
    // What the look-up took is gone for the handshake.
    let late = trace(["--connect-timeout", "1.6", "--max-time", "20", "-4", "--dns-server", &server, &url]);
    late.assert_died("tls.timed_out").assert_not_blamed("client.deadline_too_short");
    assert!(elapsed(&late) >= Duration::from_millis(1500), "{}", late.told());
    assert!(elapsed(&late) < Duration::from_millis(2500), "1 s and 1.6 s were added up: {}", late.told());
    // Where more time would have helped, the time to connect is the cause, whatever step it ended in.
    let early = trace([
        "--connect-timeout",
        "0.5",
        "--deadline",
        "9",
        "-4",
        "--dns-server",
        &server,
        &format!("http://slow.example.test:{}/", web.address().port()),
    ]);
    early.assert_died("client.deadline_too_short");
    assert_eq!(early.report["verdict"]["chain"][0], "dns.timed_out", "{}", early.told());
    assert!(summary(&early).contains("for connecting, and that needs 1"), "{}", summary(&early));
    // And what curl has connect in that time, connects here.
    let url = format!("http://slow.example.test:{}/", web.address().port());
    trace(["--connect-timeout", "9", "--max-time", "20", "-4", "--dns-server", &server, &url])
        .assert_reached();

    // A proxy that hears CONNECT and says nothing.
    let mut command = reqpath();
    command.env("https_proxy", format!("http://127.0.0.1:{port}"));
    command.args(["trace", "--json", "--connect-timeout", "0.4", "--max-time", "20", "https://203.0.113.1/"]);
    let through = run(command);
    through.assert_died("client.tunnel_failed");
    assert!(elapsed(&through) < Duration::from_secs(5), "{}", through.told());

    // Each connection has the time anew: behind a redirect, and after a pause.
    let there = answering(Reply::ok("at last").delay(Duration::from_millis(700)));
    let url = there.url("/");
    let slowly = move |_: &Request| Reply::redirect(302, &url).delay(Duration::from_millis(700));
    let here = MockUpstream::start(slowly).unwrap();
    let run = trace(["-L", "--connect-timeout", "0.6", "--idle", "50ms", "--deadline", "20", &here.url("/")]);
    run.assert_reached();
    let reused = run.seen("http.reuse");
    assert!(reused.len() > 1 && reused.iter().all(|one| one["outcome"] != "no_first"), "{}", run.told());
}

#[test]
fn the_text_says_all_that_is_needed_at_four_in_the_morning() {
    let closed = ClosedPort::reserve().unwrap();
    let mut command = reqpath();
    command.args(["trace", "--max-time", "3", &format!("http://{}/", closed.address())]);
    let text = run(command);
    assert_eq!(text.status, 1);
    let lines: Vec<&str> = text.stdout.lines().collect();
    let place = |what: &str| {
        let at = lines.iter().position(|line| line.contains(what));
        at.unwrap_or_else(|| panic!("no `{what}` in\n{}", text.stdout))
    };
    // The answer, the road hop by hop with times, the finding with its evidence, what was ruled out, what to run.
    let order = [
        place("died at server (tcp): "),
        place("  client     left alive"),
        place("✗ tcp"),
        place("not reached: http"),
        place("  server     did not arrive"),
        place("cause tcp.refused"),
        place("evidence #"),
        place("error    Connection refused"),
        place("ruled out"),
        place("run next"),
    ];
    assert!(order.is_sorted() && order[0] == 0, "{order:?}\n{}", text.stdout);
    assert!(lines[place("✗ tcp")].contains("µs") || lines[place("✗ tcp")].contains(" ms"), "{}", text.stdout);
    // One fact that rules out several look-alikes is said once.
    let ruled_out = &lines[place("ruled out")..place("run next")];
    let mut reasons: Vec<&str> = ruled_out.iter().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
    let said = reasons.len();
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), said, "{ruled_out:#?}");
    let id = lines[1].split("request id ").nth(1).unwrap();
    assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    let next = &lines[place("run next")..];
    assert!(next.iter().any(|line| line.contains(&closed.address().port().to_string())), "{next:?}");
}

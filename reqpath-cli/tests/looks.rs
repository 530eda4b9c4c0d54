//! Looks and further tries that our own clock cut: what they did not see is nobody's fault.
//! And commands to look again: they go where the request went, with what it showed.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
mod tls_front;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::{Run, clean, run, trace};
use reqpath_testkit::mock::{MockUpstream, Reply, Request};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::Flavour;
use tls_front::{Front, Plan};

/// A server whose first answer is this, and whose later ones are that.
fn first(first: impl Fn() -> Reply + Send + Sync + 'static, later: fn() -> Reply) -> MockUpstream {
    let asked = AtomicU64::new(0);
    let reply = move |_: &Request| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => first(),
        _ => later(),
    };
    MockUpstream::start(reply).unwrap()
}

#[test]
fn a_second_request_with_less_time_than_the_first_took_is_not_lost() {
    let slow = MockUpstream::start(Reply::ok("well").delay(Duration::from_millis(900))).unwrap();
    let run = trace(["-m", "1.4", "--fail-on", "warning", &slow.url("/")]);
    run.assert_reached().assert_not_blamed("client.stale_connection");
    assert_eq!(run.status, 0, "{}", run.told());
    let reuse = run.seen("http.reuse")[0];
    assert_eq!(reuse["outcome"], "lost", "{}", run.told());
    assert!(reuse["took_us"].as_u64() < reuse["first_took_us"].as_u64(), "{reuse}");
}

#[test]
fn a_second_request_that_had_its_time_is_lost() {
    let forgets = first(|| Reply::ok("well"), Reply::hang);
    trace(["-m", "1.4", &forgets.url("/")]).assert_reached().assert_warned("client.stale_connection");
}

#[test]
fn the_last_try_with_less_time_than_an_answer_took_tells_no_silence() {
    let slow = MockUpstream::start(Reply::status(503).delay(Duration::from_millis(1200))).unwrap();
    let run = trace(["-m", "2", &slow.url("/")]);
    run.assert_died("http.error").assert_not_blamed("http.response.timed_out");
    let last = run.seen("request.trial").into_iter().find(|trial| trial["role"] == "last");
    assert_eq!(last.unwrap()["left"], "dead", "{}", run.told());
}

#[test]
fn the_last_try_that_had_more_time_tells_it() {
    let hangs = first(|| Reply::status(503), Reply::hang);
    trace(["-m", "1.5", &hangs.url("/")]).assert_died("http.error").assert_warned("http.response.timed_out");
}

/// A peer that warns in the handshake, and what it does with the connections after that, by their number.
fn warns(then: fn(u64, TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming().map_while(Result::ok)) {
            thread::spawn(move || {
                let mut stream = stream;
                // It fails where the program has hung up.
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"\x15\x03\x03\0\x02\x01\x70");
                then(number, stream);
            });
        }
    });
    address
}

#[test]
fn a_handshake_that_was_closed_is_not_silent_by_a_try_with_less_time() {
    let closes = warns(|_, stream| {
        thread::sleep(Duration::from_millis(1200));
        drop(stream);
    });
    let run = trace(["-m", "2", &format!("https://{closes}/")]);
    run.assert_died("tls.protocol.error").assert_not_blamed("tls.timed_out");
    let waited = run.seen("tls.handshake").into_iter().any(|shake| shake["ended"] == "timed_out");
    assert!(waited, "{}", run.told());
}

#[test]
fn a_handshake_that_was_silent_the_second_time_is_told() {
    let stops = warns(|number, mut stream| {
        if number > 0 {
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let run = trace(["-m", "1.5", &format!("https://{stops}/")]);
    let told = ["fatal", "warning"].iter().any(|weight| run.found(weight).contains(&"tls.timed_out"));
    assert!(told, "{}", run.told());
}

/// Types the commands of a report where its files are.
fn typed(front: &Front, run: &Run) -> Vec<(String, Run)> {
    let commands = run.report["next"].as_array().unwrap().iter().filter_map(|next| next.as_str());
    let ours = commands.filter(|command| command.starts_with("openssl "));
    let typed = |command: &str| {
        let mut shell = Command::new("sh");
        clean(&mut shell);
        shell.args(["-c", command]).current_dir(&front.folder);
        (command.to_owned(), self::run(shell))
    };
    ours.map(typed).collect()
}

#[test]
fn commands_show_the_callers_certificate_to_whom_the_request_went() {
    for flavour in Flavour::each() {
        let plan = Plan::new();
        let leaf = plan.root.leaf(&plan.name).issue().unwrap();
        let clients = Authority::named("Robots").unwrap();
        let front = plan
            .with(|nginx| nginx.file("robots.pem", clients.certificate_pem()))
            .shows(&leaf, "ssl_verify_client on; ssl_client_certificate {file:robots.pem};")
            .start(flavour);
        let Some(front) = front else { continue };

        let stranger = Authority::named("Strangers").unwrap().client("a robot").issue().unwrap();
        let both = front.file("a robot.pem", format!("{}{}", stranger.chain_pem(), stranger.key_pem()));
        let [chain, key] = [("robot.pem", stranger.chain_pem()), ("robot.key", stranger.key_pem())]
            .map(|(file, content)| front.file(file, content));
        for shown in [vec!["--cert", &both], vec!["--cert", &chain, "--key", &key]] {
            let run = front.trace(&shown);
            run.assert_died("tls.client_cert_rejected");
            let typed = typed(&front, &run);
            let [(_, certificate), (shakes, handshake)] = &typed[..] else { panic!("{typed:?}") };
            assert!(certificate.stdout.contains("a robot"), "{typed:?}");
            assert!(handshake.stdout.contains("Robots"), "{typed:?}");
            assert!(shakes.contains(&format!("-connect 127.0.0.1:{} ", front.port())), "{shakes}");
            assert!(shakes.contains(&format!("-servername {} ", front.name)), "{shakes}");
        }

        // Without one of the caller's, it stands for the one to be shown.
        let run = front.trace(&[]);
        run.assert_died("tls.client_cert_required");
        let next = run.report["next"].to_string();
        assert!(next.contains(" -cert client.pem -key client.key </dev/null"), "{next}");
    }
}

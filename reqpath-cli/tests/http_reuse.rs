//! Connections used again, and clocks compared: what only a second look shows.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::{REQPATH, Run, name, trace};
use reqpath_testkit::lab::{self, Lab};
use reqpath_testkit::mock::{Connection, MockUpstream, Reply};
use reqpath_testkit::pki::Authority;

fn serving(connection: Connection) -> MockUpstream {
    MockUpstream::builder().connections(connection).reply(Reply::ok("hello")).start().unwrap()
}

fn ask(server: &MockUpstream, idle: &str) -> Run {
    trace(["--idle", idle, "--max-time", "2", "--deadline", "8", &server.url("/")])
}

fn outcomes(run: &Run) -> Vec<&str> {
    let mut seen = run.seen("http.reuse");
    seen.sort_by_key(|reuse| reuse["idle_us"].as_u64());
    seen.into_iter().filter_map(|reuse| reuse["outcome"].as_str()).collect()
}

#[test]
fn a_connection_that_died_unseen() {
    let server = serving(Connection::serve().dead_after_idle(Duration::from_millis(200)));
    let run = ask(&server, "50ms,500ms");
    run.assert_reached().assert_warned("client.stale_connection");
    assert_eq!(outcomes(&run), ["answered", "answered", "reset"], "{}", run.told());
    for twin in ["tcp.reset", "tcp.closed", "http.response.reset"] {
        run.assert_not_blamed(twin);
    }
}

#[test]
fn a_connection_closed_in_time_is_healthy() {
    let server = serving(Connection::serve().idle_close(Duration::from_millis(100)));
    let run = ask(&server, "400ms");
    run.assert_reached().assert_not_blamed("client.stale_connection");
    assert_eq!(outcomes(&run), ["answered", "closed_before"], "{}", run.told());
    let closed =
        run.seen("http.reuse").into_iter().find_map(|reuse| reuse["closed_after_us"].as_u64()).unwrap();
    assert!((50_000..400_000).contains(&closed), "{closed}");
}

#[test]
fn a_connection_that_stays_open_is_healthy() {
    let run = ask(&serving(Connection::serve().announces_keep_alive(Duration::from_secs(60))), "100ms");
    run.assert_reached().assert_not_blamed("client.stale_connection");
    assert_eq!(outcomes(&run), ["answered", "answered"]);
    assert_eq!(run.seen("http.reuse")[0]["announced_timeout_s"], 60);
}

#[test]
fn a_server_that_closes_after_each_answer_says_so() {
    let run = ask(&serving(Connection::serve().requests_at_most(1)), "100ms");
    run.assert_reached().assert_not_blamed("client.stale_connection");
    assert_eq!(outcomes(&run), ["not_allowed", "not_allowed"], "{}", run.told());
}

#[test]
fn fresh_connections_that_fail_are_not_stale() {
    let server = MockUpstream::start(Reply::reset()).unwrap();
    let run = ask(&server, "100ms");
    run.assert_died("http.response.reset").assert_not_blamed("client.stale_connection");
}

#[test]
fn a_pause_that_does_not_fit_is_not_made() {
    let server = serving(Connection::serve());
    let run = trace(["--idle", "5s", "--max-time", "2", &server.url("/")]);
    run.assert_reached();
    assert_eq!(outcomes(&run), ["answered", "no_time"], "{}", run.told());
    assert!(run.wall < Duration::from_secs(2), "{:?}", run.wall);
}

/// Servers that all live at another time than this machine: what a wrong local clock looks like.
struct Elsewhen {
    shop: MockUpstream,
    clocks: Vec<MockUpstream>,
    name: String,
    folder: tempfile::TempDir,
}

impl Elsewhen {
    /// The certificate ended so many days ago; the clocks of the others stand at these moments.
    fn new(expired_days_ago: u32, clocks: &[SystemTime]) -> Self {
        let (authority, name) = (Authority::new().unwrap(), name());
        let leaf = authority.leaf(&name).expired(expired_days_ago).issue().unwrap();
        let shop = MockUpstream::builder().tls(&leaf).reply(Reply::ok("open")).start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.certificate_pem()).unwrap();
        let dated = |moment: &SystemTime| MockUpstream::start(Reply::status(204).dated(*moment)).unwrap();
        Self { shop, clocks: clocks.iter().map(dated).collect(), name, folder }
    }

    fn trace(&self) -> Run {
        trace(self.arguments())
    }

    fn arguments(&self) -> Vec<String> {
        let port = self.shop.address().port();
        let mut arguments: Vec<String> =
            self.clocks.iter().flat_map(|c| ["--clock-from".to_owned(), c.url("/")]).collect();
        arguments.extend(["--max-time".to_owned(), "4".to_owned(), "--resolve".to_owned()]);
        arguments.push(format!("{}:{port}:127.0.0.1", self.name));
        arguments.extend(["--cacert".to_owned(), self.folder.path().join("ca.pem").display().to_string()]);
        arguments.push(format!("https://{}:{port}/", self.name));
        arguments
    }
}

fn days_ago(days: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(days * 86_400)
}

#[test]
fn a_wrong_clock_makes_certificates_look_expired() {
    let run = Elsewhen::new(3, &[days_ago(10), days_ago(10)]).trace();
    run.assert_died("client.clock_skew");
    assert_eq!(run.report["verdict"]["at"]["hop"], "client");
    assert!(
        run.report["verdict"]["chain"].as_array().unwrap().iter().any(|code| code == "tls.cert.date_invalid")
    );
}

/// The program under a clock that is wrong by two hundred days, while all servers have the right one.
#[test]
fn the_programs_own_clock_is_wrong() {
    let faketime = std::path::Path::new("/usr/bin/faketime");
    if !faketime.exists() {
        assert!(std::env::var_os("REQPATH_REQUIRE_REAL").is_none_or(|v| v != "1"), "install faketime");
        eprintln!("skipped: faketime is not installed");
        return;
    }
    let (authority, name) = (Authority::new().unwrap(), name());
    let leaf = authority.leaf(&name).valid_for(60).issue().unwrap();
    let shop = MockUpstream::builder().tls(&leaf).reply(Reply::ok("open")).start().unwrap();
    let clocks = [Reply::status(204), Reply::ok("now")].map(|reply| MockUpstream::start(reply).unwrap());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.certificate_pem()).unwrap();
    let scene = Elsewhen { shop, clocks: clocks.into(), name, folder };
    scene.trace().assert_reached();
    let mut command = std::process::Command::new(faketime);
    command.args(["-f", "+200d", REQPATH]);
    let run = common::trace_by(command, scene.arguments());
    run.assert_died("client.clock_skew");
    assert_eq!(run.report["verdict"]["at"]["hop"], "client", "{}", run.told());
}

#[test]
fn an_expired_certificate_is_not_the_clocks_fault() {
    for (why, clocks) in [
        ("the others agree with us", vec![SystemTime::now(), SystemTime::now()]),
        ("only one disagrees", vec![days_ago(10)]),
        ("they disagree with each other", vec![days_ago(10), days_ago(40)]),
        ("expired by their clock too", vec![days_ago(1), days_ago(1)]),
    ] {
        let run = Elsewhen::new(3, &clocks).trace();
        assert_eq!(run.code(), "tls.cert.date_invalid", "{why}: {}", run.told());
        run.assert_not_blamed("client.clock_skew");
    }
}

#[test]
fn a_device_between_that_forgets_a_connection() {
    let lab = Lab::builder().host("client").router("edge").host("server");
    let Some(lab) = lab::or_skip(lab.link("client", "edge").link("edge", "server").build()) else { return };
    if lab::or_skip(lab["edge"].rules()).is_none() {
        return;
    }
    let serve = || MockUpstream::builder().bind(IpAddr::from([0; 4])).reply(Reply::ok("open")).start();
    let server = lab["server"].run(serve).unwrap().unwrap();
    let url = format!("http://{}:{}/", lab["server"].ipv4(), server.address().port());
    let command = lab["client"].command(REQPATH);
    let command =
        command.args(["trace", "--json", "--idle", "1s", "--max-time", "2", "--deadline", "4", &url]);
    let began = Instant::now();
    let tracing = thread::spawn(move || command.output().unwrap());
    // The road's own connection carried two requests at once; the other one is idle after its first.
    let idle = |seen: &reqpath_testkit::mock::Seen| {
        let idle = seen.connections.iter().find(|one| one.number > 0 && one.requests == 1);
        idle.filter(|_| seen.request_count >= 3).map(|one| one.from.port())
    };
    let mut port = None;
    assert!(server.wait_until(Duration::from_secs(3), |seen| {
        port = idle(seen);
        port.is_some()
    }));
    let port = port.unwrap();
    lab["edge"]
        .load_rules(&format!(
            "table inet forgetful {{
                 chain between {{
                     type filter hook forward priority 0;
                     tcp sport {port} counter drop
                     tcp dport {port} counter drop
                 }}
             }}"
        ))
        .unwrap();
    let output = tracing.join().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let run = Run {
        status: output.status.code().unwrap_or(-1),
        report: serde_json::from_str(&stdout).unwrap_or_default(),
        stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        wall: began.elapsed(),
    };
    run.assert_reached().assert_warned("client.stale_connection");
    assert_eq!(outcomes(&run), ["answered", "lost"], "{}", run.told());
    // The rule itself says that it took the request.
    let rules = lab["edge"].rules().unwrap();
    let forgotten = rules.lines().find(|line| line.contains(&format!("tcp sport {port}"))).unwrap();
    assert!(!forgotten.contains("packets 0 "), "{rules}");
}

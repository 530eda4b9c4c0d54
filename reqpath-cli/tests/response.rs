//! Answers that end too soon, too late or never, and peers that mean harm.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Run, trace};
use reqpath_testkit::mock::{Connection, MockUpstream, Reply};

/// What a trace of a hostile peer may have resident at most.
const MOST_RESIDENT_KIB: u64 = 64 << 10;

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

#[track_caller]
fn assert_only(run: &Run, code: &str, not: &[&str]) {
    run.assert_died(code);
    for other in not {
        run.assert_not_blamed(other);
    }
}

#[test]
fn a_body_that_ends_too_soon() {
    let promised = 1000 + fastrand::u64(..1000);
    let sent = fastrand::u64(1..900);
    let body = vec![b'x'; usize::try_from(promised).unwrap()];
    for reply in [Reply::ok(body.clone()), Reply::ok(body.clone()).chunked()] {
        let run = ask(&answering(reply.truncate_after(sent)), &[]);
        assert_only(
            &run,
            "response.truncated",
            &["response.reset_mid_body", "response.stalled", "http.response.empty"],
        );
        assert_eq!(run.seen("http.exchange")[0]["body"]["received"], sent);
        assert_eq!(run.seen("http.exchange")[0]["closed"], "fin");
    }
    let run = ask(&answering(Reply::ok(body).reset_after(sent)), &[]);
    assert_only(
        &run,
        "response.reset_mid_body",
        &["response.truncated", "response.stalled", "http.response.reset"],
    );
    // A body that ends with the connection is whole when the connection ends.
    ask(&answering(Reply::ok("whole").until_close()), &[])
        .assert_reached()
        .assert_not_blamed("response.truncated");
    // In the middle of the head.
    let run = ask(&answering(Reply::raw("HTTP/1.1 200 OK\r\nContent-Le")), &[]);
    assert_only(&run, "response.truncated", &["http.response.invalid", "http.response.empty"]);
}

#[test]
fn a_body_that_trickles_or_stops() {
    let trickling = Reply::ok(vec![b'x'; 5000]).trickle(1, Duration::from_millis(20));
    let run = ask(&answering(trickling), &["--max-time", "1"]);
    assert_only(&run, "response.stalled", &["response.truncated", "http.response.timed_out"]);
    assert!(run.wall < Duration::from_secs(3), "{:?}", run.wall);
    let stopping = Reply::ok(vec![b'x'; 5000]).stop_after(700);
    let run = ask(&answering(stopping), &["--max-time", "1"]);
    assert_only(&run, "response.stalled", &["response.truncated", "http.response.timed_out"]);
    let exchange = &run.seen("http.exchange")[0];
    assert_eq!(
        (exchange["body"]["received"].as_u64(), exchange["body"]["max_gap_at"].as_u64()),
        (Some(700), Some(700))
    );
    assert!(exchange.get("body_us").is_none());
    // Slow, and whole in time.
    let slow = Reply::ok("0123456789").trickle(1, Duration::from_millis(20));
    ask(&answering(slow), &[]).assert_reached().assert_not_blamed("response.stalled");
    // A head that trickles is no answer yet.
    let head =
        Reply::raw("HTTP/1.1 200 OK\r\nX-A: 1\r\nX-B: 2\r\n\r\n").trickle(1, Duration::from_millis(200));
    assert_only(
        &ask(&answering(head), &["--max-time", "1"]),
        "http.response.timed_out",
        &["response.stalled"],
    );
}

/// Traces a server and watches how much the program has resident at most, in KiB.
fn watched(server: &MockUpstream, more: &[&str]) -> (Run, u64) {
    let mut command = common::reqpath();
    command.args(["trace", "--json"]).args(more).arg(server.url("/"));
    common::watched(command)
}

#[test]
fn hostile_peers_end_bounded() {
    let controls = "a\u{1b}[31m\u{7}\u{202e}b";
    let broken = Reply::status(500).reason(controls).header("x-evil", controls).body(controls);
    let tricky = Reply::status(500).header("x-evil", "a\u{202e}\u{200f}b").body(controls);
    let cases: Vec<(&str, Reply, &str, &str)> = vec![
        ("endless headers", Reply::endless_headers(), "died", "http.response.header_section_size"),
        ("a line without end", Reply::endless_header_line(), "died", "http.response.header_section_size"),
        ("a body without end", Reply::endless(), "reached", ""),
        ("a gigabyte", Reply::status(200).repeating("0123456789abcdef", Some(1 << 30)), "reached", ""),
        ("chunks without end", Reply::endless().chunked(), "reached", ""),
        (
            "interim answers without end",
            Reply::raw("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20_000)),
            "died",
            "http.response.header_section_size",
        ),
        ("control characters in the head", broken, "died", "http.response.invalid"),
        ("control characters where they are allowed", tricky, "died", "http.error"),
        (
            "a trickle of single bytes",
            Reply::endless().trickle(1, Duration::from_millis(1)),
            "died",
            "response.stalled",
        ),
    ];
    for (what, reply, kind, code) in cases {
        let server = answering(reply);
        let (run, resident) = watched(&server, &["--max-time", "2"]);
        assert_eq!((run.kind(), run.code()), (kind, code), "{what}: {}", run.told());
        if kind == "reached" {
            run.assert_warned("response.larger_than_read");
        }
        assert!(resident < MOST_RESIDENT_KIB, "{what}: {resident} KiB resident");
        assert!(run.wall < Duration::from_secs(5), "{what}: {:?}", run.wall);
        assert!(run.stdout.len() < 200_000, "{what}: a report of {} bytes", run.stdout.len());
        for control in ['\u{1b}', '\u{7}', '\u{202e}', '\u{200f}'] {
            assert!(!run.stdout.contains(control), "{what}: {control:?} in the report");
        }
    }
}

#[test]
fn many_samples_of_a_hostile_peer_stay_bounded() {
    let server = answering(Reply::status(500).oversized_headers(60_000).body(vec![b'x'; 100_000]));
    let (run, resident) = watched(&server, &["-n", "100", "--max-time", "2", "--deadline", "30"]);
    run.assert_died("http.error");
    assert!(resident < MOST_RESIDENT_KIB, "{resident} KiB resident");
}

#[test]
fn a_peer_that_greets_and_never_answers() {
    let server = MockUpstream::builder().connections(Connection::silent()).start().unwrap();
    let (run, resident) = watched(&server, &["--max-time", "0.5"]);
    run.assert_died("http.response.timed_out");
    assert!(
        resident < MOST_RESIDENT_KIB && run.wall < Duration::from_millis(900),
        "{resident} {:?}",
        run.wall
    );
}

//! Redirects that end, that never end, and that lead where nobody follows, traced by the built program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::{Run, trace};
use reqpath_testkit::mock::{MockUpstream, Reply, Request};
use serde_json::json;

const LOOP: &str = "http.response.redirect_loop";

fn serving(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> MockUpstream {
    MockUpstream::start(answer).unwrap()
}

/// A server that numbers what it is asked, from 1.
fn counting(answer: impl Fn(u32, &Request) -> Reply + Send + Sync + 'static) -> MockUpstream {
    let asked = AtomicU32::new(0);
    serving(move |request| answer(asked.fetch_add(1, Ordering::Relaxed) + 1, request))
}

/// Without looks beside the road: each redirect is one request.
fn ask(server: &MockUpstream, path: &str, more: &[&str]) -> Run {
    let url = server.url(path);
    let time: &[&str] = if more.contains(&"--max-time") { &[] } else { &["--max-time", "9"] };
    trace([&["--road-only", "-L", url.as_str()], time, more].concat())
}

fn summary(run: &Run) -> &str {
    run.report["verdict"]["cause"]["summary"].as_str().unwrap_or_default()
}

/// The last redirect that was met.
fn last(run: &Run) -> &serde_json::Value {
    run.seen("http.redirect").pop().unwrap()
}

#[test]
fn a_form_that_leads_back_to_its_own_page_is_no_loop() {
    for status in [301, 302, 303] {
        let server = serving(move |request: &Request| match request.method.as_str() {
            "POST" => Reply::redirect(status, &request.target),
            _ => Reply::ok("thanks"),
        });
        ask(&server, "/form", &["-d", "a=1"]).assert_reached().assert_not_blamed(LOOP);
        let requests = server.requests();
        let methods: Vec<&str> = requests.iter().map(|request| request.method.as_str()).collect();
        assert_eq!(methods, ["POST", "GET"], "{status}");
    }
}

#[test]
fn a_page_that_leads_to_itself_until_something_is_ready_is_no_loop() {
    let server = counting(|number, request| match number {
        ..=7 => Reply::redirect(302, &request.target),
        _ => Reply::ok("ready"),
    });
    let run = ask(&server, "/wait", &[]);
    run.assert_reached().assert_not_blamed(LOOP);
    assert_eq!((server.request_count(), last(&run)["loop"].as_bool()), (8, Some(true)), "{}", run.told());
    // What never is ready is one.
    let server = serving(|request: &Request| Reply::redirect(302, &request.target));
    let run = ask(&server, "/wait", &[]);
    run.assert_died(LOOP);
    assert_eq!(server.request_count(), 51, "as many as curl asks");
    assert!(summary(&run).contains("in a circle, which the last 50 of 50"), "{}", summary(&run));
    assert!(run.stdout.len() < 1 << 20, "{} bytes", run.stdout.len());
}

#[test]
fn a_circle_is_named_by_its_round_and_a_long_way_by_its_length() {
    let server = serving(|request: &Request| {
        Reply::redirect(
            301,
            match request.target.as_str() {
                "/in" | "/c" => "/a",
                "/a" => "/b",
                _ => "/c",
            },
        )
    });
    let run = ask(&server, "/in", &[]);
    run.assert_died(LOOP);
    let circle = ["a", "b", "c", "a"].map(|step| server.url(&format!("/{step}")));
    let turned = |by: usize| (0..4).map(|k| circle[(k + by) % 3].as_str()).collect::<Vec<_>>().join(" → ");
    assert!((0..3).any(|by| summary(&run).contains(&format!("({})", turned(by)))), "{}", summary(&run));
    assert_eq!((&last(&run)["round"]["length"], &last(&run)["limit"]), (&json!(3), &json!(50)));
    // Ever new URLs are no circle; neither are those that differ in a secret alone.
    let secret = counting(|number, _| Reply::redirect(302, &format!("/x?token=s3cr3t{number}")));
    let server = counting(|number, _| Reply::redirect(302, &format!("/{number}")));
    for server in [server, secret] {
        let run = ask(&server, "/", &["--max-redirs", "20"]);
        run.assert_died(LOOP);
        assert!(summary(&run).starts_with("more than 20 redirects ("), "{}", summary(&run));
        assert!(summary(&run).contains("… 18 more …"), "{}", summary(&run));
        assert_eq!(
            (&last(&run)["round"], &last(&run)["left_out"]),
            (&json!(null), &json!(14)),
            "{}",
            run.told()
        );
        assert!(!run.stdout.contains("s3cr3t"), "{}", run.stdout);
    }
}

#[test]
fn a_long_way_whose_last_steps_go_round_is_no_circle() {
    let ends_in_a_round = |way: u32| {
        counting(move |number, _| match number {
            number if number < way => Reply::redirect(302, &format!("/{number}")),
            _ => Reply::redirect(302, "/wait"),
        })
    };
    let run = ask(&ends_in_a_round(48), "/", &[]);
    run.assert_died(LOOP);
    assert!(summary(&run).starts_with("more than 50 redirects ("), "{}", summary(&run));
    let (times, shown) = (&last(&run)["round"]["times"], summary(&run));
    assert!(shown.contains(&format!("; only the last {times} go round (")), "{shown}");
    let run = ask(&ends_in_a_round(9), "/", &[]);
    run.assert_died(LOOP);
    assert!(summary(&run).contains("in a circle, which the last 42 of 50 do not leave"), "{}", summary(&run));
}

#[test]
fn where_none_may_be_followed_one_is_one_too_many() {
    let server = serving(|_: &Request| Reply::redirect(302, "/there"));
    let run = ask(&server, "/", &["--max-redirs", "0"]);
    run.assert_died(LOOP);
    assert!(summary(&run).starts_with("more than 0 redirects ("), "{}", summary(&run));
    // Where they are not to be followed, one is the answer; and where there is none, nothing is too many.
    trace(["--max-redirs", "0", &server.url("/")]).assert_reached();
    ask(&serving(|_: &Request| Reply::ok("here")), "/", &["--max-redirs", "0"]).assert_reached();
    assert_eq!(server.request_count(), 1 + 2, "the answer is asked for once more on its connection");
}

#[test]
fn a_circle_that_uses_up_the_time_is_one_too() {
    let slowly = |request: &Request| Reply::redirect(302, &request.target).delay(Duration::from_millis(150));
    let run = ask(&serving(slowly), "/", &["--max-time", "1.5"]);
    run.assert_died(LOOP);
    assert!(summary(&run).contains("until the time was over"), "{}", summary(&run));
    assert!(run.wall < Duration::from_secs(20), "{:?}", run.wall);
}

#[test]
fn a_request_that_hangs_in_the_middle_of_a_round_is_no_loop() {
    let server = counting(|number, request| {
        let time = if number % 5 == 0 { 20_000 } else { 20 };
        Reply::redirect(302, &request.target).delay(Duration::from_millis(time))
    });
    let run = ask(&server, "/", &["--max-time", "1.5"]);
    run.assert_died("http.response.timed_out").assert_not_blamed(LOOP);
    // Nor is a slow way that leads on.
    let server =
        counting(|number, _| Reply::redirect(302, &format!("/{number}")).delay(Duration::from_millis(150)));
    let run = ask(&server, "/", &["--max-time", "1.5"]);
    run.assert_died("http.response.timed_out").assert_not_blamed(LOOP);
}

#[test]
fn what_more_time_brings_to_an_end_is_no_loop() {
    let server = counting(|number, request| match number % 14 {
        0 => Reply::ok("ready"),
        _ => Reply::redirect(302, &request.target).delay(Duration::from_millis(150)),
    });
    let url = server.url("/");
    let run = trace(["-L", &url, "--max-time", "1", "--deadline", "20"]);
    assert_eq!(run.status, 1, "{}", run.told());
    run.assert_not_blamed(LOOP);
}

#[test]
fn a_method_that_was_named_stays() {
    let server = serving(|request: &Request| match request.target.strip_prefix('/').unwrap().parse() {
        Ok(status) => Reply::redirect(status, "/there"),
        Err(_) => Reply::ok("there"),
    });
    let asked = |status: u16, flags: &[&str]| {
        let before = server.request_count();
        ask(&server, &format!("/{status}"), flags).assert_reached();
        let there = &server.requests()[usize::try_from(before).unwrap() + 1];
        (there.method.clone(), String::from_utf8(there.body.to_vec()).unwrap())
    };
    // Each as curl 7.88 does it.
    for status in [301, 302, 303] {
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(asked(status, &["-X", method]), (method.into(), String::new()), "{status}");
        }
        assert_eq!(asked(status, &["-X", "PUT", "-d", "a=1"]), ("PUT".into(), String::new()), "{status}");
        assert_eq!(asked(status, &["-d", "a=1"]), ("GET".into(), String::new()), "{status}");
    }
    for status in [300, 305, 307, 308] {
        assert_eq!(asked(status, &["-X", "PUT", "-d", "a=1"]), ("PUT".into(), "a=1".into()), "{status}");
        assert_eq!(asked(status, &["-d", "a=1"]), ("POST".into(), "a=1".into()), "{status}");
    }
}

#[test]
fn whatever_points_elsewhere_is_followed_and_what_points_nowhere_is_the_answer() {
    for status in [300, 301, 305, 306, 308, 399] {
        let server = serving(move |request: &Request| match request.target.as_str() {
            "/" => Reply::redirect(status, "/there"),
            _ => Reply::ok("there"),
        });
        ask(&server, "/", &[]).assert_reached();
        assert_eq!(server.request_count(), 2, "{status}");
    }
    for reply in [Reply::redirect(302, ""), Reply::redirect(201, "/there")] {
        let server = MockUpstream::start(reply).unwrap();
        let run = ask(&server, "/", &[]);
        run.assert_reached();
        assert_eq!((server.request_count(), run.seen("http.redirect").len()), (1, 0), "{}", run.told());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn long_locations_cost_neither_memory_nor_a_report_without_end() {
    let resident = |server: &MockUpstream| {
        let mut command = common::reqpath();
        let url = server.url("/");
        command.args(["trace", "--json", "-L", "-n", "8", "--max-time", "20", "--deadline", "60", &url]);
        let (run, resident) = common::watched(command);
        assert!(resident < 64 << 10, "{resident} KiB");
        assert!(run.stdout.len() < 32 << 20, "{} bytes of report", run.stdout.len());
        run
    };
    // What no server would take is not followed, and that is said.
    let server = serving(|_: &Request| Reply::redirect(302, &format!("/{}", "a".repeat(60_000))));
    let run = resident(&server);
    run.assert_died("http.response.invalid").assert_not_blamed(LOOP);
    assert!(summary(&run).contains("the `Location` has 60001 bytes"), "{}", summary(&run));
    assert!(last(&run)["to"].as_str().unwrap().len() < 2000);
    // What a server might take is followed to the end, secrets and all.
    for query in ["", "?token="] {
        let long = "a".repeat(15_000);
        let server =
            counting(move |number, _| Reply::redirect(302, &format!("/{query}{number}s3cr3t{long}")));
        let run = resident(&server);
        run.assert_died(LOOP);
        assert!(query.is_empty() || !run.stdout.contains("s3cr3t"));
    }
}

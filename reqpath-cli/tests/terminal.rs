//! What the program shows on a real terminal, and nowhere else.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::TcpListener;
use std::process::Command;

use common::{REQPATH, Run, clean, reqpath, run};

/// Takes a picture's lines back.
const BACK: &str = "A\u{1b}[J";

/// A server that takes connections and never answers, and the trace of it.
fn silent() -> (TcpListener, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, vec!["trace".to_owned(), url, "--deadline".to_owned(), "1500ms".to_owned()])
}

/// Runs the program on a terminal of its own, which `script` makes, with this in its environment besides.
fn on_a_terminal(arguments: &[String], environment: &[(&str, &str)]) -> Run {
    let mut command = Command::new("script");
    clean(&mut command);
    // Every word is a plain one: a path of the build, a flag, a URL.
    let line = [&[REQPATH.to_owned()], arguments].concat().join(" ");
    command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
    command.env("TERM", "xterm").envs(environment.iter().copied());
    run(command)
}

#[test]
fn a_terminal_sees_how_far_it_has_come_and_then_a_coloured_answer() {
    let (_server, arguments) = silent();
    let seen = on_a_terminal(&arguments, &[]);
    assert_eq!(seen.status, 1, "{}", seen.stdout);
    assert!(seen.stdout.contains("walking, "), "{}", seen.stdout);
    // All of it is taken back before the report begins with the answer.
    let (_, report) = seen.stdout.rsplit_once(BACK).expect("pictures are taken back");
    assert!(!report.contains("walking, "), "{report}");
    let first = report.lines().next().unwrap();
    let plain = anstream::adapter::strip_str(first).to_string();
    assert!(
        first.starts_with('\u{1b}') && plain.starts_with("died between client and server (http)"),
        "{first:?}"
    );
}

#[test]
fn who_wants_no_colours_gets_none() {
    let (_server, arguments) = silent();
    let seen = on_a_terminal(&arguments, &[("NO_COLOR", "1")]);
    let (_, report) = seen.stdout.rsplit_once(BACK).expect("pictures are no colours");
    assert!(
        report.starts_with("died between client and server (http)") && !report.contains('\u{1b}'),
        "{report:?}"
    );

    // This terminal cannot take a line back.
    let seen = on_a_terminal(&arguments, &[("TERM", "dumb")]);
    assert!(!seen.stdout.contains("walking, ") && !seen.stdout.contains('\u{1b}'), "{:?}", seen.stdout);
    // Nor can the log of a build, but it shows colours.
    let seen = on_a_terminal(&arguments, &[("TERM", "dumb"), ("CI", "true")]);
    assert!(!seen.stdout.contains("walking, ") && seen.stdout.starts_with('\u{1b}'), "{:?}", seen.stdout);
}

#[test]
fn a_pipe_gets_the_report_alone() {
    let (_server, arguments) = silent();
    let mut command = reqpath();
    // A build's log is a pipe too: nobody forced colours on it.
    command.args(&arguments).env("TERM", "xterm").env("CI", "true");
    let seen = run(command);
    assert!(seen.stdout.starts_with("died between client and server (http)"), "{}", seen.stdout);
    assert!(!seen.stdout.contains('\u{1b}') && seen.stderr.is_empty(), "{}{}", seen.stdout, seen.stderr);
}

//! Commands and the ends of files, as a stage asks for them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::future::Future;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use reqpath_core::{Budget, Contact, ContactKind, Permit, Unavailable, Vantage};
use reqpath_local::LocalVantage;

const LONG: Duration = Duration::from_secs(20);

fn permit(kind: ContactKind) -> Permit {
    Budget::of(&[Contact::new(kind, "this place", 1, "a test")]).permit(kind).unwrap()
}

fn now<T>(look: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(look)
}

fn run(command: &[&str], limit: usize, time: Duration) -> Result<String, Unavailable> {
    let command: Vec<String> = command.iter().copied().map(str::to_owned).collect();
    let said = now(LocalVantage::new().command(permit(ContactKind::Command), &command, limit, time));
    said.map(|bytes| String::from_utf8(bytes).unwrap())
}

fn words(failed: Result<String, Unavailable>) -> String {
    match failed.unwrap_err() {
        Unavailable::System(words) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_outputs_come_in_their_order_and_only_the_last_of_them() {
    let both = ["sh", "-c", "echo one; echo two >&2; echo three"];
    assert_eq!(run(&both, 1000, LONG).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(run(&both, 6, LONG).unwrap(), "three\n");
    assert_eq!(run(&both, 0, LONG).unwrap(), "");
    let long = run(&["seq", "1", "200000"], 14, LONG).unwrap();
    assert_eq!(long, "199999\n200000\n");
}

#[test]
fn there_is_no_shell_no_input_and_no_environment_of_ours() {
    assert_eq!(run(&["echo", "$HOME;", "*"], 100, LONG).unwrap(), "$HOME; *\n");
    assert_eq!(run(&["cat"], 100, LONG).unwrap(), "");
    let variables = run(&["env"], 10_000, LONG).unwrap();
    let mut names: Vec<&str> = variables.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| !["PATH", "HOME", "LANG"].contains(name));
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn what_fails_says_so_in_words() {
    assert_eq!(words(run(&[], 10, LONG)), "the command is empty");
    let absent = words(run(&["no-such-program-here"], 10, LONG));
    assert_eq!(absent, "`no-such-program-here` is not there, or not in any folder of PATH");
    let failed = words(run(&["sh", "-c", "echo fine; echo 'no \u{1b}[31mright' >&2; exit 3"], 100, LONG));
    assert_eq!(failed, "`sh` failed (exit status: 3): no \\u{1b}[31mright");
    assert_eq!(words(run(&["false"], 100, LONG)), "`false` failed (exit status: 1): it said nothing");
}

#[test]
fn time_ends_the_command_and_what_it_started() {
    let began = Instant::now();
    let said = run(&["sh", "-c", "sleep 1000 & echo $!; wait"], 100, Duration::from_millis(500)).unwrap();
    assert!(began.elapsed() < LONG);
    assert_ended(said.trim());
    let silent = words(run(&["sleep", "1000"], 100, Duration::from_millis(50)));
    assert!(silent.starts_with("`sleep` said nothing within 50"), "{silent}");
    let endless = run(&["yes"], 100, Duration::from_millis(300)).unwrap();
    assert_eq!(endless.len(), 100);
}

#[test]
fn what_a_command_leaves_running_is_neither_waited_for_nor_left() {
    for left in ["sleep 1000 & echo $!", "echo $$; yes & exit 0"] {
        let began = Instant::now();
        let said = run(&["sh", "-c", left], 1 << 21, LONG * 10).unwrap();
        assert!(began.elapsed() < LONG, "{left}");
        assert_ended(said.lines().next().unwrap());
    }
}

#[test]
fn nobody_who_asks_any_more_ends_it_too() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("number").to_str().unwrap().to_owned();
    let command = ["sh", "-c", "echo $$ > \"$0\".new && mv \"$0\".new \"$0\" && sleep 1000", &path];
    let command: Vec<String> = command.iter().copied().map(str::to_owned).collect();
    now(async {
        let vantage = LocalVantage::new();
        let asked = vantage.command(permit(ContactKind::Command), &command, 100, LONG * 10);
        let started = async {
            while !fs::exists(&path).unwrap() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = asked => panic!("it does not end by itself"),
            () = started => {}
        }
    });
    assert_ended(fs::read_to_string(&path).unwrap().trim());
}

#[test]
fn the_end_of_a_pipe_is_not_waited_for() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("pipe");
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    let tail = |path: &str| now(LocalVantage::new().tail(permit(ContactKind::File), path, 10));
    let refused = tail(path.to_str().unwrap()).unwrap_err();
    assert_eq!(refused, Unavailable::System("not a regular file".to_owned()));
    assert_eq!(tail("/no/such/file").unwrap_err(), Unavailable::Missing);
    // Files that the kernel makes up have no length to count back from.
    assert!(!tail("/proc/self/status").unwrap().is_empty());
}

/// The process has ended, whether or not somebody has reaped it.
fn assert_ended(process: &str) {
    let began = Instant::now();
    let running = || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
    };
    while running() {
        assert!(began.elapsed() < LONG, "process {process} still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

//! What to do in a test where labs cannot be had: skip aloud, or run again inside a user namespace.

use std::{
    env, fs,
    process::{Command, Stdio},
    thread,
};

use super::{error::Error, nft::find};
use crate::real::REQUIRE_REAL;

const INSIDE: &str = "REQPATH_LAB_INSIDE";
const SKIPPED: &str = "SKIPPED:";

/// Gives what was had, or `None` after saying why this machine cannot have it.
///
/// With `REQPATH_REQUIRE_REAL=1` in the environment nothing is skipped: a missing part fails the test.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use reqpath_testkit::lab::{self, Lab};
///
/// let Some(lab) = lab::or_skip(Lab::builder().host("client").build()) else { return };
/// assert_eq!(lab["client"].name(), "client");
/// # }
/// ```
///
/// # Panics
/// On every error that is not a missing part, and on those too with `REQPATH_REQUIRE_REAL=1`.
#[track_caller]
#[allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic and skips with a printed reason"
)]
pub fn or_skip<T>(outcome: Result<T, Error>) -> Option<T> {
    let error = match outcome {
        Ok(had) => return Some(had),
        Err(error) => error,
    };
    let because = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    if !error.is_missing() {
        panic!("the lab failed: {error}{because}");
    }
    if env::var_os(REQUIRE_REAL).is_some_and(|value| value == "1") {
        panic!("{REQUIRE_REAL}=1, but {error}{because}");
    }
    eprintln!("{SKIPPED} {error}{because}");
    None
}

/// Runs the body of a test where labs can be made: here, or for an ordinary user in a user namespace.
///
/// Only a process with a single thread can move into a user namespace, and a test program has several;
/// so the test program is run again inside one, for this test alone, and its outcome is this test's.
/// Call it first thing in a test function. Where user namespaces are not allowed the body runs here,
/// and [`or_skip`] tells the rest.
///
/// ```no_run
/// # #[cfg(target_os = "linux")] mod example {
/// use reqpath_testkit::lab::{self, Lab};
///
/// #[test]
/// fn two_hosts() {
///     lab::rootless(|| {
///         let Some(lab) = lab::or_skip(Lab::builder().host("a").host("b").link("a", "b").build()) else { return };
///         // …
///     });
/// }
/// # }
/// ```
///
/// # Panics
/// When the test fails inside.
#[track_caller]
#[allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic and skips with a printed reason"
)]
pub fn rootless(body: impl FnOnce()) {
    // With one test thread a test runs in the main thread, and its name cannot be told.
    let test = thread::current().name().filter(|name| *name != "main").map(str::to_owned);
    let (Some(test), false, Some(mut command)) = (test, can_make_namespaces(), again()) else {
        return body();
    };
    let output = command
        .args(["--exact", &test, "--include-ignored", "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => panic!("{test} could not be run inside a user namespace: {error}"),
    };
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // A run that found no such test succeeds as well.
    if !output.status.success() || !said.contains("test result: ok. 1 passed") {
        panic!("{test} failed inside a user namespace:\n{said}{complained}");
    }
    for reason in complained.lines().filter(|line| line.starts_with(SKIPPED)) {
        eprintln!("{reason}");
    }
}

/// CAP_SYS_ADMIN (bit 21) for namespaces, and CAP_NET_ADMIN (bit 12) for what is in them.
fn can_make_namespaces() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let needed = (1 << 21) | (1 << 12);
    effective & needed == needed
}

/// The start of a command that runs this program inside a user namespace, where that is allowed.
fn again() -> Option<Command> {
    if env::var_os(INSIDE).is_some() {
        return None;
    }
    let (unshare, setpriv, program) = (find("unshare")?, find("setpriv")?, env::current_exe().ok()?);
    let inside = ["--user", "--map-root-user", "--"];
    let allowed = Command::new(&unshare).args(inside).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = Command::new(unshare);
    // The second program sees to it that the third dies with this thread.
    command.args(inside).arg(setpriv).args(["--pdeathsig", "KILL", "--"]).arg(program);
    Some(command)
}

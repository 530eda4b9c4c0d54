use std::error::Error as _;

use super::RealError;

/// The environment variable that turns a missing part from a skip into a failure.
///
/// ```
/// use reqpath_testkit::real::REQUIRE_REAL;
///
/// // A test command of one's own hands the same strictness on.
/// let mut tests = std::process::Command::new("cargo");
/// tests.arg("test").env(REQUIRE_REAL, "1");
/// assert_eq!(REQUIRE_REAL, "REQPATH_REQUIRE_REAL");
/// ```
pub const REQUIRE_REAL: &str = "REQPATH_REQUIRE_REAL";

/// The part that started, or `None` with a printed reason when it is not installed.
///
/// A skipped test is not a passed one: with [`REQUIRE_REAL`] set to `1`, as the project's own test
/// command does, a missing part fails the test. A part that is there and does not start always
/// does.
///
/// ```
/// use reqpath_testkit::real::{Nginx, require};
///
/// let started = Nginx::builder().server("listen {listen}; return 204;").start();
/// let Some(nginx) = require(started) else { return };
/// assert_ne!(nginx.address().port(), 0);
/// ```
///
/// # Panics
///
/// When the part is there but failed, or when it is missing and [`REQUIRE_REAL`] is `1`.
#[track_caller]
#[allow(clippy::panic, clippy::print_stderr, reason = "fails or skips the calling test, and says why")]
pub fn require<T>(started: Result<T, RealError>) -> Option<T> {
    match started {
        Ok(part) => Some(part),
        Err(missing) if missing.is_missing() && !is_required() => {
            eprintln!("SKIPPED: {missing}");
            None
        }
        Err(error) => match error.source() {
            Some(source) => panic!("{error}: {source}"),
            None => panic!("{error}"),
        },
    }
}

fn is_required() -> bool {
    std::env::var_os(REQUIRE_REAL).is_some_and(|value| value == "1")
}

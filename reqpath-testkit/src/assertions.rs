//! Assertions on reports, which print the whole report as text when they fail.
//!
//! ```
//! use reqpath_core::Report;
//! use reqpath_testkit::{assert_blames_nobody, assert_died, assert_reached, assert_warned};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A test has its report from `Pipeline::trace`; this one was stored.
//! let report = Report::load(br#"{
//!     "schema": "reqpath.report/1",
//!     "verdict": {"kind": "died", "outcome": {"samples": 1, "died": 1}, "chain": ["tcp.refused"],
//!                 "at": {"hop": "server", "station": "tcp"},
//!                 "cause": {"code": "tcp.refused", "summary": "nothing listens on 8080", "subject": "path"}},
//!     "findings": [{"code": "tcp.refused", "subject": "path", "weight": "fatal", "blames": "far",
//!                   "summary": "nothing listens on 8080"}]
//! }"#)?;
//! assert_died!(report);
//! assert_died!(report, at "server");
//! assert_died!(report, of "tcp.refused");
//! assert_died!(report, at "server", of "tcp.refused");
//!
//! let report = Report::load(br#"{
//!     "schema": "reqpath.report/1",
//!     "verdict": {"kind": "reached", "outcome": {"samples": 1, "died": 0}, "answer": "HTTP/1.1 200"},
//!     "findings": [{"code": "dns.dead_address", "subject": "path", "weight": "warning", "blames": "far",
//!                   "summary": "192.0.2.8 is dead"}]
//! }"#)?;
//! assert_reached!(report);
//! assert_reached!(report, with "HTTP/1.1 200");
//! assert_warned!(report, "dns.dead_address");
//! assert_blames_nobody!(report);
//! # Ok(())
//! # }
//! ```
//!
//! What was seen is looked up by its type: [`evidence`] gives all of a kind, [`the_only`] the one there is.

mod check;
mod lookup;
mod text;

// The functions behind the macros, which are what a test writes.
#[doc(hidden)]
pub use self::check::{blames_nobody, degraded, died, reached, unknown, warned};
pub use self::lookup::{evidence, the_only};
pub use self::text::text;

/// The request reached its end, with any answer or with this one: `assert_reached!(report, with "HTTP/1.1 200")`.
///
/// ```
/// # use reqpath_core::Report;
/// # let json = r#"{"schema": "reqpath.report/1", "verdict": {"kind": "reached", "answer": "HTTP/1.1 200", "outcome": {"samples": 1, "died": 0}}}"#;
/// let report = Report::load(json.as_bytes())?;
/// reqpath_testkit::assert_reached!(report, with "HTTP/1.1 200");
/// # Ok::<(), reqpath_core::LoadError>(())
/// ```
#[macro_export]
macro_rules! assert_reached {
    ($report:expr $(,)?) => {
        $crate::assertions::reached(&$report, ::core::option::Option::None)
    };
    ($report:expr, with $answer:expr $(,)?) => {
        $crate::assertions::reached(&$report, ::core::option::Option::Some(&*$answer))
    };
}

/// Every sample died: anywhere, at this hop, of this cause, or both: `assert_died!(report, at "edge", of "tcp.refused")`.
///
/// ```
/// # use reqpath_core::Report;
/// # let json = r#"{"schema": "reqpath.report/1", "verdict": {"kind": "died", "outcome": {"samples": 1, "died": 1}, "chain": ["tcp.refused"], "at": {"hop": "server", "station": "tcp"}, "cause": {"code": "tcp.refused", "summary": "s", "subject": "path"}}}"#;
/// let report = Report::load(json.as_bytes())?;
/// reqpath_testkit::assert_died!(report, at "server", of "tcp.refused");
/// # Ok::<(), reqpath_core::LoadError>(())
/// ```
#[macro_export]
macro_rules! assert_died {
    ($report:expr $(, at $hop:expr)? $(, of $code:expr)? $(,)?) => {
        $crate::assertions::died(&$report, $crate::__given!($($hop)?), $crate::__given!($($code)?))
    };
}

/// Some samples died and some arrived: `assert_degraded!(report, at "server", of "http.error")`, both optional.
///
/// ```
/// # use reqpath_core::Report;
/// # let json = r#"{"schema": "reqpath.report/1", "verdict": {"kind": "degraded", "outcome": {"samples": 4, "died": 1}, "at": {"hop": "server", "station": "tcp"}, "cause": {"code": "tcp.refused", "summary": "s", "subject": "path"}}}"#;
/// let report = Report::load(json.as_bytes())?;
/// reqpath_testkit::assert_degraded!(report, at "server", of "tcp.refused");
/// # Ok::<(), reqpath_core::LoadError>(())
/// ```
#[macro_export]
macro_rules! assert_degraded {
    ($report:expr $(, at $hop:expr)? $(, of $code:expr)? $(,)?) => {
        $crate::assertions::degraded(&$report, $crate::__given!($($hop)?), $crate::__given!($($code)?))
    };
}

/// The deciding evidence is missing: `assert_unknown!(report)`, or near this hop: `assert_unknown!(report, at "server")`.
///
/// ```
/// # use reqpath_core::Report;
/// # let json = r#"{"schema": "reqpath.report/1", "verdict": {"kind": "unknown", "why": "no look was made", "outcome": {"samples": 1, "died": 1}}}"#;
/// let report = Report::load(json.as_bytes())?;
/// reqpath_testkit::assert_unknown!(report);
/// # Ok::<(), reqpath_core::LoadError>(())
/// ```
#[macro_export]
macro_rules! assert_unknown {
    ($report:expr $(, at $hop:expr)? $(,)?) => {
        $crate::assertions::unknown(&$report, $crate::__given!($($hop)?))
    };
}

/// There is a warning of this code, whatever the verdict: `assert_warned!(report, "dns.dead_address")`.
///
/// ```
/// # use reqpath_core::Report;
/// # let json = r#"{"schema": "reqpath.report/1", "verdict": {"kind": "reached", "outcome": {"samples": 1, "died": 0}}, "findings": [{"code": "dns.dead_address", "subject": "path", "weight": "warning", "blames": "far", "summary": "s"}]}"#;
/// let report = Report::load(json.as_bytes())?;
/// reqpath_testkit::assert_warned!(report, "dns.dead_address");
/// # Ok::<(), reqpath_core::LoadError>(())
/// ```
#[macro_export]
macro_rules! assert_warned {
    ($report:expr, $code:expr $(,)?) => {
        $crate::assertions::warned(&$report, &*$code)
    };
}

/// No cause is named and no finding is fatal: the request reached its end, or why it did not is not known.
///
/// ```
/// # use reqpath_core::Report;
/// # let json = r#"{"schema": "reqpath.report/1", "verdict": {"kind": "reached", "outcome": {"samples": 1, "died": 0}}}"#;
/// let report = Report::load(json.as_bytes())?;
/// reqpath_testkit::assert_blames_nobody!(report);
/// # Ok::<(), reqpath_core::LoadError>(())
/// ```
#[macro_export]
macro_rules! assert_blames_nobody {
    ($report:expr $(,)?) => {
        $crate::assertions::blames_nobody(&$report)
    };
}

/// An option of what was written, or none.
#[doc(hidden)]
#[macro_export]
macro_rules! __given {
    () => {
        ::core::option::Option::None
    };
    ($given:expr) => {
        ::core::option::Option::Some(&*$given)
    };
}

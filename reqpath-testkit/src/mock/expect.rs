//! How often a mock should be called, and what is said when it was not.

use std::fmt;
use std::net::SocketAddr;
use std::ops::{RangeFrom, RangeInclusive};

use super::record::Seen;

/// How many requests a test expects: `2`, `1..` or `1..=3`.
///
/// ```
/// use reqpath_testkit::mock::{MockUpstream, Times};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let some: Times = (1..=3).into();
/// let mock = MockUpstream::builder().expect(some).start()?;
/// assert!(mock.verify().is_err());                 // none came
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    least: u64,
    most: Option<u64>,
}

impl Times {
    pub(super) fn holds(self, count: u64) -> bool {
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }
}

impl From<u64> for Times {
    fn from(exactly: u64) -> Self {
        Self { least: exactly, most: Some(exactly) }
    }
}

impl From<RangeFrom<u64>> for Times {
    fn from(range: RangeFrom<u64>) -> Self {
        Self { least: range.start, most: None }
    }
}

impl From<RangeInclusive<u64>> for Times {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self { least: *range.start(), most: Some(*range.end()) }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (0, Some(0)) => f.write_str("no request"),
            (1, Some(1)) => f.write_str("1 request"),
            (least, Some(most)) if least == most => write!(f, "{least} requests"),
            (least, Some(most)) => write!(f, "{least} to {most} requests"),
            (least, None) => write!(f, "at least {least} request(s)"),
        }
    }
}

/// An expectation of a mock that was not met; its text lists what was received.
///
/// ```
/// use reqpath_testkit::mock::{MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = MockUpstream::builder().named("shop").reply(Reply::ok("hello")).expect(1).start()?;
/// let unmet = mock.verify().unwrap_err();
/// assert!(unmet.to_string().starts_with("shop at 127.0.0.1:"));
/// assert_eq!(unmet.seen().request_count, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Unmet {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) expected: Option<Times>,
    pub(super) seen: Seen,
}

impl Unmet {
    /// Everything the mock had seen.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }
}

impl std::error::Error for Unmet {}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, address, expected, seen } = self;
        match expected {
            Some(expected) => write!(
                f,
                "{name} at {address} expected {expected}, received {} over {} connection(s)",
                seen.request_count, seen.connection_count
            )?,
            None => write!(f, "{name} at {address} could not follow its script")?,
        }
        for failure in &seen.script_failures {
            write!(f, "\n  script: {}", failure.escape_debug())?;
        }
        for request in seen.requests.iter().take(20) {
            write!(
                f,
                "\n  +{} ms  connection {} request {}  {} {}  host {}  from {}",
                request.at.as_millis(),
                request.connection,
                request.index,
                request.method.escape_debug(),
                request.target.escape_debug(),
                request.host().unwrap_or("-").escape_debug(),
                request.from,
            )?;
        }
        match seen.request_count.saturating_sub(20) {
            0 => Ok(()),
            more => write!(f, "\n  … and {more} more"),
        }
    }
}

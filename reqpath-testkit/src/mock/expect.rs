//! What is said when a mock was not called as often as it should have been.

use std::fmt;
use std::net::SocketAddr;

use super::record::Seen;
use crate::times::Times;

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
                "{name} at {address} expected {}, received {} over {} connection(s)",
                requests(*expected),
                seen.request_count,
                seen.connection_count
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

fn requests(expected: Times) -> String {
    match (expected.least, expected.most) {
        (0, Some(0)) => "no request".to_owned(),
        (1, Some(1)) => "1 request".to_owned(),
        (least, Some(most)) if least == most => format!("{least} requests"),
        (least, Some(most)) => format!("{least} to {most} requests"),
        (least, None) => format!("at least {least} request(s)"),
    }
}

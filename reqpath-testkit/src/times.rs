//! How often something is expected to happen.

use std::fmt;
use std::ops::{RangeFrom, RangeInclusive};

/// How often a request or a contact is expected: `2`, `1..` or `1..=3`.
///
/// ```
/// use reqpath_testkit::vantage::Times;
///
/// assert_eq!(Times::from(2).to_string(), "2 times");
/// assert_eq!(Times::from(1..).to_string(), "at least 1 times");
/// assert_eq!(Times::from(1..=3).to_string(), "1 to 3 times");
/// ```
///
/// A mock counts requests in the same way:
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
    pub(crate) least: u64,
    pub(crate) most: Option<u64>,
}

impl Times {
    pub(crate) fn holds(self, count: u64) -> bool {
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
            (0, Some(0)) => f.write_str("never"),
            (1, Some(1)) => f.write_str("once"),
            (least, Some(most)) if least == most => write!(f, "{least} times"),
            (least, Some(most)) => write!(f, "{least} to {most} times"),
            (least, None) => write!(f, "at least {least} times"),
        }
    }
}

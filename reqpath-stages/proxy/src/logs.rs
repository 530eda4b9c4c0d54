//! Reading the logs of proxies: every byte of them is hostile, and most lines are not ours.

mod access;
mod clock;
mod decode;
mod error_line;
mod format;
mod json;
mod ours;

pub use self::access::{AccessLine, AccessReader};
pub use self::error_line::{ErrorLine, parse_error_line};
pub use self::format::{Format, FormatError};
pub(crate) use self::ours::text;
pub use self::ours::{MOST_LINE, MOST_LINES, Ours, lines_with};

//! What was seen, as it is stored.

mod absent;
mod error;
mod fault;
mod log;

pub use self::absent::Absent;
pub use self::error::LoggedError;
pub(crate) use self::error::authority;
pub(crate) use self::error::without_secrets;
pub use self::fault::Fault;
pub use self::log::ReadLog;

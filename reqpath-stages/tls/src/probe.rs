//! Looking: the handshake itself, and the further ones after it failed.

mod fetch;
mod judge;
mod key;
mod late;
mod looks;
mod secured;
mod setup;
mod shake;
mod tap;
mod watch;
mod wider;

pub use self::late::record_late_alert;

pub(crate) use self::key::KeyFault;
pub(crate) use self::looks::{FETCHES, HANDSHAKES, in_time, look_again, record_broken};
pub(crate) use self::setup::Setup;
pub(crate) use self::shake::{How, Shaken, shake};

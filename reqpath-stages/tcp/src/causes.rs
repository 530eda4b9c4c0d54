//! The causes whose deciding evidence is complete at this stage.
//!
//! Those of the stations before it stand here too where only the attempts decide them:
//! an address is dead when it was dialled, not when it was resolved.

mod accept_queue_full;
mod address_unreachable;
mod administratively_prohibited;
mod broken_family;
mod closed;
mod dead_address;
mod failed;
mod fds_exhausted;
mod hosts_override;
mod met;
mod no_local_route;
mod not_dialled;
mod ports_exhausted;
mod proxy_unreachable;
mod refused;
mod reset;
mod retransmits;
mod stale_answer;
mod timed_out;
mod whatever;

#[cfg(test)]
mod tests;

use reqpath_core::Cause;

pub use accept_queue_full::ACCEPT_QUEUE_FULL;
pub use address_unreachable::ADDRESS_UNREACHABLE;
pub use administratively_prohibited::ADMINISTRATIVELY_PROHIBITED;
pub use broken_family::BROKEN_FAMILY;
pub use closed::CLOSED;
pub use dead_address::DEAD_ADDRESS;
pub use failed::FAILED;
pub use fds_exhausted::FDS_EXHAUSTED;
pub use hosts_override::HOSTS_OVERRIDE;
pub use no_local_route::NO_LOCAL_ROUTE;
pub use ports_exhausted::PORTS_EXHAUSTED;
pub use proxy_unreachable::PROXY_UNREACHABLE;
pub use refused::REFUSED;
pub use reset::RESET;
pub use retransmits::RETRANSMITS;
pub use stale_answer::STALE_ANSWER;
pub use timed_out::TIMED_OUT;

/// All of them, in the order of the road.
pub static CAUSES: &[&Cause] = &[
    &HOSTS_OVERRIDE,
    &PORTS_EXHAUSTED,
    &FDS_EXHAUSTED,
    &STALE_ANSWER,
    &DEAD_ADDRESS,
    &BROKEN_FAMILY,
    &NO_LOCAL_ROUTE,
    &PROXY_UNREACHABLE,
    &ADDRESS_UNREACHABLE,
    &ADMINISTRATIVELY_PROHIBITED,
    &REFUSED,
    &TIMED_OUT,
    &ACCEPT_QUEUE_FULL,
    &RESET,
    &CLOSED,
    &RETRANSMITS,
    &FAILED,
];

//! What several hops together tell: one file and one line each.
//!
//! Some belong to stations further up the road, and live here because another hop's evidence, or what the path
//! declares, decides them.

mod app_error;
mod deadline_exceeds_nothing;
mod dependency_failed;
mod dependency_slow;
mod met;
mod no_reuse;
mod retry_storm;
mod slow;
mod timeout_budget_inverted;
mod ttl_too_long;
mod wrong_address;

#[cfg(test)]
mod tests;

use reqpath_core::Cause;

pub use self::app_error::APP_ERROR;
pub use self::deadline_exceeds_nothing::DEADLINE_EXCEEDS_NOTHING;
pub use self::dependency_failed::DEPENDENCY_FAILED;
pub use self::dependency_slow::DEPENDENCY_SLOW;
pub use self::no_reuse::NO_REUSE;
pub use self::retry_storm::RETRY_STORM;
pub use self::slow::SLOW;
pub use self::timeout_budget_inverted::TIMEOUT_BUDGET_INVERTED;
pub use self::ttl_too_long::TTL_TOO_LONG;
pub use self::wrong_address::WRONG_ADDRESS;

/// The causes of this crate, in the order of the road.
pub static CAUSES: &[&Cause] = &[
    &DEADLINE_EXCEEDS_NOTHING,
    &RETRY_STORM,
    &NO_REUSE,
    &TTL_TOO_LONG,
    &WRONG_ADDRESS,
    &TIMEOUT_BUDGET_INVERTED,
    &SLOW,
    &APP_ERROR,
    &DEPENDENCY_FAILED,
    &DEPENDENCY_SLOW,
];

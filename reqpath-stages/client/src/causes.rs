//! The causes whose deciding evidence is complete at this stage.

mod deadline_too_short;
mod proxy_env;

use reqpath_core::Cause;

pub use deadline_too_short::DEADLINE_TOO_SHORT;
pub use proxy_env::PROXY_ENV;

/// All of them, in the order of the road.
pub static CAUSES: &[&Cause] = &[&PROXY_ENV, &DEADLINE_TOO_SHORT];

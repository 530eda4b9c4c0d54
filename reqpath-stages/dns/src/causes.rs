//! What can be wrong with the names on a leg.

use reqpath_core::Cause;

/// Every cause of this station that this crate's evidence decides, in the order of the road.
pub static CAUSES: &[&Cause] = &[];

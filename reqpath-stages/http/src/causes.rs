//! What can be wrong with a request and its answer: one file and one line each.

use reqpath_core::Cause;

/// The causes of this crate, in the order of the road.
pub static CAUSES: &[&Cause] = &[];

//! The causes whose deciding evidence is complete at this stage.

use reqpath_core::Cause;

/// All of them, in the order of the road.
pub static CAUSES: &[&Cause] = &[];

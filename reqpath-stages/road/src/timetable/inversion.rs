//! Where an outer place gives up before an inner one may have answered.

use std::fmt;

use reqpath_core::{HopId, Micros, escape};
use serde::Serialize;

use super::{Holds, plain};

/// An outer place that gives up before an inner one may have answered.
///
/// Said of neighbours only, over places of which nothing is known: who is impatient with its own neighbour
/// is so with all behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inversion {
    /// Who gives up.
    pub outer: HopId,
    /// Who may still be at work then.
    pub inner: HopId,
    /// How long the outer one waits.
    pub patience: Micros,
    /// How long the inner one may take.
    pub holds: Holds,
}

impl fmt::Display for Inversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outer, inner) = (escape(self.outer.as_str(), 40), escape(self.inner.as_str(), 40));
        let at_least = if self.holds.at_least { "at least " } else { "" };
        let (patience, holds) = (plain(self.patience), plain(self.holds.time));
        write!(f, "{outer} gives up after {patience}, and {inner} may take {at_least}{holds}")
    }
}

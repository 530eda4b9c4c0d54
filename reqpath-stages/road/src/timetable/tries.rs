//! How often one request may be tried in all.

use std::fmt;

use reqpath_core::{HopId, Path, escape};
use serde::Serialize;

/// How often one request of the caller may be tried in all, where retries multiply along the road.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attempts {
    /// The tries of the last place, for one request of the caller: the product.
    pub product: u64,
    /// Who declares how many tries, 1 among them.
    pub parts: Vec<(HopId, u32)>,
    /// Who may try again as well, and does not say how often.
    pub unknown: Vec<HopId>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { product: 1, parts: Vec::new(), unknown: Vec::new() }
    }
}

impl Attempts {
    /// Along the main road of this path.
    pub(super) fn of(path: &Path) -> Self {
        let mut attempts = Self::default();
        for (place, hop) in path.road().enumerate() {
            let caller = path.caller.tries.filter(|_| place == 0);
            match caller.or(hop.timeouts.tries).filter(|tries| *tries > 0) {
                Some(tries) => {
                    attempts.product = attempts.product.saturating_mul(tries.into());
                    attempts.parts.push((hop.id.clone(), tries));
                }
                // The last place has nobody to try, and what passes packets on tries nothing.
                None if path.after(&hop.id).is_some() && !hop.kind.passes_packets() => {
                    attempts.unknown.push(hop.id.clone());
                }
                None => {}
            }
        }
        attempts
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_least = if self.unknown.is_empty() { "" } else { "at least " };
        let part = |(hop, tries): &(HopId, u32)| format!("{} {tries}", escape(hop.as_str(), 40));
        let more = |part: &&(HopId, u32)| part.1 > 1;
        let parts: Vec<String> = self.parts.iter().filter(more).map(part).collect();
        write!(f, "one request may be tried {at_least}{} times ({})", self.product, parts.join(" × "))
    }
}

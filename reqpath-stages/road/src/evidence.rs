//! What the path declares.

use std::fmt::Write as _;

use reqpath_core::{Caller, Evidence, HopId, Micros, Path, Subject, Timeouts, escape};
use serde::{Deserialize, Serialize};

use crate::timetable::{Patience, Timetable, plain};

/// What the path declares of its hops and of the caller, as the path file or the program that built it has it.
///
/// Nothing here was seen: it is what findings about settings rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Declared {
    /// The caller's own settings.
    #[serde(skip_serializing_if = "Caller::is_empty")]
    pub caller: Caller,
    /// The hops of which a time or a number of tries is declared, in the order of the path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<DeclaredHop>,
}

/// What the path declares of one hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeclaredHop {
    /// The hop.
    pub hop: HopId,
    /// How long it waits for what is behind it, and how often it tries.
    #[serde(default, skip_serializing_if = "Timeouts::is_empty")]
    pub timeouts: Timeouts,
    /// The time it may take by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_us: Option<Micros>,
}

impl Declared {
    /// What this path declares; nothing where it declares nothing.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let hops: Vec<DeclaredHop> = path
            .hops
            .iter()
            .filter(|hop| !hop.timeouts.is_empty() || hop.budget_us.is_some())
            .map(|hop| DeclaredHop {
                hop: hop.id.clone(),
                timeouts: hop.timeouts.clone(),
                budget_us: hop.budget_us,
            })
            .collect();
        let declared = Self { caller: path.caller.clone(), hops };
        (declared != Self::default()).then_some(declared)
    }
}

impl Evidence for Declared {
    const KIND: &'static str = "road.declared";

    /// A trace that went well stays one: what is declared is no trouble by itself, and the causes that are
    /// found in declarations alone are asked of every trace.
    fn went_well(&self) -> bool {
        true
    }

    fn source(&self, _: &Subject) -> String {
        "reqpath trace -f PATH-FILE --dry-run".to_owned()
    }

    fn brief(&self) -> String {
        let mut parts = Vec::new();
        match self.caller.deadline_us {
            Some(Micros(0)) => parts.push("the caller has no deadline".to_owned()),
            Some(deadline) => parts.push(format!("the caller waits {}", plain(deadline))),
            None => {}
        }
        if let Some(tries) = self.caller.tries {
            parts.push(format!("it tries {tries} times"));
        }
        for hop in &self.hops {
            let mut said = escape(hop.hop.as_str(), 40);
            // Writing to a String cannot fail.
            if let Some(Patience::For(time)) = Timetable::patience(&hop.timeouts) {
                let _ = write!(said, " waits {}", plain(time));
            }
            if let Some(tries) = hop.timeouts.tries {
                let _ = write!(said, " × {tries}");
            }
            if let Some(budget) = hop.budget_us {
                let _ = write!(said, " may take {}", plain(budget));
            }
            parts.push(said);
        }
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use reqpath_core::{Hop, HopKind};

    use super::*;

    #[test]
    fn a_plain_path_declares_nothing() {
        assert_eq!(Declared::of(&Path::of_url()), None);
    }

    #[test]
    fn what_is_declared_is_kept_and_comes_back() {
        let mut edge = Hop::new("edge", HopKind::Nginx);
        edge.timeouts.read_us = Some(Micros(60_000_000));
        edge.timeouts.tries = Some(2);
        let mut shop = Hop::new("shop", HopKind::Pod);
        shop.budget_us = Some(Micros(500_000));
        let mut path = Path::new(vec![Hop::new("client", HopKind::Client), edge, shop]);
        path.caller.deadline_us = Some(Micros(0));
        let declared = Declared::of(&path).unwrap();
        assert_eq!(declared.brief(), "the caller has no deadline; edge waits 60 s × 2; shop may take 500 ms");
        let stored = serde_json::to_value(&declared).unwrap();
        assert_eq!(serde_json::from_value::<Declared>(stored).unwrap(), declared);
    }
}

//! What may be contacted, announced before and enforced during a trace.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A kind of contact with the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContactKind {
    /// A TCP connection.
    Connection,
    /// A request sent over a connection.
    Request,
    /// A query sent to a nameserver.
    Query,
    /// A question to the system resolver.
    SystemLookup,
    /// A question to the kernel of the vantage: routes, sockets, limits.
    Kernel,
    /// A file read, or the environment.
    File,
    /// A command run.
    Command,
}

/// All kinds, in the order of their counters.
const KINDS: [ContactKind; 7] = [
    ContactKind::Connection,
    ContactKind::Request,
    ContactKind::Query,
    ContactKind::SystemLookup,
    ContactKind::Kernel,
    ContactKind::File,
    ContactKind::Command,
];

impl fmt::Display for ContactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Request => "request",
            Self::Query => "DNS query",
            Self::SystemLookup => "system look-up",
            Self::Kernel => "kernel look",
            Self::File => "file",
            Self::Command => "command",
        })
    }
}

/// One line of a plan: what will be contacted, how often at most, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Contact {
    /// What kind of contact.
    pub kind: ContactKind,
    /// With whom, or which file.
    pub with: Cow<'static, str>,
    /// How many times at most.
    pub most: u32,
    /// What it is for.
    pub why: Cow<'static, str>,
    /// Whether only the first trial makes it, however many samples there are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

impl Contact {
    /// A contact to announce.
    #[must_use]
    pub fn new(
        kind: ContactKind,
        with: impl Into<Cow<'static, str>>,
        most: u32,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, with: with.into(), most, why: why.into(), once: false }
    }

    /// Made by the first trial only: a look beside the road.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }
}

/// How many contacts of each kind a trace may still make.
///
/// A [`Vantage`](crate::Vantage) asks for a [`Permit`] with every contact, and only a budget makes permits.
#[derive(Debug, Default)]
pub struct Budget {
    left: [AtomicU32; KINDS.len()],
}

/// Leave to make one contact. Cannot be made, copied or kept: only spent.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    kind: ContactKind,
}

impl Permit {
    /// The kind of contact it allows.
    #[must_use]
    pub fn kind(&self) -> ContactKind {
        self.kind
    }
}

impl Budget {
    /// A budget of exactly what the plan announces.
    pub fn of<'a>(plan: impl IntoIterator<Item = &'a Contact>) -> Self {
        let mut budget = Self::default();
        for contact in plan {
            budget.add(contact);
        }
        budget
    }

    /// One more line of the plan.
    pub(crate) fn add(&mut self, contact: &Contact) {
        let left = self.left[index(contact.kind)].get_mut();
        *left = left.saturating_add(contact.most);
    }

    /// Takes one permit.
    ///
    /// # Errors
    ///
    /// [`Error::BudgetSpent`] when the announced number has been used up.
    pub fn permit(&self, kind: ContactKind) -> Result<Permit, Error> {
        self.left[index(kind)]
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .map(|_| Permit { kind })
            .map_err(|_| Error::BudgetSpent { kind })
    }
}

/// The place of a kind's counter.
fn index(kind: ContactKind) -> usize {
    // The enum has no explicit discriminants, so they count from 0 in the order of `KINDS`.
    kind as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_in_the_order_of_the_kinds() {
        for (place, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(index(kind), place);
        }
    }

    #[test]
    fn a_budget_gives_what_was_announced_and_no_more() {
        let plan = [
            Contact::new(ContactKind::Query, "192.0.2.1:53", 2, "A and AAAA"),
            Contact::new(ContactKind::Query, "192.0.2.2:53", 1, "A"),
        ];
        let budget = Budget::of(&plan);
        for _ in 0..3 {
            assert!(budget.permit(ContactKind::Query).is_ok());
        }
        assert!(matches!(
            budget.permit(ContactKind::Query),
            Err(Error::BudgetSpent { kind: ContactKind::Query })
        ));
        assert!(budget.permit(ContactKind::Connection).is_err());
    }
}

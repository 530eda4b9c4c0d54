//! How long a place waits, how long it can hold a request, and what is left of that.

use std::fmt;

use reqpath_core::{Hop, HopKind, Micros};
use serde::Serialize;

use super::plain;

/// How long a place waits for an answer from behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Patience {
    /// This long.
    For(Micros),
    /// For ever: it is declared to have no deadline.
    Endless,
}

impl fmt::Display for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(time) => f.write_str(&plain(*time)),
            Self::Endless => f.write_str("for ever"),
        }
    }
}

/// How long a place can hold a request at worst, as far as it is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Holds {
    /// The time that the declared timeouts add up to.
    pub time: Micros,
    /// Whether it may be longer, for a part of it is not declared.
    pub at_least: bool,
}

impl Holds {
    /// Of this hop; nothing where nothing is declared.
    pub(super) fn of(hop: &Hop) -> Option<Self> {
        // What passes packets on holds no request, and what a 0 means differs from proxy to proxy.
        if hop.kind.passes_packets() {
            return None;
        }
        let said = |time: Option<Micros>| time.filter(|time| time.0 > 0);
        let own = said(hop.budget_us);
        if hop.kind == HopKind::Db {
            // The database ends a statement by itself; its budget is only what it should take.
            let time = said(hop.timeouts.statement_us).or(own)?;
            return Some(Self { time, at_least: false });
        }
        let waits = Self::waiting(hop);
        let (waits, own) = match (waits, own) {
            (None, None) => return None,
            (None, Some(own)) => (Self { time: Micros(0), at_least: false }, own),
            (Some(waits), own) => (waits, own.unwrap_or_default()),
        };
        Some(Self { time: Micros(waits.time.0.saturating_add(own.0)), ..waits })
    }

    /// The time it can spend waiting for what is behind it.
    fn waiting(hop: &Hop) -> Option<Self> {
        let said = |time: Option<Micros>| time.filter(|time| time.0 > 0);
        let (connect, read) = (said(hop.timeouts.connect_us), said(hop.timeouts.read_us));
        let total = said(hop.timeouts.total_us);
        if connect.is_none() && read.is_none() {
            return total.map(|time| Self { time, at_least: false });
        }
        let tries = hop.timeouts.tries.filter(|tries| *tries > 0);
        let a_try = connect.unwrap_or_default().0.saturating_add(read.unwrap_or_default().0);
        let time = Micros(a_try.saturating_mul(u64::from(tries.unwrap_or(1))));
        let whole = connect.is_some() && read.is_some() && tries.is_some();
        Some(match total {
            Some(total) if total <= time => Self { time: total, at_least: false },
            _ => Self { time, at_least: !whole },
        })
    }
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.at_least { "≥ " } else { "" }, plain(self.time))
    }
}

/// What is left of the patience of whoever waits, when a place took all the time it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remaining {
    /// So much.
    Left(Micros),
    /// So much at most, for the place may hold a request for longer than is declared.
    AtMost(Micros),
    /// It is overdrawn by so much, or more.
    Short(Micros),
    /// Whoever waits, waits for ever.
    Endless,
}

impl Remaining {
    pub(super) fn of(patience: Patience, holds: Holds) -> Self {
        let Patience::For(patience) = patience else { return Self::Endless };
        match patience.0.checked_sub(holds.time.0) {
            Some(left) if holds.at_least => Self::AtMost(Micros(left)),
            Some(left) => Self::Left(Micros(left)),
            None => Self::Short(Micros(holds.time.0.saturating_sub(patience.0))),
        }
    }
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left(time) => f.write_str(&plain(*time)),
            Self::AtMost(time) => write!(f, "≤ {}", plain(*time)),
            Self::Short(time) => write!(f, "−{}", plain(*time)),
            Self::Endless => f.write_str("no end"),
        }
    }
}

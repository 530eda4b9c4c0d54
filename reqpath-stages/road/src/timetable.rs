//! How long each place on a path waits, and how long it can hold a request.

mod holds;
mod inversion;
mod render;
mod tries;

use reqpath_core::{Hop, HopId, HopKind, Micros, Path, Timeouts};
use serde::Serialize;

pub use self::holds::{Holds, Patience, Remaining};
pub use self::inversion::Inversion;
pub(crate) use self::render::{MANY_TRIES, plain};
pub use self::tries::Attempts;

/// The timeouts along a path, as it declares them: what is not declared stays unknown and is never guessed.
///
/// The rules are those of nginx, which other proxies share in outline.
/// A read timeout is the time between two reads, so for the first byte of an answer to come.
/// Each try may take the time to connect and then that; tries multiply; a total caps it all.
/// (The send timeout is shown and not added: a request of ordinary size fits into the socket's buffer.)
///
/// ```
/// use reqpath_core::{Hop, HopKind, Micros, Path};
/// use reqpath_road::Timetable;
///
/// let mut edge = Hop::new("edge", HopKind::Nginx);
/// edge.timeouts.connect_us = Some(Micros(5_000_000));
/// edge.timeouts.read_us = Some(Micros(60_000_000));
/// edge.timeouts.tries = Some(2);
/// let mut path = Path::new(vec![Hop::new("client", HopKind::Client), edge, Hop::new("shop", HopKind::Pod)]);
/// path.caller.deadline_us = Some(Micros(10_000_000));
///
/// let table = Timetable::of(&path);
/// assert_eq!(table.rows[1].holds.unwrap().time, Micros(130_000_000));
/// let inversion = &table.inversions[0];
/// assert_eq!((inversion.outer.as_str(), inversion.inner.as_str()), ("client", "edge"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Timetable {
    /// One row for each place, in the order of the road; what a hop asks beside the road stands below it.
    pub rows: Vec<Row>,
    /// Where an outer place gives up before an inner one may have answered.
    pub inversions: Vec<Inversion>,
    /// How often one request may be tried in all.
    pub attempts: Attempts,
}

/// One place on the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The place.
    pub hop: HopId,
    /// What kind of place it is.
    pub kind: HopKind,
    /// The hop that asks it beside the main road.
    pub branch_of: Option<HopId>,
    /// Its timeouts, as declared; those of the first hop are the caller's own.
    pub timeouts: Timeouts,
    /// The time it may take by itself, as declared.
    pub budget: Option<Micros>,
    /// How long it waits for an answer from behind, in one try.
    pub patience: Option<Patience>,
    /// How long it can hold a request at worst.
    pub holds: Option<Holds>,
    /// Who waits for it: the nearest place before it whose patience is known.
    pub waited_for_by: Option<HopId>,
    /// What that place's patience leaves when this one took all the time it may.
    pub remaining: Option<Remaining>,
}

impl Timetable {
    /// The timetable of a path.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let mut table = Self { attempts: Attempts::of(path), ..Self::default() };
        for (place, hop) in path.road().enumerate() {
            table.add(path, hop, place == 0);
            for branch in path.branches(&hop.id) {
                table.add(path, branch, false);
            }
        }
        table
    }

    /// Whether the path declares no time and no try at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attempts.parts.is_empty()
            && self.rows.iter().all(|row| row.timeouts.is_empty() && row.budget.is_none())
    }

    /// The row of a hop.
    #[must_use]
    pub fn row(&self, hop: &HopId) -> Option<&Row> {
        self.rows.iter().find(|row| row.hop == *hop)
    }

    /// How long a hop waits for an answer from behind, and which hop before it is the nearest to have said so.
    #[must_use]
    pub fn waited_for(&self, path: &Path, hop: &HopId) -> Option<(&HopId, Patience)> {
        // No path is longer than its hops, whatever its branches say of each other.
        let mut at = path.before(hop);
        for _ in 0..path.hops.len() {
            let outer = at?;
            if let Some(row) = self.row(&outer.id)
                && let Some(patience) = row.patience
            {
                return Some((&row.hop, patience));
            }
            at = path.before(&outer.id);
        }
        None
    }

    /// How long somebody with these timeouts waits for an answer, in one try.
    #[must_use]
    pub fn patience(timeouts: &Timeouts) -> Option<Patience> {
        let known = [timeouts.read_us, timeouts.total_us].into_iter().flatten().filter(|time| time.0 > 0);
        known.min().map(Patience::For)
    }

    fn add(&mut self, path: &Path, hop: &Hop, first: bool) {
        let mut row = Row {
            hop: hop.id.clone(),
            kind: hop.kind,
            branch_of: hop.branch_of.clone(),
            timeouts: hop.timeouts.clone(),
            budget: hop.budget_us,
            patience: Self::patience(&hop.timeouts),
            holds: Holds::of(hop),
            waited_for_by: None,
            remaining: None,
        };
        if first {
            // What the caller says of itself stands for the hop it is.
            row.timeouts.total_us = path.caller.deadline_us.or(row.timeouts.total_us);
            row.timeouts.tries = path.caller.tries.or(row.timeouts.tries);
            row.patience = match path.caller.deadline_us {
                Some(Micros(0)) => Some(Patience::Endless),
                Some(deadline) => Some(Patience::For(deadline)),
                None => row.patience,
            };
            row.holds = None;
        }
        let waited = self.waited_for(path, &hop.id).map(|(by, patience)| (by.clone(), patience));
        if let Some((by, patience)) = waited {
            row.remaining = row.holds.map(|holds| Remaining::of(patience, holds));
            if let (Some(holds), Patience::For(patience)) = (row.holds, patience)
                && patience < holds.time
            {
                let (outer, inner) = (by.clone(), hop.id.clone());
                self.inversions.push(Inversion { outer, inner, patience, holds });
            }
            row.waited_for_by = Some(by);
        }
        self.rows.push(row);
    }
}

#[cfg(test)]
mod tests;

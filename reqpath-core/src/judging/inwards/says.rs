//! What a request that entered at a hop says of a symptom before that hop.

use crate::{HopId, Left, Micros, Role};

use super::super::deaths::End;
use super::{Symptom, Walk};

/// A shorter wait is nobody's limit, and tells nothing.
const SHORTEST_WAIT: Micros = Micros(100_000);

/// What an entry at the next hop says of a symptom before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// From here on the road works.
    Works,
    /// It dies here too, or takes too long, in a way that can stand behind the symptom.
    Same,
    /// It dies here in another way.
    Other,
    /// It came as far as it was to go, which was not all the way.
    SoFar,
    /// Nothing that can be compared.
    Nothing,
}

/// An entry at a hop.
pub(super) struct Entered<'a> {
    pub(super) sample: u32,
    pub(super) end: &'a End,
    pub(super) says: Says,
}

impl<'a> Walk<'a> {
    /// The requests that entered at a hop.
    pub(super) fn entries(&self, hop: &HopId) -> impl Iterator<Item = (u32, &'a End)> {
        let ends = self.deaths.ends.iter().filter(|(_, end)| end.role == Role::Inner);
        ends.filter(move |(_, end)| end.leg.as_leg().is_some_and(|leg| leg.to == *hop))
    }

    pub(super) fn says(&self, sample: u32, end: &End, symptom: &Symptom, native: bool) -> Says {
        let answer = status(end);
        let same = answer.is_some() && answer == symptom.answer.as_deref();
        // What was kept says something of the hops as far as the one that kept it, and nothing of those behind.
        if symptom.behind.kept {
            return match end.left {
                Left::Unknown => Says::Nothing,
                Left::Alive if end.until.is_some() => Says::SoFar,
                _ if same && self.killers.kept(sample) => Says::Same,
                _ => Says::Works,
            };
        }
        // To come back without its credentials is not to come back.
        let stripped = end.leg.as_leg().is_some_and(|leg| self.case.stripped(&leg.to));
        if stripped && end.left == Left::Alive {
            return Says::SoFar;
        }
        // The same answer further in was passed on, whether it counts as a failure there or not.
        if symptom.behind.same && same {
            return Says::Same;
        }
        // It arrives, and later than the hop before can have waited.
        let later = || {
            let in_vain = symptom.silent || symptom.behind.silent && !symptom.behind.broken;
            let later = |waited: Micros| end.elapsed >= SHORTEST_WAIT && end.elapsed.0 / 9 >= waited.0 / 10;
            in_vain && symptom.waited.is_some_and(later)
        };
        match end.left {
            Left::Unknown => Says::Nothing,
            Left::Alive if end.until.is_some() => Says::SoFar,
            Left::Alive if later() => Says::Same,
            Left::Alive => Says::Works,
            // Whoever cannot even be reached from another place than the hop before may be out of bounds there.
            Left::Dead if !native && answer.is_none() => Says::Nothing,
            Left::Dead => {
                let killer = self.killers.of_sample(sample).map(|killer| self.found.list[killer].0);
                let silent = killer.map_or(end.out_of_time, |cause| cause.silent);
                // It was not given as much time as the hop before it waited.
                let sooner = |waited: Micros| end.elapsed.0 / 9 < waited.0 / 10;
                if silent && end.out_of_time && answer.is_none() && symptom.waited.is_some_and(sooner) {
                    return Says::Nothing;
                }
                let consistent = match answer {
                    // It says that it failed, and later than the hop before can have waited.
                    Some(_) if later() => true,
                    // Another answer is not the same one, even where both are called the same.
                    Some(_) => {
                        symptom.behind.silent && symptom.behind.broken
                            || symptom.behind.same
                                && symptom.answer.is_none()
                                && killer.is_some_and(|cause| cause.code == symptom.code)
                    }
                    None if silent => symptom.behind.silent,
                    None => symptom.behind.broken,
                };
                if consistent { Says::Same } else { Says::Other }
            }
        }
    }
}

/// How long whoever made this answer, or none, may have waited for what is behind it.
pub(super) fn waited(end: &End) -> Option<Micros> {
    (end.sent || end.answer.is_some()).then_some(end.elapsed)
}

/// What was answered, without the version of the protocol.
pub(super) fn status(end: &End) -> Option<&str> {
    let answer = end.answer.as_deref()?;
    Some(answer.split_once(' ').map_or(answer, |(_, status)| status))
}

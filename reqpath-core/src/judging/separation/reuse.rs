//! Whether requests die because their connection was used before, or was idle for long.
//!
//! Each counted sample that came back is asked once more over its own connection. The first half of the samples
//! nominates, the second confirms: these tries are made anyway, and need no round of their own.
//! Only more deaths than among fresh requests tell anything: a try is made only where the first came back,
//! so fewer are to be expected.

use crate::{Case, Left, Reused, Role, Separation, Subject};

use super::exact::Exact;
use super::nominate::{Nomination, confirm, nominated};
use super::round::{Sample, columns};
use super::rule::Rule;
use crate::judging::deaths::Deaths;

/// What separates requests on used connections from fresh ones.
pub(super) fn of(case: &Case, deaths: &Deaths) -> Option<Separation> {
    let tries: Vec<(u32, u64, String, bool)> = case
        .of::<Reused>(&Subject::Path)
        .filter(|again| again.left != Left::Unknown)
        .filter_map(|again| {
            let sample = again.subject().sample()?;
            let idle = again.idle_us.0;
            Some((sample, idle, idle.to_string(), again.left == Left::Dead))
        })
        .collect();
    if !tries.iter().any(|(.., died)| *died) {
        return None;
    }
    let fresh: Vec<(u32, bool)> = deaths
        .of_role(Role::Fresh)
        .filter(|(_, end)| end.left != Left::Unknown)
        .map(|(sample, end)| (sample, end.left == Left::Dead))
        .collect();
    let middle = fresh.get(fresh.len() / 2)?.0;
    let round = |first: bool| {
        let fresh = fresh.iter().filter(|(sample, _)| (*sample < middle) == first);
        let fresh = fresh.map(|(_, died)| Sample { died: *died, attributes: vec![("reused", "no")] });
        let tries = tries.iter().filter(|(sample, ..)| (*sample < middle) == first);
        let tries = tries.map(|(_, _, idle, died)| Sample {
            died: *died,
            attributes: vec![("reused", "yes"), ("idle", idle)],
        });
        fresh.chain(tries).collect::<Vec<Sample<'_>>>()
    };
    let mut pauses: Vec<u64> = tries.iter().map(|(_, idle, ..)| *idle).collect();
    pauses.sort_unstable();
    pauses.dedup();
    let mut rules = vec![("reused", Rule::OneOf(vec!["yes".to_owned()]))];
    rules.extend(pauses.iter().skip(1).map(|pause| ("idle", Rule::AtLeast(*pause))));
    confirm(best(&round(true), rules)?, &round(false))
}

/// The rule that separates best, if it is no chance.
fn best(round: &[Sample<'_>], rules: Vec<(&str, Rule)>) -> Option<Nomination> {
    let (columns, exact) = (columns(round), Exact::up_to(round.len()));
    let tried = f64::from(u32::try_from(rules.len()).unwrap_or(u32::MAX));
    let tested = rules.into_iter().filter_map(|(name, rule)| {
        let (these, others) = columns.iter().find(|column| column.name == name)?.table(&rule, round);
        let p = (exact.p(these, others) * tried).min(1.0);
        Some(Nomination { attributes: vec![(name.to_owned(), rule)], these, others, p })
    });
    nominated(tested.min_by(|a, b| a.p.total_cmp(&b.p)))
}

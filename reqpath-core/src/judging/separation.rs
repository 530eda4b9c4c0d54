//! What separates the samples that died from those that did not.
//!
//! The counted samples nominate; a further round must confirm. Nothing is named otherwise: of a few dozen
//! comparisons one looks telling by chance, of two rounds almost never the same.

mod exact;
mod hypotheses;
mod nominate;
mod reuse;
mod round;
mod rule;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;

use crate::{Attribute, Case, Left, Pinned, Role, Separation, Subject, Trial};

use self::nominate::{confirm, nominate};
use self::round::Sample;
use self::rule::Rule;
use super::deaths::Deaths;

/// Attributes that a stage can give a request when it is told to.
const CAN_BE_PINNED: [&str; 3] = ["resolver", "family", "address"];
/// How many attributes of one sample are read.
const MOST_A_SAMPLE: usize = 64;

/// What the counted samples suggest, for the runner to put to the test.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    /// What a confirming request is to have or to differ in, where that can be chosen.
    pub(crate) pinned: Option<Pinned>,
}

/// What separates, as two rounds agree.
pub(super) fn of(case: &Case, deaths: &Deaths) -> Vec<Separation> {
    if deaths.fresh().nth(crate::trace::COMPARABLE as usize - 1).is_none() {
        return Vec::new();
    }
    let told = Told::of(case);
    let by_round = || {
        let nomination = nominate(&told.round(deaths, Role::Fresh))?;
        confirm(nomination, &told.round(deaths, Role::Confirm))
    };
    by_round().into_iter().chain(reuse::of(case, deaths)).collect()
}

/// What seems to separate, by the counted samples alone.
///
/// Where the logs of hops are read later, what they tell may separate though nothing does so far.
pub(super) fn suspicion(case: &Case, deaths: &Deaths, logs_later: bool) -> Option<Suspicion> {
    let told = Told::of(case);
    let round = told.round(deaths, Role::Fresh);
    let Some(nomination) = nominate(&round) else {
        let died = round.iter().filter(|sample| sample.died).count();
        return (logs_later && died > 0 && died < round.len()).then_some(Suspicion { pinned: None });
    };
    let pinned = nomination.attributes.into_iter().find_map(|(name, rule)| match rule {
        Rule::OneOf(values) if CAN_BE_PINNED.contains(&name.as_str()) => Some(Pinned::new(name, values)),
        _ => None,
    });
    Some(Suspicion { pinned })
}

/// What is told of each sample.
struct Told<'a> {
    attributes: HashMap<u32, Vec<(Cow<'a, str>, &'a str)>>,
}

impl<'a> Told<'a> {
    fn of(case: &'a Case) -> Self {
        let front = case.path().front();
        let mut attributes = HashMap::<u32, Vec<(Cow<'a, str>, &'a str)>>::new();
        let mut tell = |sample: Option<u32>, name: Cow<'a, str>, value: &'a str| {
            let Some(sample) = sample else { return };
            let of_sample = attributes.entry(sample).or_default();
            if of_sample.len() < MOST_A_SAMPLE {
                of_sample.push((name, value));
            }
        };
        for trial in case.of::<Trial>(&Subject::Path) {
            let trial_of = trial.subject();
            let redirected = trial_of.as_leg().filter(|_| front.as_ref() != Some(&trial_of.whole_leg()));
            for attribute in &trial.evidence().attributes {
                // Where a redirect leads is another place than where it comes from.
                let name = match redirected {
                    Some(leg) => format!("{} of {}", attribute.name, leg.to).into(),
                    None => Cow::Borrowed(&*attribute.name),
                };
                tell(trial_of.sample(), name, &attribute.value);
            }
        }
        for attribute in case.of::<Attribute>(&Subject::Path) {
            let told = attribute.evidence();
            tell(attribute.subject().sample(), Cow::Borrowed(&*told.name), &told.value);
        }
        Self { attributes }
    }

    /// The samples of a role whose end is known.
    fn round(&self, deaths: &Deaths, role: Role) -> Vec<Sample<'_>> {
        let of_role = deaths.of_role(role).filter(|(_, end)| end.left != Left::Unknown);
        of_role
            .map(|(sample, end)| {
                let told = self.attributes.get(&sample).map_or(&[][..], Vec::as_slice);
                let attributes = told.iter().map(|(name, value)| (&**name, *value)).collect();
                Sample { died: end.left == Left::Dead, attributes }
            })
            .collect()
    }
}

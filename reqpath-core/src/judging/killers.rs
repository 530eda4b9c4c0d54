//! What killed each request, at the front or further in.

use std::collections::HashMap;

use crate::{Left, Subject};

use super::deaths::{Deaths, End};
use super::findings::Found;
use super::relations::Relations;

/// What killed each request: the finding that ended it, or what explains that on the same flow.
pub(super) struct Killers<'a> {
    found: &'a Found,
    relations: &'a Relations,
    deaths: &'a Deaths,
    /// The findings about each sample, and under `None` those about all.
    by_sample: HashMap<Option<u32>, Vec<usize>>,
}

impl<'a> Killers<'a> {
    pub(super) fn of(found: &'a Found, relations: &'a Relations, deaths: &'a Deaths) -> Self {
        let mut by_sample = HashMap::<_, Vec<usize>>::new();
        for (place, (cause, finding)) in found.list.iter().enumerate() {
            if !cause.only_warns {
                by_sample.entry(finding.subject.sample()).or_default().push(place);
            }
        }
        Self { found, relations, deaths, by_sample }
    }

    /// What killed the request with this number, if it died and something is known to have.
    pub(super) fn of_sample(&self, sample: u32) -> Option<usize> {
        self.with_symptoms(sample).first().copied()
    }

    /// The same, and after it its own symptoms with the same request: how it showed there.
    pub(super) fn with_symptoms(&self, sample: u32) -> Vec<usize> {
        let Some(end) = self.deaths.ends.get(sample).filter(|end| end.left == Left::Dead) else {
            return Vec::new();
        };
        let list = &self.found.list;
        let killed = |i: &usize| {
            let (cause, finding) = &list[*i];
            meets(&finding.subject, end) && end.is_of(cause, finding)
        };
        let mut killers: Vec<usize> = self.about(sample).chain(self.about(None)).filter(killed).collect();
        let mut open = killers.clone();
        while let Some(killer) = open.pop() {
            for deeper in self.relations.explaining(self.found, killer) {
                if !list[deeper].0.only_warns && !killers.contains(&deeper) {
                    killers.push(deeper);
                    open.push(deeper);
                }
            }
        }
        let explained = |killer: usize| {
            self.relations.explaining(self.found, killer).any(|other| killers.contains(&other))
        };
        let root =
            killers.iter().copied().filter(|&killer| !explained(killer)).min().or(killers.first().copied());
        let mut chain: Vec<usize> = root.into_iter().collect();
        let mut next = 0;
        while let Some(&at) = chain.get(next) {
            next += 1;
            for symptom in self.relations.explained_by(self.found, at) {
                if killers.contains(&symptom) && !chain.contains(&symptom) {
                    chain.push(symptom);
                }
            }
        }
        chain
    }

    /// What is known to be the matter with a request that entered further in: what killed it,
    /// or what made it wait.
    pub(super) fn of_entry(&self, sample: u32) -> Option<usize> {
        self.of_sample(sample).or_else(|| {
            let end = self.deaths.ends.get(sample)?;
            self.about(sample).find(|&place| {
                let (cause, finding) = &self.found.list[place];
                meets(&finding.subject, end) && (cause.silent || finding.ends_sample)
            })
        })
    }

    /// Whether the answer to this request was kept by a cache on the way.
    pub(super) fn kept(&self, sample: u32) -> bool {
        self.about(sample).any(|place| self.found.list[place].1.behind.kept)
    }

    fn about(&self, sample: impl Into<Option<u32>>) -> impl Iterator<Item = usize> + '_ {
        self.by_sample.get(&sample.into()).into_iter().flatten().copied()
    }
}

fn meets(subject: &Subject, end: &End) -> bool {
    subject.as_leg().is_some() && subject.meets(&end.leg)
}

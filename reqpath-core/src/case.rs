//! Everything seen in one trace: what recognisers read.

use std::ops::Deref;

use crate::{Decline, Evidence, Observation, ObservationId, Path, PeerAddr, Subject, Target};

/// Everything seen in one trace.
#[derive(Debug)]
pub struct Case {
    target: Target,
    path: Path,
    observations: Vec<Observation>,
}

/// Evidence of one kind as it was seen: the record, and what is known about the look.
#[derive(Debug)]
pub struct Seen<'a, E> {
    observation: &'a Observation,
    evidence: &'a E,
}

impl<E> Clone for Seen<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Seen<'_, E> {}

impl<E> Deref for Seen<'_, E> {
    type Target = E;

    fn deref(&self) -> &E {
        self.evidence
    }
}

impl<'a, E> Seen<'a, E> {
    /// The number of the observation.
    #[must_use]
    pub fn id(&self) -> ObservationId {
        self.observation.id
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &'a Subject {
        &self.observation.subject
    }

    /// Whether looking ended by itself, and was not cut short by a deadline.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.observation.complete
    }

    /// The whole observation.
    #[must_use]
    pub fn observation(&self) -> &'a Observation {
        self.observation
    }

    /// The record, for as long as the case lives.
    #[must_use]
    pub fn evidence(&self) -> &'a E {
        self.evidence
    }
}

impl Case {
    /// A case of these observations.
    #[must_use]
    pub fn new(target: Target, path: Path, observations: Vec<Observation>) -> Self {
        Self { target, path, observations }
    }

    /// The request that was followed.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The path it was meant to take.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All observations, in the order in which looking began.
    #[must_use]
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// All evidence of a kind about this subject or anything within it, in order.
    pub fn of<'a, E: Evidence>(&'a self, at: &'a Subject) -> impl Iterator<Item = Seen<'a, E>> {
        self.observations.iter().filter_map(move |observation| {
            let evidence = observation.get::<E>()?;
            at.covers(&observation.subject).then_some(Seen { observation, evidence })
        })
    }

    /// The first evidence of a kind about this subject or anything within it.
    ///
    /// # Errors
    ///
    /// [`Decline::Absent`] where there is none, so that a recogniser can write `?`.
    pub fn first<'a, E: Evidence>(&'a self, at: &'a Subject) -> Result<Seen<'a, E>, Decline> {
        self.of(at).next().ok_or(Decline::Absent)
    }

    /// The last evidence of a kind about this subject or anything within it.
    ///
    /// # Errors
    ///
    /// [`Decline::Absent`] where there is none, so that a recogniser can write `?`.
    pub fn last<'a, E: Evidence>(&'a self, at: &'a Subject) -> Result<Seen<'a, E>, Decline> {
        self.of(at).last().ok_or(Decline::Absent)
    }

    /// The legs that observations are about, in the order in which they were first met.
    #[must_use]
    pub fn legs(&self) -> Vec<Subject> {
        self.distinct(|subject| subject.as_leg().map(|_| subject.whole_leg()))
    }

    /// The samples of each leg.
    #[must_use]
    pub fn samples(&self) -> Vec<Subject> {
        self.distinct(|subject| Some(subject.whole_leg().at_sample(subject.sample()?)))
    }

    /// The addresses of each leg.
    #[must_use]
    pub fn addresses(&self) -> Vec<Subject> {
        self.distinct(|subject| {
            subject.address().map(|address: PeerAddr| subject.whole_leg().at_address(address))
        })
    }

    pub(crate) fn into_parts(self) -> (Target, Path, Vec<Observation>) {
        (self.target, self.path, self.observations)
    }

    fn distinct(&self, narrow: impl Fn(&Subject) -> Option<Subject>) -> Vec<Subject> {
        let mut found = Vec::<Subject>::new();
        let mut known = std::collections::HashSet::new();
        for subject in self.observations.iter().filter_map(|observation| narrow(&observation.subject)) {
            // A short trace has a handful: comparing beats hashing there.
            let new = if found.len() < 16 {
                !found.contains(&subject)
            } else {
                if known.is_empty() {
                    known.extend(found.iter().cloned());
                }
                known.insert(subject.clone())
            };
            if new {
                found.push(subject);
            }
        }
        found
    }
}

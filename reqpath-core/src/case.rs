//! Everything seen in one trace: what recognisers read.

mod index;

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::{
    Decline, Evidence, Expectation, Header, Hop, HopId, Observation, ObservationId, Path, PeerAddr, Subject,
    Target,
};

use self::index::Index;

/// Up to so many observations, reading them all is quicker than making an index.
const FEW: usize = 64;

/// Everything seen in one trace.
#[derive(Debug)]
pub struct Case {
    target: Target,
    path: Arc<Path>,
    observations: Vec<Observation>,
    /// A bit for each kind that was seen, so that most questions about other kinds end at once.
    kinds: u64,
    /// Whether every observation shows nothing but success.
    went_well: bool,
    /// Whether a reason for declining is worth its words.
    reasons: AtomicBool,
    /// Made on the first ask, where there are more than a few observations.
    index: OnceLock<Index>,
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
    pub fn new(target: Target, path: impl Into<Arc<Path>>, observations: Vec<Observation>) -> Self {
        let kinds = observations.iter().fold(0, |kinds, observation| kinds | bit(observation.kind()));
        let went_well = !observations.is_empty() && observations.iter().all(Observation::went_well);
        Self {
            target,
            path: path.into(),
            observations,
            kinds,
            went_well,
            reasons: AtomicBool::new(true),
            index: OnceLock::new(),
        }
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

    /// What an answer on this leg should be: what its far hop's answer should be, else that of the front.
    #[must_use]
    pub fn expected(&self, at: &Subject) -> &Expectation {
        let hop = at.as_leg().and_then(|leg| self.path.hop(&leg.to));
        hop.and_then(|hop| hop.expect.as_ref()).unwrap_or_else(|| self.target.expect())
    }

    /// A command to run next, with the caller's [flags](crate::Flag) that it knows.
    pub(crate) fn command(&self, about: &Subject, command: &str) -> String {
        self.path.command(&self.target, about, command).into_owned()
    }

    /// Whether requests of ours that enter at this hop go there without credentials that the one at the front has:
    /// being refused there proves nothing.
    #[must_use]
    pub fn stripped(&self, hop: &HopId) -> bool {
        let first = self.path.road().nth(1).is_some_and(|first| first.id == *hop);
        let trusted = |hop: &Hop| hop.credentials;
        let carries = || self.target.had_user_info() || self.target.headers().iter().any(Header::is_secret);
        !first && !hop.is_redirect() && !self.path.hop(hop).is_none_or(trusted) && carries()
    }

    /// All observations, in the order in which looking began.
    #[must_use]
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// All evidence of a kind about this subject or anything within it, in order.
    pub fn of<'a, E: Evidence>(&'a self, at: &Subject) -> impl Iterator<Item = Seen<'a, E>> {
        let known = self.kinds & const { bit(E::KIND) } != 0;
        let (all, places): (&[Observation], &[usize]) = match self.observations.len() {
            _ if !known => (&[], &[]),
            0..=FEW => (&self.observations, &[]),
            _ => (&[], self.index().about(E::KIND, at)),
        };
        // The index was made of these very observations, so every place is there.
        let some = places.iter().filter_map(|&place| self.observations.get(place));
        all.iter().chain(some).filter_map(move |observation| {
            let evidence = observation.get::<E>()?;
            at.covers(&observation.subject).then_some(Seen { observation, evidence })
        })
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(&self.observations))
    }

    /// The first evidence of a kind about this subject or anything within it.
    ///
    /// # Errors
    ///
    /// [`Decline::Absent`] where there is none, so that a recogniser can write `?`.
    pub fn first<'a, E: Evidence>(&'a self, at: &Subject) -> Result<Seen<'a, E>, Decline> {
        self.of(at).next().ok_or(Decline::Absent)
    }

    /// The last evidence of a kind about this subject or anything within it.
    ///
    /// # Errors
    ///
    /// [`Decline::Absent`] where there is none, so that a recogniser can write `?`.
    pub fn last<'a, E: Evidence>(&'a self, at: &Subject) -> Result<Seen<'a, E>, Decline> {
        self.of(at).last().ok_or(Decline::Absent)
    }

    /// Ruled out by this observation. The reason is put into words only where somebody will read it:
    /// most recognisers decline most of the time, and are asked again why only for a verdict's twins.
    #[must_use]
    pub fn not<E: Evidence, R: Into<Cow<'static, str>>>(
        &self,
        seen: &Seen<'_, E>,
        because: impl FnOnce() -> R,
    ) -> Decline {
        if self.reasons.load(Ordering::Relaxed) { Decline::not(because(), seen) } else { Decline::Absent }
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

    /// The addresses that each sample of each leg tried.
    #[must_use]
    pub fn attempts(&self) -> Vec<Subject> {
        self.distinct(|subject| {
            let (address, sample) = (subject.address()?, subject.sample()?);
            Some(subject.whole_leg().at_address(address).at_sample(sample))
        })
    }

    /// Whether every observation shows nothing but success.
    pub(crate) fn went_well(&self) -> bool {
        self.went_well
    }

    /// Whether recognisers are asked why they decline, from now on.
    pub(crate) fn want_reasons(&self, wanted: bool) {
        self.reasons.store(wanted, Ordering::Relaxed);
    }

    pub(crate) fn into_parts(self) -> (Target, Arc<Path>, Vec<Observation>) {
        (self.target, self.path, self.observations)
    }

    fn distinct(&self, narrow: impl Fn(&Subject) -> Option<Subject>) -> Vec<Subject> {
        let mut found = Vec::<Subject>::new();
        let mut known = std::collections::HashSet::new();
        for observation in &self.observations {
            // What lies within one of its kind narrows to that one. A short trace has a handful:
            // comparing beats hashing there, and needs nothing made to compare with.
            let few = found.len() < 16;
            if few && found.iter().any(|known| known.covers(&observation.subject)) {
                continue;
            }
            let Some(subject) = narrow(&observation.subject) else { continue };
            let new = few || {
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

/// One of 64 bits for a kind. Two kinds may share one: it says "not seen" for sure, "seen" perhaps.
const fn bit(kind: &str) -> u64 {
    let bytes = kind.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x100_0000_01b3);
        at += 1;
    }
    1 << (hash >> 58)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Micros;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Quota {}

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Fine {}

    impl Evidence for Fine {
        const KIND: &'static str = "acme.fine";

        fn went_well(&self) -> bool {
            true
        }
    }

    impl Evidence for Quota {
        const KIND: &'static str = "acme.quota";
    }

    fn case(quota: bool) -> Case {
        let at = Subject::leg(&"client".into(), &"server".into()).at_sample(0);
        let seen = Observation::live(ObservationId(0), at, "v".into(), Micros(0), true, Arc::new(Quota {}));
        let observations = quota.then_some(seen).into_iter().collect();
        Case::new(Target::get("http://a.example/").unwrap(), Path::of_url(), observations)
    }

    #[test]
    fn evidence_is_found_and_only_where_it_is() {
        assert_eq!(case(true).of::<Quota>(&Subject::Path).count(), 1);
        assert_eq!(case(false).of::<Quota>(&Subject::Path).count(), 0);
        assert_eq!(case(true).of::<crate::Trial>(&Subject::Path).count(), 0);
    }

    #[test]
    fn each_subject_of_a_width_stands_once_in_the_order_met() {
        let address = |port| PeerAddr(([192, 0, 2, 1], port).into());
        let mut seen = vec![Subject::Path, Subject::Hop("server".into())];
        for (to, sample, port) in (0..120_u16).map(|n| (["edge", "server"][usize::from(n % 2)], n / 8, n % 3))
        {
            let leg = Subject::leg(&"client".into(), &to.into());
            let (at, of) = (leg.at_address(address(port)), leg.at_sample(sample.into()));
            seen.extend([at.at_sample(sample.into()), leg, at, of]);
        }
        let observation = |subject: &Subject| Observation::new(ObservationId(0), subject.clone(), Fine {});
        let observations = seen.iter().map(observation).collect();
        let case = Case::new(Target::get("http://a.example/").unwrap(), Path::of_url(), observations);
        let distinct = |named: fn(&Subject) -> bool, narrow: fn(&Subject) -> Subject| {
            let mut found = Vec::new();
            for subject in seen.iter().filter(|subject| named(subject)).map(narrow) {
                if !found.contains(&subject) {
                    found.push(subject);
                }
            }
            found
        };
        let (at_address, at_sample) =
            (|at: &Subject| at.address().is_some(), |at: &Subject| at.sample().is_some());
        assert_eq!(case.legs(), distinct(|at| at.as_leg().is_some(), Subject::whole_leg));
        assert_eq!(case.samples(), distinct(at_sample, Subject::any_address));
        let whole = |at: &Subject| at.whole_leg().at_address(at.address().unwrap());
        assert_eq!(case.addresses(), distinct(at_address, whole));
        let both = |at: &Subject| at.address().is_some() && at.sample().is_some();
        assert_eq!(case.attempts(), distinct(both, Subject::clone));
        assert_eq!((case.legs().len(), case.samples().len(), case.attempts().len()), (2, 30, 90));
    }

    #[test]
    fn causes_of_trouble_are_asked_only_where_there_is_some() {
        fn never(_: &Case, _: &Subject) -> Result<crate::Finding, Decline> {
            Err(Decline::Absent)
        }
        static ALWAYS: crate::Cause = crate::Cause::new("acme.always", "", never);
        static TROUBLE: crate::Cause = crate::Cause::new("acme.trouble", "", never).only_in_trouble();
        let catalogue = crate::Catalogue::new([&ALWAYS, &TROUBLE]).unwrap();
        let asked = |data: Vec<Arc<dyn crate::AnyEvidence>>, complete| {
            let at = Subject::leg(&"client".into(), &"server".into());
            let seen =
                |data| Observation::live(ObservationId(0), at.clone(), "v".into(), Micros(0), complete, data);
            let observations = data.into_iter().map(seen).collect();
            let case = Case::new(Target::get("http://a.example/").unwrap(), Path::of_url(), observations);
            catalogue.asked_of(&case).len()
        };
        assert_eq!(asked(vec![Arc::new(Fine {})], true), 1);
        assert_eq!(asked(vec![Arc::new(Fine {})], false), 2, "it was cut short");
        assert_eq!(
            asked(vec![Arc::new(Fine {}), Arc::new(Quota {})], true),
            2,
            "a quota says nothing of itself"
        );
        assert_eq!(asked(vec![], true), 2, "nothing was seen");
    }

    #[test]
    fn reasons_are_worded_only_when_wanted() {
        let case = case(true);
        let reason = || case.not(&case.first::<Quota>(&Subject::Path).unwrap(), || "there is quota left");
        assert!(matches!(reason(), Decline::Not { .. }));
        case.want_reasons(false);
        assert_eq!(reason(), Decline::Absent);
        case.want_reasons(true);
        assert!(matches!(reason(), Decline::Not { .. }));
    }
}

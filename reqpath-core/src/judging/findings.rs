//! Running every recogniser for every subject of its scope.

use std::borrow::Cow;

use crate::{Case, Catalogue, Cause, Decline, Finding, Scope, Subject, Trial};

/// What the recognisers found, and why the others declined.
pub(super) struct Found {
    /// Each finding with its cause, in the order of the catalogue.
    pub(super) list: Vec<(&'static Cause, Finding)>,
    /// Declines that say something, with the subject they are about.
    pub(super) declined: Vec<(&'static Cause, Subject, Decline)>,
}

impl Found {
    pub(super) fn by(case: &Case, catalogue: &Catalogue) -> Self {
        let mut found = Self { list: Vec::new(), declined: Vec::new() };
        let legs = case.legs();
        let samples = case.samples();
        let addresses = case.addresses();
        // Why a cause was declined matters only to a request that died of another.
        let keep = case.of::<Trial>(&Subject::Path).any(|trial| trial.left != crate::Left::Alive);
        for cause in catalogue.iter() {
            match cause.scope {
                Scope::Path => found.ask(cause, case, &Subject::Path, keep),
                Scope::Hop => {
                    for hop in &case.path().hops {
                        found.ask(cause, case, &Subject::Hop(hop.id.clone()), keep);
                    }
                }
                Scope::Leg => legs.iter().for_each(|at| found.ask(cause, case, at, keep)),
                Scope::Address => addresses.iter().for_each(|at| found.ask(cause, case, at, keep)),
                Scope::Sample => samples.iter().for_each(|at| found.ask(cause, case, at, keep)),
            }
        }
        found
    }

    fn ask(&mut self, cause: &'static Cause, case: &Case, at: &Subject, keep: bool) {
        match (cause.recognise)(case, at) {
            Ok(mut finding) => {
                finding.code = Cow::Borrowed(cause.code);
                finding.blames = finding.blames.or(Some(cause.blames));
                // Without a cited observation there is no finding.
                if !finding.cites.is_empty() {
                    self.list.push((cause, finding));
                }
            }
            Err(Decline::Absent) => {}
            Err(decline) => {
                if keep || !self.list.is_empty() {
                    self.declined.push((cause, at.clone(), decline));
                }
            }
        }
    }
}

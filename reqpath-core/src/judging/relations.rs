//! Who explains whom, looked up by code and sample.
//!
//! A trace of ten thousand samples has as many findings of each cause:
//! comparing each with each would take longer than the trace.

use std::collections::HashMap;

use crate::{Cause, Subject, Weight};

use super::findings::Found;

/// Which findings explain which.
#[derive(Default)]
pub(super) struct Relations {
    /// Findings of a code, by the sample they are about.
    by_sample: HashMap<(&'static str, Option<u32>), Vec<usize>>,
    by_code: HashMap<&'static str, Vec<usize>>,
    /// The causes that were found, each once.
    causes: Vec<&'static Cause>,
    /// Findings on legs further in, with the symptoms before them that they explain, and the reverse.
    explains: HashMap<usize, Vec<usize>>,
    explained: HashMap<usize, Vec<usize>>,
}

impl Relations {
    pub(super) fn of(found: &Found) -> Self {
        let mut relations = Self::default();
        for (i, (cause, finding)) in found.list.iter().enumerate() {
            relations.by_sample.entry((cause.code, finding.subject.sample())).or_default().push(i);
            let of_code = relations.by_code.entry(cause.code).or_default();
            if of_code.is_empty() {
                relations.causes.push(cause);
            }
            of_code.push(i);
        }
        relations
    }

    /// Findings on legs further in explain these symptoms too.
    pub(super) fn link(&mut self, mut links: Vec<(usize, usize)>) {
        links.sort_unstable();
        links.dedup();
        for (cause, symptom) in links {
            self.explains.entry(cause).or_default().push(symptom);
            self.explained.entry(symptom).or_default().push(cause);
        }
    }

    /// The findings of one code.
    pub(super) fn of_code(&self, code: &str) -> &[usize] {
        self.by_code.get(code).map_or(&[], Vec::as_slice)
    }

    /// The findings that this one explains: its catalogue entry says so, and both are of one flow.
    pub(super) fn explained_by<'a>(&'a self, found: &'a Found, i: usize) -> impl Iterator<Item = usize> + 'a {
        let (cause, finding) = &found.list[i];
        let symptoms = self.causes.iter().filter(|symptom| explains(cause, symptom));
        let linked = self.explains.get(&i).into_iter().flatten().copied();
        symptoms.flat_map(|symptom| self.of_flow(found, symptom.code, &finding.subject)).chain(linked)
    }

    /// The findings that explain this one.
    pub(super) fn explaining<'a>(&'a self, found: &'a Found, j: usize) -> impl Iterator<Item = usize> + 'a {
        let (symptom, finding) = &found.list[j];
        let causes = self.causes.iter().filter(|cause| explains(cause, symptom));
        let linked = self.explained.get(&j).into_iter().flatten().copied();
        causes.flat_map(|cause| self.of_flow(found, cause.code, &finding.subject)).chain(linked)
    }

    /// The findings of a code that can be about the same flow.
    fn of_flow<'a>(
        &'a self,
        found: &'a Found,
        code: &'static str,
        at: &'a Subject,
    ) -> impl Iterator<Item = usize> + 'a {
        let of = |sample| self.by_sample.get(&(code, sample)).map_or(&[][..], Vec::as_slice);
        let (these, those) = match at.sample() {
            Some(sample) => (of(Some(sample)), of(None)),
            None => (self.of_code(code), &[][..]),
        };
        these.iter().chain(those).copied().filter(|&i| found.list[i].1.subject.meets(at))
    }
}

fn explains(cause: &Cause, symptom: &Cause) -> bool {
    cause.code != symptom.code && cause.explains_code(symptom.code)
}

/// Whether a finding is fatal.
pub(super) fn fatal(found: &Found, i: usize) -> bool {
    found.list[i].1.weight == Weight::Fatal
}

//! What hops tell of themselves: their own evidence of the very requests that showed a symptom.

use crate::{Hop, Subject};

use super::{Symptom, Walk};

/// What evidence of a hop's own says of requests that showed a symptom there.
pub(super) struct Direct<'a> {
    /// Whose evidence it is.
    pub(super) hop: &'a Hop,
    pub(super) symptom: Symptom,
    /// The finding, and the symptom's finding of the same request.
    pub(super) links: Vec<(usize, usize)>,
}

impl<'a> Walk<'a> {
    /// What evidence of the hop's own says of the very requests that showed the symptom,
    /// and the rest of them, of which it says nothing.
    ///
    /// The hop's own comes first; a line of a hop further in is of the same request, if it has its number.
    pub(super) fn told(&self, hop: &'a Hop, symptom: &Symptom) -> (Vec<Direct<'a>>, Option<Symptom>) {
        let mut told: Vec<Direct<'a>> = Vec::new();
        let mut untold = symptom.clone();
        untold.findings.clear();
        for &finding in &symptom.findings {
            let sample = self.found.list[finding].1.subject.sample();
            let inwards = self.case.path().road().skip_while(|other| other.id != hop.id);
            let direct = inwards.enumerate().find_map(|(steps, there)| {
                let of_it = |other: &Subject| match other {
                    Subject::Leg(leg) => leg.from == there.id && leg.sample.is_some() && leg.sample == sample,
                    Subject::Hop(id) => steps == 0 && *id == there.id,
                    Subject::Path => false,
                };
                // Of a failure that a hop's own evidence tells of, that of the next one tells what it met in turn.
                let in_turn = |(cause, other): &(&'static crate::Cause, crate::Finding)| {
                    let silent = cause.silent && symptom.behind.silent;
                    let broken = !cause.silent && symptom.behind.broken;
                    let of_sample = other.subject.sample().is_some() && !other.ends_sample;
                    symptom.direct && of_sample && (silent || broken)
                };
                let tells = |found: &(&'static crate::Cause, crate::Finding)| {
                    // The very same of the same request, a leg further: it was passed on.
                    let passed_on = found.0.code == symptom.code && found.1.subject.as_leg().is_some();
                    let explains = passed_on || found.0.explains_code(symptom.code) || in_turn(found);
                    !found.0.only_warns && explains && of_it(&found.1.subject)
                };
                Some((there, self.found.list.iter().position(tells)?))
            });
            let Some((there, direct)) = direct else {
                untold.findings.push(finding);
                continue;
            };
            let (cause, seen) = &self.found.list[direct];
            match told.iter_mut().find(|told| told.symptom.code == cause.code && told.hop.id == there.id) {
                Some(told) => {
                    told.links.push((direct, finding));
                    if !told.symptom.findings.contains(&direct) {
                        told.symptom.findings.push(direct);
                    }
                }
                None => told.push(Direct {
                    hop: there,
                    links: vec![(direct, finding)],
                    symptom: Symptom {
                        findings: vec![direct],
                        behind: seen.behind,
                        code: cause.code,
                        answer: symptom.answer.clone(),
                        silent: cause.silent,
                        direct: true,
                        ..symptom.clone()
                    },
                }),
            }
        }
        (told, (!untold.findings.is_empty()).then_some(untold))
    }
}

//! From evidence to verdict: a pure pass over the case.

mod chain;
mod deaths;
mod findings;
mod hops;
mod inwards;
mod killers;
mod relations;
mod separation;
mod verdict;

use crate::{Case, Catalogue, Finding, HopState, ProbeError, RuledOut, Verdict, Weight};

pub(crate) use self::separation::Suspicion;

use self::deaths::Deaths;
use self::findings::Found;
use self::inwards::Inwards;
use self::relations::Relations;
use self::verdict::Grounds;

/// What judging a case gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// The two questions, hop by hop.
    pub hops: Vec<HopState>,
    /// Everything that was found, fatal first.
    pub findings: Vec<Finding>,
    /// The look-alikes of the cause that were ruled out.
    pub ruled_out: Vec<RuledOut>,
    /// Commands to run next, the cause's own first.
    pub next: Vec<String>,
    /// What was left unjudged, because a report holds more than any trace does.
    pub errors: Vec<ProbeError>,
}

/// How many commands are worth reading.
const MOST_NEXT: usize = 32;

/// Judges a case by a catalogue.
///
/// Pure: no clock, no network, no randomness. The same case and catalogue always give the same
/// judgement, so a stored report can be judged again, by this catalogue or a newer one.
#[must_use]
pub fn judge(case: &Case, catalogue: &Catalogue, errors: &[ProbeError]) -> Judgement {
    let mut found = Found::by(case, catalogue);
    let deaths = Deaths::of(case, &found);
    found.drop_echoes(&deaths);
    found.drop_out_of_bounds(case, &deaths);
    found.drop_starved(&deaths);
    found.drop_cut_short(case, &deaths);
    let mut relations = Relations::of(&found);
    let mut inwards = Inwards::walk(case, &found, &relations, &deaths);
    relations.link(std::mem::take(&mut inwards.links));
    let roots = chain::weigh(&mut found, &relations, &inwards, &deaths);
    let (mut verdict, ruled_out) = verdict::of(Grounds {
        case,
        catalogue,
        found: &found,
        relations: &relations,
        deaths: &deaths,
        inwards: &inwards,
        roots: &roots,
        errors,
    });
    if let Some(separated_by) = verdict.separated_by_mut() {
        *separated_by = separation::of(case, &deaths);
    }
    let hops = hops::of(case, &deaths, &verdict);
    let next = next(&found, &roots);
    let errors = found.errors;
    let mut findings: Vec<Finding> = found.list.into_iter().map(|(_, finding)| finding).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    Judgement { verdict, hops, findings, ruled_out, next, errors }
}

/// What seems to tell the samples that died from those that did not, by the counted ones alone.
pub(crate) fn suspicion(case: &Case, catalogue: &Catalogue, logs_later: bool) -> Option<Suspicion> {
    let found = Found::by(case, catalogue);
    separation::suspicion(case, &Deaths::of(case, &found), logs_later)
}

/// The commands of the cause first, then those of the other fatal findings.
fn next(found: &Found, roots: &[usize]) -> Vec<String> {
    let mut next = Vec::new();
    let first = roots.iter().copied();
    let rest = (0..found.list.len()).filter(|&i| found.list[i].1.weight == Weight::Fatal);
    for command in first.chain(rest).flat_map(|i| &found.list[i].1.next) {
        if next.len() == MOST_NEXT {
            break;
        }
        if !next.contains(command) {
            next.push(command.clone());
        }
    }
    next
}

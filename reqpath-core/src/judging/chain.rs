//! Which findings are fatal, and which of them explain which.

use std::collections::{BTreeSet, HashMap};

use crate::{Cause, Finding, Weight};

use super::deaths::{Deaths, End};
use super::findings::Found;
use super::inwards::Inwards;
use super::relations::{Relations, fatal};

/// Marks the findings that ended a sample or explain what did, and returns the roots:
/// fatal findings that no other fatal finding explains, the verdict's cause first.
pub(super) fn weigh(
    found: &mut Found,
    relations: &Relations,
    inwards: &Inwards,
    deaths: &Deaths,
) -> Vec<usize> {
    let mut fresh = Vec::new();
    for (i, (cause, finding)) in found.list.iter_mut().enumerate() {
        let ended = !cause.only_warns && ended(cause, finding, deaths).next().is_some();
        finding.weight = if ended { Weight::Fatal } else { Weight::Warning };
        if ended {
            fresh.push(i);
        }
    }
    // What explains a fatal finding on the same flow is fatal too; so is what explains that.
    while let Some(j) = fresh.pop() {
        let explaining: Vec<usize> = relations.explaining(found, j).collect();
        for i in explaining {
            let (cause, finding) = &mut found.list[i];
            if !cause.only_warns && finding.weight == Weight::Warning {
                finding.weight = Weight::Fatal;
                fresh.push(i);
            }
        }
    }
    roots(found, relations, inwards, deaths)
}

/// Codes from the symptom that was met first down to this cause.
pub(super) fn chain(found: &Found, relations: &Relations, root: usize) -> Vec<String> {
    let mut chain = vec![root];
    let mut at = root;
    // Each step goes to a code not yet in the chain, or to the same one met further out, so this ends.
    loop {
        let code = |i: usize| found.list[i].0.code;
        let mut next: Vec<usize> = Vec::new();
        for i in relations.explained_by(found, at).filter(|&i| fatal(found, i)) {
            let passed_on = code(i) == code(at) && !chain.contains(&i);
            let known = chain.iter().any(|&j| code(j) == code(i)) && !passed_on;
            if !known && !next.iter().any(|&j| code(j) == code(i)) {
                next.push(i);
            }
        }
        // The deepest first, so that what lies between a cause and its symptom is not left out.
        let deepest = |i: &&usize| !next.iter().any(|j| found.list[*j].0.explains_code(code(**i)) && j != *i);
        let Some(&i) = next.iter().find(deepest).or(next.first()) else { break };
        chain.push(i);
        at = i;
    }
    let mut codes: Vec<String> = chain.iter().rev().map(|&i| found.list[i].0.code.to_owned()).collect();
    codes.dedup();
    codes
}

/// The samples that a finding ended: they died in a stage in which its cause kills, on its flow.
fn ended<'a>(cause: &'a Cause, finding: &'a Finding, deaths: &'a Deaths) -> impl Iterator<Item = u32> + 'a {
    let of_sample = finding.subject.sample().map(|sample| deaths.dead_sample(sample));
    let all = of_sample.is_none().then(|| deaths.dead());
    let dead = of_sample.flatten().into_iter().chain(all.into_iter().flatten());
    let of_flow = move |end: &End| finding.subject.as_leg().is_none() || finding.subject.meets(&end.leg);
    dead.filter(move |(_, end)| of_flow(end) && end.is_of(cause, finding)).map(|(sample, _)| sample)
}

/// The roots, the one that accounts for most deaths first; among equals, the one nearest the symptom's start.
fn roots(found: &Found, relations: &Relations, inwards: &Inwards, deaths: &Deaths) -> Vec<usize> {
    let all: Vec<usize> = (0..found.list.len()).filter(|&i| fatal(found, i)).collect();
    let explained = |&i: &usize| relations.explaining(found, i).any(|j| fatal(found, j));
    let mut roots: Vec<usize> = all.iter().copied().filter(|i| !explained(i)).collect();
    if roots.is_empty() {
        // Two findings that explain each other: a fault of the catalogue, not of the road. Name the first.
        roots.extend(all.first());
    }
    // One code on two legs, or here placed and there not, is two things.
    let thing = |i: usize| {
        let (cause, finding) = &found.list[i];
        (cause.code, finding.subject.whole_leg(), inwards.places.get(&i), inwards.open.contains_key(&i))
    };
    let mut alike = HashMap::<_, Vec<usize>>::new();
    for &i in &roots {
        alike.entry(thing(i)).or_default().push(i);
    }
    let killed: HashMap<_, usize> = alike
        .into_iter()
        .map(|(thing, roots)| (thing, killed_by(found, relations, deaths, roots).len()))
        .collect();
    // A stable sort: the order of the catalogue, which is that of the road, decides among equals.
    roots.sort_by_cached_key(|&i| std::cmp::Reverse(killed.get(&thing(i)).copied()));
    roots
}

/// The samples these findings account for: those they ended, and those ended by what they explain.
pub(super) fn killed_by(
    found: &Found,
    relations: &Relations,
    deaths: &Deaths,
    findings: Vec<usize>,
) -> BTreeSet<u32> {
    let mut met = vec![false; found.list.len()];
    let mut samples = BTreeSet::new();
    let mut open = findings;
    while let Some(i) = open.pop() {
        if fatal(found, i) && !std::mem::replace(&mut met[i], true) {
            let (cause, finding) = &found.list[i];
            samples.extend(ended(cause, finding, deaths));
            open.extend(relations.explained_by(found, i));
        }
    }
    samples
}

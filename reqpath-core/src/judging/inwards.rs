//! From a symptom at the front inwards: which hop, which leg, by what was seen where requests entered further in.
//!
//! Two entries that differ by one hop are a test of that hop. The walk goes from hop to hop for as long as
//! what was seen there can stand behind what was seen before it, and ends where it no longer does.

mod open;
mod says;
mod told;

use std::collections::{HashMap, HashSet};

use crate::{Behind, Case, Hop, HopId, Left, Micros, Subject};

pub(super) use self::open::Open;
use self::says::{Entered, Says, status, waited};

use super::deaths::{Deaths, End};
use super::findings::Found;
use super::killers::Killers;
use super::relations::Relations;

/// What the walk inwards found.
#[derive(Debug, Default)]
pub(super) struct Inwards {
    /// Findings and the symptoms before them that they explain.
    pub(super) links: Vec<(usize, usize)>,
    /// Where findings belong whose subject says less than the walk found out.
    pub(super) places: HashMap<usize, HopId>,
    /// Findings behind which several places remain, and what would tell them apart.
    pub(super) open: HashMap<usize, Open>,
}

/// A symptom on its way inwards: the same finding of one or more samples.
#[derive(Clone, Debug)]
struct Symptom {
    /// The findings that show it.
    findings: Vec<usize>,
    /// How many requests showed it, and of how many.
    of: (usize, usize),
    /// What may stand behind it.
    behind: Behind,
    code: &'static str,
    /// The answer, where it is itself what is the matter.
    answer: Option<String>,
    silent: bool,
    /// How long the hop waited before it showed the symptom, where it can have waited for what is behind it.
    waited: Option<Micros>,
    /// Whether evidence of the hop's own tells it of this very request: then nothing else need confirm it.
    direct: bool,
}

impl Symptom {
    /// Whether it would hardly have stayed away from so many requests further in, were it from there.
    fn would_have_shown(&self, requests: usize) -> bool {
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let (died, samples) = self.of;
        died >= samples || (1.0 - count(died) / count(samples)).powf(count(requests)) <= 0.01
    }
}

impl Inwards {
    pub(super) fn walk(case: &Case, found: &Found, relations: &Relations, deaths: &Deaths) -> Self {
        let mut inwards = Self::default();
        // A plain URL has nothing further in.
        if case.path().hops.iter().filter(|hop| !hop.id.is_redirect()).count() <= 2 {
            return inwards;
        }
        let walk = Walk { case, found, deaths, killers: Killers::of(found, relations, deaths) };
        for symptom in walk.at_the_front() {
            let Some(hop) = walk.far_hop(symptom.findings[0]) else { continue };
            walk.from(hop, symptom, &mut inwards);
        }
        inwards
    }
}

struct Walk<'a> {
    case: &'a Case,
    found: &'a Found,
    deaths: &'a Deaths,
    killers: Killers<'a>,
}

impl<'a> Walk<'a> {
    /// What killed the counted requests, each manner of death once.
    fn at_the_front(&self) -> Vec<Symptom> {
        let samples = self.deaths.fresh().count();
        let mut symptoms: Vec<Symptom> = Vec::new();
        for (sample, end) in self.deaths.dead() {
            // What a redirect led to is another road than that of the path.
            let on_path = end.leg.as_leg().is_some_and(|leg| !leg.to.is_redirect());
            let Some(killer) = self.killers.of_sample(sample).filter(|_| on_path) else { continue };
            let symptom = self.symptom(killer, end, samples);
            match symptoms
                .iter_mut()
                .find(|other| other.code == symptom.code && other.answer == symptom.answer)
            {
                Some(other) => {
                    other.findings.extend(symptom.findings);
                    other.of.0 += 1;
                    other.waited = other.waited.min(symptom.waited);
                }
                None => symptoms.push(symptom),
            }
        }
        symptoms
    }

    fn symptom(&self, finding: usize, end: &End, samples: usize) -> Symptom {
        let (cause, seen) = &self.found.list[finding];
        Symptom {
            findings: vec![finding],
            of: (1, samples),
            behind: seen.behind,
            code: cause.code,
            answer: status(end).filter(|_| seen.ends_sample).map(str::to_owned),
            silent: cause.silent,
            waited: waited(end),
            direct: false,
        }
    }

    /// The hop whose answer, or silence, a finding is about.
    fn far_hop(&self, finding: usize) -> Option<&'a Hop> {
        let id = match &self.found.list[finding].1.subject {
            Subject::Leg(leg) => leg.to.clone(),
            Subject::Hop(hop) => hop.clone(),
            Subject::Path => self.case.path().front()?.as_leg()?.to.clone(),
        };
        self.case.path().hop(&id)
    }

    /// Goes on from a symptom shown by this hop to what lies behind it.
    fn from(&self, hop: &'a Hop, symptom: Symptom, out: &mut Inwards) {
        let (told, untold) = self.told(hop, &symptom);
        for direct in told {
            for &(cause, of) in &direct.links {
                out.links.push((cause, of));
            }
            match self.case.path().after(&direct.hop.id) {
                // The very same symptom: the hop passed on what came from the next one.
                Some(next) if direct.symptom.code == symptom.code => {
                    self.from(next, Symptom { direct: false, ..direct.symptom }, out);
                }
                Some(next) => {
                    // What the next one's own evidence says of these very requests goes further still.
                    let (_, rest) = self.told(next, &direct.symptom);
                    let rest = rest.map_or_else(Vec::new, |rest| rest.findings);
                    let mut further = direct.symptom.clone();
                    further.findings.retain(|finding| !rest.contains(finding));
                    if !further.findings.is_empty() {
                        self.from(next, further, out);
                    }
                    if !rest.is_empty() {
                        self.behind(direct.hop, Symptom { findings: rest, ..direct.symptom }, out);
                    }
                }
                None => self.behind(direct.hop, direct.symptom, out),
            }
        }
        if let Some(symptom) = untold {
            self.behind(hop, symptom, out);
        }
    }

    /// Asks the entries at the next hop whether what is behind the symptom can be seen there.
    fn behind(&self, hop: &'a Hop, mut symptom: Symptom, out: &mut Inwards) {
        if hop.kind.passes_packets() {
            // It never speaks itself: whatever was seen on the leg to it may come from behind it.
            let behind = symptom.behind;
            symptom.behind = Behind {
                same: true,
                silent: behind.silent || symptom.silent,
                broken: behind.broken || !symptom.silent && symptom.answer.is_none(),
                branch: false,
                kept: behind.kept,
                of_a_part: behind.of_a_part,
            };
        }
        if symptom.behind == Behind::NOTHING {
            return self.here(hop, &symptom, out);
        }
        let path = self.case.path();
        if let Some(next) = path.after(&hop.id) {
            if self.next(hop, next, &symptom, out) {
                return;
            }
            if !symptom.behind.branch || path.branches(&hop.id).next().is_none() {
                return;
            }
        }
        if symptom.behind.branch {
            for branch in path.branches(&hop.id) {
                if self.branch(branch, &symptom, out) {
                    return;
                }
            }
        }
        self.here(hop, &symptom, out);
    }

    /// What this hop asks beside the main road failed: whether that was seen.
    fn branch(&self, branch: &Hop, symptom: &Symptom, out: &mut Inwards) -> bool {
        let mut met = false;
        // What cannot be reached from elsewhere may be well guarded.
        let native =
            |end: &End| end.leg.as_leg().is_some_and(|leg| Some(&leg.from) == branch.branch_of.as_ref());
        let (dead, others): (Vec<_>, Vec<_>) = self
            .entries(&branch.id)
            .filter(|(_, end)| end.left != Left::Unknown && native(end))
            .partition(|(_, end)| end.left == Left::Dead);
        let accounts = self.accounts_for(dead.len(), dead.len() + others.len(), symptom);
        for (sample, _) in dead.into_iter().filter(|_| accounts) {
            // With its own symptoms there, so that the chain tells how it showed.
            let killers = self.killers.with_symptoms(sample);
            // Who waits for it waits in vain, or is told at once: then it is not what took so long.
            if symptom.silent && !killers.iter().any(|&killer| self.found.list[killer].0.silent) {
                continue;
            }
            for killer in killers {
                out.links.extend(symptom.findings.iter().map(|&finding| (killer, finding)));
                met = true;
            }
        }
        // What took too long there, or was told by its own evidence.
        for (place, (cause, finding)) in self.found.list.iter().enumerate() {
            let there = finding.subject.as_leg().is_some_and(|leg| leg.to == branch.id);
            if there && !cause.only_warns && cause.explains_code(symptom.code) {
                out.links.extend(symptom.findings.iter().map(|&finding| (place, finding)));
                met = true;
            }
        }
        met
    }

    /// Whether the walk ended at the next hop of the main road or beyond; `false` where it ended here.
    fn next(&self, hop: &'a Hop, next: &'a Hop, symptom: &Symptom, out: &mut Inwards) -> bool {
        let native = |end: &End| end.leg.as_leg().is_some_and(|leg| leg.from == hop.id);
        let any_native = self.entries(&next.id).any(|(_, end)| native(end));
        let entered: Vec<Entered<'_>> = self
            .entries(&next.id)
            .filter(|(_, end)| !any_native || native(end))
            .map(|(sample, end)| {
                let says = self.says(sample, end, symptom, any_native);
                // Whoever answers there is neither silent nor broken: that was the hop that passes packets.
                let answers = end.answer.is_some() && symptom.answer.is_none();
                let says = match says {
                    Says::Other if hop.kind.passes_packets() && answers => Says::Works,
                    says => says,
                };
                Entered { sample, end, says }
            })
            .filter(|entered| entered.says != Says::Nothing)
            .collect();
        let count = |says| entered.iter().filter(|entered| entered.says == says).count();
        let (same, works, other) = (count(Says::Same), count(Says::Works), count(Says::Other));
        if same > 0 && self.accounts_for(same, entered.len(), symptom) {
            self.go_on(next, symptom, &entered, out);
            return true;
        }
        if symptom.direct && works == 0 && next.kind.passes_packets() {
            // Its own evidence tells what it met there, and cannot tell it from what is behind there.
            self.behind(next, Symptom { direct: false, ..symptom.clone() }, out);
            return true;
        }
        // An answer that nothing further in gives is this hop's own: no leg makes answers,
        // and what passes packets on makes none either.
        let own = !symptom.behind.silent && !symptom.behind.broken && !hop.kind.passes_packets();
        let enough = symptom.would_have_shown(works + other);
        // One instance of which nothing is known may be the one.
        let whole = count(Says::SoFar) == 0 && (other > 0 || self.all_answered(next, &entered));
        let settled = match (same, works, other) {
            _ if symptom.direct => true,
            _ if !whole => false,
            (0, 1.., 0) => enough && (any_native || own),
            (0, _, _) => enough && own && works + other > 0,
            _ => false,
        };
        if settled {
            if symptom.behind.branch && self.case.path().branches(&hop.id).next().is_some() {
                return false;
            }
            self.here(hop, symptom, out);
            return true;
        }
        let works = if enough && whole { works } else { 0 };
        let open = self.open(hop, next, any_native, works, enough, &entered);
        for &finding in &symptom.findings {
            out.open.insert(finding, open.clone());
        }
        true
    }

    /// Whether each declared instance of a hop is among those that worked; as far as is told where they went.
    fn all_answered(&self, next: &Hop, entered: &[Entered<'_>]) -> bool {
        let met: HashSet<_> = entered
            .iter()
            .filter_map(|entered| entered.end.leg.address())
            .map(|peer| (peer.ip(), peer.port()))
            .collect();
        let declared = next.addresses.iter().filter_map(|at| Some((at.ip()?, at.port)));
        met.is_empty() || declared.into_iter().all(|at| met.contains(&at))
    }

    /// Whether deaths of a part of the entries can account for those of the requests before.
    fn accounts_for(&self, same: usize, of: usize, symptom: &Symptom) -> bool {
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let (died, samples) = symptom.of;
        // Where a part of the instances works, that so many requests met none of them must be believable.
        same == of
            || died < samples
            || symptom.behind.of_a_part
            || (count(same) / count(of)).powf(count(samples)) > 0.01
    }

    /// The symptom goes on inwards: what killed the entries at the next hop stands behind it.
    fn go_on(&self, next: &'a Hop, symptom: &Symptom, entered: &[Entered<'_>], out: &mut Inwards) {
        let mut deeper: Vec<Symptom> = Vec::new();
        let mut ghost = None;
        for entered in entered.iter().filter(|entered| entered.says == Says::Same) {
            let Some(killer) = self.killers.of_entry(entered.sample) else {
                ghost = ghost.or(Some(entered.end));
                continue;
            };
            let (cause, _) = &self.found.list[killer];
            let found = self.symptom(killer, entered.end, symptom.of.1);
            match deeper.iter_mut().find(|other| other.code == cause.code && other.answer == found.answer) {
                Some(other) => other.findings.push(killer),
                None => deeper.push(Symptom { of: symptom.of, ..found }),
            }
        }
        // Whoever gives up too early is to blame, unless what took so long is known to have taken too long.
        let near = |finding: usize| {
            let (cause, found) = &self.found.list[finding];
            found.blames.unwrap_or(cause.blames) == crate::End::Near
        };
        if symptom.findings.iter().any(|&finding| near(finding)) {
            deeper.retain(|deeper| {
                deeper.findings.iter().any(|&found| self.found.list[found].0.explains_code(symptom.code))
            });
            if deeper.is_empty() {
                return;
            }
        }
        if deeper.is_empty() {
            // It was seen here too, and nothing has a name for it here: the name it has goes on inwards.
            let Some(end) = ghost else { return };
            let answer = symptom.answer.clone().filter(|answer| status(end) == Some(answer));
            return self.from(
                next,
                Symptom {
                    silent: symptom.silent || answer.is_none(),
                    answer,
                    waited: waited(end),
                    direct: false,
                    ..symptom.clone()
                },
                out,
            );
        }
        for deeper in deeper {
            for &cause in &deeper.findings {
                out.links.extend(symptom.findings.iter().map(|&finding| (cause, finding)));
            }
            self.from(next, deeper, out);
        }
    }

    /// The symptom is this hop's own.
    fn here(&self, hop: &Hop, symptom: &Symptom, out: &mut Inwards) {
        for &finding in &symptom.findings {
            let of_this_hop = match &self.found.list[finding].1.subject {
                Subject::Leg(leg) => leg.to == hop.id || leg.from == hop.id,
                Subject::Hop(id) => *id == hop.id,
                Subject::Path => false,
            };
            if !of_this_hop {
                out.places.insert(finding, hop.id.clone());
            }
        }
        self.finer(hop, symptom, out);
    }

    /// A log leads past the requests that entered here; where they were answered the same,
    /// the name that it has with them says more than a line of a log.
    fn finer(&self, hop: &Hop, symptom: &Symptom, out: &mut Inwards) {
        let list = &self.found.list;
        let of_its_answer =
            |finding: &usize| list[*finding].1.subject.as_leg().is_some_and(|leg| leg.to == hop.id);
        let answered: Vec<usize> = symptom.findings.iter().copied().filter(of_its_answer).collect();
        let same = |end: &End| symptom.answer.is_some() && status(end) == symptom.answer.as_deref();
        for (sample, _) in self.entries(&hop.id).filter(|(_, end)| same(end)) {
            let Some(killer) = self.killers.of_entry(sample) else { continue };
            let (cause, _) = &list[killer];
            if cause.code != symptom.code && cause.explains_code(symptom.code) {
                out.links.extend(answered.iter().map(|&finding| (killer, finding)));
            }
        }
    }
}

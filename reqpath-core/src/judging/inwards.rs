//! From a symptom at the front inwards: which hop, which leg, by what was seen where requests entered further in.
//!
//! Two entries that differ by one hop are a test of that hop. The walk goes from hop to hop for as long as
//! what was seen there can stand behind what was seen before it, and ends where it no longer does.

use std::collections::{HashMap, HashSet};

use crate::{Behind, Case, Hop, HopId, Left, Micros, Role, Subject};

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

/// Several places remain.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// The hops and legs that remain, in the order of the road.
    pub(super) between: Vec<String>,
    /// The look that would tell them apart.
    pub(super) look: String,
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

/// A shorter wait is nobody's limit, and tells nothing.
const SHORTEST_WAIT: Micros = Micros(100_000);

/// What an entry at the next hop says of a symptom before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// From here on the road works.
    Works,
    /// It dies here too, or takes too long, in a way that can stand behind the symptom.
    Same,
    /// It dies here in another way.
    Other,
    /// It came as far as it was to go, which was not all the way.
    SoFar,
    /// Nothing that can be compared.
    Nothing,
}

/// An entry at a hop.
struct Entered<'a> {
    sample: u32,
    end: &'a End,
    says: Says,
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

    /// What evidence of the hop's own says of the very requests that showed the symptom,
    /// and the rest of them, of which it says nothing.
    ///
    /// The hop's own comes first; a line of a hop further in is of the same request, if it has its number.
    fn told(&self, hop: &'a Hop, symptom: &Symptom) -> (Vec<Direct<'a>>, Option<Symptom>) {
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

    fn open(
        &self,
        hop: &Hop,
        next: &Hop,
        native: bool,
        works: usize,
        enough: bool,
        entered: &[Entered<'_>],
    ) -> Open {
        let leg = format!("the leg {} → {}", hop.id, next.id);
        let behind = || self.case.path().road().skip_while(|other| other.id != next.id);
        let mut between = vec![hop.id.to_string()];
        if !native {
            between.push(leg);
        }
        if works == 0 {
            between.extend(behind().map(|hop| hop.id.to_string()));
        }
        let so_far = entered.iter().any(|entered| entered.says == Says::SoFar);
        let look = if !enough {
            "more samples (-n 48): so few die that those further in may have come through by chance"
                .to_owned()
        } else if works > 0 && !native {
            format!("the request sent to {} from the place of {}: give `{1}` a vantage", next.id, hop.id)
        } else if so_far && !self.is_known(next) {
            format!("what {} sends to {}: say it in `sends` of `{1}`", hop.id, next.id)
        } else if so_far && self.case.target().is_safe() {
            format!("the same request with its secrets: give `{}` `credentials: true`", next.id)
        } else if entered.is_empty() {
            format!("a request that enters at {}: give it addresses, and `{}` a vantage", next.id, hop.id)
        } else {
            format!("the log of {}: name it in `sources` of `{0}`", hop.id)
        };
        Open { between, look }
    }

    /// Whether it is known what is sent to a hop, by itself or through hops that only pass packets on.
    fn is_known(&self, hop: &Hop) -> bool {
        let path = self.case.path();
        let on_the_way = std::iter::successors(Some(hop), |hop| {
            path.before(&hop.id).filter(|before| before.kind.passes_packets())
        });
        // No path has more hops than this, and none leads round in a circle.
        let mut on_the_way = on_the_way.take(path.hops.len() + 1).peekable();
        while let Some(hop) = on_the_way.next() {
            let first = path.hops.first().map(|client| &client.id);
            let from_client = || path.before(&hop.id).map(|before| &before.id) == first;
            if hop.sends.is_some() || on_the_way.peek().is_none() && from_client() {
                return true;
            }
        }
        false
    }

    /// The requests that entered at a hop.
    fn entries(&self, hop: &HopId) -> impl Iterator<Item = (u32, &'a End)> {
        let ends = self.deaths.ends.iter().filter(|(_, end)| end.role == Role::Inner);
        ends.filter(move |(_, end)| end.leg.as_leg().is_some_and(|leg| leg.to == *hop))
    }

    fn says(&self, sample: u32, end: &End, symptom: &Symptom, native: bool) -> Says {
        let answer = status(end);
        let same = answer.is_some() && answer == symptom.answer.as_deref();
        // What was kept says something of the hops as far as the one that kept it, and nothing of those behind.
        if symptom.behind.kept {
            return match end.left {
                Left::Unknown => Says::Nothing,
                Left::Alive if end.until.is_some() => Says::SoFar,
                _ if same && self.killers.kept(sample) => Says::Same,
                _ => Says::Works,
            };
        }
        // To come back without its credentials is not to come back.
        let stripped = end.leg.as_leg().is_some_and(|leg| self.case.stripped(&leg.to));
        if stripped && end.left == Left::Alive {
            return Says::SoFar;
        }
        // The same answer further in was passed on, whether it counts as a failure there or not.
        if symptom.behind.same && same {
            return Says::Same;
        }
        // It arrives, and later than the hop before can have waited.
        let later = || {
            let in_vain = symptom.silent || symptom.behind.silent && !symptom.behind.broken;
            let later = |waited: Micros| end.elapsed >= SHORTEST_WAIT && end.elapsed.0 / 9 >= waited.0 / 10;
            in_vain && symptom.waited.is_some_and(later)
        };
        match end.left {
            Left::Unknown => Says::Nothing,
            Left::Alive if end.until.is_some() => Says::SoFar,
            Left::Alive if later() => Says::Same,
            Left::Alive => Says::Works,
            // Whoever cannot even be reached from another place than the hop before may be out of bounds there.
            Left::Dead if !native && answer.is_none() => Says::Nothing,
            Left::Dead => {
                let killer = self.killers.of_sample(sample).map(|killer| self.found.list[killer].0);
                let silent = killer.map_or(end.out_of_time, |cause| cause.silent);
                // It was not given as much time as the hop before it waited.
                let sooner = |waited: Micros| end.elapsed.0 / 9 < waited.0 / 10;
                if silent && end.out_of_time && answer.is_none() && symptom.waited.is_some_and(sooner) {
                    return Says::Nothing;
                }
                let consistent = match answer {
                    // It says that it failed, and later than the hop before can have waited.
                    Some(_) if later() => true,
                    // Another answer is not the same one, even where both are called the same.
                    Some(_) => {
                        symptom.behind.silent && symptom.behind.broken
                            || symptom.behind.same
                                && symptom.answer.is_none()
                                && killer.is_some_and(|cause| cause.code == symptom.code)
                    }
                    None if silent => symptom.behind.silent,
                    None => symptom.behind.broken,
                };
                if consistent { Says::Same } else { Says::Other }
            }
        }
    }
}

/// What evidence of a hop's own says of requests that showed a symptom there.
struct Direct<'a> {
    /// Whose evidence it is.
    hop: &'a Hop,
    symptom: Symptom,
    /// The finding, and the symptom's finding of the same request.
    links: Vec<(usize, usize)>,
}

/// How long whoever made this answer, or none, may have waited for what is behind it.
fn waited(end: &End) -> Option<Micros> {
    (end.sent || end.answer.is_some()).then_some(end.elapsed)
}

/// What was answered, without the version of the protocol.
fn status(end: &End) -> Option<&str> {
    let answer = end.answer.as_deref()?;
    Some(answer.split_once(' ').map_or(answer, |(_, status)| status))
}

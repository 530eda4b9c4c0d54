//! Which samples died, and in which stage.

use std::borrow::Cow;

use crate::{
    ByProxy, Case, Cause, Finding, HopId, Left, Micros, Outcome, Phase, Role, Seen, Subject, Tri, Trial,
};

use super::findings::Found;

/// How one trial of the request ended, over all its legs.
#[derive(Debug)]
pub(super) struct End {
    pub(super) role: Role,
    /// The last leg it took, at the address it was connected to.
    pub(super) leg: Subject,
    /// The far hops of the legs before: it was sent on from there.
    pub(super) behind: Vec<HopId>,
    /// Alive, dead, or not known because the probe failed.
    pub(super) left: Left,
    /// The stage that saw it last.
    pub(super) stage: Cow<'static, str>,
    pub(super) arrived: Tri,
    /// How a proxy was to take it on.
    pub(super) by_proxy: Option<ByProxy>,
    /// Whether any byte of the request can have been sent.
    pub(super) sent: bool,
    pub(super) answer: Option<Cow<'static, str>>,
    pub(super) out_of_time: bool,
    pub(super) elapsed: Micros,
    /// The stage after which it was to end, where it was not to go all the way.
    pub(super) until: Option<Cow<'static, str>>,
    /// Whether it was cut short by the caller.
    pub(super) stopped: bool,
    /// What had taken the time that the last stage lacked.
    pub(super) starved_by: Option<Phase>,
    /// Whether its last stage had less time than that stage took of a counted request.
    pub(super) cut_short: bool,
}

impl End {
    /// Whether this is what it died of, where the two are about one flow.
    pub(super) fn is_of(&self, cause: &Cause, finding: &Finding) -> bool {
        // Silence is nobody's fault who was left no time to speak.
        let stage = match &self.starved_by {
            Some(eater) if cause.silent => &eater.stage,
            _ => &self.stage,
        };
        finding.ends_sample || cause.kills(stage)
    }

    /// Whether what a cause of this station is about was met at the proxy, or beyond it by its word alone.
    pub(super) fn is_the_proxy_s(&self, station: &str) -> bool {
        match self.by_proxy {
            Some(ByProxy::Relayed) => true,
            // The tunnel begins where the connection to the proxy is open.
            Some(ByProxy::Tunnelled | ByProxy::Other) => matches!(station, "dns" | "tcp"),
            None => false,
        }
    }
}

/// How every trial ended, by sample number.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    pub(super) ends: Ends,
}

/// Ends in the order of their sample numbers. Most traces have one, and pay for no tree.
#[derive(Debug, Default)]
pub(super) struct Ends(Vec<(u32, End)>);

impl Ends {
    pub(super) fn get(&self, sample: u32) -> Option<&End> {
        self.place(sample).ok().map(|place| &self.0[place].1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &End)> {
        self.0.iter().map(|(sample, end)| (*sample, end))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &End> {
        self.0.iter().map(|(_, end)| end)
    }

    fn get_mut(&mut self, sample: u32) -> Option<&mut End> {
        self.place(sample).ok().map(|place| &mut self.0[place].1)
    }

    fn remove(&mut self, sample: u32) -> Option<End> {
        self.place(sample).ok().map(|place| self.0.remove(place).1)
    }

    fn insert(&mut self, sample: u32, end: End) {
        match self.place(sample) {
            Ok(place) => self.0[place].1 = end,
            Err(place) => self.0.insert(place, (sample, end)),
        }
    }

    fn place(&self, sample: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&sample, |(sample, _)| *sample)
    }
}

/// Whether a control or the last try died in a stage sooner than a counted request left it.
///
/// It had what time was left; the road had taken longer than that to say anything.
/// A request that enters further in is another one, and is [measured by what the hop before it waited](super::inwards).
fn cut_short(case: &Case, trial: &Seen<'_, Trial>) -> bool {
    if matches!(trial.role, Role::Fresh | Role::Inner) || !trial.died() {
        return false;
    }
    let Some(last) = trial.phases.last().filter(|last| last.stage == trial.stage) else { return false };
    let longer = |phase: &Phase| phase.stage == last.stage && phase.elapsed_us > last.elapsed_us;
    let leg = trial.subject().whole_leg();
    case.of::<Trial>(&leg).any(|counted| counted.role == Role::Fresh && counted.phases.iter().any(longer))
}

impl Deaths {
    pub(super) fn of(case: &Case, found: &Found) -> Self {
        let mut ends = Ends::default();
        for trial in case.of::<Trial>(&Subject::Path) {
            let Some(sample) = trial.subject().sample() else { continue };
            let leg = trial.subject().whole_leg();
            // Redirects make several trials of a sample; the last tells how it ended.
            let mut behind = Vec::new();
            if let Some(before) = ends.remove(sample) {
                behind = before.behind;
                behind.extend(before.leg.as_leg().map(|leg| leg.to.clone()));
            }
            // What met a limit that we used up ourselves says nothing of the road.
            if trial.limited {
                continue;
            }
            let end = End {
                role: trial.role,
                leg: trial.peer.map_or_else(|| leg.clone(), |peer| leg.at_address(peer)),
                behind,
                left: trial.left,
                stage: trial.stage.clone(),
                arrived: trial.arrived,
                by_proxy: trial.by_proxy,
                sent: trial.sent,
                answer: trial.answer.clone(),
                out_of_time: trial.out_of_time,
                elapsed: trial.elapsed_us,
                until: trial.until.clone(),
                stopped: !trial.complete(),
                starved_by: trial.starved_by().cloned(),
                cut_short: cut_short(case, &trial),
            };
            ends.insert(sample, end);
        }
        // What the caller stopped half-way says nothing, unless there is nothing else.
        if ends.values().any(|end| end.role == Role::Fresh && !end.stopped) {
            ends.0.retain(|(_, end)| !end.stopped);
        }
        for (_, finding) in
            found.list.iter().filter(|(cause, finding)| finding.ends_sample && !cause.only_warns)
        {
            let end = finding.subject.sample().and_then(|sample| ends.get_mut(sample));
            // A sample that went on to another leg did not end on this one.
            if let Some(end) = end.filter(|end| finding.subject.meets(&end.leg)) {
                end.left = Left::Dead;
            }
        }
        Self { ends }
    }

    /// The fresh samples: the only ones that count.
    pub(super) fn fresh(&self) -> impl Iterator<Item = (u32, &End)> {
        self.of_role(Role::Fresh)
    }

    /// The samples made for a reason.
    pub(super) fn of_role(&self, role: Role) -> impl Iterator<Item = (u32, &End)> {
        self.ends.0.iter().filter(move |(_, end)| end.role == role).map(|(sample, end)| (*sample, end))
    }

    /// The fresh samples that died.
    pub(super) fn dead(&self) -> impl Iterator<Item = (u32, &End)> {
        self.fresh().filter(|(_, end)| end.left == Left::Dead)
    }

    /// This sample, if it is a fresh one that died.
    pub(super) fn dead_sample(&self, sample: u32) -> Option<(u32, &End)> {
        let end = self.ends.get(sample)?;
        (end.role == Role::Fresh && end.left == Left::Dead).then_some((sample, end))
    }

    pub(super) fn outcome(&self) -> Outcome {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Outcome::new(count(self.fresh().count()), count(self.dead().count()))
    }

    /// Whether any fresh sample came back.
    pub(super) fn any_alive(&self) -> bool {
        self.fresh().any(|(_, end)| end.left == Left::Alive)
    }

    /// How the front answered when tried once more.
    pub(super) fn last(&self) -> Option<&End> {
        self.ends.values().find(|end| end.role == Role::Last)
    }

    /// How many came first of one kind, where deaths and successes form one block each by more than
    /// chance (runs test, p ≤ 0.01), and whether those first ones died.
    pub(super) fn blocks(&self) -> Option<(usize, bool)> {
        let known = |end: &End| (end.left != Left::Unknown).then_some(end.left == Left::Dead);
        let died: Vec<bool> = self.fresh().filter_map(|(_, end)| known(end)).collect();
        let first = *died.first()?;
        let block = died.iter().take_while(|died| **died == first).count();
        if block == died.len() || died[block..].contains(&first) {
            return None;
        }
        // Two of all the orders there are have one block each.
        let orders = (0..block).fold(1.0_f64, |orders, i| {
            let of = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
            orders * of(died.len() - i) / of(i + 1)
        });
        (2.0 / orders <= 0.01).then_some((block, first))
    }
}

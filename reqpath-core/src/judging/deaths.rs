//! Which samples died, and in which stage.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::{Case, Left, Outcome, Role, Subject, Tri, Trial};

use super::findings::Found;

/// How one trial of the request ended, over all its legs.
#[derive(Debug)]
pub(super) struct End {
    pub(super) role: Role,
    /// The last leg it took.
    pub(super) leg: Subject,
    /// Alive, dead, or not known because the probe failed.
    pub(super) left: Left,
    /// The stage that saw it last.
    pub(super) stage: Cow<'static, str>,
    pub(super) arrived: Tri,
    /// Whether any byte of the request can have been sent.
    pub(super) sent: bool,
    pub(super) answer: Option<Cow<'static, str>>,
    pub(super) out_of_time: bool,
}

/// How every trial ended, by sample number.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    pub(super) ends: BTreeMap<u32, End>,
}

impl Deaths {
    pub(super) fn of(case: &Case, found: &Found) -> Self {
        let mut ends = BTreeMap::new();
        for trial in case.of::<Trial>(&Subject::Path) {
            let Some(sample) = trial.subject().sample() else { continue };
            let end = End {
                role: trial.role,
                leg: trial.subject().whole_leg(),
                left: trial.left,
                stage: trial.stage.clone(),
                arrived: trial.arrived,
                sent: trial.sent,
                answer: trial.answer.clone(),
                out_of_time: trial.out_of_time,
            };
            // Redirects make several trials of a sample; the last tells how it ended.
            ends.insert(sample, end);
        }
        for (_, finding) in
            found.list.iter().filter(|(cause, finding)| finding.ends_sample && !cause.only_warns)
        {
            if let Some(end) = finding.subject.sample().and_then(|sample| ends.get_mut(&sample)) {
                end.left = Left::Dead;
            }
        }
        Self { ends }
    }

    /// The fresh samples: the only ones that count.
    pub(super) fn fresh(&self) -> impl Iterator<Item = (u32, &End)> {
        self.ends.iter().filter(|(_, end)| end.role == Role::Fresh).map(|(sample, end)| (*sample, end))
    }

    /// The fresh samples that died.
    pub(super) fn dead(&self) -> impl Iterator<Item = (u32, &End)> {
        self.fresh().filter(|(_, end)| end.left == Left::Dead)
    }

    pub(super) fn outcome(&self) -> Outcome {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Outcome::new(count(self.fresh().count()), count(self.dead().count()))
    }

    /// How the front answered when tried once more.
    pub(super) fn last(&self) -> Option<&End> {
        self.ends.values().find(|end| end.role == Role::Last)
    }
}

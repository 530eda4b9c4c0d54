//! One attempt to send the request along its whole road.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Evidence, Left, Micros, PeerAddr, Tri, escape};

/// Why a trial was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// A fresh request at the front: the only kind that is counted.
    Fresh,
    /// The front tried once more at the end, to see whether things changed meanwhile.
    Last,
    /// A control past the proxy that the environment asks for.
    Direct,
    /// A control with more time than the caller allows.
    Patient,
    /// A request that enters further in: a control of the hops before it, never counted.
    Inner,
    /// One more request at the front, to confirm what tells failing ones apart; not counted.
    Confirm,
}

/// How a proxy that the environment asks for takes a request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ByProxy {
    /// It is given the whole request, and sends it on as its own: what answers is the proxy.
    Relayed,
    /// It is asked for a tunnel, and what answers through that is the far hop.
    Tunnelled,
    /// A way this program does not know.
    #[serde(other)]
    Other,
}

/// Something of a request by which failing samples may differ from good ones.
///
/// Recorded with its [`Trial`], or later on its own, as from a log that tells which node it went to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Attribute {
    /// What it is: `address`, `source_port`, `node`.
    pub name: Cow<'static, str>,
    /// What it was.
    pub value: String,
}

impl Attribute {
    /// This was that.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl Evidence for Attribute {
    const KIND: &'static str = "request.attribute";

    fn went_well(&self) -> bool {
        true
    }

    fn brief(&self) -> String {
        format!("{} {}", escape(&self.name, 40), escape(&self.value, 80))
    }
}

/// The time one stage took in one trial. Stages that were not reached have none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Phase {
    /// The stage's name.
    pub stage: Cow<'static, str>,
    /// From when it was entered until it was left, or until the time ran out in it.
    pub elapsed_us: Micros,
}

impl Phase {
    /// This long in this stage.
    #[must_use]
    pub fn new(stage: impl Into<Cow<'static, str>>, elapsed: impl Into<Micros>) -> Self {
        Self { stage: stage.into(), elapsed_us: elapsed.into() }
    }
}

/// One attempt to send the request along its whole road, and how far it came.
///
/// The runner records one for each sample; stages never do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trial {
    /// Why it was made.
    pub role: Role,
    /// Whether the request left the last stage it entered alive; `unknown` after an error of the probe.
    pub left: Left,
    /// The stage that saw it last: where it died, if it did.
    pub stage: Cow<'static, str>,
    /// Whether the far hop is known to have received the request.
    #[serde(default)]
    pub arrived: Tri,
    /// Whether any byte of the request was sent.
    #[serde(default)]
    pub sent: bool,
    /// What it answered, in the protocol's words: `HTTP/1.1 200`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Cow<'static, str>>,
    /// The far end of the connection it went over, where there was one; of the proxy, where one stood before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerAddr>,
    /// How a proxy was to take it on, where one stood before the far hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_proxy: Option<ByProxy>,
    /// The stages it came through, in order, with the time of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// How long it took.
    #[serde(default)]
    pub elapsed_us: Micros,
    /// The time it was allowed.
    #[serde(default)]
    pub limit_us: Micros,
    /// The part of it that connecting was allowed, where the caller said how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_limit_us: Option<Micros>,
    /// Whether the time it was allowed ran out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_time: bool,
    /// Whether it met a limit that requests of ours before it had used up: it tells nothing of the road.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub limited: bool,
    /// The stage after which it was to end, where it was not to go all the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Cow<'static, str>>,
    /// What failing samples may differ in, where there are samples enough to compare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

impl Trial {
    /// A trial that ended like this in this stage; the fields are public to be filled in.
    #[must_use]
    pub fn new(role: Role, left: Left, stage: impl Into<Cow<'static, str>>) -> Self {
        Self {
            role,
            left,
            stage: stage.into(),
            arrived: Tri::Unknown,
            sent: false,
            answer: None,
            peer: None,
            by_proxy: None,
            phases: Vec::new(),
            elapsed_us: Micros::default(),
            limit_us: Micros::default(),
            connect_limit_us: None,
            out_of_time: false,
            limited: false,
            until: None,
            attributes: Vec::new(),
        }
    }

    /// The stage that took the time which the last one then lacked.
    ///
    /// A stage that had less than a tenth of the time, because an earlier one took most of it, tells nothing by
    /// running out: hardly anybody would have answered it.
    pub(crate) fn starved_by(&self) -> Option<&Phase> {
        let (last, before) = self.phases.split_last().filter(|_| self.died())?;
        let eater = before.iter().max_by_key(|phase| phase.elapsed_us)?;
        let connecting = self.connect_limit_us.filter(|_| !self.sent);
        // Stages end a look slightly before the deadline, so that its evidence is complete.
        let ran_out = |limit: &Micros| self.elapsed_us.0 / 9 >= limit.0 / 10;
        let limit = [Some(self.limit_us), connecting].into_iter().flatten().find(ran_out)?;
        let starved = last.elapsed_us.0 <= limit.0 / 10 && eater.elapsed_us.0 >= limit.0 / 2;
        (last.stage == self.stage && starved).then_some(eater)
    }

    /// Whether the request died on the way, by what the stages saw.
    #[must_use]
    pub fn died(&self) -> bool {
        self.left == Left::Dead
    }
}

impl Evidence for Trial {
    const KIND: &'static str = "request.trial";

    fn went_well(&self) -> bool {
        matches!(self.role, Role::Fresh | Role::Inner) && self.left == Left::Alive
    }

    fn brief(&self) -> String {
        let which = match self.role {
            Role::Fresh => "a fresh request",
            Role::Last => "the last try",
            Role::Direct => "the try past the proxy",
            Role::Patient => "the try with more time",
            Role::Inner => "the request that entered here",
            Role::Confirm => "a request that confirms",
        };
        let stage = escape(&self.stage, 40);
        match self.left {
            Left::Alive => format!("{which} came back after {}", self.elapsed_us),
            Left::Dead if self.out_of_time => {
                format!("{which} ran out of time in {stage} after {}", self.elapsed_us)
            }
            Left::Dead => format!("{which} died in {stage} after {}", self.elapsed_us),
            Left::Unknown => format!("{which} could not be followed beyond {stage}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn trial(phases: &[(&'static str, u64)], limit: u64, connect_limit: Option<u64>) -> Trial {
        let last = phases.last().map_or("", |(stage, _)| *stage);
        let phase =
            |(stage, millis): &(&'static str, u64)| Phase::new(*stage, Duration::from_millis(*millis));
        let mut trial = Trial::new(Role::Fresh, Left::Dead, last);
        trial.phases = phases.iter().map(phase).collect();
        trial.elapsed_us = Micros(phases.iter().map(|(_, millis)| millis * 1000).sum());
        trial.limit_us = Micros(limit * 1000);
        trial.connect_limit_us = connect_limit.map(|millis| Micros(millis * 1000));
        trial
    }

    fn eater(trial: &Trial) -> Option<&str> {
        trial.starved_by().map(|phase| &*phase.stage)
    }

    #[test]
    fn a_stage_is_starved_by_what_took_its_time() {
        assert_eq!(eater(&trial(&[("dns", 4980), ("tcp", 1), ("http", 5)], 5000, None)), Some("dns"));
        assert_eq!(eater(&trial(&[("dns", 1), ("tcp", 4800), ("tls", 190)], 5000, None)), Some("tcp"));
        assert_eq!(
            eater(&trial(&[("dns", 1980), ("tcp", 15)], 30_000, Some(2000))),
            Some("dns"),
            "connecting"
        );
    }

    #[test]
    fn a_stage_that_had_its_time_is_not() {
        assert_eq!(
            eater(&trial(&[("dns", 4000), ("tcp", 1), ("http", 990)], 5000, None)),
            None,
            "it had a fifth"
        );
        assert_eq!(eater(&trial(&[("dns", 1), ("tcp", 1), ("http", 4990)], 5000, None)), None);
        assert_eq!(eater(&trial(&[("dns", 2000), ("tcp", 1)], 5000, None)), None, "there was time left");
        assert_eq!(eater(&trial(&[("dns", 4990)], 5000, None)), None, "it is the eater itself");
        let mut sent = trial(&[("dns", 1980), ("http", 15)], 30_000, Some(2000));
        sent.sent = true;
        assert_eq!(eater(&sent), None, "connecting was over");
        let mut alive = trial(&[("dns", 4980), ("http", 5)], 5000, None);
        alive.left = Left::Alive;
        assert_eq!(eater(&alive), None);
    }
}

//! One attempt over one leg: the stages in order, recorded however it ends.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

use crate::context::lock;
use crate::{ByProxy, Context, Left, Phase, ProbeError, Role, Scheme, Stage, Subject, Tri, Trial};

/// One attempt over one leg.
///
/// Its [`Trial`] is recorded when it ends; where it is dropped half-way, as incomplete.
pub(crate) struct Attempt<'a> {
    at: &'a Subject,
    cx: &'a Context,
    role: Role,
    began: Instant,
    end: Instant,
    /// The stage after which it is to end.
    until: Option<&'a str>,
    walked: Mutex<Walked>,
    recorded: bool,
}

/// The stages it came through: the one under way, and the time of those before.
struct Walked {
    stage: &'static str,
    /// When the stage under way was entered.
    entered: Option<Instant>,
    /// When the one before it was left.
    left: Option<Instant>,
    phases: Vec<Phase>,
}

impl<'a> Attempt<'a> {
    /// Takes the request through the stages, from this moment until that one at most.
    pub(crate) async fn over(
        at: &'a Subject,
        cx: &'a Context,
        stages: &[Arc<dyn Stage>],
        role: Role,
        (began, end): (Instant, Instant),
        until: Option<&'a str>,
    ) -> Left {
        let phases = Vec::with_capacity(stages.len());
        let mut attempt = Self {
            at,
            cx,
            role,
            began,
            end,
            until,
            walked: Mutex::new(Walked { stage: "", entered: None, left: None, phases }),
            recorded: false,
        };
        // The timer also bounds a stage that ignores its own limits.
        let (left, out_of_time) = match timeout_at(end, attempt.walk(stages)).await {
            Ok(left) => (left, left == Left::Dead && Instant::now() >= end),
            Err(_) => (Left::Dead, true),
        };
        attempt.record(left, out_of_time, true);
        left
    }

    async fn walk(&self, stages: &[Arc<dyn Stage>]) -> Left {
        // One reading of the clock ends a stage and begins the next.
        let mut now = self.began;
        for stage in stages {
            lock(&self.walked).enter(stage.name(), now);
            let run = AssertUnwindSafe(stage.run(self.at, self.cx)).catch_unwind().await;
            now = Instant::now();
            lock(&self.walked).leave(now);
            match run {
                Ok(Ok(Left::Alive)) if self.until == Some(stage.name()) => return Left::Alive,
                Ok(Ok(Left::Alive)) => {}
                Ok(Ok(left)) => return left,
                Ok(Err(error)) => {
                    self.cx.trouble(stage.name(), &error);
                    return Left::Unknown;
                }
                Err(_) => {
                    self.cx.log().errors.push(ProbeError::new(stage.name(), "the stage panicked"));
                    return Left::Unknown;
                }
            }
        }
        Left::Alive
    }

    fn record(&mut self, left: Left, out_of_time: bool, complete: bool) {
        self.recorded = true;
        let limited = self.cx.limited();
        let (arrived, sent, answer, peer, proxied, attributes) = {
            let mut handed = self.cx.handed();
            let attributes = std::mem::take(&mut handed.attributes);
            (handed.arrived, handed.sent, handed.answer.clone(), handed.peer, handed.proxied, attributes)
        };
        let by_proxy = proxied.then(|| match self.cx.target().scheme() {
            Scheme::Https => ByProxy::Tunnelled,
            _ => ByProxy::Relayed,
        });
        // An answer in its name is known to come from the proxy, and from no farther.
        let arrived = if by_proxy == Some(ByProxy::Relayed) { Tri::Unknown } else { arrived };
        let (stage, phases, now) = {
            let mut walked = lock(&self.walked);
            // Between two stages nothing takes time.
            let now = walked.left.filter(|_| walked.entered.is_none()).unwrap_or_else(Instant::now);
            walked.leave(now);
            (walked.stage, std::mem::take(&mut walked.phases), now)
        };
        let trial = Trial {
            arrived,
            sent,
            answer,
            peer,
            by_proxy,
            phases,
            elapsed_us: now.saturating_duration_since(self.began).into(),
            limit_us: self.end.saturating_duration_since(self.began).into(),
            connect_limit_us: self.cx.connect_timeout().map(Into::into),
            out_of_time,
            limited,
            until: self.until.map(|stage| stage.to_owned().into()),
            attributes,
            ..Trial::new(self.role, left, stage)
        };
        let recording = self.cx.begin(self.at, trial);
        if complete {
            recording.finish();
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.recorded {
            // The whole trace ended: by its deadline, which was also this attempt's, or by the caller's will.
            let out_of_time = Instant::now() >= self.end;
            let left = if out_of_time { Left::Dead } else { Left::Unknown };
            self.record(left, out_of_time, out_of_time);
        }
    }
}

impl Walked {
    fn enter(&mut self, stage: &'static str, now: Instant) {
        (self.stage, self.entered) = (stage, Some(now));
    }

    fn leave(&mut self, now: Instant) {
        if let Some(entered) = self.entered.take() {
            self.phases.push(Phase::new(self.stage, now.saturating_duration_since(entered)));
            self.left = Some(now);
        }
    }
}

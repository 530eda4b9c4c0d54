//! One request, where it goes, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Pipeline;
use crate::attempt::Attempt;
use crate::context::{Context, Shared, TrialState, lock};
use crate::far::Brought;
use crate::trace::Trace;
use crate::{
    ContactKind, Endpoint, Entry, Far, FarRequest, HopId, Left, Micros, Pinned, ProbeError, Role, Stage,
    Subject, Target, Vantage,
};

/// Where requests of a kind go, and how.
pub(super) struct Way<'a> {
    pub(super) leg: Subject,
    pub(super) target: &'a Target,
    pub(super) vantage: &'a Arc<dyn Vantage>,
    pub(super) endpoint: Option<&'a Endpoint>,
    pub(super) stages: &'a [Arc<dyn Stage>],
    pub(super) until: Option<&'a str>,
    pub(super) connect_timeout: Option<Duration>,
}

impl<'a> Way<'a> {
    pub(super) fn front(pipeline: &'a Pipeline, trace: &'a Trace, front: &Subject) -> Self {
        Self {
            leg: front.clone(),
            target: &trace.target,
            vantage: &trace.vantage,
            endpoint: None,
            stages: &pipeline.stages,
            until: None,
            connect_timeout: trace.connect_timeout,
        }
    }

    pub(super) fn entry(pipeline: &'a Pipeline, entry: &'a Entry) -> Self {
        Self {
            leg: Subject::leg(&entry.from, &entry.to),
            target: &entry.target,
            vantage: &entry.vantage,
            endpoint: entry.endpoint.as_ref(),
            stages: entry.road.as_ref().map_or(&pipeline.stages, |road| &road.stages),
            until: entry.until.as_deref(),
            // The client's own settings end at the front.
            connect_timeout: None,
        }
    }
}

/// Which request is made, and why.
pub(super) struct Asked {
    pub(super) sample: u32,
    pub(super) first: bool,
    pub(super) role: Role,
    pub(super) pinned: Option<Pinned>,
    /// Whether one of its kind came before it and met no limit.
    pub(super) repeated: bool,
}

impl Asked {
    pub(super) fn new(sample: u32, first: bool, role: Role) -> Self {
        Self { sample, first, role, pinned: None, repeated: false }
    }
}

/// One request along its way, redirects included.
pub(super) async fn trial(shared: &Arc<Shared>, way: &Way<'_>, asked: Asked, end: Instant) -> Ended {
    let Asked { sample, first, role, pinned, repeated } = asked;
    let began = Instant::now();
    // The control with more time has it for connecting, too.
    let connect_timeout = way.connect_timeout.filter(|_| role != Role::Patient);
    let mut target = way.target.clone();
    let mut leg = way.leg.clone();
    let mut redirects = 0;
    let mut entered = began;
    loop {
        let at = leg.at_sample(sample);
        let state = Arc::new(TrialState {
            role,
            first,
            repeated,
            pinned: pinned.clone(),
            connect_timeout,
            endpoint: way.endpoint.filter(|_| redirects == 0).cloned(),
            ..TrialState::new(target.clone(), Arc::clone(way.vantage), sample, end)
        });
        let cx = Context::new(Arc::clone(shared), Arc::clone(&state));
        let died = Attempt::over(&at, &cx, way.stages, role, (entered, end), way.until).await == Left::Dead;
        let limited = cx.limited();
        let (next, suspect, sent, one_too_many) = {
            let mut handed = lock(&state.handed);
            (handed.redirect.take(), handed.suspect, handed.sent, handed.one_too_many)
        };
        match next {
            // The plan announced so many and no more.
            Some(next) if !died && redirects < way.target.max_redirects() => {
                redirects += 1;
                entered = Instant::now();
                leg = redirected(&way.leg, redirects);
                target = target.followed_by(next);
            }
            _ => {
                let (elapsed, limit) = (began.elapsed(), end.saturating_duration_since(began));
                // Stages end a look slightly before the deadline, so that its evidence is complete.
                let nearly = |elapsed, limit: Duration| elapsed >= limit / 10 * 9;
                let unconnected = connect_timeout.filter(|_| !sent);
                let ran_out = nearly(elapsed, limit)
                    || unconnected.is_some_and(|limit| nearly(entered.elapsed(), limit));
                return Ended { died, suspect, ran_out, one_too_many, limited, elapsed };
            }
        }
    }
}

/// One request made and looked at far away.
pub(super) async fn far_away(shared: &Arc<Shared>, way: &Way<'_>, far: &dyn Far, sample: u32, end: Instant) {
    let (at, began) = (way.leg.at_sample(sample), Instant::now());
    let permit = match shared.budget.permit(ContactKind::Command) {
        Ok(permit) => permit,
        Err(error) => return lock(&shared.log).errors.push(ProbeError::new("far", error.to_string())),
    };
    let id = if sample == 0 { shared.request_id.clone() } else { format!("{}-{sample}", shared.request_id) };
    let time = end.saturating_duration_since(began);
    let request = FarRequest::new(way.target, way.endpoint, &id, way.until, time);
    let told = match timeout_at(end, far.trace_here(permit, request)).await {
        Ok(told) => told.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no report within {}", Micros::from(time))),
    };
    let since = began.saturating_duration_since(shared.started).into();
    let brought = match told {
        Ok(json) => Brought::read(&json, &far.name(), (&at, &way.target.scrubber()), since),
        Err(why) => Err(ProbeError::new("far", format!("{}: {why}", far.name()))),
    };
    let mut log = lock(&shared.log);
    let errors = match brought {
        Ok(brought) => {
            log.bring(brought.observations, shared.watch.as_ref());
            brought.errors
        }
        Err(error) => vec![error],
    };
    for error in errors {
        if !log.errors.contains(&error) {
            log.errors.push(error);
        }
    }
}

/// How one trial ended.
pub(super) struct Ended {
    pub(super) died: bool,
    pub(super) suspect: bool,
    /// Whether it took all the time it had, or nearly.
    pub(super) ran_out: bool,
    pub(super) one_too_many: bool,
    /// Whether it met a limit that those before it had used up.
    pub(super) limited: bool,
    pub(super) elapsed: Duration,
}

/// The leg to where a redirect leads.
fn redirected(front: &Subject, number: u32) -> Subject {
    match front.as_leg() {
        Some(leg) => Subject::leg(&leg.from, &HopId::redirect(number)),
        None => front.clone(),
    }
}

//! Which requests are made, in which order, and what follows upon them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::way::{Asked, Way, far_away, trial};
use super::{Pipeline, case};
use crate::context::{Context, Shared, TrialState, lock};
use crate::judging::Suspicion;
use crate::trace::{LONGEST, Trace};
use crate::turns::turn;
use crate::{Micros, ProbeError, Role, Stage, Subject};

/// The least time in which one more try means anything.
const TIME_TO_TRY: Duration = Duration::from_millis(50);

impl Pipeline {
    /// The requests at the front and the entries further in at the same time, then the controls,
    /// then the front once more, then the visits.
    pub(super) async fn walk(&self, trace: &Trace, shared: &Arc<Shared>) {
        let Some(front) = trace.path.front() else {
            lock(&shared.log).errors.push(ProbeError::new("pipeline", "the path has fewer than two hops"));
            return;
        };
        let way = Way::front(self, trace, &front);
        let deaths = if trace.entries.is_empty() {
            self.samples(trace, shared, &way).await
        } else {
            join(self.samples(trace, shared, &way), self.entries(trace, shared)).await.0
        };
        self.controls(trace, shared, &way, deaths).await;
        if !trace.places.is_empty() {
            self.visits(trace, shared).await;
        }
    }

    /// The counted requests at the front, one after another.
    async fn samples(&self, trace: &Trace, shared: &Arc<Shared>, way: &Way<'_>) -> Deaths {
        let (trace_end, max_time) = (shared.deadline, trace.target.max_time().map(Micros::duration));
        let samples = if trace.target.is_safe() { trace.samples } else { 1 };
        let mut deaths = Deaths::default();
        // The longest that a request took which ended by itself.
        let mut longest = Duration::ZERO;
        let mut repeated = false;
        for sample in 0..samples {
            if sample > 0 {
                // A request that the end of the trace is sure to cut would die of us, not of the road.
                let needed = longest.saturating_mul(2).max(TIME_TO_TRY).min(max_time.unwrap_or(LONGEST));
                if trace_end.saturating_duration_since(Instant::now()) < needed {
                    let message = format!("the deadline left time for {sample} of {samples} samples");
                    lock(&shared.log).errors.push(ProbeError::new("pipeline", message));
                    break;
                }
            }
            let asked = Asked { repeated, ..Asked::new(sample, sample == 0, Role::Fresh) };
            let ended = trial(shared, way, asked, request_end(trace, shared)).await;
            if ended.limited {
                deaths.limited = true;
                met_limit(shared, way);
                break;
            }
            repeated |= !ended.one_too_many;
            deaths.died += u32::from(ended.died);
            deaths.ran_out |= ended.died && ended.ran_out;
            deaths.suspect |= ended.suspect;
            if !ended.ran_out {
                longest = longest.max(ended.elapsed);
            }
        }
        deaths
    }

    /// What follows upon the counted requests: the controls of a death, and the last try.
    async fn controls(&self, trace: &Trace, shared: &Arc<Shared>, way: &Way<'_>, deaths: Deaths) {
        let safe = trace.target.is_safe();
        // What is over a limit is not asked again.
        if !safe
            || deaths.limited
            || !(deaths.died > 0 || deaths.suspect && self.answers_failed(trace, shared))
        {
            return;
        }
        let mut sample = trace.samples;
        if trace.confirming() > 0
            && let Some(suspicion) = self.suspicion(trace, shared)
        {
            self.confirm(trace, shared, way, suspicion).await;
        }
        sample += trace.confirming();
        for role in &trace.controls {
            let (worth, end) = match role {
                // Without a proxy it would be the very same request.
                Role::Direct => (shared.proxied.load(Ordering::Relaxed), request_end(trace, shared)),
                // More time is no help to what ended before its time.
                Role::Patient => (deaths.ran_out, shared.deadline),
                _ => (true, request_end(trace, shared)),
            };
            if worth && Instant::now() < shared.deadline {
                trial(shared, way, Asked::new(sample, false, *role), end).await;
                sample += 1;
            }
        }
        // Time for a real try, not for one that the deadline is sure to kill.
        let end = request_end(trace, shared);
        if trace.retry && trace.samples == 1 && end > Instant::now() + TIME_TO_TRY {
            trial(shared, way, Asked::new(sample, false, Role::Last), end).await;
        }
    }

    /// The requests that enter further in: entries at the same time, the requests of each in turn.
    async fn entries(&self, trace: &Trace, shared: &Arc<Shared>) {
        let mut entries = FuturesUnordered::new();
        let mut number = trace.trials();
        for entry in &trace.entries {
            let (first, samples) = (number, trace.samples_of(entry));
            number = number.saturating_add(samples);
            let way = Way::entry(self, entry);
            entries.push(async move {
                // The longest that a request took which ended by itself.
                let mut longest = Duration::ZERO;
                let mut repeated = false;
                for sample in first..first.saturating_add(samples) {
                    let end = request_end(trace, shared);
                    // One that the end of the trace is sure to cut would die of us, not of the road.
                    let max_time = trace.target.max_time().map_or(LONGEST, Micros::duration);
                    let needed = longest.saturating_mul(2).max(TIME_TO_TRY).min(max_time);
                    if end.saturating_duration_since(Instant::now()) < needed {
                        break;
                    }
                    if let Some(far) = &entry.far {
                        far_away(shared, &way, &**far, sample, end).await;
                        continue;
                    }
                    let asked = Asked { repeated, ..Asked::new(sample, sample == first, Role::Inner) };
                    let ended = trial(shared, &way, asked, end).await;
                    if ended.limited {
                        met_limit(shared, &way);
                        break;
                    }
                    repeated |= !ended.one_too_many;
                    if !ended.ran_out {
                        longest = longest.max(ended.elapsed);
                    }
                }
            });
        }
        while entries.next().await.is_some() {}
    }

    /// The looks at hops as a whole, all at the same time.
    async fn visits(&self, trace: &Trace, shared: &Arc<Shared>) {
        let mut visits = FuturesUnordered::new();
        for (hop, vantage) in &trace.places {
            for stage in self.visiting() {
                let state = TrialState::new(trace.target.clone(), Arc::clone(vantage), 0, shared.deadline);
                let cx = Context::new(Arc::clone(shared), Arc::new(state));
                visits.push(async move {
                    let at = Subject::Hop(hop.clone());
                    match AssertUnwindSafe(stage.visit(&at, &cx)).catch_unwind().await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => cx.trouble(stage.name(), &error),
                        Err(_) => cx.log().errors.push(ProbeError::new(stage.name(), "the visit panicked")),
                    }
                });
            }
        }
        while visits.next().await.is_some() {}
    }

    /// A further round, which confirms what seems to tell the samples that died from those that did not.
    async fn confirm(&self, trace: &Trace, shared: &Arc<Shared>, way: &Way<'_>, suspicion: Suspicion) {
        for number in trace.samples..trace.samples + trace.confirming() {
            let end = request_end(trace, shared);
            if end.saturating_duration_since(Instant::now()) < TIME_TO_TRY {
                let made = number - trace.samples;
                let message = format!("the deadline left time for {made} requests to confirm what separates");
                lock(&shared.log).errors.push(ProbeError::new("pipeline", message));
                break;
            }
            let pinned = suspicion.pinned.as_ref().map(|pinned| match turn("confirm", number, 2) {
                0 => pinned.clone(),
                _ => pinned.otherwise(),
            });
            let asked = Asked { repeated: true, pinned, ..Asked::new(number, false, Role::Confirm) };
            if trial(shared, way, asked, end).await.limited {
                met_limit(shared, way);
                break;
            }
        }
    }

    /// The stages that visit.
    pub(super) fn visiting(&self) -> impl Iterator<Item = &Arc<dyn Stage>> {
        self.stages.iter().chain(&self.visitors).filter(|stage| stage.visits())
    }

    /// What seems to tell the samples that died from those that did not.
    fn suspicion(&self, trace: &Trace, shared: &Shared) -> Option<Suspicion> {
        let seen = lock(&shared.log).observations.clone();
        let case = case(trace.target.clone(), Arc::clone(&trace.path), seen);
        let logs_later =
            !trace.places.is_empty() && trace.path.hops.iter().any(|hop| !hop.sources.is_empty());
        crate::judging::suspicion(&case, &self.catalogue, logs_later)
    }
}

/// When a request that begins now must have ended.
fn request_end(trace: &Trace, shared: &Shared) -> Instant {
    match trace.target.max_time().map(Micros::duration) {
        Some(time) => (Instant::now() + time.min(LONGEST)).min(shared.deadline),
        None => shared.deadline,
    }
}

/// How the counted requests ended.
#[derive(Default)]
struct Deaths {
    died: u32,
    ran_out: bool,
    suspect: bool,
    /// Whether they met a limit, which ended them.
    limited: bool,
}

/// Our own requests met a limit: that is told, and is nobody's fault.
fn met_limit(shared: &Shared, way: &Way<'_>) {
    let message = format!(
        "{}: our own requests met a limit, so no more were made, and nobody is blamed for it: \
         ask for fewer samples, or later",
        way.leg
    );
    let error = ProbeError::new("pipeline", message);
    let mut log = lock(&shared.log);
    if !log.errors.contains(&error) {
        log.errors.push(error);
    }
}

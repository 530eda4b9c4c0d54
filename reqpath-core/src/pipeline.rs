//! Stages in order, and the runner.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::{Timestamp, Unit};
use tokio::time::{Instant, sleep_until};

use crate::attempt::Attempt;
use crate::context::{Handed, Log, Shared, TrialState, lock};
use crate::trace::{LONGEST, Trace};
use crate::{
    Budget, Case, Catalogue, CatalogueError, Cause, Contact, ContactKind, Context, Hop, HopId, HopKind, Left,
    Micros, Path, ProbeError, Report, Role, SCHEMA, Stage, Subject, Target, judge,
};

/// The least time in which one more try means anything.
const TIME_TO_TRY: Duration = Duration::from_millis(50);

/// Stages in order, with the catalogue of their causes.
///
/// ```
/// # async fn f(vantage: std::sync::Arc<dyn reqpath_core::Vantage>) -> Result<(), Box<dyn std::error::Error>> {
/// use reqpath_core::{Pipeline, Target, Trace};
///
/// let pipeline = Pipeline::builder().build()?;
/// let target = Target::get("https://api.example/health")?;
/// let report = pipeline.trace(Trace::new(target, vantage)).await;
/// println!("{}", report.verdict.unwrap().kind());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pipeline {
    stages: Vec<Arc<dyn Stage>>,
    catalogue: Catalogue,
}

/// Puts a pipeline together.
#[derive(Debug, Default)]
pub struct PipelineBuilder {
    stages: Vec<Arc<dyn Stage>>,
    causes: Vec<&'static Cause>,
}

impl PipelineBuilder {
    /// One more stage, after those given before.
    #[must_use]
    pub fn stage(mut self, stage: impl Stage + 'static) -> Self {
        self.stages.push(Arc::new(stage));
        self
    }

    /// Causes that no stage brings: a user's own.
    #[must_use]
    pub fn causes(mut self, causes: impl IntoIterator<Item = &'static Cause>) -> Self {
        self.causes.extend(causes);
        self
    }

    /// The pipeline.
    ///
    /// # Errors
    ///
    /// When two causes carry one code, or a code is malformed.
    pub fn build(self) -> Result<Pipeline, CatalogueError> {
        let causes = self.stages.iter().flat_map(|stage| stage.causes().iter().copied()).chain(self.causes);
        let catalogue = Catalogue::new(causes.collect::<Vec<_>>())?;
        Ok(Pipeline { stages: self.stages, catalogue })
    }
}

impl Pipeline {
    /// Starts putting a pipeline together.
    #[must_use]
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::default()
    }

    /// The causes this pipeline can name.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The names of its stages, in their order.
    pub fn stage_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.stages.iter().map(|stage| stage.name())
    }

    /// Everything one trace would contact, at most: what a dry run prints.
    #[must_use]
    pub fn plan(&self, trace: &Trace) -> Vec<Contact> {
        let Some(front) = trace.path.front() else { return Vec::new() };
        let at = front.at_sample(0);
        let mut plan = Vec::new();
        let mut road = |target: &Target, times: u32, after: &str| {
            for mut contact in self.stages.iter().flat_map(|stage| stage.plan(&at, &trace.path, target)) {
                let trials = if contact.once { 1 } else { trace.trials() };
                contact.most = contact.most.saturating_mul(trials).saturating_mul(times);
                if !after.is_empty() {
                    contact.why = format!("{}{after}", contact.why).into();
                }
                plan.push(contact);
            }
        };
        road(&trace.target, 1, "");
        let redirects = trace.target.max_redirects();
        if redirects > 0 {
            // Each is a road of its own, and may lead from plain HTTP to TLS, from a POST to a GET.
            road(&trace.target.redirected(), redirects, ", after a redirect");
        }
        plan
    }

    /// Follows the request and reports. Cannot fail: what goes wrong on the path is evidence,
    /// and trouble of the probe itself is listed beside the verdict.
    pub async fn trace(&self, trace: Trace) -> Report {
        let started_at = Timestamp::now();
        let started = Instant::now();
        let deadline = started + trace.time();
        let stop = lock(&trace.stop).take();
        let shared = Arc::new(Shared {
            budget: Budget::of(&self.plan(&trace)),
            path: Arc::clone(&trace.path),
            vantage: Arc::clone(&trace.vantage),
            started,
            deadline,
            request_id: trace.request_id.clone().unwrap_or_else(random_id),
            traceparent: traceparent(),
            log: Mutex::new(Log::default()),
            asides: Mutex::default(),
            proxied: AtomicBool::new(false),
        });
        {
            // Pinned where they are made: a future that is moved takes its room twice.
            let walk = pin!(self.walk(&trace, &shared));
            let mut road = pin!(with_asides(walk, &shared));
            match stop {
                Some(stop) => tokio::select! {
                    () = road.as_mut() => {}
                    () = stop => {}
                },
                None => road.await,
            }
            // What is still under way is dropped here, and its evidence with that kept as incomplete.
        }
        // A look that nobody took up holds what holds it.
        let never = std::mem::take(&mut *lock(&shared.asides));
        drop(never);
        self.report(trace, shared, started_at)
    }

    /// All trials, one after another.
    async fn walk(&self, trace: &Trace, shared: &Arc<Shared>) {
        let Some(front) = trace.path.front() else {
            lock(&shared.log).errors.push(ProbeError::new("pipeline", "the path has fewer than two hops"));
            return;
        };
        let (trace_end, max_time) = (shared.deadline, trace.target.max_time().map(Micros::duration));
        let request_end = || match max_time {
            Some(time) => (Instant::now() + time.min(LONGEST)).min(trace_end),
            None => trace_end,
        };
        let safe = trace.target.is_safe();
        let samples = if safe { trace.samples } else { 1 };
        let (mut died, mut ran_out, mut suspect) = (false, false, false);
        // The longest that a request took which ended by itself.
        let mut longest = Duration::ZERO;
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
            let ended = self.trial(trace, shared, &front, sample, Role::Fresh, request_end()).await;
            died |= ended.died;
            ran_out |= ended.died && ended.ran_out;
            suspect |= ended.suspect;
            if !ended.ran_out {
                longest = longest.max(ended.elapsed);
            }
        }
        if !safe || !(died || suspect && self.answers_failed(trace, shared)) {
            return;
        }
        let mut sample = samples;
        for role in &trace.controls {
            let (worth, end) = match role {
                // Without a proxy it would be the very same request.
                Role::Direct => (shared.proxied.load(Ordering::Relaxed), request_end()),
                // More time is no help to what ended before its time.
                Role::Patient => (ran_out, trace_end),
                _ => (true, request_end()),
            };
            if worth && Instant::now() < trace_end {
                self.trial(trace, shared, &front, sample, *role, end).await;
                sample += 1;
            }
        }
        // Time for a real try, not for one that the deadline is sure to kill.
        if trace.retry && samples == 1 && request_end() > Instant::now() + TIME_TO_TRY {
            self.trial(trace, shared, &front, sample, Role::Last, request_end()).await;
        }
    }

    /// One request along the road, redirects included.
    async fn trial(
        &self,
        trace: &Trace,
        shared: &Arc<Shared>,
        front: &Subject,
        sample: u32,
        role: Role,
        end: Instant,
    ) -> Ended {
        let began = Instant::now();
        // The control with more time has it for connecting, too.
        let connect_timeout = trace.connect_timeout.filter(|_| role != Role::Patient);
        let mut target = trace.target.clone();
        let mut leg = front.clone();
        let mut redirects = 0;
        loop {
            let at = leg.at_sample(sample);
            let entered = Instant::now();
            let state = Arc::new(TrialState {
                target: target.clone(),
                role,
                first: sample == 0,
                deadline: end,
                connect_timeout,
                handed: Mutex::new(Handed::default()),
            });
            let cx = Context::new(Arc::clone(shared), Arc::clone(&state));
            let died = Attempt::over(&at, &cx, &self.stages, role, end).await == Left::Dead;
            let (next, suspect, sent) = {
                let mut handed = lock(&state.handed);
                (handed.redirect.take(), handed.suspect, handed.sent)
            };
            match next {
                // The plan announced so many and no more.
                Some(next) if !died && redirects < trace.target.max_redirects() => {
                    redirects += 1;
                    leg = redirected(front, redirects);
                    target = next;
                }
                _ => {
                    let (elapsed, limit) = (began.elapsed(), end.saturating_duration_since(began));
                    // Stages end a look slightly before the deadline, so that its evidence is complete.
                    let nearly = |elapsed, limit: Duration| elapsed >= limit / 10 * 9;
                    let unconnected = connect_timeout.filter(|_| !sent);
                    let ran_out = nearly(elapsed, limit)
                        || unconnected.is_some_and(|limit| nearly(entered.elapsed(), limit));
                    return Ended { died, suspect, ran_out, elapsed };
                }
            }
        }
    }

    /// Whether any sample so far ended in an answer that is a failure.
    fn answers_failed(&self, trace: &Trace, shared: &Shared) -> bool {
        let seen = lock(&shared.log).observations.clone();
        judge(&case(trace.target.clone(), Path::clone(&trace.path), seen), &self.catalogue, &[])
            .verdict
            .outcome()
            .died
            > 0
    }

    fn report(&self, trace: Trace, shared: Arc<Shared>, started_at: Timestamp) -> Report {
        let log = std::mem::take(&mut *lock(&shared.log));
        let started = shared.started;
        let (request_id, traceparent) = match Arc::try_unwrap(shared) {
            Ok(shared) => (shared.request_id, shared.traceparent),
            // A stage kept its context.
            Err(shared) => (shared.request_id.clone(), shared.traceparent.clone()),
        };
        let case = case(trace.target, Arc::unwrap_or_clone(trace.path), log.observations);
        let judgement = judge(&case, &self.catalogue, &log.errors);
        let (target, path, observations) = case.into_parts();
        Report {
            schema: SCHEMA.to_owned(),
            program: concat!("reqpath ", env!("CARGO_PKG_VERSION")).to_owned(),
            started: started_at.round(Unit::Millisecond).unwrap_or(started_at).to_string(),
            elapsed_us: started.elapsed().into(),
            request_id,
            traceparent,
            verdict: Some(judgement.verdict),
            target,
            path,
            hops: judgement.hops,
            findings: judgement.findings,
            ruled_out: judgement.ruled_out,
            next: judgement.next,
            errors: log.errors.into_iter().chain(judgement.errors).collect(),
            observations,
            extra: serde_json::Map::new(),
        }
    }
}

/// How one trial ended.
struct Ended {
    died: bool,
    suspect: bool,
    /// Whether it took all the time it had, or nearly.
    ran_out: bool,
    elapsed: Duration,
}

/// Everything seen so far.
fn case(target: Target, mut path: Path, mut observations: Vec<crate::Observation>) -> Case {
    observations.sort_by_key(|observation| observation.id);
    add_redirects(&mut path, &observations);
    Case::new(target, path, observations)
}

/// Drives the walk and the looks beside the road together, until all have ended or the time is up.
///
/// All of it is one future, so that dropping it ends every look at once.
/// Most traces of a prober have no looks beside the road, and pay for none.
async fn with_asides(mut walk: Pin<&mut impl Future<Output = ()>>, shared: &Shared) {
    let mut walking = true;
    let mut asides = None;
    let mut time_is_up = pin!(None);
    poll_fn(|cx| {
        loop {
            if walking && walk.as_mut().poll(cx).is_ready() {
                walking = false;
            }
            let new = std::mem::take(&mut *lock(&shared.asides));
            if !new.is_empty() {
                let looks = asides.get_or_insert_with(FuturesUnordered::new);
                looks.extend(new.into_iter().map(|look| AssertUnwindSafe(look).catch_unwind()));
            }
            let Some(looks) = &mut asides else { break };
            while let Poll::Ready(Some(done)) = looks.poll_next_unpin(cx) {
                if done.is_err() {
                    lock(&shared.log)
                        .errors
                        .push(ProbeError::new("aside", "a look beside the road panicked"));
                }
            }
            if lock(&shared.asides).is_empty() {
                break;
            }
        }
        if walking {
            // Each attempt has a timer of its own, which rings no later than the trace's would.
            return Poll::Pending;
        }
        if asides.as_ref().is_none_or(FuturesUnordered::is_empty) {
            return Poll::Ready(());
        }
        // The stragglers beside the road get what is left of the time.
        if time_is_up.is_none() {
            time_is_up.set(Some(sleep_until(shared.deadline)));
        }
        time_is_up.as_mut().as_pin_mut().map_or(Poll::Ready(()), |timer| timer.poll(cx))
    })
    .await;
}

/// The leg to where a redirect leads.
fn redirected(front: &Subject, number: u32) -> Subject {
    match front.as_leg() {
        Some(leg) => Subject::leg(&leg.from, &HopId::redirect(number)),
        None => front.clone(),
    }
}

/// Hops that were only met on the way.
fn add_redirects(path: &mut Path, observations: &[crate::Observation]) {
    for leg in observations.iter().filter_map(|observation| observation.subject.as_leg()) {
        if path.place(&leg.to).is_none() {
            path.hops.push(Hop::new(leg.to.clone(), HopKind::Server));
        }
    }
}

/// 16 random bytes as hex: enough that no two traces meet.
fn random_id() -> String {
    let mut text = [0; 32];
    hex(&mut text, &fastrand::u128(1..).to_be_bytes());
    ascii(&text)
}

/// A W3C trace context of our own, sampled.
fn traceparent() -> String {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    hex(&mut text[3..35], &fastrand::u128(1..).to_be_bytes());
    hex(&mut text[36..52], &fastrand::u64(1..).to_be_bytes());
    ascii(&text)
}

fn hex(text: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            // 0 to 9 and a to f.
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
        }
    }
}

fn ascii(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Requests a plan announces.
impl Pipeline {
    /// How many requests one trace sends, at most.
    #[must_use]
    pub fn announced_requests(&self, trace: &Trace) -> u32 {
        let requests = self.plan(trace).into_iter().filter(|contact| contact.kind == ContactKind::Request);
        requests.map(|contact| contact.most).fold(0, u32::saturating_add)
    }
}

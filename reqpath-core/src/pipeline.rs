//! Stages in order, and the runner.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::{Timestamp, Unit};
use tokio::time::{Instant, timeout_at};

use crate::context::{Handed, Log, Shared, TrialState, lock};
use crate::{
    Budget, Case, Catalogue, CatalogueError, Cause, Contact, ContactKind, Context, Hop, HopId, HopKind, Left,
    Micros, Path, Phase, ProbeError, Report, Role, SCHEMA, Stage, Subject, Target, Trial, Vantage, judge,
};

/// The time a trace may take when nobody says.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

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

/// What is to be traced, from where, how often, and for how long at most.
pub struct Trace {
    target: Target,
    path: Path,
    vantage: Arc<dyn Vantage>,
    samples: u32,
    deadline: Option<Duration>,
    request_id: Option<String>,
    controls: Vec<Role>,
    retry: bool,
    /// Behind a lock only so that a trace can be shared: it is taken out before the first await.
    stop: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl Trace {
    /// One fresh request for this target, seen from this vantage.
    #[must_use]
    pub fn new(target: Target, vantage: Arc<dyn Vantage>) -> Self {
        Self {
            target,
            path: Path::of_url(),
            vantage,
            samples: 1,
            deadline: None,
            request_id: None,
            controls: Vec::new(),
            retry: true,
            stop: Mutex::new(None),
        }
    }

    /// The path it is meant to take; `client` and `server` unless said.
    #[must_use]
    pub fn path(mut self, path: Path) -> Self {
        self.path = path;
        self
    }

    /// How many fresh requests are sent; at least 1.
    ///
    /// A request whose method is not safe is sent once, whatever is asked.
    #[must_use]
    pub fn samples(mut self, samples: u32) -> Self {
        self.samples = samples.max(1);
        self
    }

    /// The time the whole trace may take; without it that of one request, or 30 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The id the requests carry; drawn at random unless given.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// A control to make when a sample died: once past the proxy, or with more time.
    #[must_use]
    pub fn control(mut self, role: Role) -> Self {
        self.controls.push(role);
        self
    }

    /// Leaves out the last try at the front, for callers who send one request and no more.
    #[must_use]
    pub fn without_last_try(mut self) -> Self {
        self.retry = false;
        self
    }

    /// Ends the trace early when this future does; the report holds what was seen until then.
    #[must_use]
    pub fn stop_when(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Mutex::new(Some(Box::pin(stop)));
        self
    }

    fn time(&self) -> Duration {
        let max_time = self.target.max_time().map(Micros::duration);
        self.deadline.or(max_time).unwrap_or(DEFAULT_DEADLINE)
    }

    /// How many trials there can be, each of which may follow redirects.
    fn trials(&self) -> u32 {
        let samples = if self.target.is_safe() { self.samples } else { 1 };
        let again = if self.target.is_safe() {
            u32::from(self.retry) + u32::try_from(self.controls.len()).unwrap_or(u32::MAX)
        } else {
            0
        };
        samples.saturating_add(again)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("target", &self.target.authority())
            .field("path", &self.path)
            .field("samples", &self.samples)
            .field("deadline", &self.time())
            .finish_non_exhaustive()
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

    /// Everything one trace would contact, at most: what a dry run prints.
    #[must_use]
    pub fn plan(&self, trace: &Trace) -> Vec<Contact> {
        let Some(front) = trace.path.front() else { return Vec::new() };
        let at = front.at_sample(0);
        // A redirect is a road of its own, and each may lead to another.
        let roads = trace.target.max_redirects().saturating_add(1);
        let mut plan: Vec<Contact> =
            self.stages.iter().flat_map(|stage| stage.plan(&at, &trace.path, &trace.target)).collect();
        for contact in &mut plan {
            let trials = if contact.once { 1 } else { trace.trials() };
            contact.most = contact.most.saturating_mul(trials).saturating_mul(roads);
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
            path: trace.path.clone(),
            vantage: Arc::clone(&trace.vantage),
            started,
            deadline,
            request_id: trace.request_id.clone().unwrap_or_else(random_id),
            traceparent: traceparent(),
            log: Mutex::new(Log::default()),
            asides: Mutex::default(),
        });
        {
            let road = with_asides(self.walk(&trace, &shared), &shared);
            // The stragglers beside the road get what is left of the time.
            let bounded = timeout_at(deadline, road);
            match stop {
                Some(stop) => tokio::select! {
                    _ = bounded => {}
                    () = stop => {}
                },
                None => drop(bounded.await),
            }
            // What is still under way is dropped here, and its evidence with that kept as incomplete.
        }
        self.report(&trace, &shared, started_at)
    }

    /// All trials, one after another.
    async fn walk(&self, trace: &Trace, shared: &Arc<Shared>) {
        let Some(front) = trace.path.front() else {
            lock(&shared.log).errors.push(ProbeError::new("pipeline", "the path has fewer than two hops"));
            return;
        };
        let (trace_end, max_time) = (shared.deadline, trace.target.max_time());
        let request_end = || match max_time {
            Some(time) => (Instant::now() + time.duration()).min(trace_end),
            None => trace_end,
        };
        let safe = trace.target.is_safe();
        let samples = if safe { trace.samples } else { 1 };
        let mut any_died = false;
        for sample in 0..samples {
            if sample > 0 && Instant::now() >= trace_end {
                break;
            }
            any_died |= self.trial(trace, shared, &front, sample, Role::Fresh, request_end()).await;
        }
        if !any_died || !safe {
            return;
        }
        let mut sample = samples;
        for role in &trace.controls {
            let end = if *role == Role::Patient { trace_end } else { request_end() };
            if Instant::now() < trace_end {
                self.trial(trace, shared, &front, sample, *role, end).await;
                sample += 1;
            }
        }
        // Time for a real try, not for one that the deadline is sure to kill.
        if trace.retry && samples == 1 && request_end() > Instant::now() + Duration::from_millis(50) {
            self.trial(trace, shared, &front, sample, Role::Last, request_end()).await;
        }
    }

    /// One request along the road, redirects included. Says whether it died by what the stages saw.
    async fn trial(
        &self,
        trace: &Trace,
        shared: &Arc<Shared>,
        front: &Subject,
        sample: u32,
        role: Role,
        end: Instant,
    ) -> bool {
        let mut target = trace.target.clone();
        let mut leg = front.clone();
        loop {
            let at = leg.at_sample(sample);
            let state = Arc::new(TrialState {
                target: target.clone(),
                role,
                first: sample == 0,
                deadline: end,
                handed: Mutex::new(Handed::default()),
            });
            let cx = Context::new(Arc::clone(shared), Arc::clone(&state));
            let died = self.stages_of(&at, &cx, role, end).await;
            let next = lock(&state.handed).redirect.take();
            match next {
                Some(next) if !died => {
                    leg = redirected(front, next.redirected_from().len());
                    target = next;
                }
                _ => return died,
            }
        }
    }

    /// The stages in order, over one leg.
    async fn stages_of(&self, at: &Subject, cx: &Context, role: Role, end: Instant) -> bool {
        let began = Instant::now();
        // Kept outside the road, for when the time runs out in it.
        let walked =
            Mutex::new(Walked { stage: "", entered: began, phases: Vec::with_capacity(self.stages.len()) });
        let road = async {
            for stage in &self.stages {
                lock(&walked).enter(stage.name());
                match stage.run(at, cx).await {
                    Ok(Left::Alive) => lock(&walked).leave(),
                    Ok(left) => {
                        lock(&walked).leave();
                        return left;
                    }
                    Err(error) => {
                        lock(&walked).leave();
                        cx.trouble(stage.name(), &error);
                        return Left::Unknown;
                    }
                }
            }
            Left::Alive
        };
        // The timer also bounds a stage that ignores its own limits.
        let (left, out_of_time) = match timeout_at(end, road).await {
            Ok(left) => (left, left == Left::Dead && Instant::now() >= end),
            Err(_) => {
                lock(&walked).leave();
                (Left::Dead, true)
            }
        };
        let (arrived, sent, answer) = {
            let handed = cx.handed();
            (handed.arrived, handed.sent, handed.answer.clone())
        };
        let walked = walked.into_inner().unwrap_or_else(PoisonError::into_inner);
        let trial = Trial {
            role,
            left,
            stage: walked.stage.into(),
            arrived,
            sent,
            answer,
            phases: walked.phases,
            elapsed_us: began.elapsed().into(),
            limit_us: end.saturating_duration_since(began).into(),
            out_of_time,
        };
        let died = trial.died();
        cx.record(at, trial);
        died
    }

    fn report(&self, trace: &Trace, shared: &Shared, started_at: Timestamp) -> Report {
        let log = std::mem::take(&mut *lock(&shared.log));
        let mut observations = log.observations;
        observations.sort_by_key(|observation| observation.id);
        let mut path = shared.path.clone();
        add_redirects(&mut path, &observations);
        let case = Case::new(trace.target.clone(), path, observations);
        let judgement = judge(&case, &self.catalogue, &log.errors);
        let (target, path, observations) = case.into_parts();
        Report {
            schema: SCHEMA.to_owned(),
            program: concat!("reqpath ", env!("CARGO_PKG_VERSION")).to_owned(),
            started: started_at.round(Unit::Millisecond).unwrap_or(started_at).to_string(),
            elapsed_us: shared.started.elapsed().into(),
            request_id: shared.request_id.clone(),
            traceparent: shared.traceparent.clone(),
            verdict: Some(judgement.verdict),
            target,
            path,
            hops: judgement.hops,
            findings: judgement.findings,
            ruled_out: judgement.ruled_out,
            next: judgement.next,
            errors: log.errors,
            observations,
            extra: serde_json::Map::new(),
        }
    }
}

/// The stages one trial came through: the one under way, and the time of those before.
struct Walked {
    stage: &'static str,
    entered: Instant,
    phases: Vec<Phase>,
}

impl Walked {
    fn enter(&mut self, stage: &'static str) {
        (self.stage, self.entered) = (stage, Instant::now());
    }

    fn leave(&mut self) {
        self.phases.push(Phase::new(self.stage, self.entered.elapsed().into()));
    }
}

/// Drives the walk and the looks beside the road together, until all have ended.
///
/// All of it is one future, so that dropping it ends every look at once.
async fn with_asides(walk: impl Future<Output = ()>, shared: &Shared) {
    let mut walk = pin!(walk);
    let mut walking = true;
    let mut asides = FuturesUnordered::new();
    poll_fn(|cx| {
        loop {
            if walking && walk.as_mut().poll(cx).is_ready() {
                walking = false;
            }
            asides.extend(lock(&shared.asides).drain(..).map(|look| AssertUnwindSafe(look).catch_unwind()));
            while let Poll::Ready(Some(done)) = asides.poll_next_unpin(cx) {
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
        if walking || !asides.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// The leg to where a redirect leads.
fn redirected(front: &Subject, number: usize) -> Subject {
    match front.as_leg() {
        Some(leg) => Subject::leg(&leg.from, &HopId::new(&format!("redirect-{number}"))),
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
    format!("{:032x}", fastrand::u128(1..))
}

/// A W3C trace context of our own, sampled.
fn traceparent() -> String {
    format!("00-{:032x}-{:016x}-01", fastrand::u128(1..), fastrand::u64(1..))
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

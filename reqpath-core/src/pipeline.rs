//! Stages in order, and the runner.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::announced::Announced;
use crate::attempt::Attempt;
use crate::context::{Log, Shared, TrialState, lock};
use crate::far::Brought;
use crate::judging::Suspicion;
use crate::trace::{LONGEST, Trace};
use crate::turns::turn;
use crate::{
    Budget, Case, Catalogue, CatalogueError, Cause, Contact, ContactKind, Context, Endpoint, Entry, Far,
    FarRequest, Hop, HopId, HopKind, Left, Micros, Path, Pinned, ProbeError, Report, Role, SCHEMA, Stage,
    Started, Subject, Target, Vantage, judge,
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
    /// Stages that only visit, and are not run for requests.
    visitors: Vec<Arc<dyn Stage>>,
    catalogue: Catalogue,
}

/// Puts a pipeline together.
#[derive(Debug, Default)]
pub struct PipelineBuilder {
    stages: Vec<Arc<dyn Stage>>,
    visitors: Vec<Arc<dyn Stage>>,
    causes: Vec<&'static Cause>,
}

impl PipelineBuilder {
    /// One more stage, after those given before.
    #[must_use]
    pub fn stage(mut self, stage: impl Stage + 'static) -> Self {
        self.stages.push(Arc::new(stage));
        self
    }

    /// A stage that only [visits](Stage::visits) hops: requests do not come through it, and pay nothing for it.
    #[must_use]
    pub fn visitor(mut self, stage: impl Stage + 'static) -> Self {
        self.causes.extend(stage.causes());
        self.visitors.push(Arc::new(stage));
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
        Ok(Pipeline { stages: self.stages, visitors: self.visitors, catalogue })
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
        self.plan_by_subject(trace).into_iter().flat_map(|(_, contacts)| contacts).collect()
    }

    /// The same by subject, in the order in which they were given: the leg at the front, that of each entry,
    /// and each hop that is visited.
    #[must_use]
    pub fn plan_by_subject(&self, trace: &Trace) -> Vec<(Subject, Vec<Contact>)> {
        let mut plan = Vec::new();
        self.announce(trace, &mut plan);
        plan
    }

    /// Tells everything that one trace would contact.
    fn announce(&self, trace: &Trace, plan: &mut impl Announced) {
        let Some(front) = trace.path.front() else { return };
        plan.about(&front);
        plan.requests(&self.stages, &front, (&trace.path, &trace.target), (trace.trials(), 1), "");
        let redirects = trace.target.max_redirects();
        if redirects > 0 {
            // Each is a road of its own, and may lead from plain HTTP to TLS, from a POST to a GET.
            let (next, times) = (trace.target.redirected(), (trace.trials(), redirects));
            plan.requests(&self.stages, &front, (&trace.path, &next), times, ", after a redirect");
        }
        for entry in &trace.entries {
            let at = Subject::leg(&entry.from, &entry.to);
            plan.about(&at);
            let stages = entry.road.as_ref().map_or(&self.stages, |road| &road.stages);
            let dialled = entry.endpoint.as_ref().map_or_else(String::new, |at| format!(" at {at}"));
            let why = format!(", entering at {}{dialled}, from {}", entry.to, entry.vantage.name());
            let until = entry.until.as_deref();
            let last = until.and_then(|until| stages.iter().position(|stage| stage.name() == until));
            let stages = last.map_or(&stages[..], |last| &stages[..=last]);
            plan.requests(stages, &at, (&trace.path, &entry.target), (trace.samples_of(entry), 1), &why);
            if entry.far.is_some() {
                let name = entry.vantage.name();
                let why = "has the request made and looked at there";
                plan.contact(Contact::new(ContactKind::Command, name, trace.samples_of(entry), why), "");
            }
        }
        for (hop, _) in &trace.places {
            let at = Subject::Hop(hop.clone());
            plan.about(&at);
            for stage in self.visiting() {
                for contact in stage.plan_visit(&at, &trace.path, &trace.target) {
                    plan.contact(contact, "");
                }
            }
        }
    }

    /// As many contacts of each kind as the plan announces.
    fn budget(&self, trace: &Trace) -> Budget {
        let mut budget = Budget::default();
        self.announce(trace, &mut budget);
        budget
    }

    /// Follows the request and reports. Cannot fail: what goes wrong on the path is evidence,
    /// and trouble of the probe itself is listed beside the verdict.
    pub async fn trace(&self, trace: Trace) -> Report {
        let began = Started::now();
        let started = Instant::now();
        let trace = trace.with_secrets_known();
        let deadline = started + trace.time();
        let stop = lock(&trace.stop).take();
        let shared = Arc::new(Shared {
            budget: self.budget(&trace),
            path: Arc::clone(&trace.path),
            started,
            deadline,
            request_id: trace.request_id.clone().unwrap_or_else(random_id),
            traceparent: traceparent(),
            log: Mutex::new(Log::default()),
            asides: Mutex::default(),
            proxied: AtomicBool::new(false),
            compared: trace.compared(),
            watch: trace.watch.clone(),
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
        self.report(trace, shared, began)
    }

    /// The requests at the front and the entries further in at the same time, then the controls,
    /// then the front once more, then the visits.
    async fn walk(&self, trace: &Trace, shared: &Arc<Shared>) {
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
    fn visiting(&self) -> impl Iterator<Item = &Arc<dyn Stage>> {
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

    /// Whether any sample so far ended in an answer that is a failure.
    fn answers_failed(&self, trace: &Trace, shared: &Shared) -> bool {
        let seen = lock(&shared.log).observations.clone();
        judge(&case(trace.target.clone(), Arc::clone(&trace.path), seen), &self.catalogue, &[])
            .verdict
            .outcome()
            .died
            > 0
    }

    fn report(&self, trace: Trace, shared: Arc<Shared>, began: Started) -> Report {
        let log = std::mem::take(&mut *lock(&shared.log));
        let started = shared.started;
        let (request_id, traceparent) = match Arc::try_unwrap(shared) {
            Ok(shared) => (shared.request_id, shared.traceparent),
            // A stage kept its context.
            Err(shared) => (shared.request_id.clone(), shared.traceparent.clone()),
        };
        let case = case(trace.target, trace.path, log.observations);
        let judgement = judge(&case, &self.catalogue, &log.errors);
        let (target, path, observations) = case.into_parts();
        Report {
            schema: SCHEMA.to_owned(),
            program: concat!("reqpath ", env!("CARGO_PKG_VERSION")).to_owned(),
            started: began,
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

/// Where requests of a kind go, and how.
struct Way<'a> {
    leg: Subject,
    target: &'a Target,
    vantage: &'a Arc<dyn Vantage>,
    endpoint: Option<&'a Endpoint>,
    stages: &'a [Arc<dyn Stage>],
    until: Option<&'a str>,
    connect_timeout: Option<Duration>,
}

impl<'a> Way<'a> {
    fn front(pipeline: &'a Pipeline, trace: &'a Trace, front: &Subject) -> Self {
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

    fn entry(pipeline: &'a Pipeline, entry: &'a Entry) -> Self {
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
struct Asked {
    sample: u32,
    first: bool,
    role: Role,
    pinned: Option<Pinned>,
    /// Whether one of its kind came before it and met no limit.
    repeated: bool,
}

impl Asked {
    fn new(sample: u32, first: bool, role: Role) -> Self {
        Self { sample, first, role, pinned: None, repeated: false }
    }
}

/// One request along its way, redirects included.
async fn trial(shared: &Arc<Shared>, way: &Way<'_>, asked: Asked, end: Instant) -> Ended {
    let Asked { sample, first, role, pinned, repeated } = asked;
    let began = Instant::now();
    // The control with more time has it for connecting, too.
    let connect_timeout = way.connect_timeout.filter(|_| role != Role::Patient);
    let mut target = way.target.clone();
    let mut leg = way.leg.clone();
    let mut redirects = 0;
    loop {
        let at = leg.at_sample(sample);
        let entered = Instant::now();
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
        let died = Attempt::over(&at, &cx, way.stages, role, end, way.until).await == Left::Dead;
        let limited = cx.limited();
        let (next, suspect, sent, one_too_many) = {
            let mut handed = lock(&state.handed);
            (handed.redirect.take(), handed.suspect, handed.sent, handed.one_too_many)
        };
        match next {
            // The plan announced so many and no more.
            Some(next) if !died && redirects < way.target.max_redirects() => {
                redirects += 1;
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
async fn far_away(shared: &Arc<Shared>, way: &Way<'_>, far: &dyn Far, sample: u32, end: Instant) {
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

/// How one trial ended.
struct Ended {
    died: bool,
    suspect: bool,
    /// Whether it took all the time it had, or nearly.
    ran_out: bool,
    one_too_many: bool,
    /// Whether it met a limit that those before it had used up.
    limited: bool,
    elapsed: Duration,
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

/// Everything seen so far.
fn case(target: Target, mut path: Arc<Path>, mut observations: Vec<crate::Observation>) -> Case {
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
fn add_redirects(path: &mut Arc<Path>, observations: &[crate::Observation]) {
    for leg in observations.iter().filter_map(|observation| observation.subject.as_leg()) {
        if path.place(&leg.to).is_none() {
            Arc::make_mut(path).hops.push(Hop::new(leg.to.clone(), HopKind::Server));
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
            *digit = b"0123456789abcdef"[usize::from(nibble)];
        }
    }
}

fn ascii(text: &[u8]) -> String {
    // Digits and letters are always text.
    String::from_utf8(text.to_vec()).unwrap_or_default()
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

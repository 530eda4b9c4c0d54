//! Stages in order, and the runner.

mod asides;
mod ids;
mod walk;
mod way;

use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use self::asides::with_asides;
use self::ids::{random_id, traceparent};
use crate::announced::Announced;
use crate::context::{Log, Shared, lock};
use crate::trace::Trace;
use crate::{
    Budget, Case, Catalogue, CatalogueError, Cause, Contact, ContactKind, Hop, HopKind, Path, Report, SCHEMA,
    Stage, Started, Subject, Target, judge,
};

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

/// Everything seen so far.
fn case(target: Target, mut path: Arc<Path>, mut observations: Vec<crate::Observation>) -> Case {
    observations.sort_by_key(|observation| observation.id);
    add_redirects(&mut path, &observations);
    Case::new(target, path, observations)
}

/// Hops that were only met on the way.
fn add_redirects(path: &mut Arc<Path>, observations: &[crate::Observation]) {
    for leg in observations.iter().filter_map(|observation| observation.subject.as_leg()) {
        if path.place(&leg.to).is_none() {
            Arc::make_mut(path).hops.push(Hop::new(leg.to.clone(), HopKind::Server));
        }
    }
}

impl Pipeline {
    /// How many requests one trace sends, at most.
    #[must_use]
    pub fn announced_requests(&self, trace: &Trace) -> u32 {
        let requests = self.plan(trace).into_iter().filter(|contact| contact.kind == ContactKind::Request);
        requests.map(|contact| contact.most).fold(0, u32::saturating_add)
    }
}

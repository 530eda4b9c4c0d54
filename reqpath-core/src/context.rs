//! What a stage is given to look with.

mod recording;
mod shared;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::turns::turn;
use crate::{
    AnyEvidence, Attribute, ContactKind, Destination, Dialled, Endpoint, Error, Evidence, Micros,
    Observation, ObservationId, Path, Permit, Pinned, ProbeError, Role, Subject, Target, Tri, Vantage,
};

pub use self::recording::Recording;
pub(crate) use self::shared::{Handed, Log, Shared, TrialState, Watch, lock};

/// What a stage is given to look with: the target, the vantage, the clock, and a place to record.
///
/// Cheap to clone, and shared by looks that run at the same time.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
    trial: Arc<TrialState>,
    /// When the connection under way must be open, where the caller says how long it may take.
    connect_by: Option<Instant>,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, trial: Arc<TrialState>) -> Self {
        let connect_by = trial.connect_by();
        Self { shared, trial, connect_by }
    }

    /// The place to look from.
    #[must_use]
    pub fn vantage(&self) -> &dyn Vantage {
        &*self.trial.vantage
    }

    /// Where the connection of this trial goes, whatever the URL says: the hop that is entered here.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.trial.endpoint.as_ref()
    }

    /// The request that is followed.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.trial.target
    }

    /// The path it is meant to take.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Why this trial is made.
    #[must_use]
    pub fn role(&self) -> Role {
        self.trial.role
    }

    /// Whether this is the first trial of the trace: the one in which looks beside the road are made.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.trial.first
    }

    /// The id this request carries, unless the caller's has its own.
    ///
    /// The first has the id of the trace, later ones have their number behind it,
    /// so that each is found in a log by itself.
    #[must_use]
    pub fn request_id(&self) -> &str {
        if self.trial.sample == 0 {
            return &self.shared.request_id;
        }
        self.trial.request_id.get_or_init(|| format!("{}-{}", self.shared.request_id, self.trial.sample))
    }

    /// How a [further id](Self::further_id) ends.
    pub const FURTHER: &'static str = "-further";

    /// The id of a further request that this trial makes beside the one it is about: over the same connection, say.
    ///
    /// It is another, so that a line of it in a log is not taken for one of that request.
    #[must_use]
    pub fn further_id(&self) -> String {
        format!("{}-{}{}", self.shared.request_id, self.trial.sample, Self::FURTHER)
    }

    /// The number of the request of this trace beside which a [further one](Self::further_id) with this id was made.
    #[must_use]
    pub fn beside(&self, request_id: &str) -> Option<u32> {
        let number = request_id.strip_prefix(&*self.shared.request_id)?.strip_prefix('-')?;
        number.strip_suffix(Self::FURTHER)?.parse().ok()
    }

    /// The id of the trace, with which the id of each of its requests begins.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.shared.request_id
    }

    /// The number of the request of this trace that carries this id, where one does.
    #[must_use]
    pub fn sample_of(&self, request_id: &str) -> Option<u32> {
        match request_id.strip_prefix(&*self.shared.request_id)? {
            "" => Some(0),
            number => number.strip_prefix('-')?.parse().ok(),
        }
    }

    /// The W3C `traceparent` every request of this trace carries, unless the caller's has its own.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.shared.traceparent
    }

    /// Leave to make one contact.
    ///
    /// # Errors
    ///
    /// [`Error::BudgetSpent`] when the plan announced no more of the kind.
    pub fn permit(&self, kind: ContactKind) -> Result<Permit, Error> {
        self.shared.budget.permit(kind)
    }

    /// When this trial must be over.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.trial.deadline
    }

    /// When the whole trace must be over.
    #[must_use]
    pub fn trace_deadline(&self) -> Instant {
        self.shared.deadline
    }

    /// The time a look may take: its own limit, or what is left of the trial, if that is less.
    #[must_use]
    pub fn limit(&self, own: Duration) -> Duration {
        own.min(self.trial.deadline.saturating_duration_since(Instant::now()))
    }

    /// When the connection under way must be open: look-up, opening, a proxy's tunnel and handshake together.
    #[must_use]
    pub fn connect_deadline(&self) -> Instant {
        self.connect_by.map_or(self.trial.deadline, |by| by.min(self.trial.deadline))
    }

    /// The time a step to a connection may take: what the caller's time to connect has left, or else its own
    /// limit; and no more than is left of the trial.
    #[must_use]
    pub fn connect_limit(&self, own: Duration) -> Duration {
        let left = self.connect_deadline().saturating_duration_since(Instant::now());
        if self.connect_by.is_some() { left } else { own.min(left) }
    }

    /// The same for one more connection, which has the caller's time to connect anew.
    #[must_use]
    pub fn connecting_again(&self) -> Self {
        Self { connect_by: self.trial.connect_by(), ..self.clone() }
    }

    pub(crate) fn connect_timeout(&self) -> Option<Duration> {
        self.trial.connect_timeout
    }

    /// What has been seen so far, in no order to rely on: for a visit, which looks for traces of requests.
    #[must_use]
    pub fn so_far(&self) -> Vec<Observation> {
        self.log().observations.clone()
    }

    /// The time from the start of the trace until now.
    #[must_use]
    pub fn elapsed(&self) -> Micros {
        self.shared.started.elapsed().into()
    }

    /// Records what was seen, at once.
    pub fn record<E: Evidence>(&self, at: &Subject, evidence: E) -> ObservationId {
        let now = self.elapsed();
        self.record_from(at, now, evidence)
    }

    /// Records what was seen by a look that began at `since`, counted from the start of the trace.
    pub fn record_from<E: Evidence>(&self, at: &Subject, since: Micros, evidence: E) -> ObservationId {
        let data: Arc<dyn AnyEvidence> = Arc::new(evidence);
        let name = self.trial.vantage.name();
        let mut log = self.log();
        let id = log.number();
        let observation = Observation::live(id, at.clone(), name, since, true, data);
        log.keep(observation, self.shared.watch.as_ref());
        id
    }

    /// Says something of this request by which failing samples may differ from good ones:
    /// `source_port`, `resolver`, `node`. Costs nothing where there are too few samples to compare.
    pub fn attribute(&self, name: impl Into<Cow<'static, str>>, value: impl FnOnce() -> String) {
        if self.shared.compared {
            self.handed().attributes.push(Attribute::new(name, value()));
        }
    }

    /// Whether there are samples enough to compare failing ones with good ones.
    #[must_use]
    pub fn compares(&self) -> bool {
        self.shared.compared
    }

    /// Whose turn it is among so many that a request may take: nameservers, addresses.
    ///
    /// The first, unless samples are compared: those take turns, so that all are seen.
    /// In each row of `of` requests each has one turn, in an order of its own for each thing that takes turns,
    /// so that no two things go together only because we took them in step.
    #[must_use]
    pub fn turn(&self, what: &str, of: usize) -> usize {
        let takes_turns = self.shared.compared && matches!(self.trial.role, Role::Fresh | Role::Confirm);
        if takes_turns && of > 1 { turn(what, self.trial.sample, of) } else { 0 }
    }

    /// What this request is to have of this attribute, where it is to confirm what tells requests apart.
    #[must_use]
    pub fn pinned(&self, attribute: &str) -> Option<&Pinned> {
        self.trial.pinned.as_ref().filter(|pinned| pinned.attribute() == attribute)
    }

    /// Begins to record something that takes time.
    ///
    /// Whatever has been filled in is kept when the look is dropped half-way, marked incomplete.
    pub fn begin<E: Evidence>(&self, at: &Subject, evidence: E) -> Recording<E> {
        let id = self.log().number();
        Recording {
            cx: self.clone(),
            subject: at.clone(),
            id,
            since: self.elapsed(),
            complete: false,
            evidence: Some(Arc::new(evidence)),
        }
    }

    /// Reports trouble of the probe itself, for a look that the stage can do without.
    pub fn trouble(&self, stage: &'static str, error: &(dyn std::error::Error + 'static)) {
        // A command's last words, for one, may be a log line.
        let message = self.target().scrubber().scrub(&chain(error)).into_owned();
        tracing::debug!(stage, %message, "a look could not be made");
        let mut log = self.log();
        let trouble = ProbeError::new(stage, message);
        if !log.errors.contains(&trouble) {
            log.errors.push(trouble);
        }
    }

    /// Hands something on to a later stage of this trial: addresses, a connection, a session.
    ///
    /// One thing of a type is kept for each subject; a second takes its place.
    pub fn hand_on<T: Send + 'static>(&self, at: &Subject, thing: T) {
        let any: &dyn Any = &thing;
        let proxied = any.downcast_ref::<Destination>().is_some_and(|to| to.proxy.is_some());
        if proxied {
            self.shared.proxied.store(true, Ordering::Relaxed);
        }
        let peer = any.downcast_ref::<Dialled>().map(|dialled| dialled.peer);
        let mut handed = self.handed();
        handed.peer = peer.or(handed.peer);
        handed.proxied |= proxied;
        handed.things.retain(|(subject, thing)| !(thing.is::<T>() && subject == at));
        handed.things.push((at.clone(), Box::new(thing)));
    }

    /// Takes what an earlier stage of this trial handed on.
    #[must_use]
    pub fn take<T: Send + 'static>(&self, at: &Subject) -> Option<T> {
        let mut handed = self.handed();
        let place = handed.things.iter().position(|(subject, thing)| thing.is::<T>() && subject == at)?;
        let (_, thing) = handed.things.swap_remove(place);
        drop(handed);
        thing.downcast().ok().map(|thing| *thing)
    }

    /// Looks at what an earlier stage handed on, and leaves it.
    #[must_use]
    pub fn peek<T: Clone + Send + 'static>(&self, at: &Subject) -> Option<T> {
        self.see(at, T::clone)
    }

    /// Looks at a part of what an earlier stage handed on, and leaves it.
    ///
    /// Nothing else can be handed on or taken while `look` runs: let it be short, and not ask this context.
    pub fn see<T: Send + 'static, R>(&self, at: &Subject, look: impl FnOnce(&T) -> R) -> Option<R> {
        let handed = self.handed();
        let of_type = |(subject, thing): &'_ (Subject, Box<dyn Any + Send>)| thing.is::<T>() && subject == at;
        let (_, thing) = handed.things.iter().find(|thing| of_type(thing))?;
        thing.downcast_ref().map(look)
    }

    /// The first byte of the request has been sent.
    pub fn sent(&self) {
        self.handed().sent = true;
    }

    /// The far hop has received the request: it answered.
    pub fn arrived(&self, answer: impl Into<Cow<'static, str>>) {
        let mut handed = self.handed();
        handed.arrived = Tri::Yes;
        handed.answer = Some(answer.into());
    }

    /// The answer may be a failure, though every stage lets the request pass: a status, an expectation not met.
    ///
    /// Whether it is, the judge says; the runner asks it before it gives up the controls and the last try.
    /// For answers that are plainly good it is not called, and costs nothing.
    pub fn suspect(&self) {
        self.handed().suspect = true;
    }

    /// The answer says that this was one request too many.
    ///
    /// Where others of ours came before it, it is our own doing: the runner stops, and nobody is blamed.
    pub fn one_too_many(&self) {
        self.handed().one_too_many = true;
    }

    /// The answer sends the request elsewhere, and it may follow.
    pub fn redirect(&self, to: Target) {
        self.handed().redirect = Some(to);
    }

    /// Makes a look beside the road, at the same time.
    ///
    /// The trace waits for it, at most until its deadline; the trial does not.
    pub fn aside(&self, look: impl Future<Output = ()> + Send + 'static) {
        lock(&self.shared.asides).push(Box::pin(look));
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.shared.log)
    }

    /// Whether it met a limit that others of ours before it had used up.
    pub(crate) fn limited(&self) -> bool {
        self.trial.repeated && self.handed().one_too_many
    }

    pub(crate) fn handed(&self) -> MutexGuard<'_, Handed> {
        lock(&self.trial.handed)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("target", &self.trial.target.authority())
            .field("vantage", &self.trial.vantage)
            .field("role", &self.trial.role)
            .finish_non_exhaustive()
    }
}

/// An error with all its reasons, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        text.push_str(": ");
        text.push_str(&reason.to_string());
        source = reason.source();
    }
    text
}

//! What a context stands on: what all trials of a trace share, and what one keeps between its stages.

use std::any::Any;
use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::{
    Attribute, Budget, Endpoint, Observation, ObservationId, Path, PeerAddr, Pinned, ProbeError, Role,
    Subject, Target, Tri, Vantage,
};

/// What all trials of a trace share.
pub(crate) struct Shared {
    pub(crate) path: Arc<Path>,
    pub(crate) budget: Budget,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    pub(crate) request_id: String,
    pub(crate) traceparent: String,
    pub(crate) log: Mutex<Log>,
    /// Looks beside the road that the runner has not taken up yet.
    pub(crate) asides: Mutex<Vec<BoxFuture<'static, ()>>>,
    /// Whether a proxy stood before the target in any trial.
    pub(crate) proxied: AtomicBool,
    /// Whether there are samples enough to compare what tells them apart.
    pub(crate) compared: bool,
    /// Who is told of every observation.
    pub(crate) watch: Option<Watch>,
}

/// Who is told of every observation as it is made.
pub(crate) type Watch = Arc<dyn Fn(&Observation) + Send + Sync>;

/// What has been seen so far.
#[derive(Default)]
pub(crate) struct Log {
    next: u32,
    pub(crate) observations: Vec<Observation>,
    pub(crate) errors: Vec<ProbeError>,
}

impl Log {
    pub(super) fn number(&mut self) -> ObservationId {
        let id = ObservationId(self.next);
        self.next = self.next.saturating_add(1);
        id
    }

    /// Takes in what was observed elsewhere, under numbers of its own.
    pub(crate) fn bring(&mut self, observations: Vec<Observation>, watch: Option<&Watch>) {
        for mut observation in observations {
            observation.id = self.number();
            self.keep(observation, watch);
        }
    }

    pub(super) fn keep(&mut self, observation: Observation, watch: Option<&Watch>) {
        if let Some(watch) = watch {
            watch(&observation);
        }
        self.observations.push(observation);
    }
}

/// What one trial keeps between its stages.
pub(crate) struct TrialState {
    pub(crate) target: Target,
    pub(crate) vantage: Arc<dyn Vantage>,
    /// The number of the request in its trace.
    pub(crate) sample: u32,
    /// Where it is dialled, whatever its URL says.
    pub(crate) endpoint: Option<Endpoint>,
    /// The id of this very request, once somebody asked; the first has the trace's.
    pub(crate) request_id: OnceLock<String>,
    pub(crate) role: Role,
    pub(crate) first: bool,
    /// Whether one of its kind came before it and met no limit.
    pub(crate) repeated: bool,
    /// What it is to have, where it is to confirm something.
    pub(crate) pinned: Option<Pinned>,
    pub(crate) deadline: Instant,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) handed: Mutex<Handed>,
}

impl TrialState {
    /// A first request with nothing handed on yet; not to be counted unless said.
    pub(crate) fn new(target: Target, vantage: Arc<dyn Vantage>, sample: u32, deadline: Instant) -> Self {
        Self {
            target,
            vantage,
            sample,
            endpoint: None,
            request_id: OnceLock::new(),
            role: Role::Inner,
            first: true,
            repeated: false,
            pinned: None,
            deadline,
            connect_timeout: None,
            handed: Mutex::default(),
        }
    }

    /// When a connection begun now must be open.
    pub(super) fn connect_by(&self) -> Option<Instant> {
        self.connect_timeout.map(|timeout| Instant::now() + timeout)
    }
}

/// What stages handed on in this trial.
#[derive(Default)]
pub(crate) struct Handed {
    pub(super) things: Vec<(Subject, Box<dyn Any + Send>)>,
    pub(crate) arrived: Tri,
    pub(crate) sent: bool,
    pub(crate) answer: Option<Cow<'static, str>>,
    pub(crate) redirect: Option<Target>,
    /// The far end of the connection last handed on.
    pub(crate) peer: Option<PeerAddr>,
    /// Whether that is a proxy's.
    pub(crate) proxied: bool,
    pub(crate) suspect: bool,
    pub(crate) one_too_many: bool,
    pub(crate) attributes: Vec<Attribute>,
}

/// The lock, whoever panicked while holding it: what was recorded until then stays true.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

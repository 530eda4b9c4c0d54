//! What is to be traced, from where, how often, and for how long at most.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use crate::context::Watch;
use crate::{Entry, HopId, Micros, Observation, Path, Role, Scrubber, Target, Vantage};

/// The time a trace may take when nobody says.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// The longest that can be counted on any clock: about a year.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// So many samples are needed before failing ones are compared with good ones.
pub(crate) const COMPARABLE: u32 = 10;

/// The path of a plain URL, which most traces share.
static OF_URL: LazyLock<Arc<Path>> = LazyLock::new(|| Arc::new(Path::of_url()));

/// What is to be traced, from where, how often, and for how long at most.
pub struct Trace {
    pub(crate) target: Target,
    pub(crate) path: Arc<Path>,
    pub(crate) vantage: Arc<dyn Vantage>,
    pub(crate) samples: u32,
    pub(crate) deadline: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) request_id: Option<String>,
    pub(crate) controls: Vec<Role>,
    pub(crate) retry: bool,
    pub(crate) confirm: bool,
    pub(crate) entries: Vec<Entry>,
    pub(crate) places: Vec<(HopId, Arc<dyn Vantage>)>,
    pub(crate) watch: Option<Watch>,
    /// Behind a lock only so that a trace can be shared: it is taken out before the first await.
    pub(crate) stop: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl Trace {
    /// One fresh request for this target, seen from this vantage.
    #[must_use]
    pub fn new(target: Target, vantage: Arc<dyn Vantage>) -> Self {
        Self {
            target,
            path: Arc::clone(&OF_URL),
            vantage,
            samples: 1,
            deadline: None,
            connect_timeout: None,
            request_id: None,
            controls: Vec::new(),
            retry: true,
            confirm: true,
            entries: Vec::new(),
            places: Vec::new(),
            watch: None,
            stop: Mutex::new(None),
        }
    }

    /// The path it is meant to take; `client` and `server` unless said.
    #[must_use]
    pub fn path(mut self, path: Path) -> Self {
        self.path = Arc::new(path);
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

    /// The time a connection may take, all its steps together: look-up, opening, a proxy's tunnel, handshake.
    ///
    /// It takes the place of the stages' own limits. Each connection has it anew; the control with more time
    /// is not bound by it.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout.min(LONGEST));
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

    /// Leaves out the further round that confirms what tells failing samples from good ones.
    #[must_use]
    pub fn without_confirmation(mut self) -> Self {
        self.confirm = false;
        self
    }

    /// Requests that enter the road further in, made at the same time as those at the front.
    #[must_use]
    pub fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Where a hop is looked at from, when stages [visit](crate::Stage::visit) it.
    #[must_use]
    pub fn vantage_of(mut self, hop: impl Into<HopId>, vantage: Arc<dyn Vantage>) -> Self {
        self.places.push((hop.into(), vantage));
        self
    }

    /// The same trace, in which every request knows the secrets of all others: what one hop sends,
    /// an application may repeat in an answer that another one passes on, and any log may hold it.
    pub(crate) fn with_secrets_known(mut self) -> Self {
        let mut secrets = Scrubber::default();
        for sends in self.path.hops.iter().filter_map(|hop| hop.sends.as_ref()) {
            sends.add_secrets(&mut secrets);
        }
        for entry in &self.entries {
            secrets.add_all(&entry.target.scrubber());
        }
        // Of one request alone the target knows by itself.
        if secrets.is_empty() {
            return self;
        }
        secrets.add_all(&self.target.scrubber());
        let secrets = Arc::new(secrets);
        self.target = self.target.knowing(&secrets);
        for entry in &mut self.entries {
            entry.target = entry.target.knowing(&secrets);
        }
        self
    }

    /// Tells of every observation as it is made: for showing how far a long trace has come.
    ///
    /// Called while the trace holds its log: it must be quick, and must not wait.
    #[must_use]
    pub fn watch(mut self, told: impl Fn(&Observation) + Send + Sync + 'static) -> Self {
        self.watch = Some(Arc::new(told));
        self
    }

    /// Ends the trace early when this future does; the report holds what was seen until then.
    #[must_use]
    pub fn stop_when(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Mutex::new(Some(Box::pin(stop)));
        self
    }

    pub(crate) fn time(&self) -> Duration {
        let max_time = self.target.max_time().map(Micros::duration);
        self.deadline.or(max_time).unwrap_or(DEFAULT_DEADLINE).min(LONGEST)
    }

    /// How many trials there can be at the front, each of which may follow redirects.
    pub(crate) fn trials(&self) -> u32 {
        if !self.target.is_safe() {
            return 1;
        }
        let again = u32::from(self.retry) + u32::try_from(self.controls.len()).unwrap_or(u32::MAX);
        self.samples.saturating_add(again).saturating_add(self.confirming())
    }

    /// Whether there are samples enough to compare failing ones with good ones.
    pub(crate) fn compared(&self) -> bool {
        self.target.is_safe() && self.samples >= COMPARABLE
    }

    /// How many requests may confirm what tells failing samples from good ones.
    pub(crate) fn confirming(&self) -> u32 {
        if self.confirm && self.compared() { self.samples } else { 0 }
    }

    /// How many requests an entry makes.
    pub(crate) fn samples_of(&self, entry: &Entry) -> u32 {
        if !self.target.is_safe() { 1 } else { entry.samples.unwrap_or(self.samples) }
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

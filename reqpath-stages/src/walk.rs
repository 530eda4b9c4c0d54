//! The walk along a whole path: which requests are made where, and what is visited.

mod distant;
mod entries;
mod error;
mod plan;
mod sent;

use std::borrow::Cow;
use std::sync::Arc;

use reqpath_core::{Entry, HopId, HopKind, Path, Pipeline, Target, Trace, Vantage, most_like};

use self::distant::Distant;
use crate::Road;
use crate::tls::Trust;

pub use self::error::WalkError;
pub use self::plan::{Inner, Reads, Short};

/// The walk along a whole path: the request at the front, the same request entered at every hop further in,
/// and the hops that are visited, all from the vantages that there are.
///
/// The path is written down in a [path file](crate::path), or built in code.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use reqpath_core::{Hop, HopKind, Path, Sends, Target};
/// use reqpath_stages::{Walk, local::{LocalVantage, NetnsVantage}};
///
/// let mut sends = Sends::default();
/// sends.host = Some("shop.internal".to_owned());
/// let path = Path::new(vec![
///     Hop::new("client", HopKind::Client),
///     Hop::new("edge", HopKind::Nginx).seen_from("edge"),
///     Hop::new("shop", HopKind::Pod).at("10.0.0.7:8080".parse()?).sent(sends),
/// ]);
/// let target = Target::get("https://shop.example/cart")?;
/// let walk = Walk::new(target, path, Arc::new(LocalVantage::new()))
///     .vantage(Arc::new(NetnsVantage::open("/run/netns/edge")?));
/// for inner in walk.entries()? {
///     println!("{} → {} at {}", inner.from, inner.to, inner.at);
/// }
/// let (pipeline, trace) = walk.ready()?;
/// println!("{:?}", pipeline.trace(trace.samples(3)).await.verdict);
/// # Ok(())
/// # }
/// ```
///
/// # The rules
///
/// - Each hop behind the first two is entered at each of its addresses, and so is each branch: from the hop
///   before where that has a vantage, else from the nearest further out, else from the client.
/// - What is sent there is what the hop before [sends](reqpath_core::Sends); behind a hop that only
///   [passes packets on](HopKind::passes_packets), what the one before that sends. Where it is not known,
///   the entry ends before HTTP, and so it does with methods that may change something.
/// - Credentials go only to hops marked for them: secret headers, user and password of the URL, the client's
///   certificate. Where the path and query hold a secret, or there is a body, entries without credentials end
///   before HTTP.
/// - What a place [far away](Self::far) cannot do is said, and nothing is claimed of that leg.
/// - The client's own settings end at the front: neither its proxy environment nor `--resolve` applies further
///   in, and a certificate is believed as the hop before believes it.
#[derive(Debug)]
pub struct Walk {
    target: Target,
    path: Path,
    own: Arc<dyn Vantage>,
    vantages: Vec<Arc<dyn Vantage>>,
    distant: Vec<Distant>,
    trust: Vec<(HopId, Trust)>,
    road: Road,
    front_only: bool,
}

/// A hop, and a place it is looked at from.
type Visited = (HopId, Arc<dyn Vantage>);

impl Walk {
    /// A walk of this request along this path; the client looks from `own`, unless its hop names a vantage.
    #[must_use]
    pub fn new(target: Target, path: Path, own: Arc<dyn Vantage>) -> Self {
        Self {
            target,
            path,
            own,
            vantages: Vec::new(),
            distant: Vec::new(),
            trust: Vec::new(),
            road: Road::new(),
            front_only: false,
        }
    }

    /// One more place to look from; hops name it as it names itself.
    #[must_use]
    pub fn vantage(mut self, vantage: Arc<dyn Vantage>) -> Self {
        self.vantages.push(vantage);
        self
    }

    /// One more place to look from that is too far away to look from here; hops name it as it names itself.
    ///
    /// Requests that enter behind such a hop are made there, whole, and what comes back is evidence.
    /// Nothing is read there: a source needs a vantage of its own.
    /// What the program there cannot be told is said, and nothing is claimed of that leg: to end before HTTP, to
    /// speak to a database, to send credentials, and whom to believe besides the authorities of its own system.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use reqpath_core::{Hop, HopKind, Path, Sends, Target};
    /// use reqpath_stages::Walk;
    /// use reqpath_stages::local::{FarCommand, LocalVantage};
    ///
    /// let path = Path::new(vec![
    ///     Hop::new("client", HopKind::Client),
    ///     Hop::new("edge", HopKind::Nginx).seen_from("edge"),
    ///     Hop::new("shop", HopKind::Pod).at("10.0.0.7:8080".parse()?).sent(Sends::default()),
    /// ]);
    /// let walk = Walk::new(Target::get("http://shop.example/")?, path, Arc::new(LocalVantage::new()))
    ///     .far(FarCommand::new("edge", ["ssh", "edge.internal", "reqpath"]));
    /// assert_eq!(walk.entries()?[0].vantage.as_deref(), Some("edge"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "local")]
    #[must_use]
    pub fn far(mut self, place: crate::local::FarCommand) -> Self {
        self.distant.push(Distant::of(place));
        self
    }

    /// The stages' options, as the client has them.
    #[must_use]
    pub fn road(mut self, road: Road) -> Self {
        self.road = road;
        self
    }

    /// Whom the hop before believes about this hop's certificate; the authorities of the system unless said.
    ///
    /// It counts where that hop verifies at all.
    #[must_use]
    pub fn believed(mut self, hop: impl Into<HopId>, whom: Trust) -> Self {
        self.trust.push((hop.into(), whom));
        self
    }

    /// Leaves out the entries further in and the visits: only the client's own requests.
    #[must_use]
    pub fn front_only(mut self) -> Self {
        self.front_only = true;
        self
    }

    /// The path that is walked.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The place the client looks from.
    ///
    /// # Errors
    ///
    /// When its hop names a vantage that is not there.
    pub fn front(&self) -> Result<&Arc<dyn Vantage>, WalkError> {
        let client = self.path.hops.first();
        Ok(client.map(|client| self.place_of(client)).transpose()?.flatten().unwrap_or(&self.own))
    }

    /// What enters further in, in the order of the road.
    ///
    /// # Errors
    ///
    /// When the path cannot be walked: the hop at fault, and what to do.
    pub fn entries(&self) -> Result<Vec<Inner>, WalkError> {
        self.check()?;
        if self.front_only { Ok(Vec::new()) } else { self.inner() }
    }

    /// What is read at the hops, in the order of the path.
    ///
    /// # Errors
    ///
    /// When the path cannot be walked: the hop at fault, and what to do.
    pub fn reads(&self) -> Result<Vec<Reads>, WalkError> {
        self.check()?;
        if self.front_only { Ok(Vec::new()) } else { Ok(plan::reads(&self.path)) }
    }

    /// The pipeline, and the trace with its entries and visits: to be given samples and time, and run.
    ///
    /// # Errors
    ///
    /// When the path cannot be walked, or the options do not work together.
    pub fn ready(self) -> Result<(Pipeline, Trace), WalkError> {
        let entries = self.entries()?;
        let mut road = self.road.clone();
        road.whole = true;
        let pipeline = road.pipeline()?;
        let front = Arc::clone(self.front()?);
        let mut trace = Trace::new(self.target.clone(), Arc::clone(&front));
        let mut roads = entries::Roads::new(&self.road, &self.trust);
        for inner in entries {
            if let Some(far) = self.far_of(&inner) {
                let entry = Entry::from_far(inner.from, inner.to, inner.target, far).at(inner.at);
                trace = trace.entry(if inner.short.is_some() { entry.until("tls") } else { entry });
                continue;
            }
            let vantage = match self.vantage_named(&inner) {
                Some(vantage) => Arc::clone(vantage),
                None => Arc::clone(&front),
            };
            let stages = roads.of(&inner)?;
            let mut entry = Entry::new(inner.from, inner.to, inner.target, vantage).at(inner.at).over(stages);
            // A database has stages of its own; what else falls short ends where HTTP would begin.
            if !matches!(inner.short, None | Some(Short::Database)) {
                entry = entry.until("tls");
            }
            trace = trace.entry(entry);
        }
        if !self.front_only {
            for (hop, vantage) in self.places()? {
                trace = trace.vantage_of(hop, vantage);
            }
        }
        Ok((pipeline, trace.path(self.path)))
    }

    /// Whether the path can be walked with these vantages.
    fn check(&self) -> Result<(), WalkError> {
        self.path.sound()?;
        for hop in &self.path.hops {
            self.place_of(hop)?;
            if hop.kind == HopKind::Client {
                self.near(hop, hop.vantage.as_deref(), "the client's own requests are made")?;
            }
            for source in &hop.sources {
                self.known(&hop.id, source.vantage.as_deref())?;
                let from = source.vantage.as_deref().or(hop.vantage.as_deref());
                self.near(hop, from, "its sources are read")?;
            }
        }
        Ok(())
    }

    /// That this place is not far away.
    fn near(&self, hop: &reqpath_core::Hop, name: Option<&str>, what: &'static str) -> Result<(), WalkError> {
        match name.filter(|name| self.distant(name).is_some()) {
            Some(name) => Err(WalkError::TooFar { hop: hop.id.clone(), vantage: name.to_owned(), what }),
            None => Ok(()),
        }
    }

    /// The hops to visit, and from where: once from each place that one of its sources is read from.
    fn places(&self) -> Result<Vec<Visited>, WalkError> {
        let mut places = Vec::new();
        for hop in &self.path.hops {
            let mut names: Vec<&str> = hop.vantage.as_deref().into_iter().collect();
            for name in hop.sources.iter().filter_map(|source| source.vantage.as_deref()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            // A client has nothing to visit that is not seen along with its requests.
            for name in names.into_iter().filter(|_| hop.kind != HopKind::Client) {
                if let Some(vantage) = self.known(&hop.id, Some(name))? {
                    places.push((hop.id.clone(), Arc::clone(vantage)));
                }
            }
        }
        Ok(places)
    }

    fn place_of(&self, hop: &reqpath_core::Hop) -> Result<Option<&Arc<dyn Vantage>>, WalkError> {
        self.known(&hop.id, hop.vantage.as_deref())
    }

    /// The vantage of this name, where one is named that is not far away.
    fn known(&self, hop: &HopId, name: Option<&str>) -> Result<Option<&Arc<dyn Vantage>>, WalkError> {
        let Some(name) = name else { return Ok(None) };
        if let Some(vantage) = self.named(name) {
            return Ok(Some(vantage));
        }
        if self.distant(name).is_some() {
            return Ok(None);
        }
        let distant = self.distant.iter().map(|place| place.verifying.name());
        let near = self.all().map(|vantage| vantage.name());
        let names: Vec<String> = near.chain(distant).map(Cow::into_owned).collect();
        let like = most_like(name, names.iter().map(String::as_str)).map(str::to_owned);
        Err(WalkError::NoSuchVantage { hop: hop.clone(), vantage: name.to_owned(), like })
    }

    fn vantage_named(&self, inner: &Inner) -> Option<&Arc<dyn Vantage>> {
        self.named(inner.vantage.as_deref()?)
    }

    fn named(&self, name: &str) -> Option<&Arc<dyn Vantage>> {
        self.all().find(|vantage| vantage.name() == name)
    }

    /// Those given come before the client's own, should they bear one name.
    fn all(&self) -> impl Iterator<Item = &Arc<dyn Vantage>> {
        self.vantages.iter().chain([&self.own])
    }
}

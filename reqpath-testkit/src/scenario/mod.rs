//! A broken road in one file: who takes part, what is broken, and the verdict that must come of it.
//!
//! A [`Scenario`] is a TOML file. The same file is played on fakes, in memory, and on a
//! lab of network namespaces with real kernels, nginx, Knot and Unbound; both must come to the verdict
//! that the file expects, and to the same one.
//!
//! ```toml
//! summary = "Nothing listens on the server's port"
//!
//! [topology]
//! zone = [{ origin = "shop.test", names = { www = ["web"] } }]
//! server = [{ name = "web" }]
//!
//! [[fault]]
//! tcp = "refuse"
//!
//! [trace]
//! url = "http://www.shop.test/"
//!
//! [expected]
//! kind = "died"
//! code = "tcp.refused"
//! at = "server"
//! not_blamed = ["tcp.timed_out"]
//! ```
//!
//! This room is behind the feature `scenarios`, for it needs all stages:
//! `reqpath-testkit = { …, features = ["scenarios"] }` among the `dev-dependencies`.
//!
//! A test of every file of a directory is [`scenarios!`](crate::scenarios). By hand:
//!
//! ```
//! use reqpath_testkit::scenario::Scenario;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_refused.toml");
//! let ran = Scenario::load(file)?.run_on_fakes().await?;
//! assert_eq!(ran.observed[0].seen, "192.0.2.10:80: connection refused");
//! # Ok(())
//! # }
//! ```
//!
//! # A fault counts only when it was seen
//!
//! Before the trace a plain look from the client's place must see each fault: a handshake that is refused,
//! a DNS answer, the certificate that webpki refuses, the bytes of an HTTP answer. It uses no stage and
//! reads no evidence. During the trace the place of the fault must be come to, by the counters of the
//! router's nftables rules or the record of the fake (`met = false` says that it must not). Otherwise the
//! scenario fails with "the fault was not there", whatever the verdict.
//!
//! # The file
//!
//! | key | means |
//! |---|---|
//! | `summary` | what is the matter, for people |
//! | `fakes`, `lab`, `reason` | `false` where it cannot be played, and why |
//! | `requires` | stages that the expected cause needs: `nginx`, `apisix`, `k8s`, `node`, `db`. While the pipeline lacks one, the verdict must be `expected.without`, or `unknown` with what would tell |
//! | `topology.client` | `resolv_conf` (lines besides the nameserver's), `hosts` (names to a server or an address) |
//! | `[[topology.zone]]` | `origin`, `names` (each to servers or addresses), `aliases` |
//! | `[[topology.server]]` | `name`, `role` (`web`, or `bare`: it is up and serves nothing), `addresses` (of 192.0.2.0/24 and 2001:db8:2::/64), `port`, `certificate` (`by-root`, `by-intermediate`; none: plain HTTP) |
//! | `[[fault]]` | one of `dns`, `tcp`, `tls`, `http`, `slow` (see below); `server`, or the one the URL leads to; `name` for `dns`; `family` for `tcp`; `every` nth only; `status` for `http = "status"`; `met` |
//! | `trace` | `url` (`{web}` stands for the server's address), `method`, `samples`, `max_time`, `deadline`, `connect_timeout`, `expect_status`, `max_redirects`, `road_only`, `knows_intermediate` |
//! | `expected` | `kind`, `code`, `at` (the hop), `answer`, `chain` (symptom first), `also` (none unless given), `warnings` (these and no others), `not_blamed` (neither as a death nor as a warning), `without` |
//!
//! | fault | on fakes | on the lab |
//! |---|---|---|
//! | `dns`: `nxdomain`, `no-data`, `dangling-cname` | zones of the fake nameserver | zones of Knot |
//! | `dns`: `servfail`, `bogus`, `refused` | the fake nameserver | Unbound, whose authority has other zones only; that checks broken signatures; that refuses everybody |
//! | `dns`: `drop`, `closed`, `truncate` | the fake nameserver | nftables; nobody at the port; Knot with too many addresses, and nftables |
//! | `dns`: `garbage` | the fake nameserver | the fake nameserver: no real one does this |
//! | `tcp`: `refuse`, `drop`, `reject-prohibited`, `reject-port`, `unreachable` | the dial's outcome | nobody listens; nftables in the router |
//! | `tcp`: `no-route`, `accept-queue-full` | the dial's outcome | a dead route in the client; a listener that accepts nothing |
//! | `tcp`: `close`, `reset` | a mock | a mock: it is what a broken load balancer does, and no real server |
//! | `tls`: `expired`, `not-yet-valid`, `wrong-name`, `self-signed`, `unknown-authority`, `missing-intermediate`, `expired-intermediate`, `client-certificate`, `plaintext` | a mock | nginx |
//! | `tls`: `silent` | a mock | a mock |
//! | `http`: `status`, `empty`, `reset`, `redirect-loop` | a mock | nginx |
//! | `http`: `silent`, `truncate`, `stall`, `garbage`; `slow = "1s"`; `every` | a mock | a mock |
//!
//! The client stands behind a router, with the nameserver and the servers on the network beyond.
//! Addresses and ports are the same in both places.

mod certificates;
mod converse;
mod error;
mod expected;
mod fakes;
mod fault;
mod file;
mod follow;
#[cfg(target_os = "linux")]
mod lab;
mod load;
mod mocks;
mod names;
mod position;
mod query;
mod request;
mod requires;
mod shake;
mod suite;
mod topology;
mod witness;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqpath_core::Pipeline;
use reqpath_stages::Road;

pub use self::error::{Mistake, Place, RunError, ScenarioError};
pub use self::expected::Difference;
pub use self::follow::{Observed, Ran};
pub use self::requires::Needed;
pub use self::suite::{check, check_list, files};

use self::certificates::Certificates;
use self::fakes::{FakeEyes, Fakes};
use self::follow::Stand;

/// Builds the pipeline that a scenario is traced with, from the road the scenario describes.
type Build = dyn Fn(Road) -> Result<Pipeline, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

/// A scenario, read from its file.
///
/// ```
/// use reqpath_testkit::scenario::{Place, Scenario};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_refused.toml");
/// let scenario = Scenario::load(file)?;
/// assert_eq!(scenario.name(), "tcp_refused");
/// assert_eq!(scenario.summary(), "Nothing listens on the server's port");
/// scenario.run_at(Place::Fakes).await?;
/// # Ok(())
/// # }
/// ```
///
/// On fakes and on the lab, one must come to what the other came to:
///
/// ```
/// use reqpath_testkit::scenario::Scenario;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_refused.toml");
/// let scenario = Scenario::load(file)?;
/// let on_fakes = scenario.run_on_fakes().await?;
/// match scenario.run_on_lab().await {
///     Ok(on_lab) => scenario.agree(&on_fakes, &on_lab)?,
///     Err(error) if error.is_missing() => println!("SKIPPED: {}", error.told()),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Scenario {
    script: Arc<Script>,
    build: Arc<Build>,
}

/// What a scenario's file means.
#[derive(Debug)]
struct Script {
    name: String,
    file: PathBuf,
    text: String,
    summary: String,
    on_fakes: bool,
    on_lab: bool,
    why_not: String,
    requires: Vec<Needed>,
    topology: topology::Topology,
    faults: Vec<fault::Fault>,
    request: request::Request,
    expected: expected::ExpectedText,
}

impl Scenario {
    /// Reads a scenario from its file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or says something that cannot be: with line, field and suggestion.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, ScenarioError> {
        let file = file.as_ref();
        let text = std::fs::read_to_string(file)
            .map_err(|source| ScenarioError::Unreadable { file: file.to_owned(), source })?;
        Self::parse(file, &text)
    }

    /// Reads a scenario from text; the file is what errors call it, and its stem is the scenario's name.
    ///
    /// ```
    /// use reqpath_testkit::scenario::Scenario;
    ///
    /// let wrong = Scenario::parse("x.toml", "summary = 'x'\nrequires = ['ngnix']\n").unwrap_err();
    /// assert!(wrong.to_string().starts_with("x.toml:2: requires: unknown variant `ngnix`"));
    /// assert!(wrong.to_string().ends_with("did you mean `nginx`?"));
    /// ```
    ///
    /// # Errors
    ///
    /// When it says something that cannot be: with line, field and suggestion.
    pub fn parse(file: impl AsRef<Path>, text: &str) -> Result<Self, ScenarioError> {
        let script = load::read(file.as_ref(), text)?;
        Ok(Self { script: Arc::new(script), build: Arc::new(|road| Ok(road.pipeline()?)) })
    }

    /// Traces with another pipeline than the usual road's: one with more stages, for those who have them.
    ///
    /// ```
    /// use reqpath_testkit::scenario::Scenario;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_refused.toml");
    /// let scenario = Scenario::load(file)?.pipeline(|mut road| {
    ///     road.tcp.family = Some(4);
    ///     Ok(road.pipeline()?)
    /// });
    /// # drop(scenario);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pipeline<F>(mut self, build: F) -> Self
    where
        F: Fn(Road) -> Result<Pipeline, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    {
        self.build = Arc::new(build);
        self
    }

    /// Its name: that of its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.script.name
    }

    /// What is the matter, for people.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.script.summary
    }

    /// Plays it on fakes.
    ///
    /// # Errors
    ///
    /// When it cannot be played there, a fault was not there, or the verdict is not as expected.
    pub async fn run_on_fakes(&self) -> Result<Ran, RunError> {
        let script = &*self.script;
        if !script.on_fakes {
            return Err(self.not_played(Place::Fakes, &script.why_not));
        }
        let certificates = self.certificates(Place::Fakes)?;
        let pipeline = self.built(&certificates)?;
        let fakes = Fakes::start(script, &certificates)?;
        let eyes = FakeEyes(fakes.vantage.clone());
        let stand = Stand {
            place: Place::Fakes,
            eyes: &eyes,
            meter: &eyes,
            vantage: fakes.vantage.clone(),
            certificates: &certificates,
            pipeline: &pipeline,
        };
        stand.follow(script).await
    }

    /// Plays it on the lab: in a thread of the client's host, with the stages looking from there.
    ///
    /// # Errors
    ///
    /// When it cannot be played there ([`RunError::is_missing`] where the machine lacks something),
    /// a fault was not there, or the verdict is not as expected.
    #[cfg(target_os = "linux")]
    pub async fn run_on_lab(&self) -> Result<Ran, RunError> {
        if !self.script.on_lab {
            return Err(self.not_played(Place::Lab, &self.script.why_not));
        }
        let (say, heard) = tokio::sync::oneshot::channel();
        let scenario = self.clone();
        // A lab is built and entered by blocking calls, which a runtime's own threads are not for.
        std::thread::spawn(move || {
            // Nobody listens any more when the run was given up.
            drop(say.send(scenario.play_in_lab()));
        });
        heard.await.unwrap_or_else(|_| Err(self.not_played(Place::Lab, "the thread that played it panicked")))
    }

    /// Plays it on the lab, which only Linux has.
    ///
    /// # Errors
    ///
    /// Always, here.
    #[cfg(not(target_os = "linux"))]
    pub async fn run_on_lab(&self) -> Result<Ran, RunError> {
        Err(self.not_played(Place::Lab, "labs are made of Linux network namespaces"))
    }

    /// Plays it at one place.
    ///
    /// # Errors
    ///
    /// As [`run_on_fakes`](Self::run_on_fakes) and [`run_on_lab`](Self::run_on_lab).
    pub async fn run_at(&self, place: Place) -> Result<Ran, RunError> {
        match place {
            Place::Fakes => self.run_on_fakes().await,
            Place::Lab => self.run_on_lab().await,
        }
    }

    /// Whether both places came to the same verdict: kind, code, place, answer, chain.
    ///
    /// # Errors
    ///
    /// When they did not, with both reports.
    pub fn agree(&self, on_fakes: &Ran, on_lab: &Ran) -> Result<(), RunError> {
        let differences = expected::disagreements(&on_fakes.report, &on_lab.report);
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunError::Disagreement {
            scenario: self.name().to_owned(),
            differences,
            on_fakes: crate::assertions::text(&on_fakes.report),
            on_lab: crate::assertions::text(&on_lab.report),
        })
    }

    #[cfg(target_os = "linux")]
    fn play_in_lab(&self) -> Result<Ran, RunError> {
        let script = &*self.script;
        let certificates = self.certificates(Place::Lab)?;
        let pipeline = self.built(&certificates)?;
        let roads = lab::Roads::build(script, &certificates)?;
        let client = &roads.lab["client"];
        let stand = Stand {
            place: Place::Lab,
            eyes: &lab::Sockets,
            meter: &roads,
            vantage: client.vantage(),
            certificates: &certificates,
            pipeline: &pipeline,
        };
        client.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|source| RunError::Setup {
                place: Place::Lab,
                doing: "start a runtime".to_owned(),
                source: Box::new(source),
            })?;
            let ran = runtime.block_on(stand.follow(script));
            // A look-up that still hangs in the system resolver is not waited for.
            runtime.shutdown_background();
            ran
        })?
    }

    fn certificates(&self, place: Place) -> Result<Certificates, RunError> {
        Certificates::issue(&self.script).map_err(|error| RunError::Setup {
            place,
            doing: "issue the certificates".to_owned(),
            source: Box::new(error),
        })
    }

    fn built(&self, certificates: &Certificates) -> Result<Pipeline, RunError> {
        (self.build)(self.script.request.road(certificates)).map_err(RunError::Pipeline)
    }

    fn not_played(&self, place: Place, why: &str) -> RunError {
        RunError::NotPlayed { scenario: self.name().to_owned(), place, why: why.to_owned() }
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("script", &self.script).finish_non_exhaustive()
    }
}

impl Script {
    /// Where a fault is met.
    fn sockets_of(&self, fault: &fault::Fault) -> Vec<SocketAddr> {
        match fault.what {
            fault::What::Dns(_) => vec![topology::DNS],
            _ => {
                let sockets = self.topology.servers[fault.server].sockets();
                sockets.filter(|to| fault.befalls(to.ip())).collect()
            }
        }
    }
}

//! The server itself: building, starting, asking, checking.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use super::fault::Fault;
use super::offline::OfflineDns;
use super::on::On;
use super::record::{QuerySeen, Record};
use super::serve::{Rule, Script, serve};
use super::sockets;
use super::zone::{Zone, ZoneError};
use crate::background::Background;

/// A DNS server on a free loopback port, UDP and TCP, running until dropped.
///
/// Dropped with an expectation unmet it panics, unless the thread is panicking already;
/// [`FakeDns::verify`] gives the same verdict as a value.
///
/// ```
/// use reqpath_testkit::dns::{FakeDns, Zone};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dns = FakeDns::start(Zone::new("example.test").a("www", [192, 0, 2, 1]))?;
/// dns.replace_zones([Zone::new("example.test").a("www", [192, 0, 2, 99])])?;      // the address moves
/// # Ok(())
/// # }
/// ```
///
/// What it was asked is kept, noise apart from queries:
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::dns::{FakeDns, Zone};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dns = FakeDns::builder().zone(Zone::new("test").a("www", [192, 0, 2, 1])).expect(1).start()?;
/// let client = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"noise", dns.address())?;
/// client.send_to(b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03www\x04test\0\0\x01\0\x01", dns.address())?;
///
/// assert!(dns.wait_until(Duration::from_secs(20), |queries| !queries.is_empty()));
/// assert_eq!(dns.queries_for("WWW.test").len(), 1);
/// assert_eq!((dns.query_count(), dns.malformed_count()), (1, 1));
/// dns.verify()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FakeDns {
    address: SocketAddr,
    expected: Option<u64>,
    script: Arc<Script>,
    background: Background,
    verified: AtomicBool,
}

impl FakeDns {
    /// Answers from one zone.
    pub fn start(zone: Zone) -> Result<Self, StartError> {
        Self::builder().zone(zone).start()
    }

    /// A server to be scripted: without zones, it refuses everything.
    pub fn builder() -> Builder {
        Builder {
            bind: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
            zones: Vec::new(),
            faults: Vec::new(),
            tcp: true,
            authoritative: false,
            expected: None,
        }
    }

    /// Where it listens, on UDP and TCP alike.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The queries received so far, in order.
    pub fn queries(&self) -> Vec<QuerySeen> {
        self.script.record.seen().queries.clone()
    }

    /// The queries for one name received so far, in order; the last dot and the case do not matter.
    pub fn queries_for(&self, name: &str) -> Vec<QuerySeen> {
        let wanted = name.trim_end_matches('.');
        let mut queries = self.queries();
        queries.retain(|query| query.name.trim_end_matches('.').eq_ignore_ascii_case(wanted));
        queries
    }

    /// How many queries were received so far.
    pub fn query_count(&self) -> u64 {
        self.script.record.seen().query_count
    }

    /// How many messages were received that are no queries.
    pub fn malformed_count(&self) -> u64 {
        self.script.record.seen().malformed_count
    }

    /// Blocks until `enough` holds of the queries; `false` when it does not within the time.
    ///
    /// Never a sleep: it wakes at each query. `enough` must not ask the server itself, which waits for it.
    pub fn wait_until(&self, within: Duration, enough: impl FnMut(&[QuerySeen]) -> bool) -> bool {
        self.script.record.wait_until(within, enough)
    }

    /// Answers from these zones from now on.
    pub fn replace_zones(&self, zones: impl IntoIterator<Item = Zone>) -> Result<(), ZoneError> {
        let zones = zones.into_iter().map(|zone| zone.load()).collect::<Result<_, _>>()?;
        *self.script.zones.write().unwrap_or_else(PoisonError::into_inner) = zones;
        Ok(())
    }

    /// Checks the expectation now; the drop then checks no more.
    pub fn verify(&self) -> Result<(), Unmet> {
        self.verified.store(true, Ordering::Relaxed);
        let seen = self.script.record.seen();
        match self.expected {
            Some(expected) if expected != seen.query_count => Err(Unmet {
                address: self.address,
                expected,
                received: seen.query_count,
                queries: seen.queries.clone(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Drop for FakeDns {
    #[allow(clippy::panic, reason = "an unmet expectation must fail the test that forgot to ask")]
    fn drop(&mut self) {
        self.background.stop();
        if self.verified.load(Ordering::Relaxed) || thread::panicking() {
            return;
        }
        if let Err(unmet) = self.verify() {
            panic!("{unmet}");
        }
    }
}

/// A [`FakeDns`] about to be started.
///
/// ```
/// use reqpath_testkit::dns::{FakeDns, Zone};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let zone = Zone::new("example.test").a("www", [192, 0, 2, 1]);
/// let authority = FakeDns::builder().zone(zone.clone()).authoritative().without_tcp().start()?;
/// assert!(std::net::TcpStream::connect(authority.address()).is_err());
///
/// // The second nameserver of a resolv.conf, which should never be needed.
/// let spare = FakeDns::builder().bind([127, 0, 0, 1]).zone(zone.clone()).never_asked().start()?;
/// spare.verify()?;
///
/// // A nameserver that comes back where it was.
/// let at = authority.address();
/// drop(authority);
/// let back = FakeDns::builder().bind_exactly(at).zone(zone).start()?;
/// assert_eq!(back.address(), at);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing listens until `start`"]
pub struct Builder {
    bind: SocketAddr,
    zones: Vec<Zone>,
    faults: Vec<(On, Fault)>,
    tcp: bool,
    authoritative: bool,
    expected: Option<u64>,
}

impl Builder {
    /// Listens at this address (on Linux all of 127.0.0.0/8 is loopback), on a free port.
    pub fn bind(mut self, address: impl Into<IpAddr>) -> Self {
        self.bind = SocketAddr::new(address.into(), 0);
        self
    }

    /// Listens at this very address and port: 53 for programs that know no other, as when a server comes back.
    pub fn bind_exactly(mut self, address: SocketAddr) -> Self {
        self.bind = address;
        self
    }

    /// Adds a zone; of several that hold a name the longest answers.
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zones.push(zone);
        self
    }

    /// Adds a fault; of several whose condition holds the first is done.
    pub fn fault(mut self, on: On, fault: Fault) -> Self {
        self.faults.push((on, fault));
        self
    }

    /// Refuses TCP connections on its port.
    pub fn without_tcp(mut self) -> Self {
        self.tcp = false;
        self
    }

    /// Answers as an authority does: AA, no RA.
    pub fn authoritative(mut self) -> Self {
        self.authoritative = true;
        self
    }

    /// Expects so many queries.
    pub fn expect(mut self, queries: u64) -> Self {
        self.expected = Some(queries);
        self
    }

    /// Expects no query at all.
    pub fn never_asked(self) -> Self {
        self.expect(0)
    }

    /// The same answers without a socket, for a [`FakeVantage`](crate::FakeVantage).
    ///
    /// Address and expectation do not apply there.
    ///
    /// # Errors
    ///
    /// When a zone or a condition cannot be understood.
    pub fn offline(self) -> Result<OfflineDns, ZoneError> {
        Ok(OfflineDns::new(self.script()?))
    }

    fn script(&self) -> Result<Script, ZoneError> {
        let zones = self.zones.iter().map(Zone::load).collect::<Result<Vec<_>, _>>()?;
        let rules = self.faults.iter().map(|(on, fault)| {
            Ok(Rule { condition: on.clone().load()?, other_zone: fault.other_zone()?, fault: fault.clone() })
        });
        Ok(Script {
            zones: RwLock::new(zones),
            rules: rules.collect::<Result<_, ZoneError>>()?,
            authoritative: self.authoritative,
            record: Arc::new(Record::new()),
        })
    }

    /// Listens; the server answers when this returns.
    pub fn start(self) -> Result<FakeDns, StartError> {
        let script = Arc::new(self.script()?);
        let sockets = sockets::bind(self.bind.ip(), self.bind.port(), self.tcp)
            .map_err(|source| StartError::Bind { address: self.bind, source })?;
        let address = sockets.address;
        let served = script.clone();
        let background =
            Background::start("reqpath-dns", move || serve(sockets, served)).map_err(StartError::Thread)?;
        Ok(FakeDns { address, expected: self.expected, script, background, verified: AtomicBool::new(false) })
    }
}

/// A server could not be started.
///
/// ```
/// use reqpath_testkit::dns::{FakeDns, StartError, Zone};
///
/// let first = FakeDns::start(Zone::new("test"))?;
/// let second = FakeDns::builder().bind_exactly(first.address()).start();
/// assert!(matches!(second, Err(StartError::Bind { address, .. }) if address == first.address()));
/// # Ok::<(), StartError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address could not be listened at.
    #[error("cannot listen at {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No thread or runtime could be made.
    #[error("cannot start the thread of a DNS server")]
    Thread(#[source] io::Error),
    /// A zone or a condition cannot be understood.
    #[error("the DNS script cannot be served")]
    Zone(#[from] ZoneError),
}

/// An expectation of a server that was not met; its text lists what was asked.
///
/// ```
/// use reqpath_testkit::dns::{FakeDns, Zone};
///
/// let dns = FakeDns::builder().zone(Zone::new("test")).expect(2).start()?;
/// let unmet = dns.verify().unwrap_err().to_string();
/// assert!(unmet.ends_with("expected 2 queries, received 0"), "{unmet}");
/// # Ok::<(), reqpath_testkit::dns::StartError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Unmet {
    address: SocketAddr,
    expected: u64,
    received: u64,
    queries: Vec<QuerySeen>,
}

impl std::error::Error for Unmet {}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, expected, received, queries } = self;
        write!(f, "DNS server at {address} expected {expected} queries, received {received}")?;
        for query in queries.iter().take(20) {
            write!(
                f,
                "\n  +{} ms  {} {} over {}  from {}",
                query.at.as_millis(),
                query.name.escape_debug(),
                query.record_type,
                query.transport,
                query.from
            )?;
        }
        match received.saturating_sub(20) {
            0 => Ok(()),
            more => write!(f, "\n  … and {more} more"),
        }
    }
}

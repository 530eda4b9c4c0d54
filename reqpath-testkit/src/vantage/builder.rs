//! Writing the script of a fake place.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use reqpath_core::{ContactKind, Listener, PeerAddr, PortUse, Route};

use super::clock::Clock;
use super::dial::Dials;
use super::fake::FakeVantage;
use super::ledger::{Ledger, Line, Pattern, Wanted};
use super::lookup::Names;
use super::packets::Datagrams;
use super::tells::Tells;
use crate::times::Times;

/// What answers to one line of the script.
pub(super) enum Act {
    Dials(Box<dyn Dials>),
    Datagrams(Arc<dyn Datagrams>),
    Names(Box<dyn Names>),
    Route(Box<dyn Tells<Route>>),
    Listener(Box<dyn Tells<Option<Listener>>>),
    Ports(Box<dyn Tells<PortUse>>),
    Descriptors(Box<dyn Tells<(u64, u64)>>),
    File(Box<dyn Tells<Vec<u8>>>),
    Command(Box<dyn Tells<Vec<u8>>>),
}

/// Kinds of contact a vantage makes.
const KINDS: [ContactKind; 6] = [
    ContactKind::Connection,
    ContactKind::Query,
    ContactKind::SystemLookup,
    ContactKind::Kernel,
    ContactKind::File,
    ContactKind::Command,
];

/// The script of a [`FakeVantage`] to come.
///
/// Each line says what answers to one contact; a second line for the same contact takes the place of the first.
///
/// ```
/// use reqpath_testkit::vantage::{Dial, FakeVantage, Lookup};
///
/// let vantage = FakeVantage::builder()
///     .name("shop.test", Lookup::addresses([[192, 0, 2, 7]]))
///     .tcp(([192, 0, 2, 7], 80), Dial::answers("HTTP/1.1 204 No Content\r\n\r\n"))
///     .any_tcp(Dial::refused())
///     .build();
/// assert!(vantage.contacts().is_empty());
/// ```
///
/// Looks other than connections, and what is to be said of everything else:
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use reqpath_core::{ContactKind, Listener, Vantage};
/// use reqpath_testkit::vantage::{FakeVantage, Lookup, Packets};
///
/// let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let vantage = FakeVantage::builder()
///     .named("edge")
///     .from([10, 0, 0, 1])
///     .any_name(Lookup::no_name())
///     .any_udp(Packets::none())
///     .listener(([10, 0, 0, 1], 80), Some(Listener::new(0, 511)))
///     .listener(([10, 0, 0, 1], 8080), None::<Listener>)
///     .variable("no_proxy", "*.test")
///     .absent(ContactKind::File)                                // every file is missing
///     .clock(noon)
///     .clock_steps(Duration::from_secs(1), noon + Duration::from_secs(3600))
///     .build();
/// assert_eq!(vantage.name(), "edge");
/// assert_eq!(vantage.environment("no_proxy").as_deref(), Some("*.test"));
/// assert_eq!(vantage.environment("http_proxy"), None);
/// ```
#[must_use = "nothing can be looked at until `build`"]
pub struct FakeVantageBuilder {
    name: String,
    lines: Vec<(Pattern, Option<Times>, Act)>,
    last: usize,
    absent: Vec<ContactKind>,
    variables: Vec<(String, String)>,
    locals: Vec<IpAddr>,
    clock: Option<SystemTime>,
    steps: Vec<(Duration, SystemTime)>,
}

impl FakeVantageBuilder {
    pub(super) fn new() -> Self {
        Self {
            name: "fake".to_owned(),
            lines: Vec::new(),
            last: 0,
            absent: Vec::new(),
            variables: Vec::new(),
            locals: Vec::new(),
            clock: None,
            steps: Vec::new(),
        }
    }

    /// The name observations carry; `fake` unless said.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The address connections come from, of its family; 198.51.100.1 and 2001:db8:ffff::1 unless said.
    ///
    /// Towards loopback it is the loopback address in any case.
    pub fn from(mut self, address: impl Into<IpAddr>) -> Self {
        self.locals.push(address.into());
        self
    }

    /// What the system resolver answers for a name: a [`Lookup`](super::Lookup), or what else [`Names`] are.
    pub fn name(self, name: &str, answers: impl Names + 'static) -> Self {
        self.this(Wanted::name(name), Act::Names(Box::new(answers)))
    }

    /// What becomes of connecting to an address: a [`Dial`](super::Dial), or a closure that serves the connection.
    pub fn tcp(self, address: impl Into<SocketAddr>, dials: impl Dials + 'static) -> Self {
        self.this(Wanted::Connection(PeerAddr(address.into())), Act::Dials(Box::new(dials)))
    }

    /// What comes back for datagrams to an address: [`Packets`](super::Packets), or a closure from the bytes.
    pub fn udp(self, address: impl Into<SocketAddr>, answers: impl Datagrams + 'static) -> Self {
        self.this(Wanted::Datagrams(PeerAddr(address.into())), Act::Datagrams(Arc::new(answers)))
    }

    /// What the system resolver answers for every name without a line of its own.
    pub fn any_name(self, answers: impl Names + 'static) -> Self {
        self.line(Pattern::AnyName, Act::Names(Box::new(answers)))
    }

    /// What becomes of connecting to every address without a line of its own.
    pub fn any_tcp(self, dials: impl Dials + 'static) -> Self {
        self.line(Pattern::AnyConnection, Act::Dials(Box::new(dials)))
    }

    /// What comes back for datagrams to every address without a line of its own.
    pub fn any_udp(self, answers: impl Datagrams + 'static) -> Self {
        self.line(Pattern::AnyDatagrams, Act::Datagrams(Arc::new(answers)))
    }

    /// The route to an address.
    pub fn route(self, to: impl Into<IpAddr>, tells: impl Tells<Route> + 'static) -> Self {
        self.this(Wanted::Route(to.into()), Act::Route(Box::new(tells)))
    }

    /// The socket that listens at an address of this very place; `None::<Listener>` where none does.
    pub fn listener(self, at: impl Into<SocketAddr>, tells: impl Tells<Option<Listener>> + 'static) -> Self {
        self.this(Wanted::Listener(PeerAddr(at.into())), Act::Listener(Box::new(tells)))
    }

    /// The local ports in use towards an address.
    pub fn ports(self, to: impl Into<SocketAddr>, tells: impl Tells<PortUse> + 'static) -> Self {
        self.this(Wanted::Ports(PeerAddr(to.into())), Act::Ports(Box::new(tells)))
    }

    /// The open descriptors, and the limit.
    pub fn descriptors(self, tells: impl Tells<(u64, u64)> + 'static) -> Self {
        self.this(Wanted::Descriptors, Act::Descriptors(Box::new(tells)))
    }

    /// A file: text, bytes, why it cannot be read, or a closure. Its end can be read as well.
    pub fn file(self, path: &str, tells: impl Tells<Vec<u8>> + 'static) -> Self {
        self.this(Wanted::File(path.to_owned()), Act::File(Box::new(tells)))
    }

    /// What a command prints: text, bytes, why it cannot be run, or a closure.
    ///
    /// ```
    /// use reqpath_core::Unavailable;
    /// use reqpath_testkit::vantage::FakeVantage;
    ///
    /// let vantage = FakeVantage::builder()
    ///     .command(["kubectl", "logs", "shop"], "GET /prices 500\n")
    ///     .command(["ss", "-ltn"], Unavailable::Permission)
    ///     .build();
    /// assert!(vantage.contacts().is_empty());
    /// ```
    pub fn command<'a>(
        self,
        command: impl IntoIterator<Item = &'a str>,
        tells: impl Tells<Vec<u8>> + 'static,
    ) -> Self {
        let command = command.into_iter().map(str::to_owned).collect();
        self.this(Wanted::Command(command), Act::Command(Box::new(tells)))
    }

    /// A variable of the environment; all others are not set.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the clock shows at first; the real time unless said. It runs with tokio's clock.
    pub fn clock(mut self, shows: SystemTime) -> Self {
        self.clock = Some(shows);
        self
    }

    /// The clock steps to this, so long after the making.
    pub fn clock_steps(mut self, after: Duration, shows: SystemTime) -> Self {
        self.steps.push((after, shows));
        self
    }

    /// How often the contact of the line before is expected: `2`, `1..` or `1..=3`; any number unless said.
    pub fn expect(mut self, times: impl Into<Times>) -> Self {
        if let Some((_, expected, _)) = self.lines.get_mut(self.last) {
            *expected = Some(times.into());
        }
        self
    }

    /// What is not scripted of this kind is simply not there, and wanting it is no failure:
    /// a name does not exist, an address has no route, the kernel has no such look, a file is missing.
    ///
    /// [`ContactKind::Query`] stands for datagrams.
    pub fn absent(mut self, kind: ContactKind) -> Self {
        self.absent.push(kind);
        self
    }

    /// Whatever is not scripted is simply not there: see [`absent`](Self::absent).
    pub fn rest_absent(mut self) -> Self {
        self.absent.extend(KINDS);
        self
    }

    /// The place. Hand a clone to [`Trace::new`](reqpath_core::Trace::new) and keep one to ask it afterwards.
    #[must_use]
    pub fn build(self) -> Arc<FakeVantage> {
        let mut acts = Vec::with_capacity(self.lines.len());
        let mut lines = Vec::with_capacity(self.lines.len());
        for (pattern, times, act) in self.lines {
            lines.push(Line { pattern, times, made: AtomicU64::new(0) });
            acts.push(act);
        }
        let ledger = Ledger::new(self.name, lines, self.absent);
        let clock = Clock::new(self.clock, self.steps);
        Arc::new(FakeVantage::new(ledger, acts, self.variables, self.locals, clock))
    }

    fn this(self, wanted: Wanted, act: Act) -> Self {
        self.line(Pattern::This(wanted), act)
    }

    fn line(mut self, pattern: Pattern, act: Act) -> Self {
        match self.lines.iter().position(|(known, ..)| *known == pattern) {
            Some(place) => {
                self.last = place;
                self.lines[place] = (pattern, None, act);
            }
            None => {
                self.last = self.lines.len();
                self.lines.push((pattern, None, act));
            }
        }
        self
    }
}

/// The address a fake speaks from where nobody says: loopback towards loopback, else one for documentation.
pub(super) fn source_towards(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(peer) if peer.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(peer) if peer.is_loopback() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) => Ipv4Addr::new(198, 51, 100, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1).into(),
    }
}

impl fmt::Debug for FakeVantageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.lines.iter().map(|(pattern, ..)| pattern.to_string()).collect();
        f.debug_struct("FakeVantageBuilder")
            .field("name", &self.name)
            .field("lines", &lines)
            .finish_non_exhaustive()
    }
}

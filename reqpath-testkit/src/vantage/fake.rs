//! The fake place itself.

use std::borrow::Cow;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::FutureExt;
use reqpath_core::{
    ConnectFailure, ConnectOptions, Connection, ContactKind, Datagram, Listener, LocalAddr, Micros, PeerAddr,
    Permit, PortUse, Route, SystemAnswer, SystemLookupError, Unavailable, Vantage,
};
use tokio::time::sleep;

use super::builder::{Act, FakeVantageBuilder, source_towards};
use super::clock::Clock;
use super::dial::{Dial, Outcome, Serving, failure};
use super::errno;
use super::exchange::pair;
use super::ledger::{Contacted, Ledger, Unmet, Wanted};
use super::lookup::Lookup;
use super::packets::Socket;
use super::tells::Tells;

/// Ports given to connections begin here; they are given out in order.
const FIRST_PORT: u16 = 40_000;
/// What an unscripted contact is told, besides failing the test.
const NOT_SCRIPTED: &str = "the script of this fake vantage has no such contact";

/// A place to look from, all in memory and scripted; see the [module](super).
///
/// Dropped with an unexpected contact, an expectation unmet or a closure that panicked, it panics,
/// unless the thread is panicking already; [`FakeVantage::verify`] gives the same verdict as a value.
/// A pipeline may hold it last, so a test that must be sure asks `verify`.
///
/// ```
/// use reqpath_core::{Budget, ConnectOptions, Contact, ContactKind, PeerAddr, Vantage};
/// use reqpath_testkit::vantage::{Dial, FakeVantage};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = PeerAddr(([192, 0, 2, 7], 80).into());
/// let vantage = FakeVantage::builder().tcp(shop.0, Dial::refused()).build();
/// # let budget = Budget::of(&[Contact::new(ContactKind::Connection, "the shop", 1, "to see")]);
/// let permit = budget.permit(ContactKind::Connection)?;
/// let _refused = vantage.connect(permit, shop, ConnectOptions::within(Duration::from_secs(1))).await;
///
/// assert_eq!(vantage.count(ContactKind::Connection), 1);
/// vantage.verify()?;
/// # Ok(())
/// # }
/// ```
///
/// Its clock is nobody else's:
///
/// ```
/// use reqpath_core::Vantage;
/// use reqpath_testkit::vantage::FakeVantage;
/// use std::time::{Duration, SystemTime};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let vantage = FakeVantage::builder().build();
/// let (noon, hour) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), Duration::from_secs(3600));
/// vantage.set_clock(noon);
/// vantage.step_clock_forward(2 * hour);
/// vantage.step_clock_back(hour);
/// assert_eq!(vantage.now(), noon + hour);
/// # }
/// ```
pub struct FakeVantage {
    ledger: Arc<Ledger>,
    acts: Vec<Act>,
    variables: Vec<(String, String)>,
    locals: Vec<IpAddr>,
    clock: Clock,
    next_port: AtomicU16,
    verified: AtomicBool,
}

impl FakeVantage {
    /// A place to be scripted: without more, every contact is unexpected.
    pub fn builder() -> FakeVantageBuilder {
        FakeVantageBuilder::new()
    }

    pub(super) fn new(
        ledger: Ledger,
        acts: Vec<Act>,
        variables: Vec<(String, String)>,
        locals: Vec<IpAddr>,
        clock: Clock,
    ) -> Self {
        Self {
            ledger: Arc::new(ledger),
            acts,
            variables,
            locals,
            clock,
            next_port: AtomicU16::new(FIRST_PORT),
            verified: AtomicBool::new(false),
        }
    }

    /// Every contact made so far, in order.
    #[must_use]
    pub fn contacts(&self) -> Vec<Contacted> {
        self.ledger.contacts()
    }

    /// How many permits of this kind were spent here so far.
    #[must_use]
    pub fn count(&self, permit: ContactKind) -> u64 {
        self.ledger.count(permit)
    }

    /// The clock shows this from now on.
    pub fn set_clock(&self, shows: SystemTime) {
        self.clock.set(shows);
    }

    /// The clock jumps ahead.
    pub fn step_clock_forward(&self, by: Duration) {
        self.clock.set(self.clock.now() + by);
    }

    /// The clock jumps back.
    pub fn step_clock_back(&self, by: Duration) {
        self.clock.set(self.clock.now().checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH));
    }

    /// Whether everything was used as scripted; the drop then checks no more.
    ///
    /// # Errors
    ///
    /// Unexpected contacts, expectations that were not met, closures that panicked: all of them in one text.
    pub fn verify(&self) -> Result<(), Unmet> {
        self.verified.store(true, Ordering::Relaxed);
        self.ledger.verify()
    }

    /// Writes a contact down; gives what answers to it, and how often it was made before.
    fn meet(&self, wanted: Wanted, permit: &Permit) -> Option<(&Act, u64)> {
        let (place, number) = self.ledger.meet(wanted, permit.kind(), self.clock.elapsed())?;
        Some((self.acts.get(place)?, number))
    }

    fn is_absent(&self, kind: ContactKind) -> bool {
        self.ledger.absent.contains(&kind)
    }

    /// The near end of a new socket.
    fn local(&self, peer: IpAddr) -> LocalAddr {
        let own = self.locals.iter().rev().find(|own| own.is_ipv4() == peer.is_ipv4() && !peer.is_loopback());
        let ip = own.copied().unwrap_or_else(|| source_towards(peer));
        LocalAddr(SocketAddr::new(ip, self.next_port.fetch_add(1, Ordering::Relaxed)))
    }

    /// What a scripted look tells, or why there is none.
    fn tell<T>(&self, wanted: &Wanted, tells: Option<&dyn Tells<T>>) -> Result<T, Unavailable> {
        let Some(tells) = tells else {
            return Err(match wanted {
                _ if !self.is_absent(wanted.kind()) => Unavailable::System(NOT_SCRIPTED.to_owned()),
                Wanted::File(_) => Unavailable::Missing,
                _ => Unavailable::NotHere,
            });
        };
        let told = self.ledger.guard(wanted, || tells.tell());
        told.unwrap_or_else(|| Err(Unavailable::System("the closure of the script panicked".to_owned())))
    }

    /// Makes the connection and serves its far end in a task of its own; `None` when the closure panicked.
    fn serve(
        &self,
        to: PeerAddr,
        number: u64,
        dial: &Dial,
        serving: &Serving,
    ) -> Option<Box<dyn Connection>> {
        let (near, far) = pair(self.local(to.ip()), to, number, dial.kernel);
        let what = Wanted::Connection(to);
        let served = self.ledger.guard(&what, || serving(far))?;
        let ledger = self.ledger.clone();
        tokio::spawn(async move {
            // An error means that the client has gone, which is its right.
            if AssertUnwindSafe(served).catch_unwind().await.is_err() {
                ledger.panicked(&what);
            }
        });
        Some(Box::new(near))
    }
}

#[async_trait]
impl Vantage for FakeVantage {
    fn name(&self) -> Cow<'static, str> {
        self.ledger.name.clone().into()
    }

    async fn connect(
        &self,
        permit: Permit,
        to: PeerAddr,
        how: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectFailure> {
        let wanted = Wanted::Connection(to);
        let Some((Act::Dials(dials), number)) = self.meet(wanted.clone(), &permit) else {
            let mut nothing = failure("ENETUNREACH");
            if !self.is_absent(ContactKind::Connection) {
                NOT_SCRIPTED.clone_into(&mut nothing.message);
            }
            return Err(nothing);
        };
        let dial = self.ledger.guard(&wanted, || dials.dial(number)).unwrap_or_else(Dial::refused);
        let silent = matches!(dial.outcome, Outcome::Silent) || dial.after > how.limit;
        let wait = if silent { how.limit } else { dial.after };
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let mut failure = match &dial.outcome {
            _ if silent => {
                let mut failure =
                    ConnectFailure::new(format!("no answer within {}", Micros::from(how.limit)));
                failure.timed_out = true;
                failure.local = Some(self.local(to.ip()));
                failure
            }
            Outcome::Serve(serving) => {
                let served = self.serve(to, number, &dial, &**serving);
                return served.ok_or_else(|| ConnectFailure::new("the closure of the script panicked"));
            }
            Outcome::Fail(failure, had_address) => {
                let mut failure = (**failure).clone();
                if *had_address {
                    failure.local = failure.local.or_else(|| Some(self.local(to.ip())));
                }
                failure
            }
            Outcome::Silent => ConnectFailure::new("no answer"),
        };
        failure.kernel = failure.kernel.or(dial.kernel);
        Err(failure)
    }

    async fn datagram(&self, permit: Permit, to: PeerAddr) -> io::Result<Box<dyn Datagram>> {
        let wanted = Wanted::Datagrams(to);
        match self.meet(wanted.clone(), &permit) {
            Some((Act::Datagrams(answers), _)) if answers.is_routed() => {
                let local = self.local(to.ip());
                let socket = Socket::new(local, wanted.to_string(), answers.clone(), self.ledger.clone());
                Ok(Box::new(socket))
            }
            None if !self.is_absent(ContactKind::Query) => Err(io::Error::other(NOT_SCRIPTED)),
            _ => Err(errno::error("ENETUNREACH")),
        }
    }

    async fn resolve(&self, permit: Permit, name: &str) -> Result<SystemAnswer, SystemLookupError> {
        let wanted = Wanted::name(name);
        let lookup = match self.meet(wanted.clone(), &permit) {
            Some((Act::Names(names), number)) => self.ledger.guard(&wanted, || names.answer(number)),
            _ if self.is_absent(ContactKind::SystemLookup) => Some(Lookup::no_name()),
            _ => Some(Lookup::fails("EAI_SYSTEM", NOT_SCRIPTED)),
        };
        let Some(Lookup { answer, delay }) = lookup else {
            return Err(SystemLookupError::new("EAI_SYSTEM", "the closure of the script panicked"));
        };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        match answer {
            Some(answer) => answer,
            None => pending().await,
        }
    }

    async fn route(&self, permit: Permit, to: IpAddr) -> Result<Route, Unavailable> {
        let wanted = Wanted::Route(to);
        match self.meet(wanted.clone(), &permit) {
            Some((Act::Route(route), _)) => self.tell(&wanted, Some(&**route)),
            _ => self.tell(&wanted, None),
        }
    }

    async fn listener(&self, permit: Permit, at: PeerAddr) -> Result<Option<Listener>, Unavailable> {
        let wanted = Wanted::Listener(at);
        match self.meet(wanted.clone(), &permit) {
            Some((Act::Listener(listener), _)) => self.tell(&wanted, Some(&**listener)),
            _ => self.tell(&wanted, None),
        }
    }

    async fn ports(&self, permit: Permit, to: PeerAddr) -> Result<PortUse, Unavailable> {
        let wanted = Wanted::Ports(to);
        match self.meet(wanted.clone(), &permit) {
            Some((Act::Ports(ports), _)) => self.tell(&wanted, Some(&**ports)),
            _ => self.tell(&wanted, None),
        }
    }

    async fn descriptors(&self, permit: Permit) -> Result<(u64, u64), Unavailable> {
        match self.meet(Wanted::Descriptors, &permit) {
            Some((Act::Descriptors(descriptors), _)) => self.tell(&Wanted::Descriptors, Some(&**descriptors)),
            _ => self.tell(&Wanted::Descriptors, None),
        }
    }

    async fn read(&self, permit: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        let wanted = Wanted::File(path.to_owned());
        let mut bytes = match self.meet(wanted.clone(), &permit) {
            Some((Act::File(file), _)) => self.tell(&wanted, Some(&**file)),
            _ => self.tell(&wanted, None),
        }?;
        bytes.truncate(limit);
        Ok(bytes)
    }

    async fn tail(&self, permit: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        let bytes = self.read(permit, path, usize::MAX).await?;
        Ok(last(bytes, limit))
    }

    async fn command(
        &self,
        permit: Permit,
        command: &[String],
        limit: usize,
        _: Duration,
    ) -> Result<Vec<u8>, Unavailable> {
        let wanted = Wanted::Command(command.to_vec());
        let printed = match self.meet(wanted.clone(), &permit) {
            Some((Act::Command(printed), _)) => self.tell(&wanted, Some(&**printed)),
            _ => self.tell(&wanted, None),
        }?;
        Ok(last(printed, limit))
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }
}

/// The last `limit` of these bytes.
fn last(mut bytes: Vec<u8>, limit: usize) -> Vec<u8> {
    bytes.drain(..bytes.len().saturating_sub(limit));
    bytes
}

impl Drop for FakeVantage {
    #[allow(clippy::panic, reason = "a contact that nobody scripted must fail the test that forgot to ask")]
    fn drop(&mut self) {
        if self.verified.load(Ordering::Relaxed) || thread::panicking() {
            return;
        }
        if let Err(unmet) = self.verify() {
            panic!("{unmet}");
        }
    }
}

impl fmt::Debug for FakeVantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeVantage").field("name", &self.ledger.name).finish_non_exhaustive()
    }
}

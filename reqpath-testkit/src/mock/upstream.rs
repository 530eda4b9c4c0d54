//! The mock itself: building, starting, asking, checking.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::connection::{Connection, Connections};
use super::expect::Unmet;
use super::record::{ConnectionSeen, Record, Request, Seen};
use super::reply::{Reply, Respond};
use super::serve::{Script, serve};
use super::tls::Tls;
use crate::background::Background;
use crate::pki::PkiError;
use crate::times::Times;

/// A server on a free loopback port, running until dropped.
///
/// It lives on a thread of its own, so it serves blocking and async tests alike.
/// Dropped with an expectation unmet it panics, unless the thread is panicking already;
/// [`MockUpstream::verify`] gives the same verdict as a value.
///
/// ```
/// use reqpath_testkit::mock::{MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = MockUpstream::start(Reply::ok("hello"))?;
/// assert_eq!(mock.url("/cart"), format!("http://{}/cart", mock.address()));
/// assert_eq!(mock.request_count(), 0);
/// # Ok(())
/// # }
/// ```
///
/// Over TLS it is asked for by the name in its certificate:
///
/// ```
/// use reqpath_testkit::mock::MockUpstream;
/// use reqpath_testkit::pki::Authority;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = MockUpstream::builder().tls(&Authority::new()?.leaf("shop.test").issue()?).start()?;
/// let port = mock.address().port();
/// assert_eq!(mock.url_for("shop.test", "/cart"), format!("https://shop.test:{port}/cart"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MockUpstream {
    name: String,
    address: SocketAddr,
    secure: bool,
    expected: Option<Times>,
    record: Arc<Record>,
    background: Background,
    verified: AtomicBool,
}

impl MockUpstream {
    /// Serves plain HTTP, answering every request so.
    pub fn start(respond: impl Respond + 'static) -> Result<Self, StartError> {
        Self::builder().reply(respond).start()
    }

    /// A mock to be scripted: without more, it serves `200 OK` and an empty body in plain HTTP.
    pub fn builder() -> Builder {
        Builder {
            name: "mock upstream".to_owned(),
            bind: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
            tls: None,
            connections: Box::new(Connection::serve()),
            respond: Box::new(Reply::status(200)),
            expected: None,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of this mock by address, `http` or `https`; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// A URL of this mock by a name that the caller makes resolve to it.
    pub fn url_for(&self, name: &str, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{name}:{}{path}", self.address.port())
    }

    /// The requests received so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.record.seen().requests.clone()
    }

    /// The connections accepted so far, in order.
    pub fn connections(&self) -> Vec<ConnectionSeen> {
        self.record.seen().connections.clone()
    }

    /// How many requests were received so far.
    pub fn request_count(&self) -> u64 {
        self.record.seen().request_count
    }

    /// How many connections were accepted so far.
    pub fn connection_count(&self) -> u64 {
        self.record.seen().connection_count
    }

    /// Blocks until `enough` holds of what was seen; `false` when it does not within the time.
    ///
    /// Never a sleep: it wakes at each change. `enough` must not ask the mock itself, which waits for it.
    pub fn wait_until(&self, within: Duration, enough: impl FnMut(&Seen) -> bool) -> bool {
        self.record.wait_until(within, enough)
    }

    /// Checks the expectation now; the drop then checks no more.
    pub fn verify(&self) -> Result<(), Box<Unmet>> {
        self.verified.store(true, Ordering::Relaxed);
        let seen = self.record.seen().clone();
        let unmet = self.expected.filter(|expected| !expected.holds(seen.request_count));
        if unmet.is_none() && seen.script_failures.is_empty() {
            return Ok(());
        }
        Err(Box::new(Unmet { name: self.name.clone(), address: self.address, expected: unmet, seen }))
    }
}

impl Drop for MockUpstream {
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

/// A [`MockUpstream`] about to be started.
///
/// ```
/// use reqpath_testkit::mock::{Connection, MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = MockUpstream::builder()
///     .named("shop")
///     .connections(Connection::serve().requests_at_most(1))
///     .reply(Reply::ok("hello"))
///     .never_called()
///     .start()?;
/// mock.verify()?;
/// # Ok(())
/// # }
/// ```
///
/// A server that is restarted keeps its address:
///
/// ```
/// use reqpath_testkit::mock::{MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let before = MockUpstream::builder().bind([127, 0, 0, 1]).reply(Reply::ok("old")).start()?;
/// let at = before.address();
/// drop(before);
/// let after = MockUpstream::builder().bind_exactly(at).reply(Reply::ok("new")).start()?;
/// assert_eq!(after.address(), at);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing listens until `start`"]
pub struct Builder {
    name: String,
    bind: SocketAddr,
    tls: Option<Tls>,
    connections: Box<dyn Connections>,
    respond: Box<dyn Respond>,
    expected: Option<Times>,
}

impl Builder {
    /// What messages call this mock, for tests with several.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Listens at this address (on Linux all of 127.0.0.0/8 is loopback), on a free port.
    pub fn bind(mut self, address: impl Into<IpAddr>) -> Self {
        self.bind = SocketAddr::new(address.into(), 0);
        self
    }

    /// Listens at this very address and port, as when a server comes back after a restart.
    pub fn bind_exactly(mut self, address: SocketAddr) -> Self {
        self.bind = address;
        self
    }

    /// Speaks TLS: a leaf certificate, a whole rustls configuration, or a [`Tls`] script.
    pub fn tls(mut self, tls: impl Into<Tls>) -> Self {
        self.tls = Some(tls.into());
        self
    }

    /// How connections are treated: a [`Connection`], [`Connection::every`], or a closure from the number.
    pub fn connections(mut self, connections: impl Connections + 'static) -> Self {
        self.connections = Box::new(connections);
        self
    }

    /// How requests are answered: a [`Reply`], [`Reply::in_turn`], or a closure from the request.
    pub fn reply(mut self, respond: impl Respond + 'static) -> Self {
        self.respond = Box::new(respond);
        self
    }

    /// Expects so many requests: `2`, `1..` or `1..=3`.
    pub fn expect(mut self, times: impl Into<Times>) -> Self {
        self.expected = Some(times.into());
        self
    }

    /// Expects no request at all.
    pub fn never_called(self) -> Self {
        self.expect(0)
    }

    /// Listens; the mock takes connections when this returns.
    pub fn start(self) -> Result<MockUpstream, StartError> {
        let tls = self.tls.map(Tls::ready).transpose()?;
        let listener = TcpListener::bind(self.bind)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|source| StartError::Bind { address: self.bind, source })?;
        let address =
            listener.local_addr().map_err(|source| StartError::Bind { address: self.bind, source })?;
        let record = Arc::new(Record::new());
        let secure = tls.is_some();
        let script = Arc::new(Script {
            tls,
            connections: self.connections,
            respond: self.respond,
            record: record.clone(),
        });
        let background =
            Background::start("reqpath-mock", move || serve(listener, script)).map_err(StartError::Thread)?;
        Ok(MockUpstream {
            name: self.name,
            address,
            secure,
            expected: self.expected,
            record,
            background,
            verified: AtomicBool::new(false),
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("bind", &self.bind)
            .field("tls", &self.tls)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// A mock could not be started.
///
/// ```
/// use reqpath_testkit::mock::{ClosedPort, MockUpstream, StartError};
///
/// let taken = ClosedPort::reserve()?;
/// let refused = MockUpstream::builder().bind_exactly(taken.address()).start().unwrap_err();
/// assert!(matches!(refused, StartError::Bind { .. }));
/// assert_eq!(refused.to_string(), format!("cannot listen at {}", taken.address()));
/// # Ok::<(), std::io::Error>(())
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
    #[error("cannot start the thread of a mock")]
    Thread(#[source] io::Error),
    /// The TLS script makes no configuration.
    #[error("the TLS script cannot be served")]
    Tls(#[from] PkiError),
}

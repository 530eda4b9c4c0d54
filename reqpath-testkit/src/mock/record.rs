//! What the mock saw.

use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls_pki_types::CertificateDer;

use super::proxy_protocol::ProxyHeader;

/// How many requests and connections are kept in full; further ones are only counted.
const KEPT: usize = 10_000;
/// How many bytes of heads and bodies are kept; further requests are kept without them.
const KEPT_BYTES: usize = 64 * 1024 * 1024;

/// One request as it arrived.
///
/// ```
/// use std::io::{Read, Write};
/// use reqpath_testkit::mock::{MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = MockUpstream::start(Reply::ok("hello"))?;
/// let mut client = std::net::TcpStream::connect(mock.address())?;
/// client.write_all(b"GET /cart HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")?;
/// client.read_to_string(&mut String::new())?;
///
/// let request = &mock.requests()[0];
/// assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/cart"));
/// assert_eq!(request.host(), Some("shop.test"));
/// assert_eq!(request.header("connection"), Some("close"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// Number of its connection, from 0 in the order of acceptance.
    pub connection: u64,
    /// Number of the request on its connection, from 0: above 0 the connection was reused.
    pub index: u64,
    /// When its head was complete, counted from the start of the mock.
    pub at: Duration,
    /// The peer's address on the socket, not what a PROXY header says.
    pub from: SocketAddr,
    /// The protocol it came in.
    pub version: http::Version,
    /// The method, as sent.
    pub method: String,
    /// The request target, as sent; on HTTP/2 the `:path`.
    pub target: String,
    /// Header names and values, in order, as sent; on HTTP/2 `:authority` stands first, as `host`.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The head, byte for byte up to and with the empty line; empty on HTTP/2.
    pub head: Bytes,
    /// The first mebibyte of the body.
    pub body: Bytes,
    /// How long the body was in all.
    pub body_length: u64,
    /// Whether the body came whole.
    pub complete: bool,
    /// The TLS session it came in, if any.
    pub tls: Option<TlsSeen>,
    /// The PROXY protocol header of its connection, if any was expected.
    pub proxied: Option<ProxyHeader>,
}

impl Request {
    /// The first header of this name, whatever its case, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The name the client asked for.
    pub fn host(&self) -> Option<&str> {
        self.header("host")
    }
}

/// A TLS handshake, as far as it came.
///
/// ```
/// use std::io::{Read, Write};
/// use reqpath_testkit::{MockUpstream, pki::Authority};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let root = Authority::new()?;
/// let mock = MockUpstream::builder().tls(&root.leaf("shop.test").issue()?).start()?;
/// let tls = rustls::ClientConnection::new(root.client_config()?.into(), "shop.test".try_into()?)?;
/// let mut client = rustls::StreamOwned::new(tls, std::net::TcpStream::connect(mock.address())?);
/// client.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n")?;
/// client.read_exact(&mut [0; 12])?;
///
/// let seen = mock.requests()[0].tls.clone().expect("it came in TLS");
/// assert_eq!(seen.sni.as_deref(), Some("shop.test"));
/// assert_eq!(seen.version.as_deref(), Some("TLSv1_3"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TlsSeen {
    /// The name in the ClientHello.
    pub sni: Option<String>,
    /// Protocols the client offered, in its order.
    pub offered_alpn: Vec<String>,
    /// The protocol agreed on.
    pub alpn: Option<String>,
    /// The version agreed on, for example `TLSv1_3`; `None` while the handshake has not finished.
    pub version: Option<String>,
    /// The cipher suite agreed on.
    pub cipher_suite: Option<String>,
    /// The certificates the client sent, leaf first.
    pub client_certificates: Vec<CertificateDer<'static>>,
    /// Why the handshake failed, in the words of the TLS library.
    pub failure: Option<String>,
}

/// One connection as it went.
///
/// ```
/// use reqpath_testkit::mock::{Connection, MockUpstream};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = MockUpstream::builder().connections(Connection::close_at_accept()).start()?;
/// let client = std::net::TcpStream::connect(mock.address())?;
/// assert!(mock.wait_until(Duration::from_secs(20), |seen| seen.connection_count == 1));
/// assert_eq!(mock.connections()[0].from, client.local_addr()?);
/// assert_eq!(mock.connections()[0].requests, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionSeen {
    /// Its number, from 0 in the order of acceptance.
    pub number: u64,
    /// When it was accepted, counted from the start of the mock.
    pub at: Duration,
    /// The peer's address.
    pub from: SocketAddr,
    /// First bytes read where the script reads them itself and no HTTP or TLS does.
    pub first_bytes: Bytes,
    /// The TLS handshake, where one was begun.
    pub tls: Option<TlsSeen>,
    /// The PROXY protocol header, where one was expected and came.
    pub proxied: Option<ProxyHeader>,
    /// How many requests it carried.
    pub requests: u64,
    /// When the mock was done with it, counted from the start of the mock.
    pub ended: Option<Duration>,
}

/// Everything a mock saw up to some moment.
///
/// ```
/// use std::io::{Read, Write};
/// use reqpath_testkit::mock::{MockUpstream, Reply};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = MockUpstream::start(Reply::ok("hello"))?;
/// let mut client = std::net::TcpStream::connect(mock.address())?;
/// client.write_all(b"GET /cart HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")?;
/// client.read_to_string(&mut String::new())?;
/// let gone = |seen: &reqpath_testkit::mock::Seen| seen.connections.iter().all(|one| one.ended.is_some());
/// assert!(mock.wait_until(Duration::from_secs(20), gone));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Seen {
    /// The requests, in the order of their arrival.
    pub requests: Vec<Request>,
    /// The connections, in the order of acceptance.
    pub connections: Vec<ConnectionSeen>,
    /// How many requests came, kept or not.
    pub request_count: u64,
    /// How many connections came, kept or not.
    pub connection_count: u64,
    /// Faults of the test itself: a script or reply closure that panicked.
    pub script_failures: Vec<String>,
    kept_bytes: usize,
}

/// The place where connection tasks write and tests read.
#[derive(Debug)]
pub(super) struct Record {
    started: Instant,
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), seen: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn accepted(&self, from: SocketAddr) -> u64 {
        let at = self.elapsed();
        self.change(|seen| {
            let number = seen.connection_count;
            seen.connection_count += 1;
            if seen.connections.len() < KEPT {
                seen.connections.push(ConnectionSeen {
                    number,
                    at,
                    from,
                    first_bytes: Bytes::new(),
                    tls: None,
                    proxied: None,
                    requests: 0,
                    ended: None,
                });
            }
            number
        })
    }

    pub(super) fn on_connection(&self, number: u64, change: impl FnOnce(&mut ConnectionSeen)) {
        self.change(|seen| {
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            if let Some(connection) = seen.connections.get_mut(index) {
                change(connection);
            }
        });
    }

    pub(super) fn received(&self, mut request: Request) {
        self.on_connection(request.connection, |connection| connection.requests += 1);
        self.change(|seen| {
            seen.request_count += 1;
            if seen.kept_bytes > KEPT_BYTES {
                (request.head, request.body) = (Bytes::new(), Bytes::new());
            }
            seen.kept_bytes += request.head.len() + request.body.len();
            if seen.requests.len() < KEPT {
                seen.requests.push(request);
            }
        });
    }

    pub(super) fn script_failed(&self, what: String) {
        self.change(|seen| seen.script_failures.push(what));
    }

    /// Blocks until `enough` holds or the time is over; says which.
    pub(super) fn wait_until(&self, within: Duration, mut enough: impl FnMut(&Seen) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.seen(), within, |seen| !enough(seen));
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        enough(&seen)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let result = change(&mut self.seen());
        self.changed.notify_all();
        result
    }
}

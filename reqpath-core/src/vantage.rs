//! A place to look from.

use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{LocalAddr, Micros, PeerAddr, Permit};

/// A place to look from: this process, a network namespace, a Pod.
///
/// All contact with the world goes through a vantage, and each contact costs a [`Permit`].
/// It is also what tests fake: everything a stage can see comes from here.
/// What a vantage cannot do it says with [`Unavailable`], and nothing that rests on it is claimed.
#[async_trait]
pub trait Vantage: Debug + Send + Sync {
    /// Its name, as observations carry it.
    fn name(&self) -> Cow<'static, str>;

    /// Opens a TCP connection.
    ///
    /// # Errors
    ///
    /// When the handshake does not succeed, with everything the kernel told about it.
    async fn connect(
        &self,
        permit: Permit,
        to: PeerAddr,
        how: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectFailure>;

    /// Opens a datagram socket that speaks with one peer only.
    ///
    /// # Errors
    ///
    /// As the system gives them: no route, no permission.
    async fn datagram(&self, permit: Permit, to: PeerAddr) -> io::Result<Box<dyn Datagram>>;

    /// Asks the system resolver, as an ordinary program of this place would.
    ///
    /// It may take long and cannot be cancelled; dropping the future only stops waiting for it.
    async fn resolve(&self, permit: Permit, name: &str) -> Result<SystemAnswer, SystemLookupError>;

    /// Asks the kernel which way packets to an address take.
    async fn route(&self, permit: Permit, to: IpAddr) -> Result<Route, Unavailable>;

    /// Looks for the socket that listens on an address of this very place.
    ///
    /// `None` where nothing listens there.
    async fn listener(&self, permit: Permit, at: PeerAddr) -> Result<Option<Listener>, Unavailable>;

    /// Counts the local ports in use towards a peer, against the range there is.
    async fn ports(&self, permit: Permit, to: PeerAddr) -> Result<PortUse, Unavailable>;

    /// Open file descriptors of this process, and the limit.
    async fn descriptors(&self, permit: Permit) -> Result<(u64, u64), Unavailable>;

    /// Reads a file of this place, at most `limit` bytes of it.
    async fn read(&self, permit: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable>;

    /// Reads the end of a file of this place: its last `limit` bytes.
    async fn tail(&self, permit: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        let _ = (permit, path, limit);
        Err(Unavailable::NotHere)
    }

    /// Runs a command that only looks, without a shell, and gives the last `limit` bytes that it printed.
    ///
    /// It is ended after `time`, and what it printed until then is given.
    async fn command(
        &self,
        permit: Permit,
        command: &[String],
        limit: usize,
        time: Duration,
    ) -> Result<Vec<u8>, Unavailable> {
        let _ = (permit, command, limit, time);
        Err(Unavailable::NotHere)
    }

    /// A variable of the environment that an ordinary program of this place would have.
    fn environment(&self, name: &str) -> Option<String>;

    /// The clock of this place.
    fn now(&self) -> SystemTime;
}

/// How a connection is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// How long to wait for the handshake.
    pub limit: Duration,
}

impl ConnectOptions {
    /// Waits at most this long.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self { limit }
    }
}

/// An open TCP connection, with what the kernel knows of it.
pub trait Connection: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {
    /// Our end.
    fn local(&self) -> Option<LocalAddr>;
    /// Their end.
    fn peer(&self) -> PeerAddr;
    /// The kernel's figures, now.
    fn kernel(&self) -> Option<KernelInfo>;
}

/// A datagram socket that speaks with one peer only, so that the peer's ICMP errors are delivered.
#[async_trait]
pub trait Datagram: Debug + Send + Sync {
    /// Our end.
    fn local(&self) -> Option<LocalAddr>;
    /// Sends one datagram.
    async fn send(&self, datagram: &[u8]) -> io::Result<()>;
    /// Receives one datagram, cut to the buffer.
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
}

/// What the kernel keeps about a TCP connection: Linux `TCP_INFO`, in its names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct KernelInfo {
    /// The state's number: 1 established, 2 SYN sent, 7 closed, 8 CLOSE-WAIT.
    pub state: u8,
    /// Unanswered retransmissions under way.
    pub retransmits: u8,
    /// Retransmissions over the life of the connection, SYNs among them.
    pub total_retrans: u32,
    /// Segments believed lost.
    pub lost: u32,
    /// Segments sent and not acknowledged.
    pub unacked: u32,
    /// Smoothed round-trip time.
    pub rtt_us: Micros,
    /// Smallest round-trip time seen.
    pub min_rtt_us: Micros,
    /// Retransmission timeout.
    pub rto_us: Micros,
    /// Largest segment we send, in bytes.
    pub snd_mss: u32,
    /// Path MTU as the kernel believes it, in bytes.
    pub pmtu: u32,
    /// Bytes acknowledged by the peer, the SYN among them.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
}

/// Why a TCP handshake did not succeed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectFailure {
    /// The system's number for the error; absent when we stopped waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// The symbol of that number: `ECONNREFUSED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Cow<'static, str>>,
    /// The system's own words.
    pub message: String,
    /// Whether the limit ran out with nothing heard.
    #[serde(default)]
    pub timed_out: bool,
    /// Our end, where the socket came to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalAddr>,
    /// The ICMP message behind the error, from the socket's error queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<IcmpError>,
    /// The kernel's figures when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelInfo>,
}

impl ConnectFailure {
    /// A failure with these words; the fields are public to be filled in.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectFailure {}

/// An ICMP error that came back for a packet of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IcmpError {
    /// The ICMP type: 3 is destination unreachable (1 in ICMPv6).
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
    /// Who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offender: Option<IpAddr>,
    /// Whether this is ICMPv6, which numbers types and codes its own way.
    #[serde(default)]
    pub v6: bool,
}

impl IcmpError {
    /// An ICMP error.
    #[must_use]
    pub fn new(kind: u8, code: u8, offender: Option<IpAddr>, v6: bool) -> Self {
        Self { kind, code, offender, v6 }
    }
}

/// What the system resolver answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SystemAnswer {
    /// The addresses, in the order in which a program would try them.
    pub addresses: Vec<IpAddr>,
}

impl SystemAnswer {
    /// An answer with these addresses.
    #[must_use]
    pub fn new(addresses: Vec<IpAddr>) -> Self {
        Self { addresses }
    }
}

/// Why the system resolver gave no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SystemLookupError {
    /// The symbol of `getaddrinfo`'s answer: `EAI_NONAME`, `EAI_AGAIN`.
    pub symbol: Cow<'static, str>,
    /// The system's own words.
    pub message: String,
}

impl SystemLookupError {
    /// A failure of the system resolver.
    #[must_use]
    pub fn new(symbol: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { symbol: symbol.into(), message: message.into() }
    }
}

/// Which way packets to an address take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Route {
    /// `unicast`, `local`, `unreachable`, `prohibit`, `blackhole`, or `none` where there is no route.
    pub kind: Cow<'static, str>,
    /// The interface they leave by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The next router; absent on the same network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The source address the kernel would use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

impl Route {
    /// A route of this kind, with nothing else known.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }
}

/// A listening socket and its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Listener {
    /// Connections waiting to be accepted (`Recv-Q` of `ss -ltn`).
    pub waiting: u32,
    /// How many may wait (`Send-Q` of `ss -ltn`).
    pub backlog: u32,
}

impl Listener {
    /// A listener with this many waiting of this many.
    #[must_use]
    pub fn new(waiting: u32, backlog: u32) -> Self {
        Self { waiting, backlog }
    }
}

/// Local ports towards one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PortUse {
    /// The first port the kernel hands out by itself.
    pub first: u16,
    /// The last port the kernel hands out by itself.
    pub last: u16,
    /// Ports of that range in use towards the peer's address and port.
    pub used: u32,
}

impl PortUse {
    /// This many used of this range.
    #[must_use]
    pub fn new(first: u16, last: u16, used: u32) -> Self {
        Self { first, last, used }
    }
}

/// Why a vantage could not look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unavailable {
    /// This kind of place, or this system, has no such look.
    #[error("there is no such look here")]
    NotHere,
    /// The permission is missing.
    #[error("permission denied")]
    Permission,
    /// What was to be read does not exist.
    #[error("no such file or object")]
    Missing,
    /// The system answered with an error.
    #[error("{0}")]
    System(String),
}

impl From<io::Error> for Unavailable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission,
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::System(error.to_string()),
        }
    }
}

//! The vantage of this process: its sockets, resolver, files and clock, with the kernel's own evidence.
//!
//! [`LocalVantage`] looks from where the program runs: in its network namespace, with its resolver,
//! its environment and its limits.
//! A socket belongs to the namespace of the thread that opens it, and every socket here is opened by the
//! thread that asks, so a thread that has entered a namespace looks from there.
//! [`NetnsVantage`] keeps such a thread, and looks from another network namespace or a container of this machine.
//! [`FarCommand`] has another reqpath look, on another machine or in a Pod, and takes its report.
//!
//! What an error number alone does not tell is asked for where the kernel keeps it:
//! the ICMP message behind an error (the socket's error queue), the connection's figures (`TCP_INFO`,
//! also after a failure), routes (`rtnetlink`), queues and ports (`sock_diag`).
//! Outside Linux those looks say [`NotHere`](reqpath_core::Unavailable::NotHere).
//!
//! What is absent: any protocol above TCP and UDP, and any judgement.
//!
//! ```
//! use std::net::TcpListener;
//! use std::time::Duration;
//!
//! use reqpath_core::{Budget, ConnectOptions, Contact, ContactKind, PeerAddr, Vantage};
//! use reqpath_local::LocalVantage;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let budget = Budget::of(&[Contact::new(ContactKind::Connection, "loopback", 1, "to see it open")]);
//! let peer = PeerAddr(listener.local_addr()?);
//!
//! let permit = budget.permit(ContactKind::Connection)?;
//! let how = ConnectOptions::within(Duration::from_secs(1));
//! let connection = LocalVantage::new().connect(permit, peer, how).await?;
//! assert_eq!(connection.peer(), peer);
//! # Ok(()) })
//! # }
//! ```

mod connect;
mod connection;
mod datagram;
mod far;
mod file;
mod inside;
mod netns;
mod place;
mod resolver;
mod spare;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as system;

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqpath_core::{
    ConnectFailure, ConnectOptions, Connection, Datagram, Listener, PeerAddr, Permit, PortUse, Route,
    SystemAnswer, SystemLookupError, Unavailable, Vantage,
};

pub use far::FarCommand;
pub use netns::{NetnsError, NetnsVantage};
use place::Here;
use spare::Spare;

/// Looks from this very process.
///
/// It keeps one descriptor in reserve, so that it can still look when the process has run out of them.
#[derive(Debug)]
pub struct LocalVantage {
    name: Cow<'static, str>,
    spare: Spare,
}

impl LocalVantage {
    /// This process, under the name `local`.
    #[must_use]
    pub fn new() -> Self {
        Self::named("local")
    }

    /// This process, under another name: that of the host or the Pod it runs in.
    #[must_use]
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), spare: Spare::new() }
    }
}

impl Default for LocalVantage {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Vantage for LocalVantage {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    async fn connect(
        &self,
        _: Permit,
        to: PeerAddr,
        how: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectFailure> {
        connect::connect(&Here, to, how).await
    }

    async fn datagram(&self, _: Permit, to: PeerAddr) -> io::Result<Box<dyn Datagram>> {
        datagram::open(&Here, to).await
    }

    async fn resolve(&self, _: Permit, name: &str) -> Result<SystemAnswer, SystemLookupError> {
        resolver::resolve(&Here, name).await
    }

    async fn route(&self, _: Permit, to: IpAddr) -> Result<Route, Unavailable> {
        self.spare.look(|| system::route(to))
    }

    async fn listener(&self, _: Permit, at: PeerAddr) -> Result<Option<Listener>, Unavailable> {
        self.spare.look(|| system::listener(at))
    }

    async fn ports(&self, _: Permit, to: PeerAddr) -> Result<PortUse, Unavailable> {
        self.spare.look(|| system::ports(to))
    }

    async fn descriptors(&self, _: Permit) -> Result<(u64, u64), Unavailable> {
        // The reserve makes room for the look, and counts: it is as open as any other.
        self.spare.instead(|held| system::descriptors().map(|(open, limit)| (open + held, limit)))
    }

    async fn read(&self, _: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        self.spare.look(|| file::read(path, limit))
    }

    async fn tail(&self, _: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        self.spare.look(|| file::tail(path, limit))
    }

    async fn command(
        &self,
        _: Permit,
        command: &[String],
        limit: usize,
        time: Duration,
    ) -> Result<Vec<u8>, Unavailable> {
        system::command(&Here, command, limit, time).await
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

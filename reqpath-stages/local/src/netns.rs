//! The vantage of another network namespace of this machine.

mod error;

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqpath_core::{
    ConnectFailure, ConnectOptions, Connection, Datagram, Listener, PeerAddr, Permit, PortUse, Route,
    SystemAnswer, SystemLookupError, Unavailable, Vantage,
};

pub use self::error::NetnsError;
use crate::inside::Inside;
use crate::place::Place;
use crate::spare::{Spare, unavailable};
use crate::system::{self, Gate, Root};
use crate::{connect, datagram, file, resolver};

/// Looks from another network namespace of this machine: a router's, a container's, a Pod's on this node.
///
/// Sockets are opened there and spoken over from here, so times are as true as from this process.
/// Commands are this machine's programs, run in that network, as `ip netns exec` runs them.
///
/// Nothing of the place is changed, and none of its code is run: of a container, its files are read and
/// its resolver settings are followed, by this machine's own resolver.
///
/// Linux only; entering needs `CAP_SYS_ADMIN`, for a process also `CAP_SYS_PTRACE`.
///
/// ```no_run
/// use reqpath_local::NetnsVantage;
///
/// let edge = NetnsVantage::open("/run/netns/edge")?;
/// let shop = NetnsVantage::of_process(4711)?.named("shop");
/// # Ok::<(), reqpath_local::NetnsError>(())
/// ```
#[derive(Debug)]
pub struct NetnsVantage {
    name: Cow<'static, str>,
    inside: Inside,
    spare: Arc<Spare>,
    /// What paths begin from, where the place has files of its own.
    root: Option<Arc<Root>>,
    /// Its variables, where it has its own.
    environment: Option<Vec<(String, String)>>,
}

impl NetnsVantage {
    /// The namespace of this file: `/run/netns/edge`, `/proc/4711/ns/net`.
    ///
    /// Files and environment are this machine's. One that `ip netns` named has the settings that are kept
    /// for it, in `/etc/netns/edge/resolv.conf` and the like.
    ///
    /// # Errors
    ///
    /// When it is not there, is something else, or may not be entered.
    pub fn open(namespace: impl AsRef<Path>) -> Result<Self, NetnsError> {
        Self::through(Gate::of_path(namespace.as_ref())?)
    }

    /// The network of a process, with the files, the resolver settings and the environment it sees.
    ///
    /// # Errors
    ///
    /// When there is no such process, or its place may not be entered.
    pub fn of_process(process: u32) -> Result<Self, NetnsError> {
        Self::through(Gate::of_process(process)?)
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    fn through(mut gate: Gate) -> Result<Self, NetnsError> {
        let (name, path) = (gate.name(), gate.path().to_owned());
        let (root, environment) = (gate.root().map(Arc::new), gate.environment());
        let inside = Inside::start(&format!("in {name}"), move || gate.enter());
        let inside = inside.map_err(|source| NetnsError::System { path, source })??;
        Ok(Self { name: name.into(), inside, spare: Arc::new(Spare::new()), root, environment })
    }

    /// Makes a look that has its answer at once.
    async fn look<T: Send + 'static>(
        &self,
        look: impl Fn() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let spare = Arc::clone(&self.spare);
        self.inside.here(move || spare.look(look)).await.map_err(unavailable)?
    }
}

#[async_trait]
impl Vantage for NetnsVantage {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    async fn connect(
        &self,
        _: Permit,
        to: PeerAddr,
        how: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectFailure> {
        connect::connect(&self.inside, to, how).await
    }

    async fn datagram(&self, _: Permit, to: PeerAddr) -> io::Result<Box<dyn Datagram>> {
        datagram::open(&self.inside, to).await
    }

    async fn resolve(&self, _: Permit, name: &str) -> Result<SystemAnswer, SystemLookupError> {
        resolver::resolve(&self.inside, name).await
    }

    async fn route(&self, _: Permit, to: IpAddr) -> Result<Route, Unavailable> {
        self.look(move || system::route(to)).await
    }

    async fn listener(&self, _: Permit, at: PeerAddr) -> Result<Option<Listener>, Unavailable> {
        self.look(move || system::listener(at)).await
    }

    async fn ports(&self, _: Permit, to: PeerAddr) -> Result<PortUse, Unavailable> {
        self.look(move || system::ports(to)).await
    }

    async fn descriptors(&self, _: Permit) -> Result<(u64, u64), Unavailable> {
        // Descriptors are counted by process, and whoever is asked about here is another one.
        Err(Unavailable::NotHere)
    }

    async fn read(&self, _: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        let (root, path) = (self.root.clone(), path.to_owned());
        self.look(move || match &root {
            Some(root) => file::start(root.open(&path)?, limit),
            None => file::read(&path, limit),
        })
        .await
    }

    async fn tail(&self, _: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        let (root, path) = (self.root.clone(), path.to_owned());
        self.look(move || match &root {
            Some(root) => file::end(root.open(&path)?, limit),
            None => file::tail(&path, limit),
        })
        .await
    }

    async fn command(
        &self,
        _: Permit,
        command: &[String],
        limit: usize,
        time: Duration,
    ) -> Result<Vec<u8>, Unavailable> {
        system::command(&self.inside, command, limit, time).await
    }

    fn environment(&self, name: &str) -> Option<String> {
        match &self.environment {
            Some(own) => own.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
            None => std::env::var(name).ok(),
        }
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

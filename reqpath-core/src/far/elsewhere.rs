//! The near side of a place far away: a name, and nothing to look with.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::{
    ConnectFailure, ConnectOptions, Connection, Datagram, Listener, PeerAddr, Permit, PortUse, Route,
    SystemAnswer, SystemLookupError, Unavailable, Vantage,
};

/// A name, and nothing to look with.
#[derive(Debug)]
pub(crate) struct Elsewhere(pub(crate) Cow<'static, str>);

#[async_trait]
impl Vantage for Elsewhere {
    fn name(&self) -> Cow<'static, str> {
        self.0.clone()
    }

    async fn connect(
        &self,
        _: Permit,
        _: PeerAddr,
        _: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectFailure> {
        Err(ConnectFailure::new(Unavailable::NotHere.to_string()))
    }

    async fn datagram(&self, _: Permit, _: PeerAddr) -> io::Result<Box<dyn Datagram>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn resolve(&self, _: Permit, _: &str) -> Result<SystemAnswer, SystemLookupError> {
        Err(SystemLookupError::new("EAI_SYSTEM", Unavailable::NotHere.to_string()))
    }

    async fn route(&self, _: Permit, _: IpAddr) -> Result<Route, Unavailable> {
        Err(Unavailable::NotHere)
    }

    async fn listener(&self, _: Permit, _: PeerAddr) -> Result<Option<Listener>, Unavailable> {
        Err(Unavailable::NotHere)
    }

    async fn ports(&self, _: Permit, _: PeerAddr) -> Result<PortUse, Unavailable> {
        Err(Unavailable::NotHere)
    }

    async fn descriptors(&self, _: Permit) -> Result<(u64, u64), Unavailable> {
        Err(Unavailable::NotHere)
    }

    async fn read(&self, _: Permit, _: &str, _: usize) -> Result<Vec<u8>, Unavailable> {
        Err(Unavailable::NotHere)
    }

    fn environment(&self, _: &str) -> Option<String> {
        None
    }

    fn now(&self) -> SystemTime {
        // Nothing is looked at by this clock: the place has its own.
        SystemTime::UNIX_EPOCH
    }
}

//! What stages hand on to each other, so that each examines the very thing the one before made.

use std::fmt::{self, Debug};
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Connection, ContactKind, Context, Error, PeerAddr, Subject, Target};

/// Where the client's connection goes: the target itself, or a proxy that stands before it.
///
/// Handed on by the first stage; read by those that resolve and dial.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destination {
    /// The name to resolve, or an address in text.
    pub host: String,
    /// The port to dial.
    pub port: u16,
    /// Addresses that are given and not to be asked for; empty where the name must be resolved.
    pub addresses: Vec<IpAddr>,
    /// The proxy this is, where it is one.
    pub proxy: Option<Proxy>,
}

impl Destination {
    /// The target itself.
    #[must_use]
    pub fn of(target: &Target) -> Self {
        Self {
            host: target.host().to_owned(),
            port: target.port(),
            addresses: target.address().into_iter().collect(),
            proxy: None,
        }
    }
}

/// A proxy that the client's surroundings put before the target.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// Where the setting came from: `https_proxy`.
    pub variable: String,
    /// Its URL without credentials: `http://proxy.example:3128`.
    pub url: String,
    /// The value of `Proxy-Authorization`, where the setting held credentials. Secret.
    pub authorization: Option<String>,
}

impl Proxy {
    /// A proxy named by this variable.
    #[must_use]
    pub fn new(variable: impl Into<String>, url: impl Into<String>, authorization: Option<String>) -> Self {
        Self { variable: variable.into(), url: url.into(), authorization }
    }
}

impl Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Credentials stay out of every log.
        write!(f, "Proxy({} from {})", self.url, self.variable)
    }
}

/// The addresses the client would try, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(pub Vec<IpAddr>);

/// An open connection, plain or secured, over which the next stage speaks.
#[derive(Debug)]
#[non_exhaustive]
pub struct Dialled {
    /// The connection.
    pub connection: Box<dyn Connection>,
    /// The far end, as dialled.
    pub peer: PeerAddr,
    /// The application protocol that was negotiated, where one was: `h2`, `http/1.1`.
    pub protocol: Option<Vec<u8>>,
    /// Whether what is spoken over it is encrypted.
    pub secured: bool,
}

impl Dialled {
    /// A plain connection.
    #[must_use]
    pub fn plain(connection: Box<dyn Connection>, peer: PeerAddr) -> Self {
        Self { connection, peer, protocol: None, secured: false }
    }

    /// A secured connection with what was negotiated.
    #[must_use]
    pub fn secured(connection: Box<dyn Connection>, peer: PeerAddr, protocol: Option<Vec<u8>>) -> Self {
        Self { connection, peer, protocol, secured: true }
    }
}

/// A way to open another connection just like the one handed on: same address, same handshake.
///
/// Each layer wraps the one below, so that a later stage can make controls and reuse looks
/// without knowing what lies beneath.
#[async_trait]
pub trait Redial: Debug + Send + Sync {
    /// Opens another connection. `None` where the path, not the probe, is what failed.
    ///
    /// # Errors
    ///
    /// The probe's own trouble: a spent budget, a vantage that cannot.
    async fn redial(&self, at: &Subject, cx: &Context) -> Result<Option<Dialled>, Error>;
}

/// The way to open another connection, as it is handed on.
#[derive(Clone, Debug)]
pub struct Again(pub Arc<dyn Redial>);

/// A way to look up other names just as the client looks up the target's.
///
/// Handed on where the caller chose nameservers; without it, the vantage's own resolver is asked.
#[async_trait]
pub trait NameLookup: Debug + Send + Sync {
    /// The addresses of a name, in the order to try them. Empty where there is none.
    ///
    /// # Errors
    ///
    /// The probe's own trouble: a spent budget, a vantage that cannot.
    async fn addresses(&self, name: &str, cx: &Context) -> Result<Vec<IpAddr>, Error>;
}

/// The way to look up other names, as it is handed on.
#[derive(Clone, Debug)]
pub struct Names(pub Arc<dyn NameLookup>);

impl Context {
    /// The addresses of a name other than the target's: an issuer's, a clock's.
    ///
    /// Asks whom the client asks: the nameservers that the caller chose, else the vantage's resolver.
    ///
    /// # Errors
    ///
    /// The outer one is the probe's own trouble; the inner one is why there is no address, in words.
    pub async fn addresses_of(&self, at: &Subject, name: &str) -> Result<Result<Vec<IpAddr>, String>, Error> {
        if let Some(Names(names)) = self.peek::<Names>(at) {
            let addresses = names.addresses(name, self).await?;
            return Ok(if addresses.is_empty() {
                Err("the nameservers give no address".to_owned())
            } else {
                Ok(addresses)
            });
        }
        let permit = self.permit(ContactKind::SystemLookup)?;
        Ok(self
            .vantage()
            .resolve(permit, name)
            .await
            .map(|answer| answer.addresses)
            .map_err(|error| error.message))
    }
}

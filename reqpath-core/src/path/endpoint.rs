//! Where a hop is dialled.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a hop is dialled: a name or an address, and a port.
///
/// ```
/// use reqpath_core::Endpoint;
///
/// let endpoint: Endpoint = "gateway.example:8080".parse()?;
/// assert_eq!((endpoint.host.as_str(), endpoint.port), ("gateway.example", 8080));
/// let endpoint: Endpoint = "[2001:db8::7]:443".parse()?;
/// assert_eq!(endpoint.to_string(), "[2001:db8::7]:443");
/// assert!("gateway.example".parse::<Endpoint>().is_err(), "a port is not guessed");
/// # Ok::<(), reqpath_core::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
#[non_exhaustive]
pub struct Endpoint {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host and a port: write gateway.example:8080, 192.0.2.7:80 or [2001:db8::7]:443")]
pub struct EndpointError(String);

impl Endpoint {
    /// This host and port.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The address, where the host is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl From<std::net::SocketAddr> for Endpoint {
    fn from(address: std::net::SocketAddr) -> Self {
        Self::new(address.ip().to_string(), address.port())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = || EndpointError(crate::escape(text, 120));
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(bare) => bare.parse::<std::net::Ipv6Addr>().map_err(|_| error())?.to_string(),
            None => host.to_owned(),
        };
        let name = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        if host.is_empty() || !host.bytes().all(name) || (bare.is_none() && host.contains(':')) {
            return Err(error());
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(error)?;
        Ok(Self { host, port })
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in ["", "a", "a:", ":80", "a:0", "a:70000", "2001:db8::7:443", "[a]:1", "a b:1", "a\n:1"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
        for text in ["a:1", "192.0.2.7:65535", "[::1]:80", "a_b.c-d.example:80"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }
}

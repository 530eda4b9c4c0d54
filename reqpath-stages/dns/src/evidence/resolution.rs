//! How our own resolution ended.

use std::net::IpAddr;

use reqpath_core::{Evidence, Micros, PeerAddr, Subject};
use serde::{Deserialize, Serialize};

/// How our own resolution, through given nameservers or by rule, ended.
///
/// Recorded in place of the system resolver's answer, where the caller named the nameservers, or where the name
/// is one of this very host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Resolution {
    /// The name, as the target gives it.
    pub name: String,
    /// The addresses, in the order in which they are tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The server whose answer was taken, addresses or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<PeerAddr>,
    /// Servers that were asked before it and passed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PeerAddr>,
    /// Whether nobody was asked: the name ends in `localhost`, which stands for this very host (RFC 6761).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_rule: bool,
    /// The time it took.
    pub time_us: Micros,
    /// The only IP version the caller wants, 4 or 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<u8>,
}

impl Resolution {
    /// A resolution not yet ended.
    #[must_use]
    pub fn of(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl Evidence for Resolution {
    const KIND: &'static str = "dns.resolution";

    fn source(&self, _: &Subject) -> String {
        match self.settled_by {
            Some(server) if server.port() == 53 => format!("dig @{} +short {}", server.ip(), self.name),
            Some(server) => format!("dig @{} -p {} +short {}", server.ip(), server.port(), self.name),
            None => String::new(),
        }
    }

    fn brief(&self) -> String {
        if self.by_rule {
            return format!("{}: {} by rule (RFC 6761)", self.name, super::first_few(&self.addresses));
        }
        format!("{}: {} in {}", self.name, super::first_few(&self.addresses), self.time_us)
    }
}

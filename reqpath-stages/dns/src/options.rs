//! How names are to be looked up.

use std::net::SocketAddr;
use std::time::Duration;

/// How names are to be looked up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DnsOptions {
    /// Nameservers that replace the system resolver and the configured ones, in this order.
    /// Empty: the system resolver decides, as for any ordinary program.
    pub servers: Vec<SocketAddr>,
    /// Whether the zone's own servers are found and asked too.
    pub authority: bool,
    /// The only IP version wanted: 4 or 6.
    pub family: Option<u8>,
    /// The time one nameserver is given for one question.
    /// Without it: what `resolv.conf` says, or 5 seconds.
    pub query_timeout: Option<Duration>,
    /// Whether nameservers are asked beside the client's own road.
    pub side_looks: bool,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self { servers: Vec::new(), authority: false, family: None, query_timeout: None, side_looks: true }
    }
}

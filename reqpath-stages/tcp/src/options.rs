//! How connections are opened.

use std::time::Duration;

/// How connections are opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TcpOptions {
    /// How long all attempts together may take, where the trace has no limit for connecting.
    pub connect_timeout: Duration,
    /// The only IP version wanted: 4 or 6.
    pub family: Option<u8>,
    /// How long an attempt has the road to itself before the next address is tried as well
    /// (RFC 8305, "Connection Attempt Delay").
    pub stagger: Duration,
    /// Whether the kernel is asked about attempts, and the addresses the road did not need are tried too.
    pub side_looks: bool,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            family: None,
            stagger: Duration::from_millis(250),
            side_looks: true,
        }
    }
}

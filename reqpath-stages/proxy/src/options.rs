//! What a caller may choose.

use std::time::Duration;

/// What a caller may choose about reading the logs of hops.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProxyOptions {
    /// How many bytes of the end of a log are read.
    pub tail: usize,
    /// How long to wait for the line of a request that has ended.
    pub wait: Duration,
    /// How long a command may take that prints a log.
    pub command_time: Duration,
    /// Whether logs are read at all.
    pub side_looks: bool,
}

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            tail: 2 << 20,
            wait: Duration::from_millis(600),
            command_time: Duration::from_secs(5),
            side_looks: true,
        }
    }
}

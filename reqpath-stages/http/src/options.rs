//! What a caller may choose.

use std::time::Duration;

use reqpath_core::Target;

use crate::ClockOptions;

/// Which version of HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// What the TLS handshake agreed on; HTTP/1.1 in the clear.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; in the clear without asking first.
    Http2,
}

/// What a caller may choose about the request and its answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// Which version of HTTP is spoken.
    pub version: Version,
    /// Idle times after which a connection is used again, each on a connection of its own.
    pub idle: Vec<Duration>,
    /// Whether a second request is sent on the first connection at once.
    pub reuse: bool,
    /// The most bytes of a body that are read; they are counted, not kept.
    pub max_body: u64,
    /// The most bytes of an answer's head that are read.
    pub max_header: usize,
    /// Plain HTTP URLs whose `Date` the local clock is compared with.
    pub clock_from: Vec<Target>,
    /// Whether looks beside the road are made: reuse, clocks, controls after a failure.
    pub side_looks: bool,
}

impl HttpOptions {
    /// The part of these options that the [`Clock`](crate::Clock) stage needs.
    #[must_use]
    pub fn clock(&self) -> ClockOptions {
        let mut options = ClockOptions::default();
        options.from.clone_from(&self.clock_from);
        options.side_looks = self.side_looks;
        options
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            version: Version::Auto,
            idle: Vec::new(),
            reuse: true,
            max_body: 16 << 20,
            max_header: 64 << 10,
            clock_from: Vec::new(),
            side_looks: true,
        }
    }
}

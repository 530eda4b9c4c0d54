//! How an established connection died on a later stage before any answer.

use reqpath_core::{Evidence, Micros, Subject};
use serde::{Deserialize, Serialize};

use super::Closing;

/// How an established connection died on a later stage, before a byte of the answer came.
///
/// Recorded by the stage that was speaking, at the leg narrowed to the address and the sample.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Broken {
    /// What had been said by then.
    pub after: Progress,
    /// How the peer ended it.
    pub how: Closing,
    /// The time from the established connection, or from the bytes sent last, to its end.
    pub after_us: Micros,
    /// Bytes received over it: of a handshake, not of an answer.
    pub bytes_received: u64,
}

/// What had been said when a connection died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// The request, or a part of it.
    #[default]
    Sent,
    /// Part of a handshake: a ClientHello, a proxy's CONNECT.
    Handshake,
}

impl Broken {
    /// A connection that died after this, in this way, so long after.
    #[must_use]
    pub fn new(after: Progress, how: Closing, after_us: Micros, bytes_received: u64) -> Self {
        Self { after, how, after_us, bytes_received }
    }
}

impl Evidence for Broken {
    const KIND: &'static str = "tcp.broken";

    fn source(&self, at: &Subject) -> String {
        at.address().map_or_else(String::new, |peer| format!("tcpdump -ni any host {}", peer.ip()))
    }

    fn brief(&self) -> String {
        let said = match self.after {
            Progress::Sent => "the request",
            Progress::Handshake => "our part of the handshake",
        };
        match self.how {
            Closing::None => format!("still open {} after {said}", self.after_us),
            how => format!("{how} {} after {said}, {} bytes received", self.after_us, self.bytes_received),
        }
    }
}

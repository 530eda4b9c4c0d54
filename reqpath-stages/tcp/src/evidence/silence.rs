//! The control: a second connection on which nothing is said.

use std::fmt;

use reqpath_core::{Evidence, Micros, Subject};
use serde::{Deserialize, Serialize};

use super::apart;

/// A second connection on which nothing was said, to see whether it dies as the first one did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Silence {
    /// How the peer ended it; `none` when it was still open at the end of the look.
    pub closed: Closing,
    /// The time from the established connection to its end, or to the end of the look.
    pub after_us: Micros,
    /// Bytes the peer sent unasked.
    pub bytes_received: u64,
}

/// How a peer ends a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Closing {
    /// In order: no more will come.
    Fin,
    /// At once: the connection is no more.
    Reset,
    /// Not at all.
    #[default]
    None,
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fin => "closed (FIN)",
            Self::Reset => "reset (RST)",
            Self::None => "left open",
        })
    }
}

impl Evidence for Silence {
    const KIND: &'static str = "tcp.silence";

    fn source(&self, at: &Subject) -> String {
        format!("sleep 2 | nc -v {}", apart(at))
    }

    fn brief(&self) -> String {
        format!("a silent connection was {} after {}", self.closed, self.after_us)
    }
}

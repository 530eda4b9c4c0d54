//! What the database is, and what its client demands of the connection.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqpath_tls::TlsOptions;
use serde::{Deserialize, Serialize};

/// What the database is, and what its client demands of the connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DbOptions {
    /// What it speaks; told by the port unless said.
    pub protocol: Option<Protocol>,
    /// What the client demands of TLS.
    pub mode: SslMode,
    /// How it shakes hands. Whom it trusts counts with [`SslMode::VerifyFull`] only.
    pub tls: TlsOptions,
    /// The time the answer about TLS may take, where the trace has no limit for connecting.
    pub limit: Duration,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            protocol: None,
            mode: SslMode::default(),
            tls: TlsOptions::default(),
            limit: Duration::from_secs(5),
        }
    }
}

/// What a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// PostgreSQL's.
    Postgres,
    /// Something in which nothing is said: only the connection is looked at.
    Other,
}

impl Protocol {
    /// What is mostly spoken at a port: PostgreSQL, unless the port is known as another's.
    #[must_use]
    pub fn of_port(port: u16) -> Self {
        match port {
            // MySQL and MariaDB, Redis, MongoDB, SQL Server, Oracle, Cassandra, memcached.
            3306 | 33060 | 6379 | 6380 | 26379 | 27017 | 1433 | 1521 | 9042 | 11211 => Self::Other,
            _ => Self::Postgres,
        }
    }
}

/// What a client demands of TLS, by libpq's names (`sslmode`).
///
/// ```
/// use reqpath_db::SslMode;
///
/// let mode: SslMode = "verify-full".parse()?;
/// assert!(mode.demands_tls());
/// assert_eq!(SslMode::default().to_string(), "prefer");
/// assert!("verify-ca".parse::<SslMode>().unwrap_err().to_string().contains("verify-full"));
/// # Ok::<(), reqpath_db::SslModeError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SslMode {
    /// Never: nothing is asked.
    Disable,
    /// Where the server has it; nothing is verified, and without it the client goes on in the clear.
    #[default]
    Prefer,
    /// Always; nothing is verified. (libpq verifies the chain all the same where it finds `root.crt`.)
    Require,
    /// Always, with a chain that leads to an authority and a certificate for this host.
    VerifyFull,
    /// Something a later version knows.
    #[serde(other)]
    Unknown,
}

/// Not a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of disable, prefer, require, verify-full")]
pub struct SslModeError(String);

impl SslMode {
    /// Whether the client gives up where there is no TLS.
    #[must_use]
    pub fn demands_tls(self) -> bool {
        matches!(self, Self::Require | Self::VerifyFull)
    }

    /// Whether the server is asked at all.
    #[must_use]
    pub fn asks(self) -> bool {
        self != Self::Disable
    }

    fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyFull => "verify-full",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SslMode {
    type Err = SslModeError;

    fn from_str(text: &str) -> Result<Self, SslModeError> {
        let all = [Self::Disable, Self::Prefer, Self::Require, Self::VerifyFull];
        let named = all.into_iter().find(|mode| mode.name() == text);
        named.ok_or_else(|| SslModeError(reqpath_core::escape(text, 40)))
    }
}

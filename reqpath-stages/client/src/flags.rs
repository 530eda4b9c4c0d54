//! Flags that people know from curl, with curl's meaning.

mod connect_to;
mod resolve;

pub use connect_to::ConnectTo;
pub use resolve::Resolve;
pub(crate) use resolve::given;

/// The caller's mistake in one of these flags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagError {
    /// `--connect-to` with too few parts.
    #[error("`{given}` is not HOST1:PORT1:HOST2:PORT2 (each part may be empty)")]
    ConnectTo {
        /// What was given.
        given: String,
    },
    /// `--resolve` with too few parts.
    #[error("`{given}` is not [+]HOST:PORT:ADDRESS[,ADDRESS]... or -HOST:PORT")]
    Resolve {
        /// What was given.
        given: String,
    },
    /// A port that is none.
    #[error("`{port}` in `{given}` is not a port: 1 to 65535")]
    Port {
        /// What was given.
        given: String,
        /// The part that should be a port.
        port: String,
    },
    /// An address that is none.
    #[error("`{address}` in `{given}` is not an address")]
    Address {
        /// What was given.
        given: String,
        /// The part that should be an address.
        address: String,
    },
    /// A bracket that is opened and not closed.
    #[error("`{given}` opens a bracket and does not close it")]
    Bracket {
        /// What was given.
        given: String,
    },
}

/// A host at the start of a text, with or without brackets, and what follows it.
fn host<'a>(text: &'a str, given: &str) -> Result<(&'a str, &'a str), FlagError> {
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(|| FlagError::Bracket { given: given.to_owned() }),
        None => Ok(text.split_at(text.find(':').unwrap_or(text.len()))),
    }
}

/// A port, 1 to 65535, digits only.
fn port(text: &str, given: &str) -> Result<u16, FlagError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u16>()
        .ok()
        .filter(|port| digits && *port > 0)
        .ok_or_else(|| FlagError::Port { given: given.to_owned(), port: text.to_owned() })
}

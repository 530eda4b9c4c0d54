//! An in-memory certificate authority: good certificates, and every kind of bad one.
//!
//! Nothing touches the disk unless asked, nothing is trusted by the machine,
//! and dates are counted from the moment the root was made, so "expired three days ago" stays true.
//!
//! | wanted | made by |
//! |---|---|
//! | good | `authority.leaf("www.example.test").issue()?` |
//! | expired | `.leaf(name).expired(3)` |
//! | not yet valid | `.leaf(name).not_yet_valid(2)` |
//! | expiring soon | `.leaf(name).valid_for(5)` |
//! | wrong name | a leaf for another name |
//! | self-signed | `.leaf(name).self_signed()` |
//! | behind an intermediate | `root.intermediate("R1").issue()?.leaf(name)` |
//! | intermediate left out | `.leaf(name).without_intermediates()` |
//! | expired intermediate | `root.intermediate("R1").expired(1).issue()?.leaf(name)` |
//! | revoked | `authority.revoke(&leaf); authority.crl()?` |
//! | unknown authority | a leaf of another `Authority::named(…)` |
//! | unknown authority, same subject | `authority.impostor()?.leaf(name)` |
//! | client certificate | `authority.client("robot")` |
//! | enormous chain | `.leaf(name).chain_of_at_least(70_000)` |
//!
//! ```
//! use reqpath_testkit::pki::Authority;
//!
//! # fn main() -> Result<(), reqpath_testkit::pki::PkiError> {
//! let root = Authority::new()?;
//! let leaf = root.intermediate("R1").issue()?.leaf("www.example.test").issue()?;
//! assert_eq!(leaf.chain_der().len(), 2);
//! let server = leaf.server_config()?;          // rustls::ServerConfig
//! let client = root.client_config()?;          // rustls::ClientConfig that trusts `root` alone
//! # let _ = (server, client);
//! # Ok(())
//! # }
//! ```

mod authority;
mod clock;
mod config;
mod error;
mod extension;
mod leaf;
mod revocation;

pub use self::authority::{Authority, IntermediateBuilder};
pub use self::config::provider;
pub use self::error::PkiError;
pub use self::leaf::{Leaf, LeafBuilder, PemFiles};
pub use self::revocation::Crl;

//! What happens before the first byte leaves: the proxy environment, the hosts file, limits, and where to go.
//!
//! The [`Client`] stage decides the [`Destination`](reqpath_core::Destination) of a request the way curl does:
//! the target itself, another place that `--connect-to` or `--resolve` name,
//! or the proxy that the environment asks for.
//! Beside that decision, in the first trial, it looks at what a person would look at first:
//! the variables, the hosts file, and how near this process is to its limits.
//!
//! Rooms: [`probe`](Client) looks, [`evidence`] is what was seen, [`flags`](ConnectTo) are curl's own,
//! and [`causes`] are those whose evidence is complete here.
//! `client.hosts_override`, `client.ports_exhausted`, `client.stale_connection` and others of this
//! station live further along the road, where their deciding evidence is collected.
//!
//! ```
//! use reqpath_client::{Client, ClientOptions};
//!
//! let mut options = ClientOptions::default();
//! options.connect_to.push("api.example:443:127.0.0.1:8443".parse()?);
//! options.resolve.push("api.example:443:192.0.2.7,192.0.2.8".parse()?);
//! let stage = Client::new(options);
//! # let _ = stage;
//! # Ok::<(), reqpath_client::FlagError>(())
//! ```

pub mod causes;
pub mod evidence;

mod flags;
mod options;
mod probe;
mod proxy;

pub use causes::CAUSES;
pub use evidence::{Environment, Exemption, HostsEntry, HostsFile, Limits, NearMiss, ProxyInForce, Setting};
pub use flags::{ConnectTo, FlagError, Resolve};
pub use options::ClientOptions;
pub use probe::Client;
pub use proxy::ProxyError;

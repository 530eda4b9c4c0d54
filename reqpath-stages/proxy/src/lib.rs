//! What any proxy tells: its logs, who made an answer, and what broke behind it.
//!
//! The stage [`Proxy`] visits the hops of a path that name logs as [sources](reqpath_core::Source), when all
//! requests have ended. It reads the end of each log and keeps the lines of *our* requests: those of
//! access logs by the request id, which stands in `X-Request-Id` and in the `User-Agent`; those of error
//! logs, which hold no id, by connection, client, request line, host and second.
//! Who made an answer is settled by [`reqpath_http::made`], which reads what is recorded here.
//!
//! Rooms: [`logs`] reads lines, `probe` looks, [`evidence`] is what was seen, [`causes`] are what a proxy
//! meets on the leg behind it, and what it refuses by itself.
//!
//! ```
//! use reqpath_proxy::{Proxy, ProxyOptions};
//!
//! let mut options = ProxyOptions::default();
//! options.tail = 64 << 10;
//! let stage = Proxy::new(options);
//! # let _ = stage;
//! ```

pub mod causes;
pub mod evidence;
pub mod logs;

mod options;
mod probe;

pub use causes::CAUSES;
pub use evidence::{Absent, Fault, LoggedError, ReadLog};
pub use options::ProxyOptions;
pub use probe::Proxy;

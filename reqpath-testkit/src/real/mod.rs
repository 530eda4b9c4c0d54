//! Real servers on a leash: found, started in a private directory on a free loopback port, ready
//! when the call returns, and gone with the test, however the test ends.
//!
//! A fake shows what we believe about a server; the real one shows whether the belief is true.
//! Every part here keeps the same promises:
//!
//! - **found** where the system keeps it, or [`RealError::Missing`] says what to install;
//! - **private**: its configuration, sockets and logs live in a directory of its own;
//! - **ready** when `start` returns, known from the server's own word and never from a sleep;
//! - **heard**: what it logs can be read and waited for;
//! - **gone** when its value is dropped, after a panic, and after `kill -9` of the test: a small
//!   supervising shell holds the other end of a pipe and ends the server when the pipe closes.
//!   So the thread that started a server may end before the test does.
//!
//! Starting blocks for some milliseconds and needs no async runtime, so both kinds of test may
//! call it. A server belongs to the network namespace of the thread that starts it; started in a
//! thread of a lab's host, it has that host's environment and files too, and ends with the lab.
//!
//! ```
//! use reqpath_testkit::real::{Nginx, require};
//!
//! let started = Nginx::builder().server("listen {listen}; return 204;").start();
//! let Some(nginx) = require(started) else { return };
//! assert!(nginx.address().ip().is_loopback());
//! ```
//!
//! In a network of the test's own every port is free, so there a server may have the one it is known by:
//!
//! ```
//! # #[cfg(all(target_os = "linux", feature = "lab"))]
//! # fn main() {
//! use reqpath_testkit::{lab::{self, Lab}, real::Redis};
//!
//! let Some(lab) = lab::or_skip(Lab::builder().host("cache").build()) else { return };
//! let known = ([127, 0, 0, 1], 6379).into();
//! let Some(redis) = lab::or_skip(lab["cache"].start(|| Redis::builder().at(known).start())) else { return };
//! assert_eq!(redis.url(), "redis://127.0.0.1:6379");
//! # }
//! # #[cfg(not(all(target_os = "linux", feature = "lab")))]
//! # fn main() {}
//! ```

mod account;
mod client;
mod dns;
mod draft;
mod envoy;
mod error;
mod find;
mod haproxy;
pub(crate) mod home;
mod leash;
mod log;
mod mariadb;
mod nginx;
mod place;
mod ports;
mod postgres;
mod redis;
mod require;
mod room;
mod shared;
mod template;
mod text;
mod tinyproxy;
mod unprivileged;

#[cfg(test)]
mod survival;

pub use self::dns::{Knot, KnotBuilder, Signing, Unbound, UnboundBuilder, Zone};
pub use self::envoy::{Envoy, EnvoyBuilder};
pub use self::error::RealError;
pub use self::haproxy::{Haproxy, HaproxyBuilder};
pub use self::leash::Leash;
pub use self::log::Log;
pub use self::mariadb::{MariaDb, MariaDbBuilder};
pub use self::nginx::{Flavour, Nginx, NginxBuilder};
pub use self::postgres::{Postgres, PostgresBuilder};
pub use self::redis::{Redis, RedisBuilder};
pub use self::require::{REQUIRE_REAL, require};
pub use self::room::Room;
pub use self::tinyproxy::{Tinyproxy, TinyproxyBuilder};

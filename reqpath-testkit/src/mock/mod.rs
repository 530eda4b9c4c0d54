//! A server on loopback that answers as told, or fails as told.
//!
//! [`MockUpstream`] is a real server: real sockets, real TLS, HTTP/1.1 and HTTP/2.
//! What it does is scripted on two levels: [`Connections`] decide how each connection is treated,
//! [`Respond`] decides the answer to each request.
//! It records what it received, and checks expectations when it goes.
//!
//! ```
//! use std::io::{Read, Write};
//! use reqpath_testkit::mock::{MockUpstream, Reply};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mock = MockUpstream::builder().reply(Reply::ok("hello")).expect(1).start()?;
//!
//! let mut client = std::net::TcpStream::connect(mock.address())?;
//! client.write_all(b"GET /greeting HTTP/1.1\r\nhost: example.test\r\nconnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//!
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
//! assert_eq!(mock.requests()[0].target, "/greeting");
//! mock.verify()?;
//! # Ok(())
//! # }
//! ```
//!
//! Faults below a connection have types of their own: [`ClosedPort`] refuses, [`FullAcceptQueue`] never answers a SYN.

mod connection;
mod date;
mod expect;
mod http1;
mod http2;
mod payload;
mod port;
mod proxy_protocol;
mod record;
mod reply;
mod serve;
mod tls;
mod upstream;
mod wire;

pub use self::connection::{Connection, Connections, ConnectionsInTurn, Every};
pub use self::expect::Unmet;
pub use self::port::{ClosedPort, FullAcceptQueue};
pub use self::proxy_protocol::ProxyHeader;
pub use self::record::{ConnectionSeen, Request, Seen, TlsSeen};
pub use self::reply::{InTurn, Reply, Respond};
pub use self::tls::Tls;
pub use self::upstream::{Builder, MockUpstream, StartError};
pub use crate::times::Times;

//! A DNS server on loopback that answers from zones, or fails as told.
//!
//! [`FakeDns`] is a real server on UDP and TCP, both on one port.
//! It answers from [`Zone`]s as a recursive resolver would (or, when told, as an authority),
//! and [`Fault`]s overrule the zones for the queries that an [`On`] matches.
//! It records every query.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use reqpath_testkit::dns::{FakeDns, Fault, On, Zone};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let zone = Zone::new("example.test").a("www", Ipv4Addr::new(192, 0, 2, 1)).cname("shop", "www");
//! let dns = FakeDns::builder()
//!     .zone(zone)
//!     .fault(On::name("shop.example.test").udp(), Fault::truncate())
//!     .start()?;
//! let nameserver = dns.address();      // give this to the resolver under test
//! # let _ = nameserver;
//! assert_eq!(dns.query_count(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! Names are written as in zone files: relative to the zone, unless they end in a dot.

mod answer;
mod fault;
mod offline;
mod on;
mod record;
mod serve;
mod server;
mod sockets;
mod spoil;
mod zone;

pub use hickory_resolver::proto::rr::{RData, RecordType};

pub use self::fault::Fault;
pub use self::offline::OfflineDns;
pub use self::on::On;
pub use self::record::{EdnsSeen, QuerySeen, Transport};
pub use self::server::{Builder, FakeDns, StartError, Unmet};
pub use self::zone::{Zone, ZoneError};

//! The whole road in one lab: a client, a DNS server, two proxies, a Service on its nodes, Pods, a database.
//!
//! ```text
//! client ─┐                      ┌─ gateway ─┐              ┌─ node1 ── pod1
//!         ├─ outside ── edge ────┤           ├── inside ────┼─ node2 ── pod2
//!    dns ─┘   (dns has a foot inside too)    │              └─ database
//! ```
//!
//! Every part is real: nginx at the edge and at the gateway, Knot, PostgreSQL, and on every node the
//! address translation that kube-proxy would set up for a NodePort Service, in nftables. The application in
//! the Pods is a small one of ours that really asks the database.
//! Edge and gateway are proxies and pass no packets on, so nobody outside can reach around them.
//!
//! ```
//! use std::net::TcpStream;
//! use reqpath_testkit::lab::{self, Filter, Rejection, WholeRoad};
//!
//! let Some(road) = lab::or_skip(WholeRoad::builder().nodes(2).without_ipv6().build()) else { return };
//! // A Pod that is gone: the Service still leads there, half of the time.
//! let gone = Filter::incoming().tcp_port(8080).reject(Rejection::TcpReset);
//! road.pods[0].host.impose(&gone).unwrap();
//! let gateway = &road.gateway.as_ref().unwrap().host;
//! let dial = |pod: usize| gateway.run(|| TcpStream::connect(road.pods[pod].address())).unwrap();
//! assert!(dial(0).is_err() && dial(1).is_ok());
//! ```

mod application;
mod builder;
mod names;
mod path;
mod secure;
mod service;

use std::net::SocketAddr;

pub use self::{
    application::{Application, Served},
    builder::{RoadBuilder, TrafficPolicy},
};
use super::{Error, Host, Lab};
use crate::real::{Knot, Log, Nginx, Postgres};

/// The port of the edge, as a client dials it.
pub(super) const EDGE_PORT: u16 = 80;
/// The port of the gateway.
pub(super) const GATEWAY_PORT: u16 = 8080;
/// The port of the Service on every node.
pub(super) const NODE_PORT: u16 = 30080;
/// The port of the application in a Pod.
pub(super) const POD_PORT: u16 = 8080;
/// The port of the database.
pub(super) const DATABASE_PORT: u16 = 5432;

/// A road from a client to a database and back, up until it is dropped.
///
/// ```
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let Some(road) = lab::or_skip(WholeRoad::lab()) else { return };
/// let curl = road.client.command("curl").args(["--silent", "--max-time", "20"]).arg(road.url("/db"));
/// let answer = curl.output().unwrap();
/// assert!(String::from_utf8_lossy(&answer.stdout).contains("\"cents\":199"), "{answer:?}");
/// ```
///
/// The hosts underneath are like those of any lab, and hold what the parts have written:
///
/// ```
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
/// let Some(road) = lab::or_skip(road.build()) else { return };
/// assert_eq!(road.front_url(), road.url("/"));
/// assert_eq!(road.network()["client"].name(), road.client.name());
///
/// // Nobody has come yet, so nothing has gone wrong and no source address was replaced.
/// assert!(!road.edge.error_log().text().contains("[error]"));
/// assert_eq!(road.nodes[0].masqueraded().unwrap(), 0);
/// ```
#[derive(Debug)]
pub struct WholeRoad {
    // Fields drop in this order: the lab ends every process at once, and then nothing has to be waited for.
    lab: Lab,
    /// Where requests come from.
    pub client: Host,
    /// Who answers for the names of the road.
    pub dns: NameServer,
    /// The proxy that the client dials.
    pub edge: Proxy,
    /// The proxy behind it, unless the road was built without one.
    pub gateway: Option<Proxy>,
    /// The nodes that take requests for the Service on their NodePort.
    pub nodes: Vec<Node>,
    /// The Pods: one behind each node, in the same order.
    pub pods: Vec<Pod>,
    /// What the application asks.
    pub database: Database,
}

/// The host with the DNS server of the road.
///
/// ```
/// use std::net::ToSocketAddrs;
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
/// let Some(road) = lab::or_skip(road.build()) else { return };
/// let mut found = road.client.run(|| "www.road.test:80".to_socket_addrs()).unwrap().unwrap();
/// let edge = &road.edge.host.interface_on("outside").unwrap().addresses[0];
/// assert!(found.any(|address| address.ip() == edge.ip()));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct NameServer {
    /// The host, with one foot outside and one inside.
    pub host: Host,
    /// The server; it is the authority for `road.test`, and nobody else's.
    pub knot: Knot,
}

/// A proxy of the road.
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
/// let Some(road) = lab::or_skip(road.build()) else { return };
/// let curl = road.client.command("curl").args(["--silent", "--max-time", "20"]).arg(road.url("/"));
/// assert!(curl.status().unwrap().success());
/// let tried = format!("upstream=\"{}\"", road.nodes[0].node_port());
/// let line = road.edge.access_log().wait_for(Duration::from_secs(10), |line| line.contains(&tried));
/// assert!(line.is_some());
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Proxy {
    /// The host it runs in.
    pub host: Host,
    /// The server.
    pub nginx: Nginx,
}

/// A node of the road.
///
/// ```
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
/// let Some(road) = lab::or_skip(road.build()) else { return };
/// let before = road.nodes[0].connections().unwrap();
/// let curl = road.client.command("curl").args(["--silent", "--max-time", "20"]).arg(road.url("/"));
/// assert!(curl.status().unwrap().success());
/// assert_eq!(road.nodes[0].connections().unwrap(), before + 1);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Node {
    /// The host.
    pub host: Host,
}

/// A Pod of the road.
///
/// ```
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
/// let Some(road) = lab::or_skip(road.build()) else { return };
/// let direct = format!("http://{}/", road.pods[0].address());
/// let curl = road.edge.host.command("curl").args(["--silent", "--max-time", "20", &direct]);
/// assert!(curl.status().unwrap().success());
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Pod {
    /// The host it is, with its own network.
    pub host: Host,
    /// What runs in it.
    pub application: Application,
}

/// The database of the road.
///
/// ```
/// use std::net::TcpStream;
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
/// let Some(road) = lab::or_skip(road.build()) else { return };
/// let address = (road.database.host.ipv4(), 5432);
/// road.pods[0].host.run(|| TcpStream::connect(address)).unwrap().unwrap();
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Database {
    /// The host it runs in.
    pub host: Host,
    /// The server.
    pub postgres: Postgres,
    /// Whether the application wants TLS of it, and verifies its certificate.
    pub over_tls: bool,
}

impl WholeRoad {
    /// The road as it is by default: a gateway, two nodes, both address families.
    ///
    /// # Errors
    /// When the machine lacks something ([`Error::is_missing`]), or a part does not start.
    pub fn lab() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// The description of a road to come.
    pub fn builder() -> RoadBuilder {
        RoadBuilder::default()
    }

    /// The hosts and networks underneath.
    #[must_use]
    pub fn network(&self) -> &Lab {
        &self.lab
    }

    /// The URL that leads through all of it: `http://www.road.test/`.
    #[must_use]
    pub fn front_url(&self) -> String {
        self.url("/")
    }

    /// The URL of a path at the front; `path` begins with a slash.
    ///
    /// The application answers `/` by itself, and `/db` from the database.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", names::FRONT)
    }
}

impl Proxy {
    /// A line a request, with the upstreams tried: what [`Nginx::access_log`] reads.
    #[must_use]
    pub fn access_log(&self) -> Log {
        self.nginx.access_log()
    }

    /// What it logged of errors and of itself.
    #[must_use]
    pub fn error_log(&self) -> Log {
        self.nginx.error_log()
    }
}

impl Node {
    /// Where requests for the Service are taken: the NodePort, over IPv4.
    #[must_use]
    pub fn node_port(&self) -> SocketAddr {
        (self.host.ipv4(), NODE_PORT).into()
    }

    /// How many connections came in by the NodePort of this node, as its kernel counted.
    ///
    /// # Errors
    /// When nft cannot be asked.
    pub fn connections(&self) -> Result<u64, Error> {
        self.count("external")
    }

    /// How many connections left this node with its own address in place of their source.
    ///
    /// # Errors
    /// When nft cannot be asked.
    pub fn masqueraded(&self) -> Result<u64, Error> {
        self.count("masqueraded")
    }

    fn count(&self, counter: &str) -> Result<u64, Error> {
        super::nft::packets(&self.host, service::TABLE, counter)
    }
}

impl Pod {
    /// Where the application listens, over IPv4.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (self.host.ipv4(), POD_PORT).into()
    }
}

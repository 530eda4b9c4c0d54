//! Hosts, cables, routers and firewalls inside this process: real Linux networking that touches nothing else.
//!
//! A lab is made of network namespaces that nothing names and only this process holds, so it needs no
//! cleaning: when the process is gone, whatever ended it, the kernel takes the lab down. Labs have their
//! own addresses, resolver settings, hosts files and environments, and neither this machine nor another
//! lab can be reached from one.
//!
//! ```
//! use std::net::{TcpListener, TcpStream};
//! use reqpath_testkit::lab::{self, Filter, HostSpec, Lab, Rejection};
//!
//! let lab = Lab::builder()
//!     .host(HostSpec::new("client").knows("shop.test", "server"))
//!     .router("edge")
//!     .host("server")
//!     .link("client", "edge")
//!     .link("edge", "server")
//!     .build();
//! let Some(lab) = lab::or_skip(lab) else { return };
//!
//! // Something listens on the server, and the client reaches it by name, through the router.
//! let address = (lab["server"].ipv4(), 8080);
//! let listener = lab["server"].run(|| TcpListener::bind(address)).unwrap().unwrap();
//! lab["client"].run(|| TcpStream::connect("shop.test:8080")).unwrap().unwrap();
//!
//! // The router forbids it, and counts what it forbade.
//! let filter = Filter::forwarded().tcp_port(8080).reject(Rejection::TcpReset);
//! # if lab::or_skip(lab["edge"].rules()).is_none() { return }
//! let fault = lab["edge"].impose(&filter).unwrap();
//! let refused = lab["client"].run(|| TcpStream::connect(address)).unwrap().unwrap_err();
//! assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
//! assert_eq!(fault.packets().unwrap(), 1);
//! # drop(listener);
//! ```
//!
//! What a host is good for:
//! - [`Host::vantage`] and [`Host::trace`]: looking from there, with that host's names and routes;
//! - [`Host::start`]: real servers, nginx to PostgreSQL, as processes of the host;
//! - [`Host::run`], [`Host::spawn`], [`Host::command`]: anything else, a fake server or a program;
//! - [`Host::impose`], [`Host::add_dead_route`], [`Host::set_mtu`], …: breaking it.
//!
//! A lab can be written in a file as well ([`Lab::from_toml`]), and [`WholeRoad`] is one that is ready:
//! a client, DNS, two proxies, a Service on its nodes, Pods and a database.
//!
//! It needs root, or a user namespace (see [`rootless`]); nftables rules need the `nft` program, and slow
//! cables need `/dev/net/tun`. What it does not separate: files other than the ones named above (so a
//! socket in the file system reaches this machine's programs), users, and the view of processes in `/proc`.

use std::{collections::BTreeMap, ops::Index, sync::Arc};

mod addressing;
mod cidr;
mod construct;
mod delay;
mod error;
mod executor;
mod files;
mod filter;
mod host;
mod inside;
mod keeper;
mod namespace;
mod netlink;
mod nft;
mod plan;
mod privilege;
mod process;
mod program;
mod rerouting;
pub mod road;
mod routing;
mod spec;
mod sysctl;
mod toml_error;
mod toml_file;
mod toml_shapes;
mod vantage;

pub use self::{
    cidr::Cidr,
    error::Error,
    filter::{Fault, Filter, Rejection},
    host::Host,
    netlink::DeadRoute,
    plan::Interface,
    privilege::{or_skip, rootless},
    process::{HostChild, HostCommand},
    program::{Program, Ready},
    road::WholeRoad,
    spec::{HostSpec, LabBuilder, Link},
    toml_error::FileError,
    toml_file::LabFile,
};

use self::{delay::Relay, files::LabDirectory, namespace::Namespaces};

/// A network of hosts, up from the moment it is built until it is dropped.
///
/// ```
/// use reqpath_testkit::lab::{self, Lab};
///
/// let lab = Lab::builder().host("client").host("server").link("client", "server").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// assert!(lab.hosts().map(|host| host.name()).eq(["client", "server"]));
/// assert!(lab.host("sever").is_err());
/// ```
#[derive(Debug)]
pub struct Lab {
    hosts: BTreeMap<String, Host>,
    // Held for their namespaces alone.
    #[allow(dead_code, reason = "a switch lives as long as its namespace is held")]
    switches: Vec<Arc<Namespaces>>,
    relay: Option<Relay>,
    #[allow(dead_code, reason = "the directory goes when this is dropped")]
    directory: LabDirectory,
}

impl Lab {
    /// The description of a lab to come.
    pub fn builder() -> LabBuilder {
        LabBuilder::default()
    }

    /// A host by its name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn host(&self, name: &str) -> Result<&Host, Error> {
        self.hosts.get(name).ok_or_else(|| Error::Unknown {
            name: name.to_owned(),
            known: self.hosts.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// All hosts, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }
}

impl Index<&str> for Lab {
    type Output = Host;

    /// A host by its name.
    ///
    /// # Panics
    /// When there is none of that name; [`Lab::host`] does not.
    #[allow(clippy::panic, reason = "an index that is not there panics, as everywhere in Rust")]
    fn index(&self, name: &str) -> &Host {
        match self.host(name) {
            Ok(host) => host,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // All are killed before any is waited for: they end side by side.
        for host in self.hosts.values() {
            host.kill();
        }
        for host in self.hosts.values() {
            host.end();
        }
        drop(self.relay.take());
    }
}

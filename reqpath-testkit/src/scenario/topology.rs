//! Who takes part in a scenario, and at which addresses: the same on fakes and on the lab.
//!
//! The client stands behind a router, `edge`; the nameserver and the servers share the network beyond it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::file::{Certificate, Role};

/// The client.
pub(super) const CLIENT: [IpAddr; 2] = both([198, 51, 100, 2], 1, 2);
/// The router, on the client's side.
pub(super) const EDGE_NEAR: [IpAddr; 2] = both([198, 51, 100, 1], 1, 1);
/// The router, on the servers' side.
pub(super) const EDGE_FAR: [IpAddr; 2] = both([192, 0, 2, 1], 2, 1);
/// The nameserver.
pub(super) const DNS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53)), 53);

const fn both(v4: [u8; 4], network: u16, host: u16) -> [IpAddr; 2] {
    let [a, b, c, d] = v4;
    [
        IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, host)),
    ]
}

/// Whether an address is on the servers' network, and nobody else's.
pub(super) fn is_a_servers(ip: IpAddr) -> bool {
    let on_network = match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [192, 0, 2] && !matches!(ip.octets()[3], 0 | 255),
        IpAddr::V6(ip) => ip.segments()[..4] == [0x2001, 0xdb8, 2, 0],
    };
    on_network && !EDGE_FAR.contains(&ip) && ip != DNS.ip()
}

/// The address of the so-many-th server that chose none.
pub(super) fn address_of(place: usize) -> IpAddr {
    // More than 40 servers would meet the nameserver; the file is refused then, by its addresses.
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, u8::try_from(place.saturating_add(10)).unwrap_or(u8::MAX)))
}

/// Everybody.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    pub(super) resolv_conf: Vec<String>,
    pub(super) hosts: BTreeMap<String, IpAddr>,
    pub(super) zones: Vec<Zone>,
    pub(super) servers: Vec<Server>,
}

/// A zone that the nameserver has.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) origin: String,
    /// Names below the origin.
    pub(super) names: BTreeMap<String, Vec<IpAddr>>,
    pub(super) aliases: BTreeMap<String, String>,
}

/// A host that serves, or one that is just there.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) port: u16,
    pub(super) certificate: Option<Certificate>,
}

impl Server {
    /// Where it listens.
    pub(super) fn sockets(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.addresses.iter().map(|ip| SocketAddr::new(*ip, self.port))
    }
}

impl Zone {
    /// The name below this zone, without the zone's own.
    pub(super) fn relative<'a>(&self, name: &'a str) -> Option<&'a str> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name == self.origin {
            return Some("@");
        }
        name.strip_suffix(self.origin.as_str())?.strip_suffix('.')
    }

    fn full(&self, relative: &str) -> String {
        if relative == "@" { self.origin.clone() } else { format!("{relative}.{}", self.origin) }
    }
}

impl Topology {
    /// The zone a name is in.
    pub(super) fn zone_of(&self, name: &str) -> Option<(&Zone, String)> {
        let zones = self.zones.iter().filter_map(|zone| Some((zone, zone.relative(name)?.to_owned())));
        zones.max_by_key(|(zone, _)| zone.origin.len())
    }

    /// The addresses that a name leads to where nothing is broken; none where it does not exist.
    pub(super) fn lookup(&self, name: &str) -> Option<&[IpAddr]> {
        let (zone, mut relative) = self.zone_of(name)?;
        // A chain of aliases is no longer than there are aliases, or it is a loop.
        for _ in 0..=zone.aliases.len() {
            match zone.aliases.get(&relative) {
                Some(next) => relative.clone_from(next),
                None => return zone.names.get(&relative).map(Vec::as_slice),
            }
        }
        None
    }

    /// All names that lead to a server, in full.
    pub(super) fn names_of(&self, server: &Server) -> Vec<String> {
        let all = self.zones.iter().flat_map(|zone| {
            zone.names.keys().chain(zone.aliases.keys()).map(|relative| zone.full(relative))
        });
        let leads = |name: &String| {
            self.lookup(name).is_some_and(|found| found.iter().any(|ip| server.addresses.contains(ip)))
        };
        all.filter(leads).collect()
    }

    /// The server that has an address.
    pub(super) fn server_at(&self, ip: IpAddr) -> Option<usize> {
        self.servers.iter().position(|server| server.addresses.contains(&ip))
    }
}

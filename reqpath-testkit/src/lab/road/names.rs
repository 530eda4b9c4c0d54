//! The names of the road, and who has which address.

use std::{fmt::Write as _, net::IpAddr};

use super::super::{Cidr, Host, Lab};
use crate::real::Zone;

/// The zone of every name.
pub(super) const ZONE: &str = "road.test";
/// The name that a client dials.
pub(super) const FRONT: &str = "www.road.test";
/// The name that the edge dials where there is a gateway.
pub(super) const GATEWAY: &str = "gateway.road.test";
/// The name that the application dials.
pub(super) const DATABASE: &str = "database.road.test";

pub(super) const OUTSIDE: &str = "outside";
pub(super) const INSIDE: &str = "inside";

/// The zone: the edge by its address outside, everybody else by the one inside, Pods by their own.
pub(super) fn zone(lab: &Lab) -> Zone {
    let mut records = String::new();
    for host in lab.hosts() {
        let network = if host.name() == "edge" { OUTSIDE } else { INSIDE };
        let here = ips_on(host, network);
        let ips = if here.is_empty() { host.ips().collect() } else { here };
        let names: &[&str] = if host.name() == "edge" { &["www", "edge"] } else { &[host.name()] };
        for (name, ip) in names.iter().flat_map(|name| ips.iter().map(move |ip| (name, ip))) {
            let kind = if ip.is_ipv4() { "A" } else { "AAAA" };
            // Writing to a String cannot fail.
            let _ = writeln!(records, "{name} {kind} {ip}");
        }
    }
    Zone::new(ZONE, &records)
}

/// The addresses of a host on a network; none where it is not on it.
pub(super) fn ips_on(host: &Host, network: &str) -> Vec<IpAddr> {
    host.interface_on(network).map(|on| on.addresses.iter().map(Cidr::ip).collect()).unwrap_or_default()
}

//! Sharing out addresses on the networks of a lab.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    cidr::Cidr,
    error::Error,
    plan::{Fixed, Network, Node},
};

/// Gives every interface the addresses described for it, and one of each family where none is.
pub(super) fn assign(
    nodes: &mut [Node],
    networks: &mut [Network],
    fixed: &Fixed,
    ipv6: bool,
) -> Result<(), Error> {
    let families: &[bool] = if ipv6 { &[true, false] } else { &[true] };
    let taken: Vec<Cidr> = fixed.iter().map(|(_, _, cidr)| cidr.network()).collect();
    let mut subnets = 1..u16::MAX;
    for network in networks {
        let full = || Error::NetworkFull { network: network.name.clone() };
        let here = |v4: bool| {
            let on = |end: &(usize, usize)| network.members.contains(end);
            fixed.iter().filter(move |(node, at, cidr)| on(&(*node, *at)) && cidr.ip().is_ipv4() == v4)
        };
        // One number serves both families, so that 10.0.7.0/24 and fd00:0:0:7::/64 belong together.
        let number = subnets
            .find(|n| families.iter().all(|v4| taken.iter().all(|used| !subnet(*v4, *n).overlaps(used))))
            .ok_or_else(full)?;
        let mut prefixes = Vec::new();
        for v4 in families {
            let prefix = here(*v4).next().map_or_else(|| subnet(*v4, number), |(_, _, cidr)| cidr.network());
            let mut used: Vec<IpAddr> = here(*v4).map(|(_, _, cidr)| cidr.ip()).collect();
            for end in &network.members {
                let mut given = here(*v4).filter(|(node, at, _)| (*node, *at) == *end).peekable();
                let addresses = &mut nodes[end.0].interfaces[end.1].addresses;
                if given.peek().is_some() {
                    addresses.extend(given.map(|(_, _, cidr)| *cidr));
                    continue;
                }
                let free = (1..=4096)
                    .map_while(|n| prefix.nth(n))
                    .find(|cidr| !used.contains(&cidr.ip()))
                    .ok_or_else(full)?;
                used.push(free.ip());
                addresses.push(free);
            }
            prefixes.push(prefix);
        }
        network.prefixes = prefixes;
    }
    Ok(())
}

fn subnet(v4: bool, number: u16) -> Cidr {
    let [high, low] = number.to_be_bytes();
    let (ip, length) = if v4 {
        (IpAddr::V4(Ipv4Addr::new(10, high, low, 0)), 24)
    } else {
        (IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, number, 0, 0, 0, 0)), 64)
    };
    // Both lengths fit their family.
    #[allow(clippy::expect_used, reason = "24 of 32 bits and 64 of 128 are valid prefix lengths")]
    Cidr::new(ip, length).expect("a valid prefix length")
}

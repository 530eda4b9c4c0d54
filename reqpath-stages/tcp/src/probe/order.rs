//! The order in which addresses are dialled.

use std::net::{IpAddr, SocketAddr};

use reqpath_core::PeerAddr;

use super::MOST_ADDRESSES;

/// The addresses of the wanted family, each once, the two families in turn (RFC 8305, section 4).
///
/// The resolver's order decides which family begins, and the order within each.
pub(super) fn candidates(addresses: Vec<IpAddr>, port: u16, family: Option<u8>) -> Vec<PeerAddr> {
    let peer = |address| PeerAddr(SocketAddr::new(address, port));
    if let [only] = addresses[..] {
        return if wanted(family, only) { vec![peer(only)] } else { Vec::new() };
    }
    let mut distinct: Vec<IpAddr> = Vec::with_capacity(addresses.len().min(64));
    for address in addresses {
        if wanted(family, address) && !distinct.contains(&address) && distinct.len() < 64 {
            distinct.push(address);
        }
    }
    let Some(v6_first) = distinct.first().map(IpAddr::is_ipv6) else { return Vec::new() };
    let (mut first, mut second): (Vec<IpAddr>, Vec<IpAddr>) =
        distinct.into_iter().partition(|address| address.is_ipv6() == v6_first);
    let (mut first, mut second) = (first.drain(..), second.drain(..));
    let mut order = Vec::new();
    while order.len() < MOST_ADDRESSES as usize {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            break;
        }
        order.extend(pair.into_iter().flatten().map(peer));
    }
    order.truncate(MOST_ADDRESSES as usize);
    order
}

fn wanted(family: Option<u8>, address: IpAddr) -> bool {
    match family {
        Some(4) => address.is_ipv4(),
        Some(6) => address.is_ipv6(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(addresses: &[&str], family: Option<u8>) -> Vec<String> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        candidates(addresses, 80, family).iter().map(|peer| peer.ip().to_string()).collect()
    }

    #[test]
    fn families_take_turns_and_the_resolver_says_who_begins() {
        let addresses = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "2001:db8::3", "192.0.2.1", "192.0.2.2"];
        assert_eq!(
            order(&addresses, None),
            ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"]
        );
        assert_eq!(order(&["192.0.2.1", "2001:db8::1"], None), ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(order(&addresses, Some(4)), ["192.0.2.1", "192.0.2.2"]);
        assert!(order(&["192.0.2.1"], Some(6)).is_empty());
        assert!(order(&[], None).is_empty());
    }

    #[test]
    fn a_name_with_thousands_of_addresses_is_bounded() {
        let many = (0..5000_u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes())).collect();
        assert_eq!(candidates(many, 80, None).len(), MOST_ADDRESSES as usize);
    }
}

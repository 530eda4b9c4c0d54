//! The order in which addresses are dialled.

use std::net::{IpAddr, SocketAddr};

use reqpath_core::{Context, PeerAddr};

use super::MOST_ADDRESSES;

/// Where samples are compared, every so many begins with the IP version that the others leave for later.
const OTHER_VERSION_EVERY: usize = 4;

/// More addresses than these are not compared with each other any more, only counted.
const MOST_COMPARED: usize = 1024;

/// The addresses to dial, in order.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) peers: Vec<PeerAddr>,
    /// Addresses of the wanted family beyond those that are dialled at most.
    pub(super) left_out: usize,
}

/// The addresses of the wanted family, each once, the two families in turn (RFC 8305, section 4).
///
/// The resolver's order decides which family begins, and the order within each.
pub(super) fn candidates(addresses: Vec<IpAddr>, port: u16, family: Option<u8>) -> Candidates {
    let peer = |address| PeerAddr(SocketAddr::new(address, port));
    if let [only] = addresses[..] {
        let peers = if wanted(family, only) { vec![peer(only)] } else { Vec::new() };
        return Candidates { peers, left_out: 0 };
    }
    let mut distinct: Vec<IpAddr> = Vec::with_capacity(addresses.len().min(64));
    let mut left_out = 0;
    for address in addresses.into_iter().filter(|address| wanted(family, *address)) {
        if distinct.len() == MOST_COMPARED {
            left_out += 1;
        } else if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    let Some(v6_first) = distinct.first().map(IpAddr::is_ipv6) else { return Candidates::default() };
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) =
        distinct.into_iter().partition(|address| address.is_ipv6() == v6_first);
    let mut order = alternating(first, second);
    left_out += order.len().saturating_sub(MOST_ADDRESSES as usize);
    order.truncate(MOST_ADDRESSES as usize);
    Candidates { peers: order.into_iter().map(peer).collect(), left_out }
}

/// The same addresses, with another in front from sample to sample: as many clients meet them over time.
///
/// Those of one IP version take turns, and so do, less often, the two versions. What a request is to have to
/// confirm something comes before all.
pub(super) fn in_turn(cx: &Context, peers: Vec<PeerAddr>) -> Vec<PeerAddr> {
    let v6_first = peers.first().is_some_and(|peer| peer.ip().is_ipv6());
    let (mut first, mut second): (Vec<PeerAddr>, Vec<PeerAddr>) =
        peers.into_iter().partition(|peer| peer.ip().is_ipv6() == v6_first);
    for (name, of_version) in [("address", &mut first), ("other address", &mut second)] {
        let turn = cx.turn(name, of_version.len());
        of_version.rotate_left(turn);
    }
    if !second.is_empty() && cx.turn("family", OTHER_VERSION_EVERY) == OTHER_VERSION_EVERY - 1 {
        std::mem::swap(&mut first, &mut second);
    }
    let mut order = alternating(first, second);
    if let Some(pinned) = cx.pinned("address") {
        order.sort_by_key(|peer| !pinned.fits(&peer.to_string()));
    }
    if let Some(pinned) = cx.pinned("family") {
        order.sort_by_key(|peer| !pinned.fits(family(*peer)));
    }
    order
}

/// The IP version of an address, in words.
pub(super) fn family(peer: PeerAddr) -> &'static str {
    if peer.ip().is_ipv6() { "IPv6" } else { "IPv4" }
}

/// One of these, one of those, and so on.
fn alternating<T>(these: Vec<T>, those: Vec<T>) -> Vec<T> {
    let mut order = Vec::with_capacity(these.len() + those.len());
    let (mut these, mut those) = (these.into_iter(), those.into_iter());
    loop {
        let before = order.len();
        order.extend(these.next());
        order.extend(those.next());
        if order.len() == before {
            return order;
        }
    }
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
        candidates(addresses, 80, family).peers.iter().map(|peer| peer.ip().to_string()).collect()
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
        for (there_are, left_out) in [(17, 0), (64, 0), (65, 1), (200, 136), (5000, 4936)] {
            let many = (0..there_are).map(|n: u32| IpAddr::from((0x0a00_0000 + n).to_be_bytes())).collect();
            let candidates = candidates(many, 80, None);
            assert_eq!(candidates.left_out, left_out, "{there_are}");
            assert_eq!(candidates.peers.len(), there_are as usize - left_out);
        }
    }
}

//! Sockets of this namespace, as `ss` lists them: who listens, and which ports are in use.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use reqpath_core::{Listener, PeerAddr, PortUse};

use super::netlink::{ask, attributes, u32_at};

/// `SOCK_DIAG_BY_FAMILY` of `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;
/// `INET_DIAG_SKV6ONLY` of `linux/inet_diag.h`.
const V6_ONLY: u16 = 11;
/// The bit of `TCP_LISTEN`.
const LISTENING: u32 = 1 << 10;
/// All states but listening and closed.
const IN_USE: u32 = 0xfff & !LISTENING & !(1 << 7);
/// The length of `struct inet_diag_msg`.
const MESSAGE: usize = 72;

/// One socket of a dump.
struct Socket {
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
    receive_queue: u32,
    send_queue: u32,
    v6_only: bool,
}

/// The listener that connections to this address go to.
///
/// Of several that share the address, the one whose queue is fullest: it is where connections are lost.
pub(crate) fn listener(at: PeerAddr) -> io::Result<Option<Listener>> {
    let mut found: Option<(u8, Listener)> = None;
    each_socket(LISTENING, Some(at.port()), None, |socket| {
        let Some(fit) = fit(&socket, at.ip()) else { return };
        let candidate = Listener::new(socket.receive_queue, socket.send_queue);
        let fuller = |known: &Listener| {
            i64::from(candidate.waiting) - i64::from(candidate.backlog)
                > i64::from(known.waiting) - i64::from(known.backlog)
        };
        if found.as_ref().is_none_or(|(best, known)| fit > *best || (fit == *best && fuller(known))) {
            found = Some((fit, candidate));
        }
    })?;
    Ok(found.map(|(_, listener)| listener))
}

/// Local ports in use towards a peer, and the range the kernel takes them from.
pub(crate) fn ports(to: PeerAddr) -> io::Result<PortUse> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let mut ends = range.split_whitespace().map(str::parse::<u16>);
    let (Some(Ok(first)), Some(Ok(last))) = (ends.next(), ends.next()) else {
        return Err(io::Error::other(format!("ip_local_port_range is {range:?}")));
    };
    let mut used = vec![false; usize::from(u16::MAX) + 1];
    each_socket(IN_USE, None, Some(to.port()), |socket| {
        let port = socket.local.1;
        if socket.remote == (to.ip(), to.port()) && (first..=last).contains(&port) {
            used[usize::from(port)] = true;
        }
    })?;
    let used = used.into_iter().filter(|used| *used).count();
    Ok(PortUse::new(first, last, u32::try_from(used).unwrap_or(u32::MAX)))
}

/// How well a listener fits an address: the kernel prefers the exact one, then the family's own wildcard.
fn fit(socket: &Socket, address: IpAddr) -> Option<u8> {
    let listens = socket.local.0;
    if listens == address {
        return Some(3);
    }
    match (listens, address) {
        (IpAddr::V4(any), IpAddr::V4(_)) if any.is_unspecified() => Some(2),
        (IpAddr::V6(any), IpAddr::V6(_)) if any.is_unspecified() => Some(2),
        (IpAddr::V6(any), IpAddr::V4(_)) if any.is_unspecified() && !socket.v6_only => Some(1),
        _ => None,
    }
}

/// Walks the TCP sockets of both families, with these ports where they are given.
fn each_socket(
    states: u32,
    local: Option<u16>,
    remote: Option<u16>,
    mut each: impl FnMut(Socket),
) -> io::Result<()> {
    for family in [libc::AF_INET, libc::AF_INET6] {
        let question = question(family, states, local, remote);
        let asked = ask(libc::NETLINK_SOCK_DIAG, BY_FAMILY, true, &question, |kind, body| {
            // A kernel without the port filter sends all, and takes a port of 0 for any: check again.
            if kind == BY_FAMILY
                && let Some(socket) = parse(family, body)
                && local.is_none_or(|port| socket.local.1 == port)
                && remote.is_none_or(|port| socket.remote.1 == port)
            {
                each(socket);
            }
        });
        match asked {
            // A kernel without IPv6 has no IPv6 sockets.
            Err(_) if family == libc::AF_INET6 => {}
            other => other?,
        }
    }
    Ok(())
}

/// `struct inet_diag_req_v2`.
fn question(family: i32, states: u32, local: Option<u16>, remote: Option<u16>) -> Vec<u8> {
    let mut body = Vec::with_capacity(56);
    // Both families, and the protocol, fit a byte.
    body.extend([family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    body.extend(states.to_ne_bytes());
    body.extend(local.unwrap_or(0).to_be_bytes());
    body.extend(remote.unwrap_or(0).to_be_bytes());
    // Any address, any interface, no cookie.
    body.extend([0; 36]);
    body.extend([0xff; 8]);
    body
}

fn parse(family: i32, body: &[u8]) -> Option<Socket> {
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| {
        Some(if family == libc::AF_INET {
            IpAddr::from(<[u8; 4]>::try_from(body.get(at..at + 4)?).ok()?)
        } else {
            // An IPv4 peer of an IPv6 socket is an IPv4 peer.
            Ipv6Addr::from(<[u8; 16]>::try_from(body.get(at..at + 16)?).ok()?).to_canonical()
        })
    };
    let v6_only = attributes(body.get(MESSAGE..)?)
        .any(|(kind, value)| kind == V6_ONLY && value.first().is_some_and(|&only| only != 0));
    Some(Socket {
        local: (address(8)?, port(4)?),
        remote: (address(24)?, port(6)?),
        receive_queue: u32_at(body, 56)?,
        send_queue: u32_at(body, 60)?,
        v6_only,
    })
}

//! Which way packets take: one question to the routing table, as `ip route get` asks it.

use std::io;
use std::net::IpAddr;

use nix::net::if_::if_indextoname;
use reqpath_core::Route;

use super::netlink::{ask, attribute, attributes, u32_at};

/// The length of `struct rtmsg`.
const HEADER: usize = 12;

pub(crate) fn route(to: IpAddr) -> io::Result<Route> {
    let mut found: Option<(Route, Option<u32>)> = None;
    let asked = ask(libc::NETLINK_ROUTE, libc::RTM_GETROUTE, false, &question(to), |kind, body| {
        if kind == libc::RTM_NEWROUTE {
            found = found.take().or_else(|| parse(body));
        }
    });
    match asked {
        Ok(()) => {
            let (mut route, index) = found.ok_or(io::ErrorKind::InvalidData)?;
            // After the netlink socket is closed: this one needs a descriptor too.
            route.interface = index.and_then(name_of);
            Ok(route)
        }
        Err(error) => refusal(&error).map(Route::new).ok_or(error),
    }
}

fn question(to: IpAddr) -> Vec<u8> {
    let (family, bits, address) = match to {
        IpAddr::V4(address) => (libc::AF_INET, 32, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, 128, address.octets().to_vec()),
    };
    let mut body = vec![0; HEADER];
    // Both families fit a byte.
    body[0] = family as u8;
    body[1] = bits;
    body.extend(attribute(libc::RTA_DST, &address));
    body
}

/// The kernel answers with an error where the route itself says no.
fn refusal(error: &io::Error) -> Option<&'static str> {
    Some(match error.raw_os_error()? {
        libc::ENETUNREACH => "none",
        libc::EHOSTUNREACH => "unreachable",
        libc::EACCES => "prohibit",
        libc::EINVAL => "blackhole",
        _ => return None,
    })
}

/// The route, and the number of its interface.
fn parse(body: &[u8]) -> Option<(Route, Option<u32>)> {
    let mut index = None;
    let mut route = Route::new(match *body.get(7)? {
        libc::RTN_UNICAST => "unicast",
        libc::RTN_LOCAL => "local",
        libc::RTN_BROADCAST => "broadcast",
        libc::RTN_ANYCAST => "anycast",
        libc::RTN_MULTICAST => "multicast",
        libc::RTN_BLACKHOLE => "blackhole",
        libc::RTN_UNREACHABLE => "unreachable",
        libc::RTN_PROHIBIT => "prohibit",
        libc::RTN_THROW => "none",
        _ => "other",
    });
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            libc::RTA_OIF => index = u32_at(value, 0),
            libc::RTA_GATEWAY => route.gateway = address(value),
            // A next hop of the other family: two bytes of family before it.
            libc::RTA_VIA => route.gateway = value.get(2..).and_then(address),
            libc::RTA_PREFSRC => route.source = address(value),
            // IPv6 says "no route at all" as an unreachable one with this error.
            libc::RTA_CACHEINFO if u32_at(value, 12).map(u32::cast_signed) == Some(-libc::ENETUNREACH) => {
                route.kind = "none".into();
            }
            _ => {}
        }
    }
    Some((route, index))
}

fn name_of(index: u32) -> Option<String> {
    if_indextoname(index).ok()?.into_string().ok().filter(|name| !name.is_empty())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

//! The ICMP message behind an error: the socket's error queue.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrLike, recvmsg, setsockopt,
};
use reqpath_core::{IcmpError, PeerAddr};

/// More than one attempt can queue; a peer that sends more is not worth the time.
const MOST: usize = 16;

/// Makes the kernel keep ICMP errors for [`icmp`], and not only turn them into a number.
pub(crate) fn keep_icmp(socket: &impl AsFd, to: PeerAddr) {
    set(socket, to, true);
}

/// Makes the connection treat ICMP errors as any client's: what passes must not end it.
pub(crate) fn forget_icmp(socket: &impl AsFd, to: PeerAddr) {
    set(socket, to, false);
}

fn set(socket: &impl AsFd, to: PeerAddr, keep: bool) {
    // A kernel without the option gives no detail; the attempt itself is as good.
    let _ = match to.0 {
        std::net::SocketAddr::V4(_) => setsockopt(socket, Ipv4RecvErr, &keep),
        std::net::SocketAddr::V6(_) => setsockopt(socket, Ipv6RecvErr, &keep),
    };
}

/// The last ICMP error that came back for this socket.
pub(crate) fn icmp(socket: &impl AsFd, to: PeerAddr) -> Option<IcmpError> {
    let next = || if to.0.is_ipv4() { next::<SockaddrIn>(socket) } else { next::<SockaddrIn6>(socket) };
    let mut last = None;
    for _ in 0..MOST {
        let Some(queued) = next() else { break };
        last = queued.or(last);
    }
    last
}

/// Takes one message off the queue: `None` when it is empty, `Some(None)` when it was no ICMP error.
#[expect(clippy::option_option, reason = "an empty queue is not an uninteresting message")]
fn next<S: SockaddrLike>(socket: &impl AsFd) -> Option<Option<IcmpError>> {
    let mut space = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<S>(socket.as_fd().as_raw_fd(), &mut [], Some(&mut space), flags).ok()?;
    let found = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, offender) => {
            let offender =
                offender.map(|from| IpAddr::V4(Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr))));
            from_network(&error, offender)
        }
        ControlMessageOwned::Ipv6RecvErr(error, offender) => {
            let offender = offender.map(|from| IpAddr::V6(Ipv6Addr::from(from.sin6_addr.s6_addr)));
            from_network(&error, offender)
        }
        _ => None,
    });
    Some(found)
}

/// The queue also holds errors of our own kernel; only ICMP says what the network thinks.
fn from_network(error: &libc::sock_extended_err, offender: Option<IpAddr>) -> Option<IcmpError> {
    let v6 = match error.ee_origin {
        libc::SO_EE_ORIGIN_ICMP => false,
        libc::SO_EE_ORIGIN_ICMP6 => true,
        _ => return None,
    };
    let offender = offender.filter(|address| !address.is_unspecified());
    Some(IcmpError::new(error.ee_type, error.ee_code, offender, v6))
}

//! What Linux keeps about sockets, routes and limits.

mod command;
mod cover;
mod descriptors;
mod error_queue;
mod gate;
mod last;
mod netlink;
mod root;
mod route;
mod sockets;
mod tcp_info;

pub(crate) use command::{command, output};
pub(crate) use descriptors::descriptors;
pub(crate) use error_queue::{forget_icmp, icmp, keep_icmp};
pub(crate) use gate::Gate;
pub(crate) use root::Root;
pub(crate) use route::route;
pub(crate) use sockets::{listener, ports};
pub(crate) use tcp_info::tcp_info;

use std::io;

use nix::errno::Errno;
use reqpath_core::PeerAddr;
use socket2::{Domain, Protocol, Socket, Type};

/// A socket that blocks nobody, for the family of a peer.
pub(crate) fn socket(to: PeerAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    Socket::new(Domain::for_address(to.0), kind.nonblocking(), Some(protocol))
}

/// The number `connect()` gives while the handshake goes on.
pub(crate) const IN_PROGRESS: i32 = libc::EINPROGRESS;

/// The symbol of an error number: `ECONNREFUSED`.
pub(crate) fn symbol(errno: i32) -> Option<String> {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => None,
        known => Some(format!("{known:?}")),
    }
}

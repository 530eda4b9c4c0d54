//! Systems other than Linux: sockets work, and the kernel's own evidence is not to be had.

use std::io;
use std::net::IpAddr;

use reqpath_core::{IcmpError, KernelInfo, Listener, PeerAddr, PortUse, Route};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

/// `EINPROGRESS` of the BSDs; elsewhere the error has a kind of its own.
pub(crate) const IN_PROGRESS: i32 = 36;

/// A socket that blocks nobody, for the family of a peer.
pub(crate) fn socket(to: PeerAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to.0), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

pub(crate) fn keep_icmp(_: &Socket, _: PeerAddr) {}

pub(crate) fn forget_icmp(_: &TcpStream, _: PeerAddr) {}

pub(crate) fn icmp(_: &Socket, _: PeerAddr) -> Option<IcmpError> {
    None
}

pub(crate) fn tcp_info<S>(_: &S) -> Option<KernelInfo> {
    None
}

pub(crate) fn symbol(_: i32) -> Option<String> {
    None
}

pub(crate) fn route(_: IpAddr) -> io::Result<Route> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn listener(_: PeerAddr) -> io::Result<Option<Listener>> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn ports(_: PeerAddr) -> io::Result<PortUse> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn descriptors() -> io::Result<(u64, u64)> {
    Err(io::ErrorKind::Unsupported.into())
}

//! Systems other than Linux: sockets work, and the kernel's own evidence is not to be had.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqpath_core::{IcmpError, KernelInfo, Listener, PeerAddr, PortUse, Route, Unavailable};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use crate::netns::NetnsError;
use crate::place::Place;

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

pub(crate) async fn command(
    _: &impl Place,
    _: &[String],
    _: usize,
    _: Duration,
) -> Result<Vec<u8>, Unavailable> {
    Err(Unavailable::NotHere)
}

pub(crate) async fn output(
    _: &impl Place,
    _: &[String],
    _: usize,
    _: Duration,
) -> Result<Vec<u8>, Unavailable> {
    Err(Unavailable::NotHere)
}

/// There is no way into a network namespace where there are none.
#[derive(Debug)]
pub(crate) enum Gate {}

impl Gate {
    pub(crate) fn of_path(_: &Path) -> Result<Self, NetnsError> {
        Err(NetnsError::NotLinux)
    }

    pub(crate) fn of_process(_: u32) -> Result<Self, NetnsError> {
        Err(NetnsError::NotLinux)
    }

    pub(crate) fn name(&self) -> String {
        match *self {}
    }

    pub(crate) fn root(&mut self) -> Option<Root> {
        match *self {}
    }

    pub(crate) fn environment(&mut self) -> Option<Vec<(String, String)>> {
        match *self {}
    }

    pub(crate) fn path(&self) -> &Path {
        match *self {}
    }

    pub(crate) fn enter(self) -> Result<(), NetnsError> {
        match self {}
    }
}

/// Nor another root.
#[derive(Debug)]
pub(crate) enum Root {}

impl Root {
    pub(crate) fn open(&self, _: &str) -> io::Result<File> {
        match *self {}
    }
}

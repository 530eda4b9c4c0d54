//! UDP and TCP on one port.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// How often a port is tried that is free on UDP and taken on TCP.
const ATTEMPTS: usize = 64;

/// The sockets of one server.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) address: SocketAddr,
    pub(super) udp: UdpSocket,
    pub(super) tcp: Tcp,
}

/// The TCP side of the port.
#[derive(Debug)]
pub(super) enum Tcp {
    Listening(TcpListener),
    /// Bound without listening: connecting is refused, and nobody else can take the port.
    Refusing(#[allow(dead_code, reason = "held for its port alone")] Socket),
}

/// Binds both; `port` 0 finds one that is free on both.
pub(super) fn bind(address: IpAddr, port: u16, listens: bool) -> io::Result<Sockets> {
    let mut last = io::Error::other("no port was tried");
    for _ in 0..if port == 0 { ATTEMPTS } else { 1 } {
        let udp = UdpSocket::bind((address, port))?;
        let bound = udp.local_addr()?;
        match bind_tcp(bound, listens) {
            Ok(tcp) => {
                udp.set_nonblocking(true)?;
                return Ok(Sockets { address: bound, udp, tcp });
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn bind_tcp(address: SocketAddr, listens: bool) -> io::Result<Tcp> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    // As std does: a port whose old connections linger may be taken again.
    socket.set_reuse_address(listens)?;
    socket.bind(&address.into())?;
    if !listens {
        return Ok(Tcp::Refusing(socket));
    }
    socket.listen(128)?;
    socket.set_nonblocking(true)?;
    Ok(Tcp::Listening(socket.into()))
}

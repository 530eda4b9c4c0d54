//! Ports that were free a moment ago.
//!
//! A server that is another program must be told its port, so there is a moment between finding
//! a free one and the server's own bind. Whoever starts a server tries again with another port
//! when that bind fails.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use super::RealError;

/// How often a start is tried with other ports when somebody took the first ones.
pub(super) const TRIES: usize = 8;

/// A port of `ip` that is free for TCP and for UDP.
pub(super) fn free(ip: IpAddr) -> Result<SocketAddr, RealError> {
    let mut refusal = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..32 {
        match both(ip) {
            Ok(address) => return Ok(address),
            Err(error) => refusal = error,
        }
    }
    Err(RealError::machine(format!("find a free port of {ip}"))(refusal))
}

fn both(ip: IpAddr) -> io::Result<SocketAddr> {
    let stream = TcpListener::bind((ip, 0))?;
    let address = stream.local_addr()?;
    let _datagram = UdpSocket::bind(address)?;
    Ok(address)
}

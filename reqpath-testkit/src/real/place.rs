//! Where a server is to listen, kept free for it until it does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use super::RealError;

/// An address asked for, or a free port of one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Free(IpAddr),
    Fixed(SocketAddr),
}

/// An address that a server is about to take.
///
/// The socket is bound and does not listen. As long as it lives, the kernel hands its port to
/// nobody who asks for any free one, while a server that asks for this very port gets it, because
/// both allow reuse. Proxies need that: they let a second process listen on their port, so two of
/// them that were given one port would both start, and share the connections.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) address: SocketAddr,
    _socket: Option<Socket>,
}

impl Default for Place {
    fn default() -> Self {
        Self::Free(Ipv4Addr::LOCALHOST.into())
    }
}

impl Place {
    pub(super) fn reserve(self) -> Result<Reserved, RealError> {
        let ip = match self {
            Self::Fixed(address) => return Ok(Reserved { address, _socket: None }),
            Self::Free(ip) => ip,
        };
        let bound = || {
            let any = SocketAddr::new(ip, 0);
            let socket = Socket::new(Domain::for_address(any), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&any.into())?;
            let address = socket.local_addr()?.as_socket().unwrap_or(any);
            Ok(Reserved { address, _socket: Some(socket) })
        };
        bound().map_err(RealError::machine(format!("reserve a port of {ip}")))
    }

    /// Whether a port that somebody took could be exchanged for another.
    pub(super) const fn may_move(self) -> bool {
        matches!(self, Self::Free(_))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::Place;

    #[test]
    fn a_reserved_port_goes_to_whoever_asks_for_it_and_to_nobody_else() {
        let reserved: Vec<_> = (0..64).map(|_| Place::default().reserve().unwrap()).collect();
        let mut ports: Vec<_> = reserved.iter().map(|one| one.address.port()).collect();
        let others: Vec<_> = (0..64).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        ports.extend(others.iter().map(|one| one.local_addr().unwrap().port()));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 128);
        for one in &reserved {
            TcpListener::bind(one.address).unwrap();
        }
    }
}

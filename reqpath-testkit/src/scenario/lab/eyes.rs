//! The client's place, seen by plain sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;

use super::super::witness::{Dialled, Eyes};

/// Looks with plain sockets, from wherever the calling thread is.
#[derive(Debug)]
pub(in super::super) struct Sockets;

impl Eyes for Sockets {
    async fn dial(&self, to: SocketAddr, limit: Duration) -> Dialled {
        match timeout(limit, tokio::net::TcpStream::connect(to)).await {
            Ok(Ok(stream)) => Dialled::Open(Box::new(stream)),
            Ok(Err(error)) => Dialled::Failed(error.kind()),
            Err(_) => Dialled::Silent,
        }
    }

    async fn ask(&self, to: SocketAddr, datagram: &[u8], limit: Duration) -> io::Result<Option<Vec<u8>>> {
        let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
        let socket = tokio::net::UdpSocket::bind((any, 0)).await?;
        socket.connect(to).await?;
        socket.send(datagram).await?;
        let mut buffer = vec![0; 65_535];
        match timeout(limit, socket.recv(&mut buffer)).await {
            Ok(length) => length.map(|length| Some(buffer[..length].to_vec())),
            Err(_) => Ok(None),
        }
    }
}

//! A datagram socket that speaks with one peer.

use std::io;

use async_trait::async_trait;
use reqpath_core::{Datagram, LocalAddr, PeerAddr};
use socket2::{Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::place::Place;
use crate::system;

/// Opens a connected socket: only the peer's datagrams arrive on it, and its ICMP errors do.
pub(crate) async fn open(place: &impl Place, to: PeerAddr) -> io::Result<Box<dyn Datagram>> {
    let socket = place.here(move || connected(to)).await??;
    Ok(Box::new(Connected(UdpSocket::from_std(socket.into())?)))
}

fn connected(to: PeerAddr) -> io::Result<Socket> {
    let socket = system::socket(to, Type::DGRAM, Protocol::UDP)?;
    // Without this, "host unreachable" stays with the kernel and looks like silence.
    system::keep_icmp(&socket, to);
    socket.connect(&to.0.into())?;
    Ok(socket)
}

#[derive(Debug)]
struct Connected(UdpSocket);

#[async_trait]
impl Datagram for Connected {
    fn local(&self) -> Option<LocalAddr> {
        self.0.local_addr().ok().map(LocalAddr)
    }

    async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.0.send(datagram).await.map(drop)
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer).await
    }
}

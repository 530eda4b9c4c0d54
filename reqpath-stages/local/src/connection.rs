//! An open connection of this process.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use reqpath_core::{Connection, KernelInfo, LocalAddr, PeerAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::system;

/// A TCP connection that asks the kernel only when asked.
#[derive(Debug)]
pub(crate) struct Stream {
    stream: TcpStream,
    peer: PeerAddr,
}

impl Stream {
    pub(crate) fn new(stream: TcpStream, peer: PeerAddr) -> Self {
        Self { stream, peer }
    }
}

impl Connection for Stream {
    fn local(&self) -> Option<LocalAddr> {
        self.stream.local_addr().ok().map(LocalAddr)
    }

    fn peer(&self) -> PeerAddr {
        self.peer
    }

    fn kernel(&self) -> Option<KernelInfo> {
        system::tcp_info(&self.stream)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

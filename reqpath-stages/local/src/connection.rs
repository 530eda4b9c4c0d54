//! An open connection of this process.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use reqpath_core::{Connection, KernelInfo, LocalAddr, PeerAddr};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::system;

/// A failure is an error to be told, and no signal that would end the process.
#[cfg(target_os = "linux")]
const QUIETLY: i32 = libc::MSG_NOSIGNAL;
/// Other systems are told so when the socket is opened, or know no such signal.
#[cfg(not(target_os = "linux"))]
const QUIETLY: i32 = 0;

/// A TCP connection that asks the kernel only when asked.
#[derive(Debug)]
pub(crate) struct Stream {
    stream: TcpStream,
    peer: PeerAddr,
    /// Whether nothing was sent yet: the send buffer is empty, and there is no need to wait until told so.
    unspoken: bool,
}

impl Stream {
    pub(crate) fn new(stream: TcpStream, peer: PeerAddr) -> Self {
        Self { stream, peer, unspoken: true }
    }
}

impl Stream {
    /// What came of the first words, said without waiting to be told that there is room for them;
    /// nothing where they must wait after all.
    fn first_words(&mut self, slices: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
        if !std::mem::take(&mut self.unspoken) {
            return None;
        }
        match SockRef::from(&self.stream).send_vectored_with_flags(slices, QUIETLY) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                None
            }
            sent => Some(sent),
        }
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
        if let Some(sent) = self.first_words(&[IoSlice::new(bytes)]) {
            return Poll::Ready(sent);
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(sent) = self.first_words(slices) {
            return Poll::Ready(sent);
        }
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

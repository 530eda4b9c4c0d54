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
    /// Whether the kernel may hold back what we say until the peer has acknowledged what we said before.
    held_back: bool,
}

impl Stream {
    pub(crate) fn new(stream: TcpStream, peer: PeerAddr) -> Self {
        Self { stream, peer, unspoken: true, held_back: true }
    }
}

impl Stream {
    /// What came of the first words, said without waiting to be told that there is room for them;
    /// nothing where they must wait after all.
    fn first_words(&mut self, slices: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
        if !std::mem::take(&mut self.unspoken) {
            self.speak_at_once();
            return None;
        }
        match SockRef::from(&self.stream).send_vectored_with_flags(slices, QUIETLY) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                None
            }
            sent => Some(sent),
        }
    }

    /// A tracer must not measure its own Nagle delay. The first words meet none.
    fn speak_at_once(&mut self) {
        if std::mem::take(&mut self.held_back) {
            // Where it fails the connection is gone, which whoever writes is told.
            let _ = self.stream.set_nodelay(true);
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_what_could_be_held_back_is_told_to_go_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap();
        let mut stream = Stream::new(TcpStream::connect(peer).await.unwrap(), PeerAddr(peer));
        stream.write_all(b"hello").await.unwrap();
        assert!(!stream.stream.nodelay().unwrap());
        stream.write_all(b"again").await.unwrap();
        assert!(stream.stream.nodelay().unwrap());
    }
}

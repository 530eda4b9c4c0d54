//! An accepted connection, plain or TLS, and the ways to end it.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// How long a closed connection is drained, so that what the peer still sends does not turn our FIN into RST.
const DRAIN: Duration = Duration::from_secs(5);

/// A connection whose first bytes may have been looked at and put back.
pub(super) struct Wire {
    unread: BytesMut,
    io: Io,
    close_notify: bool,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Self { unread: BytesMut::new(), io: Io::Plain(tcp), close_notify: true }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, close_notify: bool) -> Self {
        Self { unread: BytesMut::new(), io: Io::Tls(Box::new(stream)), close_notify }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        match &self.io {
            Io::Plain(tcp) => tcp,
            Io::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Puts bytes back, to be read again.
    pub(super) fn put_back(&mut self, bytes: BytesMut) {
        let mut all = bytes;
        all.extend_from_slice(&self.unread);
        self.unread = all;
    }

    /// One read of at most 16 KiB; empty at the end.
    pub(super) async fn read_some(&mut self) -> io::Result<Bytes> {
        let mut buffer = BytesMut::with_capacity(16 * 1024);
        self.read_buf(&mut buffer).await?;
        Ok(buffer.freeze())
    }

    /// Ends with FIN, and with close_notify before it on TLS.
    pub(super) async fn close(mut self) {
        if self.close_notify {
            // A peer that is gone needs no goodbye.
            drop(timeout(DRAIN, self.shutdown()).await);
        }
        drop(SockRef::from(self.tcp()).shutdown(Shutdown::Write));
        drop(timeout(DRAIN, self.discard()).await);
    }

    /// Ends with RST.
    pub(super) fn reset(self) {
        // Fails only on a socket that is already gone.
        drop(SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO)));
    }

    /// Reads and forgets until the peer closes.
    pub(super) async fn discard(&mut self) {
        let mut buffer = [0; 4096];
        // Straight from the socket: what comes may be no TLS any more.
        while let Ok(1..) = match &mut self.io {
            Io::Plain(tcp) => tcp.read(&mut buffer).await,
            Io::Tls(stream) => stream.get_mut().0.read(&mut buffer).await,
        } {}
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let length = self.unread.len().min(buf.remaining());
            buf.put_slice(&self.unread[..length]);
            self.unread.advance(length);
            return Poll::Ready(Ok(()));
        }
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

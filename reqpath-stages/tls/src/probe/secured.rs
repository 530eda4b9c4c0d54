use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use reqpath_core::{Connection, KernelInfo, LocalAddr, PeerAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::tap::Tap;

/// A connection secured by TLS, that still knows its socket.
#[derive(Debug)]
pub(crate) struct Secured(TlsStream<Tap>);

impl Secured {
    pub(crate) fn new(stream: TlsStream<Tap>) -> Self {
        Self(stream)
    }
}

impl Connection for Secured {
    fn local(&self) -> Option<LocalAddr> {
        self.0.get_ref().0.inner().local()
    }

    fn peer(&self) -> PeerAddr {
        self.0.get_ref().0.inner().peer()
    }

    fn kernel(&self) -> Option<KernelInfo> {
        self.0.get_ref().0.inner().kernel()
    }
}

impl AsyncRead for Secured {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

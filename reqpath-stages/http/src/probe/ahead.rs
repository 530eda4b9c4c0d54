//! A connection of which some bytes were read already.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use reqpath_core::{Connection, KernelInfo, LocalAddr, PeerAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection of which some bytes were read already.
#[derive(Debug)]
pub(super) struct Ahead {
    pub(super) read: Bytes,
    pub(super) beneath: Box<dyn Connection>,
    pub(super) peer: PeerAddr,
}

impl Connection for Ahead {
    fn local(&self) -> Option<LocalAddr> {
        self.beneath.local()
    }

    fn peer(&self) -> PeerAddr {
        self.peer
    }

    fn kernel(&self) -> Option<KernelInfo> {
        self.beneath.kernel()
    }
}

impl AsyncRead for Ahead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut *self.beneath).poll_read(cx, buffer);
        }
        let length = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..length]);
        self.read.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ahead {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.beneath).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.beneath).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.beneath.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.beneath).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.beneath).poll_shutdown(cx)
    }
}

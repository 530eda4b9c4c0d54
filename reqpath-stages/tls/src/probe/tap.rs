use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use reqpath_core::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Bytes kept of what the peer says first.
const HEAD: usize = 64;

/// Listens in on a connection below TLS: who spoke when, how much, and the peer's first bytes.
///
/// While a handshake is under way it also ends the wait for a silent peer, so that what was
/// heard until then is not lost with a dropped future.
pub(crate) struct Tap {
    inner: Box<dyn Connection>,
    until: Option<Pin<Box<Sleep>>>,
    pub(crate) heard: Heard,
}

/// What went over the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// When we began to speak.
    pub(crate) spoke: Option<Instant>,
    /// When the peer began to.
    pub(crate) answered: Option<Instant>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    head: [u8; HEAD],
    /// Whether our wait ended it.
    pub(crate) timed_out: bool,
}

impl Heard {
    /// The first bytes the peer sent.
    pub(crate) fn head(&self) -> &[u8] {
        let length = usize::try_from(self.received).unwrap_or(HEAD).min(HEAD);
        &self.head[..length]
    }

    /// Whether the peer sent something that cannot be a record of TLS.
    pub(crate) fn is_not_tls(&self) -> bool {
        match self.head() {
            [] => false,
            // Content types 20 to 23, then a version that begins with 3.
            [kind, rest @ ..] => !(20..=23).contains(kind) || rest.first().is_some_and(|major| *major != 3),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        if self.answered.is_none() {
            self.answered = Some(Instant::now());
        }
        if let Ok(known @ ..HEAD) = usize::try_from(self.received) {
            let new = bytes.len().min(HEAD - known);
            self.head[known..known + new].copy_from_slice(&bytes[..new]);
        }
        self.received += bytes.len() as u64;
    }
}

impl Tap {
    pub(crate) fn new(inner: Box<dyn Connection>, limit: Duration) -> Self {
        let heard =
            Heard { spoke: None, answered: None, sent: 0, received: 0, head: [0; HEAD], timed_out: false };
        Self { inner, until: Some(Box::pin(sleep(limit))), heard }
    }

    /// The handshake is over: from here on others bound the wait.
    pub(crate) fn wait_no_more(&mut self) {
        self.until = None;
    }

    pub(crate) fn inner(&self) -> &dyn Connection {
        &*self.inner
    }

    /// Pending, unless the wait is over.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Some(until) = &mut self.until {
            ready!(until.as_mut().poll(cx));
            self.heard.timed_out = true;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncRead for Tap {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut tap.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                let new = &buf.filled()[before..];
                if !new.is_empty() {
                    tap.heard.hear(new);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => tap.wait(cx),
        }
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        if tap.heard.spoke.is_none() {
            tap.heard.spoke = Some(Instant::now());
        }
        match Pin::new(&mut tap.inner).poll_write(cx, buf) {
            Poll::Ready(Ok(written)) => {
                tap.heard.sent += written as u64;
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => tap.wait(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        if tap.heard.spoke.is_none() {
            tap.heard.spoke = Some(Instant::now());
        }
        match Pin::new(&mut tap.inner).poll_write_vectored(cx, bufs) {
            Poll::Ready(Ok(written)) => {
                tap.heard.sent += written as u64;
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => tap.wait(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("inner", &self.inner).field("heard", &self.heard).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: &[u8]) -> Heard {
        let mut heard =
            Heard { spoke: None, answered: None, sent: 0, received: 0, head: [0; HEAD], timed_out: false };
        for part in bytes.chunks(7) {
            heard.hear(part);
        }
        heard
    }

    #[test]
    fn the_first_bytes_are_kept_and_no_more() {
        assert_eq!(heard(b"HTTP/1.1 400 Bad Request").head(), b"HTTP/1.1 400 Bad Request");
        assert_eq!(heard(&[7; 1000]).head(), [7; HEAD]);
    }

    #[test]
    fn records_of_tls_are_known_by_their_first_two_bytes() {
        assert!(!heard(b"").is_not_tls());
        assert!(!heard(&[22, 3, 3, 0, 80]).is_not_tls());
        assert!(!heard(&[21]).is_not_tls());
        assert!(heard(b"SSH-2.0-x").is_not_tls());
        assert!(heard(&[22, 9]).is_not_tls());
    }
}

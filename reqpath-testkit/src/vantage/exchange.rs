//! A connection in memory: the end a stage holds, and the end a closure serves.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use reqpath_core::{Connection, KernelInfo, LocalAddr, PeerAddr};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf};

use super::errno;

/// What either end may have under way: as much as a small socket buffer.
const BUFFER: usize = 256 * 1024;
/// Longer than any head that is not an attack.
const HEAD_MOST: usize = 64 * 1024;

/// The server's end of one connection, handed to the closure that serves it.
///
/// It reads and writes like a stream. Dropping it ends the connection in order (FIN), even with
/// something left unread; [`Exchange::reset`] ends it at once (RST), after what was written.
///
/// ```
/// use reqpath_testkit::vantage::{Exchange, FakeVantage};
/// use tokio::io::AsyncWriteExt;
///
/// /// A server that resets its first guest in mid-answer, and greets the others by address.
/// async fn serve(mut guest: Exchange) -> std::io::Result<()> {
///     let request = guest.read_head().await?;
///     if guest.number() == 0 {
///         guest.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await?;
///         guest.reset();
///         return Ok(());
///     }
///     let body = format!("{} came to {} with {} bytes", guest.from(), guest.to(), request.len());
///     let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
///     guest.write_all(format!("{head}{body}").as_bytes()).await?;
///     guest.hold().await
/// }
/// let vantage = FakeVantage::builder().tcp(([192, 0, 2, 7], 80), serve).build();
/// # drop(vantage);
/// ```
pub struct Exchange {
    stream: DuplexStream,
    reset: Arc<AtomicBool>,
    number: u64,
    from: SocketAddr,
    to: SocketAddr,
}

impl Exchange {
    /// The number of this connection to this address, from 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The client's address.
    #[must_use]
    pub fn from(&self) -> SocketAddr {
        self.from
    }

    /// The address that was dialled.
    #[must_use]
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// Reads up to and with the first empty line, as the head of an HTTP/1.1 request ends.
    ///
    /// What came before the client closed, where there was no such line; at most 64 KiB.
    ///
    /// # Errors
    ///
    /// As the stream gives them.
    pub async fn read_head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        // Byte by byte, so that nothing of what follows is taken; in memory this is no burden.
        while head.len() < HEAD_MOST && !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.stream.read(&mut byte).await? {
                0 => break,
                _ => head.extend_from_slice(&byte),
            }
        }
        Ok(head)
    }

    /// Says nothing, reads everything, and holds the connection until the client ends it.
    ///
    /// # Errors
    ///
    /// As the stream gives them.
    pub async fn hold(mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while self.stream.read(&mut buffer).await? > 0 {}
        Ok(())
    }

    /// Ends the connection at once: the client reads what was written before, then "connection reset".
    pub fn reset(self) {
        self.reset.store(true, Ordering::Release);
    }
}

impl AsyncRead for Exchange {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Exchange {
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
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("number", &self.number)
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// A connection in memory without a vantage, for what an earlier stage would have handed on.
///
/// The closure serves the other end in a task of its own.
///
/// ```
/// use reqpath_core::{Dialled, PeerAddr};
/// use reqpath_testkit::vantage::{Exchange, connection};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), std::io::Error> {
/// let peer = PeerAddr(([192, 0, 2, 7], 22).into());
/// let ssh = connection(peer, |mut exchange: Exchange| async move { exchange.write_all(b"SSH-2.0-x\r\n").await });
/// let mut dialled = Dialled::plain(ssh, peer);
///
/// let mut said = String::new();
/// dialled.connection.read_to_string(&mut said).await?;
/// assert_eq!(said, "SSH-2.0-x\r\n");
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn connection<F, R>(peer: PeerAddr, serve: F) -> Box<dyn Connection>
where
    F: FnOnce(Exchange) -> R,
    R: Future<Output = io::Result<()>> + Send + 'static,
{
    let local = LocalAddr(SocketAddr::new(super::builder::source_towards(peer.ip()), 40_000));
    let (ours, theirs) = pair(local, peer, 0, None);
    let serving = serve(theirs);
    tokio::spawn(async move {
        // A client that went away ends the serving; there is nobody to tell.
        drop(serving.await);
    });
    Box::new(ours)
}

/// Both ends of a connection.
pub(super) fn pair(
    local: LocalAddr,
    peer: PeerAddr,
    number: u64,
    kernel: Option<KernelInfo>,
) -> (Near, Exchange) {
    let (near, far) = tokio::io::duplex(BUFFER);
    let reset = Arc::new(AtomicBool::new(false));
    let exchange = Exchange { stream: far, reset: reset.clone(), number, from: local.0, to: peer.0 };
    (Near { stream: near, reset, local, peer, kernel, sent: 0, received: 0, end: End::Open }, exchange)
}

/// How far the end of a connection has been told to its near side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// Bytes were sent after the far side had closed: the answer to them is a reset.
    Answered,
    /// The reset has been reported once.
    Reported,
}

/// The client's end of a connection.
#[derive(Debug)]
pub(super) struct Near {
    stream: DuplexStream,
    reset: Arc<AtomicBool>,
    local: LocalAddr,
    peer: PeerAddr,
    kernel: Option<KernelInfo>,
    sent: u64,
    received: u64,
    end: End,
}

impl Near {
    /// Whether a reset is still to be reported; it is then taken as reported.
    fn report_reset(&mut self) -> bool {
        let report = self.end != End::Reported && self.reset.load(Ordering::Acquire);
        if report {
            self.end = End::Reported;
        }
        report
    }

    /// What a kernel would say of a write that the stream in memory took or refused.
    fn wrote(&mut self, polled: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Ok(written)) => {
                self.sent += written as u64;
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                if self.report_reset() {
                    return Poll::Ready(Err(errno::error("ECONNRESET")));
                }
                // After a FIN alone a kernel still takes bytes; that they were in vain it learns afterwards.
                if self.end == End::Open {
                    self.end = End::Answered;
                    return Poll::Ready(Ok(length));
                }
                Poll::Ready(Err(errno::error("EPIPE")))
            }
            polled => polled,
        }
    }
}

impl Connection for Near {
    fn local(&self) -> Option<LocalAddr> {
        Some(self.local)
    }

    fn peer(&self) -> PeerAddr {
        self.peer
    }

    fn kernel(&self) -> Option<KernelInfo> {
        let mut kernel = self.kernel?;
        kernel.bytes_acked = kernel.bytes_acked.saturating_add(self.sent);
        kernel.bytes_received = kernel.bytes_received.saturating_add(self.received);
        Some(kernel)
    }
}

impl AsyncRead for Near {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = &polled {
            let read = buffer.filled().len() - before;
            self.received += read as u64;
            // As in a kernel, what came before the reset is read before it is reported.
            if read == 0 && buffer.remaining() > 0 && self.report_reset() {
                return Poll::Ready(Err(errno::error("ECONNRESET")));
            }
        }
        polled
    }
}

impl AsyncWrite for Near {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled, bytes.len())
    }

    // As a socket does: some layers above write once and count on all parts going out.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(polled, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        true
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

    use super::*;

    fn ends() -> (Near, Exchange) {
        let local = LocalAddr(([198, 51, 100, 1], 40_000).into());
        pair(local, PeerAddr(([192, 0, 2, 1], 80).into()), 0, Some(KernelInfo::default()))
    }

    #[tokio::test]
    async fn a_reset_is_told_once_and_after_what_was_sent_before() {
        let (mut near, mut far) = ends();
        far.write_all(b"half an ans").await.unwrap();
        far.reset();
        let mut said = [0; 64];
        assert_eq!(near.read(&mut said).await.unwrap(), 11);
        assert_eq!(near.read(&mut said).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(near.read(&mut said).await.unwrap(), 0);
        assert_eq!(near.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(near.kernel().unwrap().bytes_received, 11);
    }

    #[tokio::test]
    async fn after_a_fin_the_first_bytes_are_taken_and_lost() {
        let (mut near, far) = ends();
        drop(far);
        near.write_all(b"into the void").await.unwrap();
        assert_eq!(near.write(b"again").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
    }
}

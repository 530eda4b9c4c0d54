use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
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
///
/// What we say last in a handshake goes out together with the first words after it, as one packet;
/// where none follow at once, by itself.
pub(crate) struct Tap {
    inner: Box<dyn Connection>,
    /// Kept until the connection goes: a runtime is woken by a timer that is earlier than all it knows of,
    /// which the next handshake's would be each time.
    until: Pin<Box<Sleep>>,
    shaking: bool,
    /// Said, and not yet sent.
    held: Vec<u8>,
    /// Whether somebody waited for the peer while words were held.
    waited: bool,
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

    /// Whether the peer's first record begins with a ServerHello.
    pub(crate) fn is_hello(&self) -> bool {
        // The content type, two bytes of version and two of length, then the kind of message.
        matches!(self.head(), [22, _, _, _, _, 2, ..])
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
        let until = Box::pin(sleep(limit));
        Self { inner, until, shaking: true, held: Vec::new(), waited: false, heard }
    }

    /// The handshake is over: from here on others bound the wait.
    pub(crate) fn wait_no_more(&mut self) {
        self.shaking = false;
    }

    pub(crate) fn inner(&self) -> &dyn Connection {
        &*self.inner
    }

    /// Pending, unless the wait is over.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if !self.shaking {
            return Poll::Pending;
        }
        ready!(self.until.as_mut().poll(cx));
        self.heard.timed_out = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Takes words to be sent with those that follow. Says how many bytes.
    fn hold(&mut self, slices: &[io::IoSlice<'_>]) -> usize {
        let before = self.held.len();
        for slice in slices {
            self.held.extend_from_slice(slice);
        }
        let taken = self.held.len() - before;
        self.heard.sent += taken as u64;
        taken
    }

    /// Sends what is held, and these words with it. Says how many bytes of these were sent.
    fn join(&mut self, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut all = Vec::with_capacity(1 + slices.len());
        all.push(io::IoSlice::new(&self.held));
        all.extend_from_slice(slices);
        let sent = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, &all))?;
        let ours = sent.min(self.held.len());
        self.held.drain(..ours);
        match sent - ours {
            0 => {
                ready!(self.let_go(cx))?;
                Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
            }
            new => Poll::Ready(Ok(new)),
        }
    }

    /// Sends what is held.
    fn let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            match Pin::new(&mut self.inner).poll_write(cx, &self.held) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.held.drain(..written);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.wait(cx),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            // Nothing followed. A server that never hears the end of a handshake would call it broken; where these
            // few bytes find no room any more, there is nobody left to wait for it.
            let _ = Pin::new(&mut self.inner).poll_write(&mut Context::from_waker(Waker::noop()), &self.held);
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        if !tap.held.is_empty() {
            if !tap.shaking && !tap.waited {
                // Whoever looks for an answer first may be about to speak, as HTTP's clients are.
                tap.waited = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(tap.let_go(cx))?;
        }
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
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
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
        if tap.shaking && tap.heard.received > 0 {
            return Poll::Ready(Ok(tap.hold(bufs)));
        }
        if !tap.held.is_empty() {
            return tap.join(cx, bufs);
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
        let tap = self.get_mut();
        if !tap.shaking {
            ready!(tap.let_go(cx))?;
        }
        Pin::new(&mut tap.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        ready!(tap.let_go(cx))?;
        Pin::new(&mut tap.inner).poll_shutdown(cx)
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("inner", &self.inner).field("heard", &self.heard).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use reqpath_core::{KernelInfo, LocalAddr, PeerAddr};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn heard(bytes: &[u8]) -> Heard {
        let mut heard =
            Heard { spoke: None, answered: None, sent: 0, received: 0, head: [0; HEAD], timed_out: false };
        for part in bytes.chunks(7) {
            heard.hear(part);
        }
        heard
    }

    /// A peer's end, and a tap over a connection to it.
    fn tapped() -> (DuplexStream, Tap) {
        let (inner, peer) = duplex(1000);
        (peer, Tap::new(Box::new(Piped(inner)), Duration::from_secs(5)))
    }

    #[derive(Debug)]
    struct Piped(DuplexStream);

    impl Connection for Piped {
        fn local(&self) -> Option<LocalAddr> {
            None
        }

        fn peer(&self) -> PeerAddr {
            PeerAddr(([127, 0, 0, 1], 443).into())
        }

        fn kernel(&self) -> Option<KernelInfo> {
            None
        }
    }

    impl AsyncRead for Piped {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Piped {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    /// What the peer has been sent by now.
    fn sent(peer: &mut DuplexStream) -> Vec<u8> {
        let mut bytes = [0; 64];
        let read = peer.read(&mut bytes).now_or_never().unwrap_or(Ok(0)).unwrap();
        bytes[..read].to_vec()
    }

    /// A tap that has said its last words of a handshake, which the peer has not been sent.
    async fn after_the_last_words() -> (DuplexStream, Tap) {
        let (mut peer, mut tap) = tapped();
        tap.write_all(b"hello ").await.unwrap();
        assert_eq!(sent(&mut peer), b"hello ");
        peer.write_all(b"yes").await.unwrap();
        tap.read_exact(&mut [0; 3]).await.unwrap();
        tap.write_all(b"finished ").await.unwrap();
        tap.flush().await.unwrap();
        assert_eq!(sent(&mut peer), b"");
        assert_eq!(tap.heard.sent, 15);
        tap.wait_no_more();
        (peer, tap)
    }

    #[tokio::test]
    async fn the_last_words_go_out_with_the_first_that_follow() {
        let (mut peer, mut tap) = after_the_last_words().await;
        // HTTP's clients look for an answer before they ask.
        assert!(tap.read(&mut [0; 9]).now_or_never().is_none());
        assert_eq!(sent(&mut peer), b"");
        tap.write_all(b"GET /").await.unwrap();
        assert_eq!(sent(&mut peer), b"finished GET /");
        tap.write_all(b"more").await.unwrap();
        assert_eq!(sent(&mut peer), b"more");
    }

    #[tokio::test]
    async fn where_nothing_follows_the_last_words_go_out_alone() {
        let (mut peer, mut tap) = after_the_last_words().await;
        // Waiting is enough: nobody has to write first, nor to flush.
        let mut answer = [0; 4];
        let (read, _) = tokio::join!(tap.read_exact(&mut answer), async {
            let mut bytes = [0; 9];
            peer.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"finished ");
            peer.write_all(b"well").await.unwrap();
        });
        read.unwrap();

        let (mut peer, mut tap) = after_the_last_words().await;
        tap.flush().await.unwrap();
        assert_eq!(sent(&mut peer), b"finished ");

        let (mut peer, mut tap) = after_the_last_words().await;
        tap.shutdown().await.unwrap();
        assert_eq!(sent(&mut peer), b"finished ");

        let (mut peer, tap) = after_the_last_words().await;
        drop(tap);
        assert_eq!(sent(&mut peer), b"finished ");
    }

    #[tokio::test]
    async fn a_handshake_that_goes_on_is_not_held_up() {
        let (mut peer, mut tap) = tapped();
        tap.write_all(b"hello ").await.unwrap();
        peer.write_all(b"again").await.unwrap();
        tap.read_exact(&mut [0; 5]).await.unwrap();
        tap.write_all(b"hello").await.unwrap();
        assert!(tap.read(&mut [0; 9]).now_or_never().is_none());
        assert_eq!(sent(&mut peer), b"hello hello");
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

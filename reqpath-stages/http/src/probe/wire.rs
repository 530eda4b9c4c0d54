//! What passes over a connection, counted without being in its way.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use reqpath_core::{Connection, KernelInfo, Micros};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How many bytes received are kept, to say what it is when it is not HTTP.
const KEPT: usize = 256;
/// The type of an HTTP/2 frame that says that the peer is going away.
const GOAWAY: u8 = 7;

/// What passed over a connection, shared between the connection and whoever watches it.
///
/// Written and read by one task at a time; the atomics only make it shareable.
#[derive(Debug)]
pub(crate) struct Wire {
    epoch: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    /// Microseconds since the epoch, 0 for never.
    last_write: AtomicU64,
    first_read: AtomicU64,
    ended: AtomicU8,
    /// Whether a GOAWAY came, were this HTTP/2.
    leaving: AtomicBool,
    start: Mutex<Start>,
    /// The first error that wraps another: an alert of TLS, for one.
    failure: Mutex<Option<io::Error>>,
    /// Whether the kernel is asked for its figures when the connection goes.
    ask_kernel: bool,
    kernel: OnceLock<KernelInfo>,
}

#[derive(Debug)]
struct Start {
    bytes: [u8; KEPT],
    length: usize,
}

/// How the connection ended under us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Not,
    Fin,
    Rst,
    Failed,
}

impl Wire {
    pub(crate) fn new(epoch: Instant, ask_kernel: bool) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            last_write: AtomicU64::new(0),
            first_read: AtomicU64::new(0),
            ended: AtomicU8::new(0),
            leaving: AtomicBool::new(false),
            start: Mutex::new(Start { bytes: [0; KEPT], length: 0 }),
            failure: Mutex::new(None),
            ask_kernel,
            kernel: OnceLock::new(),
        })
    }

    /// Forgets the exchange before, for a second one on the same connection.
    pub(crate) fn begin_again(&self) {
        for counter in [&self.sent, &self.received, &self.last_write, &self.first_read] {
            counter.store(0, Relaxed);
        }
        self.start().length = 0;
    }

    pub(crate) fn epoch(&self) -> Instant {
        self.epoch
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    pub(crate) fn last_write(&self) -> Option<Micros> {
        time(&self.last_write)
    }

    pub(crate) fn first_read(&self) -> Option<Micros> {
        time(&self.first_read)
    }

    pub(crate) fn ended(&self) -> Ended {
        match self.ended.load(Relaxed) {
            0 => Ended::Not,
            1 => Ended::Fin,
            2 => Ended::Rst,
            _ => Ended::Failed,
        }
    }

    /// Whether an HTTP/2 peer said that it is going away. Said in good order, it is no error to anybody else.
    pub(crate) fn leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// The first error that wraps another, for those who know what lies beneath.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The kernel's figures when the connection went; `None` while it is there.
    pub(crate) fn kernel(&self) -> Option<KernelInfo> {
        self.kernel.get().copied()
    }

    /// The first bytes received.
    pub(crate) fn first_bytes(&self) -> Vec<u8> {
        let start = self.start();
        start.bytes[..start.length].to_vec()
    }

    fn now(&self) -> u64 {
        // 0 means never.
        Micros::from(self.epoch.elapsed()).0.max(1)
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        result.map(|result| {
            let written = result.map_err(|error| self.failed(error))?;
            add(&self.sent, written);
            self.last_write.store(self.now(), Relaxed);
            Ok(written)
        })
    }

    fn read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.end(1);
            return;
        }
        let before = add(&self.received, bytes.len());
        if holds_goaway(bytes) {
            self.leaving.store(true, Relaxed);
        }
        if before == 0 {
            self.first_read.store(self.now(), Relaxed);
        }
        if before < KEPT as u64 {
            let mut start = self.start();
            let from = start.length;
            let to = KEPT.min(from + bytes.len());
            start.bytes[from..to].copy_from_slice(&bytes[..to - from]);
            start.length = to;
        }
    }

    /// Notes a failure, and gives the error that is to be passed on.
    fn failed(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.end(match kind {
            // A TLS peer that closes without announcing it first.
            io::ErrorKind::UnexpectedEof => 1,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                2
            }
            _ => 3,
        });
        if error.get_ref().is_none() {
            return error;
        }
        // What such an error wraps says most, and HTTP/2 would keep only its words.
        let words = error.to_string();
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        io::Error::new(kind, words)
    }

    /// The first end is the one that counts; but a reset says more than a failed write after it.
    fn end(&self, how: u8) {
        if self.ended.load(Relaxed) == 0 {
            self.ended.store(how, Relaxed);
        }
    }

    fn start(&self) -> std::sync::MutexGuard<'_, Start> {
        self.start.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether these bytes, from the start of a frame on, hold a GOAWAY (RFC 9113, 6.8).
///
/// Anything else than HTTP/2 ends the walk at once: its first bytes announce a frame longer than they are.
fn holds_goaway(mut bytes: &[u8]) -> bool {
    while let Some((&[a, b, c, kind, flags, s1, s2, s3, s4], rest)) = bytes.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, a, b, c]);
        if kind == GOAWAY && flags == 0 && length >= 8 && [s1, s2, s3, s4] == [0; 4] {
            return true;
        }
        let Some(next) = usize::try_from(length).ok().and_then(|length| rest.get(length..)) else {
            return false;
        };
        bytes = next;
    }
    false
}

fn time(counter: &AtomicU64) -> Option<Micros> {
    match counter.load(Relaxed) {
        0 => None,
        us => Some(Micros(us)),
    }
}

/// Adds without a locked instruction: there is one writer. Returns what was there before.
fn add(counter: &AtomicU64, count: usize) -> u64 {
    let before = counter.load(Relaxed);
    counter.store(before.saturating_add(count as u64), Relaxed);
    before
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub(crate) struct Tap {
    /// Present until it is taken out.
    connection: Option<Box<dyn Connection>>,
    wire: Arc<Wire>,
}

impl Tap {
    pub(crate) fn new(connection: Box<dyn Connection>, wire: Arc<Wire>) -> Self {
        Self { connection: Some(connection), wire }
    }

    /// The connection itself.
    pub(crate) fn into_inner(mut self) -> Option<Box<dyn Connection>> {
        self.connection.take()
    }

    fn connection(&mut self) -> io::Result<Pin<&mut Box<dyn Connection>>> {
        match &mut self.connection {
            Some(connection) => Ok(Pin::new(connection)),
            // Only gone once the tap is.
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.as_ref().filter(|_| self.wire.ask_kernel)
            && let Some(kernel) = connection.kernel()
        {
            // Set once: a connection goes but once.
            let _ = self.wire.kernel.set(kernel);
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let room = buffer.remaining();
        let result = self.connection()?.poll_read(cx, buffer);
        if room > 0 && matches!(result, Poll::Ready(Ok(()))) {
            self.wire.read(&buffer.filled()[before..]);
        }
        result.map_err(|error| self.wire.failed(error))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.connection()?.poll_write(cx, bytes);
        self.wire.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.connection()?.poll_write_vectored(cx, slices);
        self.wire.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, 0, 0, 0, 0, stream], payload].concat()
    }

    #[test]
    fn a_goaway_is_seen_wherever_it_stands_among_frames() {
        let goaway = frame(GOAWAY, 0, &[0; 8]);
        let (answer, ping) = (frame(0, 1, b"hello"), frame(6, 0, &[7; 8]));
        for bytes in
            [goaway.clone(), [answer.clone(), goaway.clone()].concat(), [goaway.clone(), ping].concat()]
        {
            assert!(holds_goaway(&bytes), "{bytes:?}");
        }
        for bytes in
            [answer.clone(), frame(0, 1, &goaway), b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), goaway[..8].to_vec()]
        {
            assert!(!holds_goaway(&bytes), "{bytes:?}");
        }
        // A frame without a payload takes the walk on, and an endless row of them ends with the bytes.
        assert!(!holds_goaway(&vec![0; 9000]));
    }
}

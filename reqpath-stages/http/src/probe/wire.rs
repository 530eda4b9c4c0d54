//! What passes over a connection, counted without being in its way.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use reqpath_core::{Connection, KernelInfo, Micros};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::frames::{Frames, Told};
use super::heads::Heads;
use crate::evidence::Protocol;

/// How many bytes received are kept, to say what it is when it is not HTTP.
const KEPT: usize = 256;
/// How many bytes are read in a row before the clock is given its turn.
///
/// A peer that never pauses would otherwise be read on and on: the runtime looks at its timers only once
/// nothing is ready, or after far more reads than a deadline can wait for.
const TURN: usize = 64 << 10;
/// The end of an HTTP/1 head: an empty line.
const HEAD_END: [u8; 4] = *b"\r\n\r\n";

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
    /// The last four bytes received.
    tail: AtomicU32,
    /// Whether what is received has to be looked at, however much came before.
    heads: AtomicBool,
    start: Mutex<Start>,
    /// What passes as HTTP/2, where that is spoken.
    two: Option<Mutex<Two>>,
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
    heads: Heads,
}

/// HTTP/2 in both directions.
#[derive(Debug)]
struct Two {
    read: Frames,
    written: Frames,
}

/// How the connection ended under us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Not,
    Fin,
    Rst,
    Failed,
}

impl Start {
    /// Keeps as much of this as there is room for.
    fn keep(&mut self, bytes: &[u8]) {
        let to = KEPT.min(self.length + bytes.len());
        self.bytes[self.length..to].copy_from_slice(&bytes[..to - self.length]);
        self.length = to;
    }
}

impl Wire {
    pub(crate) fn new(epoch: Instant, ask_kernel: bool, spoken: Protocol) -> Arc<Self> {
        let two = || Mutex::new(Two { read: Frames::default(), written: Frames::of_client() });
        Arc::new(Self {
            epoch,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            last_write: AtomicU64::new(0),
            first_read: AtomicU64::new(0),
            ended: AtomicU8::new(0),
            tail: AtomicU32::new(0),
            heads: AtomicBool::new(false),
            start: Mutex::new(Start { bytes: [0; KEPT], length: 0, heads: Heads::default() }),
            two: (spoken == Protocol::Http2).then(two),
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
        {
            let mut start = self.start();
            (start.length, start.heads) = (0, Heads::default());
        }
        if let Some(mut two) = self.two() {
            two.read.begin_again();
            two.written.begin_again();
        }
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
        self.frames_read().leaving
    }

    /// What the frames of an HTTP/2 peer said; nothing where HTTP/1 is spoken.
    pub(super) fn frames_read(&self) -> Told {
        self.two().map(|two| two.read.told()).unwrap_or_default()
    }

    /// What our own frames said, likewise.
    pub(super) fn frames_written(&self) -> Told {
        self.two().map(|two| two.written.told()).unwrap_or_default()
    }

    /// Whether what was received of HTTP/1 ends where a head ends, with line ends as the RFC has them or bare.
    pub(super) fn at_head_end(&self) -> bool {
        let tail = self.tail.load(Relaxed).to_be_bytes();
        tail == HEAD_END || tail.ends_with(b"\n\n")
    }

    /// How much of HTTP/1 was received since the head at hand began: without the interim answers before it.
    pub(super) fn received_of_head(&self) -> u64 {
        self.received().saturating_sub(self.start().heads.before())
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

    fn wrote(&self, result: Poll<io::Result<usize>>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        result.map(|result| {
            let written = result.map_err(|error| self.failed(error))?;
            add(&self.sent, written);
            if let Some(mut two) = self.two() {
                let mut left = written;
                for slice in slices {
                    let part = &slice[..slice.len().min(left)];
                    left -= part.len();
                    two.written.pass(part, |_, _, _| ());
                }
            }
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
        if before == 0 {
            self.first_read.store(self.now(), Relaxed);
        }
        if let Some(mut two) = self.two() {
            self.read_frames(&mut two.read, bytes);
            return;
        }
        let last = &bytes[bytes.len().saturating_sub(4)..];
        let tail = last.iter().fold(self.tail.load(Relaxed), |tail, byte| tail << 8 | u32::from(*byte));
        self.tail.store(tail, Relaxed);
        if before < KEPT as u64 || self.heads.load(Relaxed) {
            let mut start = self.start();
            start.keep(bytes);
            self.heads.store(start.heads.pass(bytes), Relaxed);
        }
    }

    /// Of frames, those are kept that tell something: from the first on that is more than talk about the
    /// connection; until one comes, the last.
    fn read_frames(&self, frames: &mut Frames, bytes: &[u8]) {
        let mut start = self.start();
        let mut kept = 0;
        let mut more = frames.told().more_than_talk;
        frames.pass(bytes, |header, at, talk| {
            // What belongs to the first frame of more than talk, and to all behind it, is kept in one piece.
            if !more {
                start.length = 0;
                start.keep(header);
                kept = at;
                more = !talk;
            }
        });
        start.keep(&bytes[kept..]);
    }

    fn two(&self) -> Option<std::sync::MutexGuard<'_, Two>> {
        self.two.as_ref().map(|two| two.lock().unwrap_or_else(PoisonError::into_inner))
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
    /// How many bytes were read since the connection had nothing more, or the clock its turn.
    in_a_row: usize,
}

impl Tap {
    pub(crate) fn new(connection: Box<dyn Connection>, wire: Arc<Wire>) -> Self {
        Self { connection: Some(connection), wire, in_a_row: 0 }
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
        if self.in_a_row >= TURN {
            self.in_a_row = 0;
            // Woken once the runtime has looked at its timers.
            ready!(pin!(tokio::task::yield_now()).poll(cx));
        }
        let before = buffer.filled().len();
        let room = buffer.remaining();
        let result = self.connection()?.poll_read(cx, buffer);
        if result.is_pending() {
            self.in_a_row = 0;
        }
        if room > 0 && matches!(result, Poll::Ready(Ok(()))) {
            let read = &buffer.filled()[before..];
            self.in_a_row += read.len();
            self.wire.read(read);
        }
        result.map_err(|error| self.wire.failed(error))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.connection()?.poll_write(cx, bytes);
        self.wire.wrote(result, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.connection()?.poll_write_vectored(cx, slices);
        self.wire.wrote(result, slices)
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

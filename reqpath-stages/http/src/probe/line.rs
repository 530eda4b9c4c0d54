//! HTTP over one connection, driven by whoever waits for the answer: no task of its own.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;

use super::wire::Tap;

/// The body of every request.
pub(crate) type Sent = Full<Bytes>;
type Io = TokioIo<Tap>;

/// hyper's parser needs room for the lines that are still coming.
const LEAST_BUFFER: usize = 16 << 10;
/// How many header lines of an answer are read.
pub(crate) const MOST_LINES: usize = 256;
/// The smallest limit that h2 is given for a head.
///
/// Of one beyond its limit h2 says no more than of a malformed one, so that it has to be told from that by
/// what came over the wire. Its limit is therefore well above ours, which a head meets once it is whole, and
/// above what a head can be packed into within a few reads.
pub(crate) const LEAST_HEAD_OF_TWO: usize = 128 << 10;

/// HTTP over one connection.
#[derive(Debug)]
pub(crate) enum Line {
    /// HTTP/1.1.
    One(http1::SendRequest<Sent>, One),
    /// HTTP/2.
    Two(http2::SendRequest<Sent>, Two),
}

/// The connection of HTTP/1.1, until it ends.
#[derive(Debug)]
pub(crate) struct One {
    /// In a place of its own: it is large, and a line is passed on a few times before it is used.
    connection: Option<Box<http1::Connection<Io, Sent>>>,
    error: Option<hyper::Error>,
}

/// The connection of HTTP/2, with the work that it wants done beside.
pub(crate) struct Two {
    connection: Option<Box<http2::Connection<Io, Sent, Nursery>>>,
    nursery: Nursery,
    chores: FuturesUnordered<BoxFuture<'static, ()>>,
    error: Option<hyper::Error>,
}

impl Line {
    /// HTTP/1.1 over this connection. Sends nothing yet.
    pub(crate) async fn one(tap: Tap, max_header: usize) -> Result<Self, hyper::Error> {
        let (sender, connection) = http1::Builder::new()
            .max_header_size(max_header)
            .max_headers(MOST_LINES)
            // RFC 9112, 5.2: a user agent has to take them as if they were in one line.
            .allow_obsolete_multiline_headers_in_responses(true)
            .max_buf_size(max_header.saturating_add(8192).max(LEAST_BUFFER))
            .handshake(TokioIo::new(tap))
            .await?;
        Ok(Self::One(sender, One { connection: Some(Box::new(connection)), error: None }))
    }

    /// HTTP/2 over this connection. Sends the preface.
    pub(crate) async fn two(tap: Tap, max_header: usize) -> Result<Self, hyper::Error> {
        let nursery = Nursery::default();
        let most = max_header.saturating_mul(2).max(LEAST_HEAD_OF_TWO);
        let (sender, connection) = http2::Builder::new(nursery.clone())
            .max_header_list_size(u32::try_from(most).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(tap))
            .await?;
        let (chores, connection) = (FuturesUnordered::new(), Some(Box::new(connection)));
        Ok(Self::Two(sender, Two { connection, nursery, chores, error: None }))
    }

    /// Sends a request and waits for the head of its answer; `watch` sees every step, and says whether to wait on.
    pub(crate) async fn ask(
        &mut self,
        request: Request<Sent>,
        watch: impl FnMut() -> bool,
    ) -> Result<Response<Incoming>, Broken> {
        match self {
            Self::One(sender, one) => both(sender.send_request(request), one, watch).await,
            Self::Two(sender, two) => both(sender.send_request(request), two, watch).await,
        }
    }

    /// Lets the connection make progress; ready once it has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::One(_, one) => one.drive(cx),
            Self::Two(_, two) => two.drive(cx),
        }
    }

    /// Waits for the next piece of a body.
    pub(crate) async fn frame(&mut self, body: &mut Incoming) -> Option<Result<Frame<Bytes>, Broken>> {
        let next = async { Pin::new(body).frame().await.transpose() };
        match self {
            Self::One(_, one) => both(next, one, || true).await,
            Self::Two(_, two) => both(next, two, || true).await,
        }
        .transpose()
    }

    /// Waits until another request may be sent; an error where it never may.
    pub(crate) async fn ready(&mut self) -> Result<(), Broken> {
        match self {
            Self::One(sender, one) => both(sender.ready(), one, || true).await,
            Self::Two(sender, two) => both(sender.ready(), two, || true).await,
        }
    }
}

/// Something that must be polled for its connection to live.
pub(crate) trait Drive {
    /// Lets the connection make progress; ready once it has ended.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// The error it ended with, where nobody else was told.
    fn take_error(&mut self) -> Option<hyper::Error>;
}

impl Drive for One {
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(()) };
        match Pin::new(connection).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                self.error = result.err();
                self.connection = None;
                Poll::Ready(())
            }
        }
    }

    fn take_error(&mut self) -> Option<hyper::Error> {
        self.error.take()
    }
}

impl Drive for Two {
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(connection) = &mut self.connection
                && let Poll::Ready(result) = Pin::new(connection).poll(cx)
            {
                self.error = result.err();
                self.connection = None;
            }
            self.chores.extend(self.nursery.lock().drain(..));
            while let Poll::Ready(Some(())) = self.chores.poll_next_unpin(cx) {}
            if self.nursery.lock().is_empty() {
                break;
            }
        }
        if self.connection.is_none() && self.chores.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn take_error(&mut self) -> Option<hyper::Error> {
        self.error.take()
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        // What waits there holds the nursery itself, and would keep it alive for ever.
        self.nursery.lock().clear();
    }
}

impl std::fmt::Debug for Two {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Two").field("chores", &self.chores.len()).finish_non_exhaustive()
    }
}

/// What a connection broke with; nothing where it went without a word, or was not waited for any longer.
pub(crate) type Broken = Option<hyper::Error>;

/// Waits for an outcome while the connection it depends on is driven, and while `watch` says so.
pub(crate) async fn both<T>(
    outcome: impl Future<Output = Result<T, hyper::Error>>,
    connection: &mut impl Drive,
    mut watch: impl FnMut() -> bool,
) -> Result<T, Broken> {
    let mut outcome = pin!(outcome);
    let result = std::future::poll_fn(|cx| {
        let ended = connection.drive(cx).is_ready();
        let enough = !watch();
        match outcome.as_mut().poll(cx) {
            // The connection ended and told nobody why: the outcome will never come.
            Poll::Pending if ended || enough => Poll::Ready(None),
            polled => polled.map(Some),
        }
    })
    .await;
    match result {
        Some(Ok(value)) => Ok(value),
        // "Canceled" says only that the connection went; its own error says why.
        Some(Err(error)) if error.is_canceled() || error.is_closed() => {
            Err(connection.take_error().or(Some(error)))
        }
        Some(Err(error)) => Err(Some(error)),
        None => Err(connection.take_error()),
    }
}

/// Where hyper puts the futures that HTTP/2 wants run beside, until the driver takes them.
#[derive(Clone, Default)]
pub(crate) struct Nursery(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl Nursery {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<BoxFuture<'static, ()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Nursery {
    fn execute(&self, chore: F) {
        self.lock().push(Box::pin(chore));
    }
}

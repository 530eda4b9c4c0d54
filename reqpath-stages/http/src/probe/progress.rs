//! How far the body of an answer came.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, Version};
use hyper::body::{Body as _, Incoming};
use reqpath_core::escape;
use tokio::time::Instant;

use super::broken::scrubbed;
use crate::evidence::{Body, Coding, Exchange};

/// How much of a body is kept where it tells something.
pub(super) const BODY_START: usize = 1024;
/// How much of a body is searched for an expected text.
pub(super) const SEARCHED: usize = 64 << 10;
/// How many names of trailers are kept.
const MOST_TRAILERS: usize = 16;

/// How far the body came: counted, and kept only where it tells something.
pub(super) struct Progress {
    coding: Coding,
    promised: Option<u64>,
    received: u64,
    last: Instant,
    max_gap: Duration,
    max_gap_at: u64,
    kept: Vec<u8>,
    keep: usize,
    trailers: Vec<String>,
}

impl Progress {
    /// The head is there, and the body begins.
    pub(super) fn begin(response: &Response<Incoming>, keep: usize, now: Instant) -> Self {
        let (coding, promised) = framing(response);
        Self {
            coding,
            promised,
            received: 0,
            last: now,
            max_gap: Duration::ZERO,
            max_gap_at: 0,
            kept: Vec::new(),
            keep,
            trailers: Vec::new(),
        }
    }

    /// A piece came. Says how many bytes there are by now.
    pub(super) fn piece(&mut self, piece: &Bytes) -> u64 {
        let now = Instant::now();
        self.gap(now);
        self.last = now;
        if self.kept.len() < self.keep {
            let length = piece.len().min(self.keep - self.kept.len());
            self.kept.extend_from_slice(&piece[..length]);
        }
        self.received = self.received.saturating_add(piece.len() as u64);
        self.received
    }

    /// Trailers came.
    pub(super) fn trailers(&mut self, trailers: &HeaderMap) {
        let names = trailers.keys().take(MOST_TRAILERS).map(|name| escape(name.as_str(), 100));
        self.trailers = names.collect();
    }

    /// Whether less came than was promised.
    pub(super) fn is_short(&self) -> bool {
        self.promised.is_some_and(|promised| self.received < promised)
    }

    /// Whether as much came as was promised, where anything was.
    pub(super) fn is_all(&self) -> bool {
        self.promised.is_some() && !self.is_short()
    }

    /// So much came, by another count.
    pub(super) fn at_least(&mut self, received: u64) {
        self.received = self.received.max(received);
    }

    /// Whether the part that was kept holds a text.
    pub(super) fn holds(&self, text: &str) -> bool {
        let text = text.as_bytes();
        text.is_empty() || self.kept.windows(text.len()).any(|window| window == text)
    }

    /// The pause that ends now, or lasts until now.
    pub(super) fn gap(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.last);
        if gap > self.max_gap {
            (self.max_gap, self.max_gap_at) = (gap, self.received);
        }
    }

    /// What is recorded of it.
    pub(super) fn seen(&mut self, exchange: &Exchange, began: Instant) -> Body {
        let shown = &self.kept[..self.kept.len().min(BODY_START)];
        let failed = exchange.status.is_some_and(|status| status >= 400) || self.keep > BODY_START;
        Body {
            coding: Some(self.coding),
            promised: self.promised,
            received: self.received,
            last_byte_us: (self.received > 0).then(|| self.last.saturating_duration_since(began).into()),
            max_gap_us: (self.max_gap > Duration::ZERO).then(|| self.max_gap.into()),
            max_gap_at: (self.max_gap > Duration::ZERO).then_some(self.max_gap_at),
            start: (failed && !shown.is_empty()).then(|| scrubbed(exchange, shown)),
            trailers: std::mem::take(&mut self.trailers),
        }
    }
}

/// How the length of the body is told.
fn framing(response: &Response<Incoming>) -> (Coding, Option<u64>) {
    let promised = response.body().size_hint().exact();
    let coding = match (response.version(), promised) {
        (Version::HTTP_2, _) => Coding::Frames,
        (_, Some(_)) => Coding::Length,
        _ if response.headers().contains_key(http::header::TRANSFER_ENCODING) => Coding::Chunked,
        _ => Coding::UntilClose,
    };
    (coding, promised)
}

//! One exchange under way, and what is known of it so far.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{Response, Version};
use hyper::body::{Body as _, Incoming};
use hyper::ext::ReasonPhrase;
use reqpath_core::{Context, Expectation, Micros, Recording, Subject, escape, escape_bytes};
use tokio::time::Instant;

use super::line::Broken;
use super::reuse::figures;
use super::wire::{Ended, Wire};
use crate::evidence::{Body, Closed, Coding, End, Exchange, Headers, Protocol, scrubber};

/// How much of a body is kept where it tells something.
const BODY_START: usize = 1024;
/// How much of a body is searched for an expected text.
const SEARCHED: usize = 64 << 10;
/// How many characters of any error's words are kept.
const WORDS: usize = 300;
/// How many names of trailers are kept.
const MOST_TRAILERS: usize = 16;

/// One exchange under way. Whatever ends it, even being dropped, what was seen until then is recorded.
pub(crate) struct Flight {
    cx: Context,
    wire: Arc<Wire>,
    /// From when times count.
    began: Instant,
    /// The wire's clock at that moment.
    offset: Micros,
    deadline: Instant,
    exchange: Exchange,
    record: Option<Recording<Exchange>>,
    /// What the exchange is about, once it is recorded.
    at: Option<Subject>,
    body: Option<Progress>,
    told_sent: bool,
    /// Where a redirect points, as it came: it may hold secrets, and is not evidence.
    location: Option<String>,
    /// The error it failed with, for those who know what lies beneath.
    failure: Broken,
}

/// How far the body came.
struct Progress {
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

impl Flight {
    /// An exchange that begins now; recorded if it is about something.
    pub(crate) fn begin(
        cx: &Context,
        wire: Arc<Wire>,
        deadline: Instant,
        exchange: Exchange,
        at: Option<Subject>,
    ) -> Self {
        let record = at.as_ref().map(|at| cx.begin(at, Exchange::default()));
        let began = Instant::now();
        let offset = began.saturating_duration_since(wire.epoch()).into();
        Self {
            cx: cx.clone(),
            wire,
            began,
            offset,
            deadline,
            exchange,
            record,
            at,
            body: None,
            told_sent: false,
            location: None,
            failure: None,
        }
    }

    /// What is known so far.
    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// What is known of an exchange that nobody records.
    pub(crate) fn take(mut self) -> Exchange {
        std::mem::take(&mut self.exchange)
    }

    /// Where the answer sends the request, if it is such an answer.
    pub(crate) fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The error of the connection that it failed with.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        find::<io::Error>(self.failure.as_ref()?)
    }

    /// Called whenever the connection may have moved.
    pub(crate) fn watch(&mut self) {
        if !self.told_sent && self.wire.sent() > 0 {
            self.told_sent = true;
            if self.record.is_some() {
                self.cx.sent();
            }
        }
    }

    /// The head of the answer is there.
    pub(crate) fn head(&mut self, response: &Response<Incoming>) {
        let now = Instant::now();
        let headers_us = self.since(now);
        let expect = self.exchange.request.target().map(|target| target.expect().clone());
        let exchange = &mut self.exchange;
        let status = response.status().as_u16();
        exchange.status = Some(status);
        exchange.version = Some(version(response.version()));
        exchange.headers_us = Some(headers_us);
        if let Some(target) = exchange.request.target() {
            exchange.headers = Headers::keep(response.headers(), target);
            exchange.headers_left_out = exchange.headers.left_out;
        }
        let clock = self.cx.vantage().now().duration_since(UNIX_EPOCH);
        exchange.clock_s = clock.ok().and_then(|clock| i64::try_from(clock.as_secs()).ok());
        if let Some(reason) = response.extensions().get::<ReasonPhrase>() {
            exchange.reason = Some(escape_bytes(reason.as_bytes(), 100));
        }
        let searching = expect.as_ref().is_some_and(|expect| expect.body.is_some());
        if let Some(expect) = expect.filter(|expect| !expect.headers.is_empty()) {
            exchange.unmet_headers = unmet(&expect, response);
        }
        if let (301..=303 | 307 | 308, Some(location)) =
            (status, response.headers().get(http::header::LOCATION))
        {
            self.location = Some(String::from_utf8_lossy(location.as_bytes()).into_owned());
        }
        if self.record.is_some() {
            self.cx.arrived(answer(exchange.version, status));
        }
        let keep = match (searching, status) {
            (true, _) => SEARCHED,
            (false, 400..) => BODY_START,
            _ => 0,
        };
        let (coding, promised) = framing(response);
        self.body = Some(Progress {
            coding,
            promised,
            received: 0,
            last: now,
            max_gap: Duration::ZERO,
            max_gap_at: 0,
            kept: Vec::new(),
            keep,
            trailers: Vec::new(),
        });
    }

    /// A piece of the body. Says how many bytes there are by now.
    pub(crate) fn piece(&mut self, piece: &Bytes) -> u64 {
        let Some(body) = &mut self.body else { return 0 };
        let now = Instant::now();
        body.gap(now);
        body.last = now;
        if body.kept.len() < body.keep {
            let length = piece.len().min(body.keep - body.kept.len());
            body.kept.extend_from_slice(&piece[..length]);
        }
        body.received = body.received.saturating_add(piece.len() as u64);
        body.received
    }

    /// Trailers.
    pub(crate) fn trailers(&mut self, trailers: &http::HeaderMap) {
        if let Some(body) = &mut self.body {
            let names = trailers.keys().take(MOST_TRAILERS).map(|name| escape(name.as_str(), 100));
            body.trailers = names.collect();
        }
    }

    /// The answer is whole, or as much of it as we read.
    pub(crate) fn whole(&mut self, end: End) -> End {
        if end == End::Complete {
            self.exchange.body_us = Some(self.since(Instant::now()));
        }
        self.settle(end)
    }

    /// The connection broke.
    pub(crate) fn broken(&mut self, broken: Broken) -> End {
        let h2 = broken.as_ref().and_then(|error| find::<h2::Error>(error));
        let (ended, received) = (self.wire.ended(), self.wire.received());
        let head = self.body.is_some();
        let exchange = &mut self.exchange;
        if let Some(code) = h2.and_then(h2::Error::reason) {
            exchange.h2_code = Some(h2_name(code));
        }
        exchange.closed = match h2 {
            Some(error) if error.is_go_away() && error.is_remote() => Some(Closed::Goaway),
            Some(error) if error.is_reset() && error.is_remote() => Some(Closed::StreamReset),
            _ => match ended {
                Ended::Not => None,
                Ended::Fin => Some(Closed::Fin),
                Ended::Rst => Some(Closed::Rst),
                Ended::Failed => Some(Closed::Failed),
            },
        };
        exchange.error = broken.as_ref().map(|error| words(error, exchange));
        let parse = broken.as_ref().is_some_and(|error| error.is_parse() && !error.is_parse_too_large());
        let too_large = broken.as_ref().is_some_and(hyper::Error::is_parse_too_large);
        let malformed = parse || h2.is_some_and(|error| !error.is_remote() && !error.is_io());
        let end = match (head, exchange.closed) {
            (false, _) if too_large || oversized_h2(h2, received) => End::TooLarge,
            (false, _) if malformed && received > 0 => End::Invalid,
            (false, Some(Closed::Rst | Closed::StreamReset)) => End::Reset,
            (false, Some(Closed::Goaway)) => End::Empty,
            (false, Some(Closed::Fin)) if received == 0 || exchange.spoken == Protocol::Http2 => End::Empty,
            (false, Some(Closed::Fin)) => End::Truncated,
            // It spoke before it was spoken to.
            (false, None) if received > 0 => End::Invalid,
            (false, _) => End::Failed,
            (true, Some(Closed::Rst | Closed::StreamReset)) => End::ResetMidBody,
            (true, Some(_)) => End::Truncated,
            // A length that does not add up, or chunks that are none.
            (true, None) if self.short() => End::Truncated,
            (true, None) => End::Invalid,
        };
        self.failure = broken;
        self.settle(end)
    }

    /// Says how it ended. A second end changes nothing.
    fn settle(&mut self, end: End) -> End {
        if let Some(before) = self.exchange.end {
            return before;
        }
        self.fill(Some(end));
        end
    }

    fn short(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.promised.is_some_and(|promised| body.received < promised))
    }

    fn since(&self, moment: Instant) -> Micros {
        moment.saturating_duration_since(self.began).into()
    }

    fn on_wire(&self, moment: Option<Micros>) -> Option<Micros> {
        moment.map(|moment| Micros(moment.0.saturating_sub(self.offset.0)))
    }

    /// Fills in what is only read off at the end.
    fn fill(&mut self, end: Option<End>) {
        let now = Instant::now();
        let (request_sent, first_byte) =
            (self.on_wire(self.wire.last_write()), self.on_wire(self.wire.first_read()));
        let ended = self.since(now);
        let exchange = &mut self.exchange;
        exchange.end = end;
        exchange.ended_us = Some(ended);
        exchange.bytes_sent = self.wire.sent();
        exchange.bytes_received = self.wire.received();
        exchange.request_sent_us = request_sent;
        exchange.first_byte_us = match exchange.spoken {
            // The first bytes of HTTP/2 are settings, not an answer.
            Protocol::Http2 => exchange.headers_us,
            _ => first_byte,
        };
        if exchange.status.is_none() && exchange.bytes_received > 0 {
            exchange.first_bytes = Some(scrubbed(exchange, &self.wire.first_bytes()));
        }
        let Some(mut body) = self.body.take() else { return };
        if !matches!(end, Some(End::Complete | End::Limit)) {
            body.gap(now);
        }
        exchange.body = Some(body.seen(exchange, self.began));
        let searched = exchange.request.target().and_then(|target| target.expect().body.as_deref());
        if let (Some(text), true) = (searched, exchange.answered()) {
            exchange.body_holds = Some(contains(&body.kept, text.as_bytes()));
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.exchange.end.is_none() {
            // The runner drops a look when its time is over: that is the end of it, and seen in full.
            let over = Instant::now() >= self.deadline;
            let stage = if self.body.is_some() { End::Stalled } else { End::TimedOut };
            self.fill(over.then_some(stage));
        }
        if let Some(mut record) = self.record.take() {
            let whole = self.exchange.end.is_some();
            *record = std::mem::take(&mut self.exchange);
            // Interrupted by anything else, what was seen is kept, and marked incomplete.
            if whole {
                record.finish();
            }
        }
        if let Some(at) = &self.at {
            // Known once the connection is gone, unless it is to be used again.
            figures(&self.cx, at, &self.wire);
        }
    }
}

impl Progress {
    fn gap(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.last);
        if gap > self.max_gap {
            (self.max_gap, self.max_gap_at) = (gap, self.received);
        }
    }

    fn seen(&mut self, exchange: &Exchange, began: Instant) -> Body {
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

/// Bytes of the peer's, without what is ours to keep secret.
fn scrubbed(exchange: &Exchange, bytes: &[u8]) -> String {
    let text = escape_bytes(bytes, BODY_START);
    match exchange.request.target() {
        Some(target) => scrubber(target).scrub(&text).into_owned(),
        None => text,
    }
}

/// An error with its reasons, the system's own words last.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        let words = reason.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = reason.source();
    }
    text
}

fn words(error: &hyper::Error, exchange: &Exchange) -> String {
    let text = escape(&chain(error), WORDS);
    match exchange.request.target() {
        Some(target) => scrubber(target).scrub(&text).into_owned(),
        None => text,
    }
}

/// The first error of a type among the reasons.
pub(crate) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An I/O error may hold the one looked for, without calling it its source.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = inner.downcast_ref::<E>()
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Whether h2 itself refused a head that is far too large.
///
/// It refuses a malformed one with the same code; but to send so much takes more than a mistake.
fn oversized_h2(error: Option<&h2::Error>, received: u64) -> bool {
    error.filter(|error| error.is_library()).is_some_and(|error| match error.reason() {
        Some(h2::Reason::ENHANCE_YOUR_CALM | h2::Reason::COMPRESSION_ERROR) => true,
        Some(h2::Reason::PROTOCOL_ERROR) => error.is_reset() && received > 16 << 10,
        _ => false,
    })
}

fn h2_name(reason: h2::Reason) -> String {
    // Its Debug form is the name the RFC gives it.
    format!("{reason:?}")
}

fn version(version: Version) -> Protocol {
    match version {
        Version::HTTP_10 => Protocol::Http10,
        Version::HTTP_11 => Protocol::Http11,
        Version::HTTP_2 => Protocol::Http2,
        _ => Protocol::Other,
    }
}

/// The answer in the protocol's words; the usual ones cost nothing.
fn answer(version: Option<Protocol>, status: u16) -> std::borrow::Cow<'static, str> {
    let version = version.unwrap_or_default();
    match (version, status) {
        (Protocol::Http11, 200) => "HTTP/1.1 200".into(),
        (Protocol::Http11, 204) => "HTTP/1.1 204".into(),
        (Protocol::Http2, 200) => "HTTP/2 200".into(),
        _ => format!("{version} {status}").into(),
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

/// Names of expected headers that are absent or have another value.
fn unmet(expect: &Expectation, response: &Response<Incoming>) -> Vec<String> {
    let met = |name: &str, value: &str| {
        let mut values = response.headers().get_all(name).iter();
        values.any(|found| found.as_bytes().trim_ascii() == value.trim().as_bytes())
    };
    let unmet = expect.headers.iter().filter(|header| !met(&header.name, &header.value));
    unmet.map(|header| header.name.clone()).collect()
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

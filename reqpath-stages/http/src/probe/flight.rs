//! One exchange under way, and what is known of it so far.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::{Request, Response, Version};
use hyper::body::{Body as _, Incoming};
use hyper::ext::ReasonPhrase;
use reqpath_core::{Context, Expectation, Micros, Recording, Subject, Target, escape};
use tokio::time::Instant;

use super::broken::{How, Told, scrubbed, status_line, words};
use super::exchange::Limits;
use super::line::{Broken, MOST_LINES, Sent};
use super::progress::{BODY_START, Progress, SEARCHED};
use super::reuse::figures;
use super::wire::Wire;
use crate::evidence::{Closed, End, Exchange, FEW, Headers, LimitOf, Met, Protocol, scrubber};

/// How many samples keep their headers in full: the first show what there is, thousands fill the memory.
const IN_FULL: u32 = 32;
/// How many interim answers are kept.
const MOST_INTERIM: usize = 16;

/// One exchange under way. Whatever ends it, even being dropped, what was seen until then is recorded.
pub(crate) struct Flight {
    cx: Context,
    wire: Arc<Wire>,
    /// From when times count.
    began: Instant,
    /// The wire's clock at that moment.
    offset: Micros,
    deadline: Instant,
    limits: Limits,
    exchange: Held,
    /// What the exchange is about, where it is recorded.
    at: Option<Subject>,
    body: Option<Progress>,
    told_sent: bool,
    /// Interim answers, where they are listened for.
    interim: Option<Arc<Mutex<Interim>>>,
    /// Where a redirect points, as it came: it may hold secrets, and is not evidence.
    location: Option<String>,
}

/// Interim answers: the statuses of the first, and how many there were besides.
#[derive(Default)]
struct Interim {
    statuses: Vec<u16>,
    left_out: u32,
}

/// An exchange, filled in where it will stay: moving it about costs more than it does.
enum Held {
    Recorded(Recording<Exchange>),
    Loose(Box<Exchange>),
}

impl Deref for Held {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        match self {
            Self::Recorded(exchange) => exchange,
            Self::Loose(exchange) => exchange,
        }
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Exchange {
        match self {
            Self::Recorded(exchange) => exchange,
            Self::Loose(exchange) => exchange,
        }
    }
}

impl Flight {
    /// An exchange that begins now; recorded if it is about something.
    pub(crate) fn begin(
        cx: &Context,
        wire: Arc<Wire>,
        deadline: Instant,
        limits: Limits,
        exchange: Exchange,
        at: Option<Subject>,
    ) -> Self {
        let exchange = match &at {
            Some(at) => Held::Recorded(cx.begin(at, exchange)),
            None => Held::Loose(Box::new(exchange)),
        };
        let began = Instant::now();
        let offset = began.saturating_duration_since(wire.epoch()).into();
        Self {
            cx: cx.clone(),
            wire,
            began,
            offset,
            deadline,
            limits,
            exchange,
            at,
            body: None,
            told_sent: false,
            interim: None,
            location: None,
        }
    }

    /// Listens for interim answers (1xx) to a request.
    pub(crate) fn listen(&mut self, request: &mut Request<Sent>) {
        let interim = Arc::new(Mutex::new(Interim::default()));
        self.interim = Some(interim.clone());
        hyper::ext::on_informational(request, move |answer| {
            let mut interim = interim.lock().unwrap_or_else(PoisonError::into_inner);
            if interim.statuses.len() < MOST_INTERIM {
                interim.statuses.push(answer.status().as_u16());
            } else {
                interim.left_out = interim.left_out.saturating_add(1);
            }
        });
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

    /// Called whenever the connection may have moved and the head is not there yet. Says whether to wait on.
    pub(crate) fn watch(&mut self) -> bool {
        if !self.told_sent && self.wire.sent() > 0 {
            self.told_sent = true;
            if self.at.is_some() {
                self.cx.sent();
            }
        }
        !self.too_much()
    }

    /// Whether more came than belongs before the head of an answer, and no head.
    fn too_much(&self) -> bool {
        self.body.is_none() && self.wire.received() > self.limits.before_head()
    }

    /// Whether the answer switches to another protocol (101) without having been asked to (RFC 9110, 15.2.2).
    pub(crate) fn switched_unasked(&self) -> bool {
        let asked =
            || self.exchange.request.target().is_some_and(|target| target.header("upgrade").is_some());
        self.exchange.status == Some(101) && !asked()
    }

    /// The head of the answer is there.
    pub(crate) fn head(&mut self, response: &Response<Incoming>) {
        let now = Instant::now();
        let headers_us = self.since(now);
        let expect = self.exchange.request.target().map(|target| target.expect().clone());
        let exchange = &mut *self.exchange;
        let status = response.status().as_u16();
        exchange.status = Some(status);
        exchange.version = Some(version(response.version()));
        exchange.headers_us = Some(headers_us);
        let sample = self.at.as_ref().and_then(Subject::sample).unwrap_or_default();
        let most = if sample < IN_FULL { usize::MAX } else { FEW };
        if let Some(target) = exchange.request.target() {
            exchange.headers = Headers::keep(response.headers(), target, most);
            exchange.headers_left_out = exchange.headers.left_out;
        }
        let clock = self.cx.vantage().now().duration_since(UNIX_EPOCH);
        exchange.clock_s = clock.ok().and_then(|clock| i64::try_from(clock.as_secs()).ok());
        if let Some(reason) = response.extensions().get::<ReasonPhrase>() {
            // A server may say the request back in its status line.
            let said = String::from_utf8_lossy(reason.as_bytes());
            let said = match exchange.request.target() {
                Some(target) => scrubber(target).scrub(&said).into_owned(),
                None => said.into_owned(),
            };
            exchange.reason = Some(escape(&said, 100));
        }
        let searching = expect.as_ref().is_some_and(|expect| expect.body.is_some());
        if let Some(expect) = expect.filter(|expect| !expect.headers.is_empty()) {
            exchange.unmet_headers = unmet(&expect, response);
        }
        // As curl has it; one that is empty leads nowhere.
        if let (300..=399, Some(location)) = (status, response.headers().get(http::header::LOCATION))
            && !location.as_bytes().trim_ascii().is_empty()
        {
            self.location = Some(String::from_utf8_lossy(location.as_bytes()).into_owned());
        }
        if self.at.is_some() {
            self.cx.arrived(answer(exchange.version, status));
            let wanted = wanted(self.cx.target(), status);
            // The size of an error page is no reason for the error.
            if wanted && let Some(size) = response.body().size_hint().exact() {
                self.cx.attribute("response_size", || size.to_string());
            }
            if !wanted || !exchange.unmet_headers.is_empty() {
                self.cx.suspect();
            }
            // So many in this time, or for now: with a limit of its own, a proxy sheds with 503 as well.
            let sheds =
                status == 429 || status == 503 && response.headers().contains_key(http::header::RETRY_AFTER);
            if sheds && !wanted {
                self.cx.one_too_many();
            }
        }
        let keep = match (searching, status) {
            (true, _) => SEARCHED,
            (false, 400..) => BODY_START,
            _ => 0,
        };
        self.body = Some(Progress::begin(response, keep, now));
    }

    /// A piece of the body. Says how many bytes there are by now.
    pub(crate) fn piece(&mut self, piece: &Bytes) -> u64 {
        self.body.as_mut().map_or(0, |body| body.piece(piece))
    }

    /// Trailers.
    pub(crate) fn trailers(&mut self, trailers: &http::HeaderMap) {
        if let Some(body) = &mut self.body {
            body.trailers(trailers);
        }
    }

    /// The answer is whole, or as much of it as we read.
    pub(crate) fn whole(&mut self, end: End) -> End {
        let mut end = end;
        if end == End::Complete && self.given_up() {
            // The library takes it for an early end (RFC 9113, 8.1), which the peer never said it was.
            self.exchange.closed = Some(Closed::StreamReset);
            self.exchange.h2_code = Some(format!("{:?}", h2::Reason::NO_ERROR));
            end = End::Truncated;
        }
        match end {
            End::Complete => self.exchange.body_us = Some(self.since(Instant::now())),
            End::TooLarge => self.exchange.met = Some(self.met(LimitOf::Bytes)),
            _ => {}
        }
        self.settle(end)
    }

    /// Whether the peer reset the stream without error and without having said that the answer was whole.
    fn given_up(&self) -> bool {
        let frames = self.wire.frames_read();
        let whole =
            self.body.as_ref().is_none_or(Progress::is_all) || self.exchange.request.method() == "HEAD";
        frames.reset && !frames.ended && !whole
    }

    /// The limit that a head which is too large met: this one, unless too much came before it.
    fn met(&self, limit: LimitOf) -> Met {
        let (limit, most) = match limit {
            _ if self.too_much() => (LimitOf::Before, self.limits.before_head()),
            LimitOf::Lines => (limit, MOST_LINES as u64),
            _ => (limit, self.limits.header as u64),
        };
        Met { limit, most }
    }

    /// The connection broke.
    pub(crate) fn broken(&mut self, broken: Broken) -> End {
        let frames = self.wire.frames_read();
        if let Some(body) = &mut self.body {
            // What breaks the rules is not handed over, and came all the same.
            body.at_least(frames.data);
        }
        if broken.is_none() && self.too_much() {
            return self.whole(End::TooLarge);
        }
        let only_interim = self.only_interim();
        let how = How {
            spoken: self.exchange.spoken,
            only_interim,
            head: self.body.is_some(),
            short: self.body.as_ref().is_some_and(Progress::is_short),
            wire: &self.wire,
        };
        let Told { end, closed, h2_code } = how.classify(broken.as_ref());
        if end == End::TooLarge {
            self.exchange.met = match self.exchange.spoken {
                // It has limits of its own, and does not say which was met.
                Protocol::Http2 => None,
                // Only lines are counted besides.
                _ if self.wire.received_of_head() < self.limits.header as u64 => {
                    Some(self.met(LimitOf::Lines))
                }
                _ => Some(self.met(LimitOf::Bytes)),
            };
        }
        self.exchange.closed = closed;
        self.exchange.h2_code = h2_code;
        self.exchange.error = broken.as_ref().map(|error| words(error, &self.exchange));
        self.settle(end)
    }

    /// Whether all that came of HTTP/1 are whole heads, none of which was the answer's.
    fn only_interim(&self) -> bool {
        self.exchange.spoken != Protocol::Http2
            && self.body.is_none()
            && self.wire.received() > 0
            && self.wire.at_head_end()
    }

    /// Says how it ended. A second end changes nothing.
    fn settle(&mut self, end: End) -> End {
        if let Some(before) = self.exchange.end {
            return before;
        }
        self.fill(Some(end));
        end
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
        let only_interim = self.only_interim();
        let exchange = &mut *self.exchange;
        if let Some(interim) = self.interim.take() {
            let interim = std::mem::take(&mut *interim.lock().unwrap_or_else(PoisonError::into_inner));
            exchange.informational = interim.statuses;
            exchange.informational_left_out = interim.left_out;
        }
        exchange.only_interim =
            only_interim && matches!(end, None | Some(End::Empty | End::Reset | End::TimedOut | End::Failed));
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
        // Settings and the like answer nothing, unless it is they that break the rules.
        let talk = exchange.spoken == Protocol::Http2
            && end != Some(End::Invalid)
            && !self.wire.frames_read().more_than_talk;
        if exchange.status.is_none() && exchange.bytes_received > 0 && !talk {
            let bytes = self.wire.first_bytes();
            exchange.first_bytes = Some(scrubbed(exchange, &bytes));
            if let (Some(End::Invalid | End::TooLarge), true) = (end, exchange.spoken != Protocol::Http2)
                && let Some((version, status)) = status_line(&bytes)
            {
                (exchange.version, exchange.status) = (Some(version), Some(status));
                // The phrase may be what is wrong.
                exchange.reason = Some(String::new());
            }
        }
        let Some(mut body) = self.body.take() else { return };
        if !matches!(end, Some(End::Complete | End::Limit)) {
            body.gap(now);
        }
        exchange.body = Some(body.seen(exchange, self.began));
        let searched = exchange.request.target().and_then(|target| target.expect().body.as_deref());
        if let (Some(text), true) = (searched, exchange.answered()) {
            exchange.body_holds = Some(body.holds(text));
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
        // Interrupted by anything else, what was seen is kept, and marked incomplete.
        if self.exchange.end.is_some()
            && let Held::Recorded(record) = &mut self.exchange
        {
            record.complete();
        }
        if let Some(at) = &self.at {
            // Known once the connection is gone, unless it is to be used again.
            figures(&self.cx, at, &self.wire);
        }
    }
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

/// Whether an answer is whole and of a status that the caller wants.
pub(crate) fn is_good(exchange: &Exchange, target: &Target) -> bool {
    exchange.end == Some(End::Complete) && exchange.status.is_some_and(|status| wanted(target, status))
}

/// Whether a status is one that the caller wants.
pub(crate) fn wanted(target: &Target, status: u16) -> bool {
    let expected = &target.expect().status;
    if expected.is_empty() { status < 400 } else { expected.iter().any(|range| range.holds(status)) }
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

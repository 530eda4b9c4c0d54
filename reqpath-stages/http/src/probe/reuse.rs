//! A second request on a connection, at once or after it was idle.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use reqpath_core::{
    Again, ContactKind, Context, Error, Left, Micros, PeerAddr, Recording, Reused, Subject, Target,
    redact_url,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::broken::find;
use super::exchange::{Limits, exchange, form, open, tapped};
use super::flight::{Flight, wanted};
use super::line::Line;
use super::request::request_as;
use super::wire::{Ended, Wire};
use crate::HttpOptions;
use crate::evidence::{Asked, Closed, End, Exchange, Headers, Protocol, Reuse, ReuseOutcome};
use crate::options::Version;

/// How long a second answer is waited for, unless the first took longer than a tenth of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// A look ends so long before the trace does, so that its evidence is complete.
const MARGIN: Duration = Duration::from_millis(30);

/// What the looks at reuse have in common.
#[derive(Clone, Debug)]
pub(crate) struct Looks {
    pub(crate) cx: Context,
    pub(crate) at: Subject,
    pub(crate) limits: Limits,
    pub(crate) version: Version,
    /// Whether the outcome is compared with that of fresh requests.
    pub(crate) compared: bool,
}

/// What the first answer on a connection said about the next.
#[derive(Clone, Debug)]
pub(crate) struct First {
    took: Duration,
    closes: bool,
    timeout_s: Option<u64>,
    max: Option<u64>,
}

impl First {
    /// Reads it off the first exchange.
    pub(crate) fn of(exchange: &Exchange) -> Self {
        let says = |name: &str, word: &str| {
            exchange
                .headers
                .get(name)
                .is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
        };
        let closes = match exchange.version {
            Some(Protocol::Http2) => false,
            Some(Protocol::Http10) => !says("connection", "keep-alive"),
            _ => says("connection", "close"),
        };
        Self {
            took: exchange.ended_us.unwrap_or_default().duration(),
            // A body that ends with the connection ends the connection, and so does another protocol.
            closes: closes
                || exchange.end != Some(End::Complete)
                || exchange.status == Some(101)
                || until_close(exchange),
            timeout_s: announced(&exchange.headers, "timeout"),
            max: announced(&exchange.headers, "max"),
        }
    }
}

fn until_close(exchange: &Exchange) -> bool {
    exchange.body.as_ref().is_some_and(|body| body.coding == Some(crate::evidence::Coding::UntilClose))
}

fn announced(headers: &Headers, word: &str) -> Option<u64> {
    let value = headers.get("keep-alive")?;
    value.split(',').find_map(|part| {
        let (name, number) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case(word).then(|| number.trim().parse().ok())?
    })
}

impl Looks {
    pub(crate) fn new(
        cx: &Context,
        at: &Subject,
        peer: PeerAddr,
        options: &HttpOptions,
        compared: bool,
    ) -> Self {
        Self {
            cx: cx.clone(),
            at: at.at_address(peer),
            limits: Limits::of(options),
            version: options.version,
            compared,
        }
    }

    /// The second request on the road's own connection, at once.
    pub(crate) async fn at_once(self, mut line: Line, wire: Arc<Wire>, spoken: Protocol, first: First) {
        let record = self.begin(Duration::ZERO);
        if let Err(error) = self.second(&mut line, &wire, spoken, &first, record).await {
            self.cx.trouble("http", &error);
        }
        // The kernel is asked when the connection goes.
        drop(line);
        figures(&self.cx, &self.at, &wire);
    }

    /// A connection of its own, one request, a pause, and a second request.
    pub(crate) async fn after_idle(self, again: Again, idle: Duration) {
        if let Err(error) = self.idle(again, idle).await {
            self.cx.trouble("http", &error);
        }
    }

    async fn idle(&self, Again(again): Again, idle: Duration) -> Result<(), Error> {
        let mut record = self.begin(idle);
        if Instant::now() + idle + MARGIN >= self.cx.trace_deadline() {
            record.outcome = ReuseOutcome::NoTime;
            record.finish();
            return Ok(());
        }
        record.outcome = ReuseOutcome::NoFirst;
        let Some(dialled) = again.redial(&self.at.any_address(), &self.cx.connecting_again()).await? else {
            record.finish();
            return Ok(());
        };
        let spoken = super::exchange::version(self.version, &dialled, false);
        let (tap, wire) = tapped(dialled, spoken, true);
        let Ok(mut line) = open(tap, spoken, self.limits).await else {
            record.finish();
            return Ok(());
        };
        let Some(first) = self.ask(&mut line, &wire, spoken).await? else {
            record.finish();
            return Ok(());
        };
        self.second(&mut line, &wire, spoken, &First::of(&first), record).await
    }

    /// One request, as the road sends it. `None` where no complete answer came.
    async fn ask(
        &self,
        line: &mut Line,
        wire: &Arc<Wire>,
        spoken: Protocol,
    ) -> Result<Option<Exchange>, Error> {
        let exchange = self.send(line, wire, spoken, PATIENCE).await?;
        Ok(exchange.filter(Exchange::answered))
    }

    /// One request within a time. `None` where the time ran out.
    async fn send(
        &self,
        line: &mut Line,
        wire: &Arc<Wire>,
        spoken: Protocol,
        patience: Duration,
    ) -> Result<Option<Exchange>, Error> {
        let target = self.cx.target();
        let request = request_as(target, &self.cx, &self.cx.further_id(), form(spoken, false))?;
        let _permit = self.cx.permit(ContactKind::Request)?;
        let until = (Instant::now() + patience).min(self.cx.trace_deadline() - MARGIN);
        let entered_at = self.cx.endpoint().map(ToString::to_string);
        let asked = Exchange { request: Asked::of(target), entered_at, spoken, ..Exchange::default() };
        let mut flight = Flight::begin(&self.cx, wire.clone(), until, self.limits, asked, None);
        let ended = timeout_at(until, exchange(line, request, &mut flight, self.limits)).await;
        Ok(ended.is_ok().then(|| flight.take()))
    }

    async fn second(
        &self,
        line: &mut Line,
        wire: &Arc<Wire>,
        spoken: Protocol,
        first: &First,
        mut record: Recording<Reuse>,
    ) -> Result<(), Error> {
        record.announced_timeout_s = first.timeout_s;
        record.announced_max = first.max;
        record.first_took_us = Some(first.took.into());
        if first.closes {
            record.outcome = ReuseOutcome::NotAllowed;
            record.finish();
            return Ok(());
        }
        let pause = Instant::now();
        let leaving = || spoken == Protocol::Http2 && wire.leaving();
        if let Some(error) = closed_meanwhile(line, record.idle_us.duration()).await {
            record.outcome = ReuseOutcome::ClosedBefore;
            record.closed_after_us = Some(pause.elapsed().into());
            record.goaway = leaving() || error.as_ref().and_then(find_go_away).unwrap_or_default();
            record.finish();
            return Ok(());
        }
        let two = spoken == Protocol::Http2;
        // What stands there should looking end here: it was sent, and nothing came. Of HTTP/2 the wire has to
        // say whether it was: a peer may allow no further stream.
        record.outcome = if two { ReuseOutcome::NotSent } else { ReuseOutcome::Lost };
        wire.begin_again();
        let sent = Instant::now();
        let patience = PATIENCE.max(first.took * 10);
        let second = self.send(line, wire, spoken, patience).await?;
        record.took_us = Some(Micros::from(sent.elapsed()));
        if two && wire.frames_written().heads > 0 {
            record.outcome = ReuseOutcome::Lost;
        }
        if let Some(second) = second {
            record.outcome = outcome(&second, wire);
            record.status = second.status;
            record.goaway = leaving() || second.closed == Some(Closed::Goaway);
            record.error = second.error;
        }
        if self.compared
            && let Some(left) = left(&record, self.cx.target())
        {
            self.cx.record(&self.at, Reused::new(record.idle_us, left));
        }
        record.finish();
        Ok(())
    }

    fn begin(&self, idle: Duration) -> Recording<Reuse> {
        let url = redact_url(self.cx.target().url());
        self.cx.begin(&self.at, Reuse { idle_us: idle.into(), url, ..Reuse::default() })
    }
}

/// Records the kernel's figures of a connection that is gone.
pub(crate) fn figures(cx: &Context, at: &Subject, wire: &Wire) {
    if let Some(kernel) = wire.kernel() {
        cx.record(at, reqpath_tcp::Figures(kernel));
    }
}

/// Keeps the connection alive for so long; says so if it ends meanwhile.
async fn closed_meanwhile(line: &mut Line, idle: Duration) -> Option<Option<hyper::Error>> {
    if idle > Duration::ZERO && timeout(idle, poll_fn(|cx| line.poll(cx))).await.is_ok() {
        return Some(line.ready().await.err().flatten());
    }
    line.ready().await.err()
}

/// How a second request fared; nothing where the peer closed in time for a client to notice.
fn left(reuse: &Reuse, target: &Target) -> Option<Left> {
    match (reuse.outcome, reuse.status) {
        (ReuseOutcome::Answered, Some(status)) if wanted(target, status) => Some(Left::Alive),
        (ReuseOutcome::Answered, Some(_)) => Some(Left::Dead),
        _ => reuse.lost_a_request().then_some(Left::Dead),
    }
}

fn find_go_away(error: &hyper::Error) -> Option<bool> {
    find::<h2::Error>(error).map(h2::Error::is_go_away)
}

fn outcome(second: &Exchange, wire: &Wire) -> ReuseOutcome {
    match second.end {
        Some(End::Complete | End::Limit) => ReuseOutcome::Answered,
        Some(End::Empty) => ReuseOutcome::ClosedAfter,
        Some(End::Reset) => ReuseOutcome::Reset,
        // The peer was gone when the request was to be written.
        Some(End::Failed) if wire.sent() == 0 => ReuseOutcome::ClosedBefore,
        Some(End::Failed) if wire.ended() == Ended::Fin => ReuseOutcome::ClosedAfter,
        _ => ReuseOutcome::Other,
    }
}

//! One question to one nameserver, over a datagram and, where that is cut, over a connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt;
use hickory_resolver::proto::rr::{Name, RecordType};
use reqpath_core::{
    ConnectOptions, ContactKind, Context, Datagram, Error, Micros, PeerAddr, Subject, Unavailable, escape,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::together::Together;
use super::wire::{Reading, Wanted, name_text};
use crate::evidence::{Answer, Asked, Outcome, Transport};

/// How often a question is sent over datagrams, at most.
pub(super) const TRIES: u32 = 3;
/// When it is sent again, in percent of the patience.
const AGAIN_AT: [u32; 2] = [20, 50];
/// Larger than any datagram we say we take; a longer one is cut by the system, and then unreadable.
const BUFFER: usize = 4096;
/// Datagrams that are not ours are looked at this often, and no more: a flood ends the look.
const MOST_STRANGERS: u32 = 256;
/// Ends a look a little before the trial, so that what it saw is whole.
const MARGIN: Duration = Duration::from_millis(15);

/// `EAFNOSUPPORT`, for which the standard library has no word: this host has no IPv6 at all.
const NO_SUCH_FAMILY: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 97 } else { 47 };

/// One question for one nameserver.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) server: SocketAddr,
    pub(super) name: Name,
    pub(super) record_type: RecordType,
    pub(super) asked: Asked,
    pub(super) on_road: bool,
    pub(super) checking_disabled: bool,
    pub(super) again: bool,
    pub(super) edns: bool,
}

impl Question {
    pub(super) fn new(server: SocketAddr, name: &Name, record_type: RecordType, asked: Asked) -> Self {
        Self {
            server,
            name: name.clone(),
            record_type,
            asked,
            on_road: false,
            checking_disabled: false,
            again: false,
            edns: true,
        }
    }

    pub(super) fn on_road(self) -> Self {
        Self { on_road: true, ..self }
    }

    pub(super) fn checking_disabled(self) -> Self {
        Self { checking_disabled: true, ..self }
    }

    pub(super) fn again(self) -> Self {
        Self { again: true, ..self }
    }

    /// Asks as a program of the C library does, which takes no more than 512 bytes in a datagram.
    pub(super) fn without_edns(self) -> Self {
        Self { edns: false, ..self }
    }

    /// Asks, and keeps what comes back: over TCP where the datagram was cut, and without EDNS
    /// where the server does not understand it.
    pub(super) async fn ask(&self, cx: &Context, at: &Subject, patience: Duration) -> Result<Answer, Error> {
        self.ask_among(cx, at, patience, &Together::default()).await
    }

    /// The same, hurried by the questions it is asked together with.
    pub(super) async fn ask_among(
        &self,
        cx: &Context,
        at: &Subject,
        patience: Duration,
        together: &Together,
    ) -> Result<Answer, Error> {
        let end = end_of(cx, patience);
        let mut answer = self.over_udp(cx, at, end, self.edns, together).await?;
        if self.edns && answer.rcode.as_deref() == Some("FORMERR") {
            answer = self.over_udp(cx, at, end, false, together).await?;
        }
        if answer.outcome() == Outcome::Truncated {
            answer = self.over_tcp(cx, at, end_of(cx, patience), together).await?;
        }
        Ok(answer)
    }

    fn wanted(&self, edns: bool) -> Wanted {
        Wanted {
            name: self.name.clone(),
            record_type: self.record_type,
            recursion: self.asked != Asked::Authority,
            checking_disabled: self.checking_disabled,
            edns,
        }
    }

    fn blank(&self, transport: Transport) -> Answer {
        let record_type = self.record_type.to_string();
        let mut answer = Answer::to(PeerAddr(self.server), name_text(&self.name), record_type);
        answer.asked = self.asked;
        answer.on_road = self.on_road;
        answer.checking_disabled = self.checking_disabled;
        answer.again = self.again;
        answer.transport = transport;
        answer
    }

    async fn over_udp(
        &self,
        cx: &Context,
        at: &Subject,
        end: Instant,
        edns: bool,
        together: &Together,
    ) -> Result<Answer, Error> {
        let permit = cx.permit(ContactKind::Query)?;
        let began = Instant::now();
        let mut answer = cx.begin(at, self.blank(Transport::Udp));
        match cx.vantage().datagram(permit, PeerAddr(self.server)).await {
            Ok(socket) => {
                answer.local = socket.local();
                let wanted = self.wanted(edns);
                let heard = exchange(&*socket, &wanted, cx, (began, end), together, &mut answer).await;
                if let Err(error) = heard {
                    note(&mut answer, &error);
                }
            }
            Err(error) if is_unreachable(&error) => note(&mut answer, &error),
            Err(error) => {
                answer.error = Some(error.to_string());
                return Err(Error::Vantage {
                    vantage: cx.vantage().name().into_owned(),
                    what: "open a datagram socket",
                    source: Unavailable::from(error),
                });
            }
        }
        answer.time_us = began.elapsed().into();
        let told = answer.clone();
        answer.finish();
        Ok(told)
    }

    async fn over_tcp(
        &self,
        cx: &Context,
        at: &Subject,
        end: Instant,
        together: &Together,
    ) -> Result<Answer, Error> {
        let permit = cx.permit(ContactKind::Connection)?;
        let began = Instant::now();
        let mut answer = cx.begin(at, self.blank(Transport::Tcp));
        answer.tries = 1;
        let how = ConnectOptions::within(end.saturating_duration_since(began));
        let connected = tokio::select! {
            biased;
            connected = cx.vantage().connect(permit, PeerAddr(self.server), how) => Some(connected),
            () = together.over() => None,
        };
        match connected {
            Some(Ok(mut connection)) => {
                answer.local = connection.local();
                let wanted = self.wanted(true);
                let told = tokio::select! {
                    biased;
                    told = timeout_at(end, stream(&mut connection, &wanted, &mut answer)) => told.ok(),
                    () = together.over() => None,
                };
                match told {
                    Some(Ok(())) => {}
                    Some(Err(error)) => answer.error = Some(escape(&error.to_string(), 200)),
                    None => answer.timed_out = true,
                }
            }
            Some(Err(failure)) => {
                answer.local = failure.local;
                answer.timed_out = failure.timed_out;
                answer.unreachable = !failure.timed_out;
                answer.error = Some(failure.message);
            }
            None => answer.timed_out = true,
        }
        answer.time_us = began.elapsed().into();
        let told = answer.clone();
        answer.finish();
        Ok(told)
    }
}

/// Sends the question, again if need be, until an answer to it comes or the time is over.
async fn exchange(
    socket: &dyn Datagram,
    wanted: &Wanted,
    cx: &Context,
    (began, end): (Instant, Instant),
    together: &Together,
    answer: &mut Answer,
) -> io::Result<()> {
    let patience = end.saturating_duration_since(began);
    let mut ids: Vec<u16> = Vec::with_capacity(TRIES as usize);
    let mut buffer = vec![0; BUFFER];
    for try_number in 0..TRIES {
        if try_number > 0 && cx.permit(ContactKind::Query).is_err() {
            break;
        }
        let id = fresh_id(&ids);
        let bytes = wanted.bytes(id).map_err(io::Error::other)?;
        answer.query_bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        answer.tries = try_number + 1;
        answer.time_us = began.elapsed().into();
        socket.send(&bytes).await?;
        ids.push(id);
        let share = AGAIN_AT.get(try_number as usize).copied().unwrap_or(100);
        tokio::select! {
            biased;
            heard = listen(socket, wanted, &ids, &mut buffer, answer) => return heard,
            () = together.over() => break,
            // The time of this try is over: send again, or give up.
            () = sleep_until(began + patience * share / 100) => {}
        }
    }
    answer.timed_out = true;
    Ok(())
}

/// Waits for an answer to one of our ids; what is not ours is counted.
async fn listen(
    socket: &dyn Datagram,
    wanted: &Wanted,
    ids: &[u16],
    buffer: &mut [u8],
    answer: &mut Answer,
) -> io::Result<()> {
    loop {
        let length = socket.receive(buffer).await?;
        if take(wanted, &buffer[..length], ids, answer) {
            // What else has arrived by now is only counted.
            while let Some(Ok(more)) = socket.receive(buffer).now_or_never() {
                let same = buffer[..more]
                    .first_chunk::<2>()
                    .is_some_and(|id| ids.contains(&u16::from_be_bytes(*id)));
                let counter = if same { &mut answer.duplicates } else { &mut answer.mismatched };
                *counter += 1;
                if answer.duplicates + answer.mismatched > MOST_STRANGERS {
                    break;
                }
            }
            return Ok(());
        }
        if answer.mismatched > MOST_STRANGERS {
            return Err(io::Error::other("hundreds of datagrams came that answer another question"));
        }
    }
}

/// Whether a datagram is the answer; it is written down if so, and counted if not.
fn take(wanted: &Wanted, bytes: &[u8], ids: &[u16], answer: &mut Answer) -> bool {
    match wanted.read(bytes, ids, answer) {
        Reading::Ours => {
            answer.response_bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            answer.late = bytes.first_chunk::<2>().map(|id| u16::from_be_bytes(*id)) != ids.last().copied();
            true
        }
        Reading::NotOurs => {
            answer.mismatched += 1;
            false
        }
    }
}

/// The same exchange over a connection: each message behind its length.
async fn stream<S>(connection: &mut S, wanted: &Wanted, answer: &mut Answer) -> io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let id = fresh_id(&[]);
    let bytes = wanted.bytes(id).map_err(io::Error::other)?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    answer.query_bytes = u32::from(length);
    connection.write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat()).await?;
    let mut length = [0; 2];
    connection.read_exact(&mut length).await?;
    // Two bytes of length bound this to 64 KiB.
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    connection.read_exact(&mut bytes).await?;
    answer.response_bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    match wanted.read(&bytes, &[id], answer) {
        Reading::Ours => Ok(()),
        Reading::NotOurs => {
            answer.mismatched += 1;
            Err(io::Error::other("the answer over TCP is to another question"))
        }
    }
}

/// An id not used before in this exchange, so that a late answer is told from a second one.
fn fresh_id(used: &[u16]) -> u16 {
    loop {
        let id = hickory_resolver::proto::op::Message::query().metadata.id;
        if !used.contains(&id) {
            return id;
        }
    }
}

fn note(answer: &mut Answer, error: &io::Error) {
    answer.unreachable = is_unreachable(error);
    answer.error = Some(escape(&error.to_string(), 200));
}

/// Whether an error says that the network, or this host's own rules, keep us from the server.
fn is_unreachable(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::AddrNotAvailable
            | Kind::PermissionDenied
    ) || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

/// When to stop waiting: after one's own patience, or a little before the trial is over.
fn end_of(cx: &Context, patience: Duration) -> Instant {
    let now = Instant::now();
    let left = cx.deadline().saturating_duration_since(now);
    // Where there is no room for it, nothing is taken off.
    let left = if left > MARGIN * 4 { left - MARGIN } else { left };
    now + patience.min(left)
}

/// Waits, or as long as the trial lasts.
pub(super) async fn pause(cx: &Context, time: Duration) -> bool {
    if cx.limit(time) < time {
        return false;
    }
    // Nothing is waited for: the point is that time passes.
    timeout(time, std::future::pending::<()>()).await.is_err()
}

/// Whether an answer says yes or no.
pub(super) fn is_conclusive(answer: &Answer) -> bool {
    matches!(answer.outcome(), Outcome::Addresses | Outcome::NoData | Outcome::NoSuchName)
}

/// A duration in whole seconds, as resolvers configure them.
pub(super) fn seconds(time: u32) -> Duration {
    Micros(u64::from(time) * 1_000_000).duration()
}

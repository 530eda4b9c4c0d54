//! Datagrams that answer datagrams.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqpath_core::{Datagram, LocalAddr};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::errno;
use super::ledger::Ledger;

/// What comes back for one datagram: nothing, some datagrams, or an ICMP error; each at its time.
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::vantage::{FakeVantage, Packets};
///
/// let vantage = FakeVantage::builder()
///     .udp(([192, 0, 2, 1], 9), |sent: &[u8]| sent.to_vec())                      // an echo
///     .udp(([192, 0, 2, 2], 9), Packets::none())                                  // a black hole
///     .udp(([192, 0, 2, 3], 9), Packets::refused())                               // a closed port
///     .udp(([192, 0, 2, 4], 9), |sent: &[u8]| {
///         Packets::reply(sent.to_vec()).delayed(Duration::from_millis(20)).and(Packets::reply(&b"twice"[..]))
///     })
///     .build();
/// # drop(vantage);
/// ```
///
/// A host that a router cannot find, and a network that this host cannot leave:
///
/// ```
/// use reqpath_testkit::vantage::{FakeVantage, Packets};
///
/// let vantage = FakeVantage::builder()
///     .udp(([192, 0, 2, 5], 53), Packets::unreachable())
///     .udp(([198, 51, 100, 5], 53), Packets::no_route())
///     .build();
/// # drop(vantage);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "packets go nowhere until they are an answer"]
pub struct Packets {
    packets: Vec<(Duration, Packet)>,
    no_route: bool,
}

#[derive(Clone, Debug)]
enum Packet {
    Bytes(Bytes),
    /// The symbol of the error the socket reports.
    Error(&'static str),
}

impl Packets {
    /// Nothing: what was sent is lost, or its answer is.
    pub fn none() -> Self {
        Self::default()
    }

    /// One datagram.
    pub fn reply(bytes: impl Into<Bytes>) -> Self {
        Self::one(Packet::Bytes(bytes.into()))
    }

    /// An ICMP "port unreachable": nobody listens there.
    pub fn refused() -> Self {
        Self::one(Packet::Error("ECONNREFUSED"))
    }

    /// An ICMP "host unreachable".
    pub fn unreachable() -> Self {
        Self::one(Packet::Error("EHOSTUNREACH"))
    }

    /// No socket can be opened at all: there is no route. Only as the whole script of an address.
    pub fn no_route() -> Self {
        Self { packets: Vec::new(), no_route: true }
    }

    /// All of it this much later.
    pub fn delayed(mut self, delay: Duration) -> Self {
        for (after, _) in &mut self.packets {
            *after += delay;
        }
        self
    }

    /// These as well.
    pub fn and(mut self, more: Self) -> Self {
        self.packets.extend(more.packets);
        self
    }

    fn one(packet: Packet) -> Self {
        Self { packets: vec![(Duration::ZERO, packet)], no_route: false }
    }
}

impl From<Vec<u8>> for Packets {
    fn from(bytes: Vec<u8>) -> Self {
        Self::reply(bytes)
    }
}

impl From<Option<Vec<u8>>> for Packets {
    fn from(bytes: Option<Vec<u8>>) -> Self {
        bytes.map(Self::reply).unwrap_or_default()
    }
}

/// Answers datagrams: [`Packets`] for every one, or a closure from the bytes.
///
/// The closure gives [`Packets`], or bytes, or bytes perhaps.
///
/// ```
/// use std::net::SocketAddr;
/// use reqpath_testkit::vantage::{Datagrams, FakeVantage, Packets};
///
/// /// Tells everybody the address they come from, as a STUN server does.
/// struct WhoAmI;
///
/// impl Datagrams for WhoAmI {
///     fn answer(&self, _: &[u8]) -> Packets {
///         Packets::none()
///     }
///
///     fn answer_from(&self, from: SocketAddr, _: &[u8]) -> Packets {
///         Packets::reply(from.to_string())
///     }
/// }
///
/// let vantage = FakeVantage::builder().udp(([192, 0, 2, 6], 3478), WhoAmI).build();
/// # drop(vantage);
/// ```
pub trait Datagrams: Send + Sync {
    /// What comes back for this datagram.
    fn answer(&self, datagram: &[u8]) -> Packets;

    /// What comes back for this datagram, where it matters who sent it.
    fn answer_from(&self, from: SocketAddr, datagram: &[u8]) -> Packets {
        let _ = from;
        self.answer(datagram)
    }

    /// Whether a socket can be opened towards it.
    fn is_routed(&self) -> bool {
        true
    }
}

impl Datagrams for Packets {
    fn answer(&self, _: &[u8]) -> Packets {
        self.clone()
    }

    fn is_routed(&self) -> bool {
        !self.no_route
    }
}

impl<F, P> Datagrams for F
where
    F: Fn(&[u8]) -> P + Send + Sync,
    P: Into<Packets>,
{
    fn answer(&self, datagram: &[u8]) -> Packets {
        self(datagram).into()
    }
}

/// A socket of a fake place.
pub(super) struct Socket {
    local: LocalAddr,
    name: String,
    answers: Arc<dyn Datagrams>,
    ledger: Arc<Ledger>,
    /// What has been answered and not been received, in the order of its time.
    pending: Mutex<VecDeque<(Instant, Packet)>>,
    arrived: Notify,
}

impl Socket {
    pub(super) fn new(
        local: LocalAddr,
        name: String,
        answers: Arc<dyn Datagrams>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self { local, name, answers, ledger, pending: Mutex::default(), arrived: Notify::new() }
    }

    fn pending(&self) -> MutexGuard<'_, VecDeque<(Instant, Packet)>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Datagram for Socket {
    fn local(&self) -> Option<LocalAddr> {
        Some(self.local)
    }

    async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let answer = self
            .ledger
            .guard(&self.name, || self.answers.answer_from(self.local.0, datagram))
            .unwrap_or_default();
        let now = Instant::now();
        {
            let mut pending = self.pending();
            for (after, packet) in answer.packets {
                let due = now + after;
                let place = pending.partition_point(|(other, _)| *other <= due);
                pending.insert(place, (due, packet));
            }
        }
        self.arrived.notify_one();
        Ok(())
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let arrived = self.arrived.notified();
            let due = {
                let mut pending = self.pending();
                let first = pending.front().map(|(due, _)| *due);
                if first.is_some_and(|due| due <= Instant::now())
                    && let Some((_, packet)) = pending.pop_front()
                {
                    return match packet {
                        Packet::Bytes(bytes) => {
                            let length = bytes.len().min(buffer.len());
                            buffer[..length].copy_from_slice(&bytes[..length]);
                            Ok(length)
                        }
                        Packet::Error(symbol) => Err(errno::error(symbol)),
                    };
                }
                first
            };
            match due {
                None => arrived.await,
                Some(due) => tokio::select! {
                    () = arrived => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("local", &self.local).field("name", &self.name).finish_non_exhaustive()
    }
}

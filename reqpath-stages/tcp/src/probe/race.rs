//! The race between addresses, as RFC 8305 has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use reqpath_core::{Connection, ContactKind, Context, Error, LocalAddr, PeerAddr, Subject};
use tokio::time::{Instant, sleep_until, timeout};

use crate::evidence::{NotDialled, Purpose};

use super::dial::{Dial, Dialling, TELLING};
use super::looks::Looks;
use super::{MOST_ASIDE, MOST_LOOKS, narrowed, order};

/// How long an address that the request did not need is given: time for a second SYN.
const ASIDE: Duration = Duration::from_secs(2);

/// With less time left nothing is tried beside the road: hardly anything would answer.
const WORTHWHILE: Duration = Duration::from_millis(100);

/// With less than this left there is no use in dialling another address.
const HOPELESS: Duration = Duration::from_millis(1);

type Racing = FuturesUnordered<BoxFuture<'static, Result<Dialling, Error>>>;

/// The race of one trial.
pub(super) struct Race<'a> {
    pub(super) cx: &'a Context,
    pub(super) at: &'a Subject,
    /// When all attempts must be over.
    pub(super) until: Instant,
    pub(super) stagger: Duration,
    pub(super) side_looks: bool,
    /// Addresses that the plan leaves no connection for.
    pub(super) left_out: usize,
}

impl Race<'_> {
    /// Dials in order until one address answers: that one wins.
    pub(super) async fn run(
        &self,
        peers: Vec<PeerAddr>,
    ) -> Result<Option<(PeerAddr, Box<dyn Connection>)>, Error> {
        if let [only] = peers[..] {
            let dialling = self.dial(only, Purpose::Road, self.until, self.side_looks, None).run().await?;
            return Ok(self.settle(dialling));
        }
        // On the heap of its own, so that a single address does not carry its room.
        Box::pin(self.among(peers)).await
    }

    /// Whether there is no time left for another address.
    fn is_over(&self) -> bool {
        self.until.saturating_duration_since(Instant::now()) <= HOPELESS
    }

    /// The race proper.
    async fn among(&self, peers: Vec<PeerAddr>) -> Result<Option<(PeerAddr, Box<dyn Connection>)>, Error> {
        let enough = Arc::new(AtomicBool::new(false));
        let of = peers.len();
        let mut rest = peers.into_iter();
        let mut racing = Racing::new();
        let mut next_at = Instant::now();
        let won = loop {
            let due = Instant::now() >= next_at || racing.is_empty();
            if due
                && !self.is_over()
                && let Some(peer) = rest.next()
            {
                let look = self.looks_into(of - rest.len());
                racing.push(Box::pin(self.dial(peer, Purpose::Road, self.until, look, Some(&enough)).run()));
                next_at = Instant::now() + self.stagger;
            }
            if racing.is_empty() {
                break None;
            }
            let more = rest.len() > 0 && next_at < self.until;
            tokio::select! {
                biased;
                Some(dialling) = racing.next() => match self.settle(dialling?) {
                    // One that failed makes room for the next at once.
                    None => next_at = Instant::now(),
                    won => break won,
                },
                () = sleep_until(next_at), if more => {}
            }
        };
        // That nobody dialled the others, though there was time, is the plan's limit: one of them may serve.
        let spent = won.is_none() && self.left_out > 0 && rest.len() == 0 && !self.is_over();
        let (look_aside, lost) = (self.look_aside(), won.is_none());
        let mut left = rest.len() + self.left_out;
        if look_aside {
            left -= self.aside(racing, rest.collect(), of, enough);
        }
        if left > 0 && (look_aside || lost) {
            self.cx.record(self.at, NotDialled::new(of + self.left_out - left, left));
        }
        if spent { Err(Error::BudgetSpent { kind: ContactKind::Connection }) } else { Ok(won) }
    }

    /// Whether the kernel is asked about an attempt, by its number from 1.
    fn looks_into(&self, number: usize) -> bool {
        self.side_looks && number <= MOST_LOOKS as usize
    }

    fn dial(
        &self,
        peer: PeerAddr,
        purpose: Purpose,
        until: Instant,
        look: bool,
        enough: Option<&Arc<AtomicBool>>,
    ) -> Dial {
        Dial {
            cx: self.cx.clone(),
            at: narrowed(self.at, peer),
            peer,
            until,
            purpose,
            look,
            enough: enough.cloned(),
        }
    }

    /// Closes the record of an attempt; the first that connected has won.
    fn settle(&self, dialling: Dialling) -> Option<(PeerAddr, Box<dyn Connection>)> {
        let Dialling { peer, record, connection } = dialling;
        if self.cx.compares() {
            self.tell(peer, connection.as_ref().map_or_else(|| record.local(), |open| open.local()));
        }
        record.finish(connection.is_some());
        let connection = connection?;
        if self.look_aside() {
            let (cx, at) = (self.cx.clone(), narrowed(self.at, peer));
            self.cx.aside(async move { Looks::new(&cx, &at, peer).route().await });
        }
        Some((peer, connection))
    }

    /// Says what samples may differ in by their connection; of several attempts the last counts.
    fn tell(&self, peer: PeerAddr, local: Option<LocalAddr>) {
        self.cx.attribute("address", || peer.to_string());
        self.cx.attribute("family", || order::family(peer).to_owned());
        if let Some(local) = local {
            self.cx.attribute("source_port", || local.port().to_string());
        }
    }

    fn look_aside(&self) -> bool {
        self.side_looks && self.cx.is_first()
    }

    /// Beside the road: lets those under way end by themselves, and tries those the request did not need, but not
    /// all of very many; how many it tries.
    fn aside(&self, racing: Racing, rest: Vec<PeerAddr>, of: usize, enough: Arc<AtomicBool>) -> usize {
        let left = self.cx.trace_deadline().saturating_duration_since(Instant::now());
        let allowed = super::in_time(left.min(ASIDE));
        if allowed < WORTHWHILE {
            return 0;
        }
        // Where there is no time for silence to tell anything, they are given up, and not called silent.
        let given = if allowed < TELLING { ASIDE } else { allowed };
        let dialled = of - rest.len();
        let mut aside = 0;
        for (number, peer) in (dialled + 1..=MOST_ASIDE).zip(rest) {
            let (until, look) = (Instant::now() + given, self.looks_into(number));
            racing.push(Box::pin(self.dial(peer, Purpose::Aside, until, look, None).run()));
            aside += 1;
        }
        if racing.is_empty() {
            return aside;
        }
        let cx = self.cx.clone();
        self.cx.aside(async move {
            let mut racing = racing;
            let all = async {
                while let Some(dialling) = racing.next().await {
                    match dialling {
                        Ok(dialling) => dialling.record.finish(false),
                        Err(error) => cx.trouble("tcp", &error),
                    }
                }
            };
            // The addresses dialled here end by themselves just before; the road's own are ended here.
            if timeout(allowed + HOPELESS, all).await.is_err() {
                enough.store(true, Ordering::Relaxed);
            }
            drop(racing);
        });
        aside
    }
}

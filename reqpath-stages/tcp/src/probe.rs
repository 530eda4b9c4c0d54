//! Dialling the addresses of a leg.

mod again;
mod dial;
mod kernel;
mod looks;
mod order;
mod race;
mod silence;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqpath_core::{
    Addresses, Again, Cause, Contact, ContactKind, Context, Destination, Dialled, Error, Left, Path,
    PeerAddr, Stage, Subject, Target,
};
use tokio::time::Instant;

use crate::{CAUSES, TcpOptions};

pub use kernel::record_kernel;
pub use silence::{SILENCE, silence};

use again::Straight;
use order::Candidates;
use race::Race;

/// How many addresses of a name are dialled at most: a hostile name may have thousands.
const MOST_ADDRESSES: u32 = 64;

/// How many of them are dialled at most where the request went on, the road's own included: one that has
/// very many is not to be met by a burst of connections that nobody needs.
const MOST_ASIDE: usize = 16;

/// How many of them the kernel is asked about: the first that are dialled. One more is the one that answers.
const MOST_LOOKS: u32 = 16;

/// Silent connections of one trial at most: one for the stage that speaks first, one for the next.
const MOST_SILENCES: u32 = 2;

/// Opens the connection the way a client does, and records every attempt.
///
/// Takes [`Addresses`], leaves the [`Destination`], and hands on [`Dialled`] and [`Again`].
#[derive(Debug)]
pub struct Tcp {
    options: TcpOptions,
}

impl Tcp {
    /// A stage that dials like this.
    #[must_use]
    pub fn new(options: TcpOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Stage for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn causes(&self) -> &[&'static Cause] {
        CAUSES
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        let addresses = "each address of the name";
        let mut plan = vec![Contact::new(
            ContactKind::Connection,
            addresses,
            MOST_ADDRESSES,
            "the client's attempts and, once, the addresses it did not need",
        )];
        if self.options.side_looks {
            plan.extend([
                Contact::new(
                    ContactKind::Connection,
                    "the address that was used",
                    MOST_SILENCES,
                    "a control that stays silent, where a connection dies early",
                ),
                Contact::new(ContactKind::Kernel, addresses, MOST_LOOKS + 1, "the route"),
                Contact::new(
                    ContactKind::Kernel,
                    addresses,
                    3 * MOST_LOOKS,
                    "after a failure: the listener's queue, ports and descriptors in use",
                ),
                Contact::new(
                    ContactKind::File,
                    looks::NETSTAT,
                    2 * MOST_LOOKS,
                    "after a failure: what listeners dropped",
                ),
            ]);
        }
        plan
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let missing = |what| Error::NothingHandedOn { stage: "tcp", what };
        let port = cx.see(at, |to: &Destination| to.port).ok_or_else(|| missing("a destination"))?;
        let Addresses(addresses) = cx.take(at).ok_or_else(|| missing("addresses"))?;
        let Candidates { mut peers, left_out } = order::candidates(addresses, port, self.options.family);
        if peers.len() > 1 && cx.compares() {
            peers = order::in_turn(cx, peers);
        }
        if peers.is_empty() {
            return Err(missing("an address of the wanted family"));
        }
        let timeout = self.options.connect_timeout;
        let race = Race {
            cx,
            at,
            until: Instant::now() + in_time(cx.connect_limit(timeout)),
            stagger: self.options.stagger,
            side_looks: self.options.side_looks,
            left_out,
        };
        let Some((peer, connection)) = race.run(peers).await? else { return Ok(Left::Dead) };
        cx.hand_on(at, Dialled::plain(connection, peer));
        cx.hand_on(at, Again(Arc::new(Straight { peer, timeout })));
        Ok(Left::Alive)
    }
}

/// A limit a little short of the time there is, so that the look ends by itself and is complete.
fn in_time(limit: Duration) -> Duration {
    limit - (limit / 20).min(Duration::from_millis(20))
}

/// The address a subject is narrowed to.
fn narrowed(at: &Subject, peer: PeerAddr) -> Subject {
    at.at_address(peer)
}

//! Looking names up.

mod beside;
mod configuration;
mod exchange;
mod names;
mod order;
mod other;
mod road;
mod together;
mod wire;
mod zone;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use reqpath_core::{
    Addresses, Cause, Contact, ContactKind, Context, Destination, Error, Left, Path, Stage, Subject, Target,
};

use crate::DnsOptions;
use crate::causes::CAUSES;

/// Looks up the name of a leg's far end: by the client's own road, and by every nameserver beside it.
///
/// An address in place of a name, or addresses given by the caller, go through without any look.
#[derive(Debug)]
pub struct Dns {
    options: Arc<DnsOptions>,
}

impl Dns {
    /// A stage that looks names up this way.
    #[must_use]
    pub fn new(options: DnsOptions) -> Self {
        Self { options: Arc::new(options) }
    }
}

#[async_trait]
impl Stage for Dns {
    fn name(&self) -> &'static str {
        "dns"
    }

    fn causes(&self) -> &[&'static Cause] {
        CAUSES
    }

    fn plan(&self, at: &Subject, path: &Path, target: &Target) -> Vec<Contact> {
        if path.dialled_by_address(at) {
            return Vec::new();
        }
        let mut plan = Vec::with_capacity(6);
        road::plan(&self.options, target, &mut plan);
        if self.options.side_looks {
            beside::plan(&self.options, &mut plan);
        }
        plan
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let asked = |to: &Destination| self.given(to).ok_or_else(|| to.host.clone());
        let asked = cx.see(at, asked).unwrap_or_else(|| {
            // No stage before this one chose: the target itself it is.
            let destination = Destination::of(cx.target());
            let asked = asked(&destination);
            cx.hand_on(at, destination);
            asked
        });
        if !self.options.servers.is_empty() {
            cx.hand_on(at, other::names(&self.options));
        }
        let host = match asked {
            Ok(addresses) => {
                cx.hand_on(at, Addresses(addresses));
                return Ok(Left::Alive);
            }
            Err(host) => host,
        };
        let host = host.as_str();
        let of_this_host = names::is_localhost(host);
        let look_beside = self.options.side_looks && cx.is_first() && !of_this_host;
        let client = cx.path().hops.first().map(|client| &client.id);
        let addresses = if of_this_host && at.as_leg().map(|leg| &leg.from) == client {
            // The client's own requests, redirected or not; what is further in asks its own system.
            Box::pin(road::this_host(&self.options, at, cx, host)).await
        } else if self.options.servers.is_empty() {
            if look_beside {
                cx.aside(beside::configured(
                    cx.clone(),
                    at.clone(),
                    Arc::clone(&self.options),
                    host.to_owned(),
                ));
            }
            // On the heap of its own, so that addresses, which need no look-up, do not carry its room.
            Box::pin(road::system(&self.options, at, cx, host)).await?
        } else {
            let road = Box::pin(road::given(&self.options, at, cx, host)).await?;
            if look_beside {
                let options = Arc::clone(&self.options);
                cx.aside(beside::given(cx.clone(), at.clone(), options, host.to_owned(), road.asked));
            }
            road.addresses
        };
        if addresses.is_empty() {
            return Ok(Left::Dead);
        }
        cx.hand_on(at, Addresses(addresses));
        Ok(Left::Alive)
    }
}

impl Dns {
    /// Addresses that need no look: those the caller gave, or the host itself where it is one.
    fn given(&self, destination: &Destination) -> Option<Vec<IpAddr>> {
        if destination.addresses.is_empty() {
            let host = destination.host.as_str();
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            return host.parse().ok().map(|address| vec![address]);
        }
        let wanted = |address: &IpAddr| crate::evidence::wanted(self.options.family, *address);
        let of_family: Vec<IpAddr> = destination.addresses.iter().copied().filter(wanted).collect();
        // An address that was given beats a preference: there is no other to prefer.
        Some(if of_family.is_empty() { destination.addresses.clone() } else { of_family })
    }
}

/// The plan's line for questions, so that both looks announce them alike.
fn queries(with: &'static str, questions: usize, why: &'static str) -> Contact {
    let most = u32::try_from(questions).unwrap_or(u32::MAX).saturating_mul(exchange::TRIES);
    Contact::new(ContactKind::Query, with, most, why)
}

/// The plan's line for questions whose answers did not fit a datagram.
fn connections(with: &'static str, questions: usize) -> Contact {
    let most = u32::try_from(questions).unwrap_or(u32::MAX);
    Contact::new(ContactKind::Connection, with, most, "answers that do not fit a datagram, over TCP")
}

//! What the kernel can tell about an attempt that does not go well.

use reqpath_core::{ContactKind, Context, PeerAddr, Permit, Subject, Unavailable};

use crate::evidence::{Death, ListenQueue, OpenDescriptors, PortsTowards, RouteTaken};

/// The counters of listeners. Not `/proc/net`, which is that of the process and not of the thread's namespace.
pub(super) const NETSTAT: &str = "/proc/thread-self/net/netstat";

/// Far more than the file ever has.
const NETSTAT_LIMIT: usize = 64 * 1024;

/// The looks at one address.
#[derive(Debug)]
pub(super) struct Looks<'a> {
    cx: &'a Context,
    at: &'a Subject,
    peer: PeerAddr,
    /// Whether the address is one of this very host; absent until the route was looked at.
    local: Option<bool>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(cx: &'a Context, at: &'a Subject, peer: PeerAddr) -> Self {
        Self { cx, at, peer, local: None }
    }

    /// While an attempt goes unanswered: the route, and the queue before a listener of this host.
    pub(super) async fn while_waiting(&mut self) {
        self.route().await;
        if self.local == Some(true) {
            self.listener().await;
        }
    }

    /// After an attempt failed.
    pub(super) async fn after(&mut self, death: Death) {
        if self.local.is_none() {
            self.route().await;
        }
        match death {
            Death::Refused | Death::Unanswered | Death::Reset if self.local == Some(true) => {
                self.listener().await;
            }
            Death::NoLocalAddress => self.ports().await,
            Death::NoDescriptor => self.descriptors().await,
            _ => {}
        }
    }

    /// Which way packets take.
    pub(super) async fn route(&mut self) {
        let Some(permit) = self.permit(ContactKind::Kernel) else { return };
        if let Some(route) = self.seen(self.cx.vantage().route(permit, self.peer.ip()).await) {
            let route = RouteTaken(route);
            self.local = Some(route.is_local());
            self.cx.record(self.at, route);
        }
    }

    async fn listener(&self) {
        let Some(permit) = self.permit(ContactKind::Kernel) else { return };
        let Some(queue) = self.seen(self.cx.vantage().listener(permit, self.peer).await) else { return };
        let mut seen = ListenQueue { queue, ..ListenQueue::default() };
        if let Some(permit) = self.permit(ContactKind::File) {
            let text = self.cx.vantage().read(permit, NETSTAT, NETSTAT_LIMIT).await;
            if let Some(text) = self.seen(text) {
                seen.counters(&text);
            }
        }
        self.cx.record(self.at, seen);
    }

    async fn ports(&self) {
        let Some(permit) = self.permit(ContactKind::Kernel) else { return };
        if let Some(ports) = self.seen(self.cx.vantage().ports(permit, self.peer).await) {
            self.cx.record(self.at, PortsTowards(ports));
        }
    }

    async fn descriptors(&self) {
        let Some(permit) = self.permit(ContactKind::Kernel) else { return };
        if let Some((open, limit)) = self.seen(self.cx.vantage().descriptors(permit).await) {
            self.cx.record(self.at, OpenDescriptors { open, limit });
        }
    }

    fn permit(&self, kind: ContactKind) -> Option<Permit> {
        self.cx.permit(kind).map_err(|error| self.cx.trouble("tcp", &error)).ok()
    }

    /// A look that this vantage does not have is simply not made; one that failed is said.
    fn seen<T>(&self, look: Result<T, Unavailable>) -> Option<T> {
        match look {
            Ok(seen) => Some(seen),
            Err(Unavailable::NotHere | Unavailable::Missing) => None,
            Err(error) => {
                self.cx.trouble("tcp", &error);
                None
            }
        }
    }
}

//! Links, addresses and routes of one namespace, over rtnetlink; the only room that knows that family of crates.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt as _;
use rtnetlink::{
    LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection,
    packet_route::{
        address::{AddressAttribute, AddressFlags, AddressHeaderFlags},
        link::{InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkMessage},
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
    },
};
use tokio::{task::JoinHandle, time::sleep};

use super::{cidr::Cidr, error::Error, namespace::Namespaces};

/// How long links may take to come up before that is an error.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Above every index that the kernel gives out by itself in a new namespace.
const FIRST_INDEX: u32 = 1000;

/// A route that leads nowhere, and what a packet towards it meets.
///
/// ```
/// use std::{io::ErrorKind, net::TcpStream};
/// use reqpath_testkit::lab::{self, DeadRoute, Lab};
///
/// let lab = Lab::builder().host("client").host("server").link("client", "server").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// lab["client"].add_dead_route("203.0.113.0/24", DeadRoute::Prohibit).unwrap();
/// let refused = lab["client"].run(|| TcpStream::connect("203.0.113.1:80")).unwrap().unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadRoute {
    /// Dropped without a word.
    Blackhole,
    /// Answered with "host unreachable" (over IPv6 a router says "no route", as if there were none).
    Unreachable,
    /// Answered with "administratively prohibited".
    Prohibit,
}

/// A netlink socket that belongs to one host, whatever thread uses it.
#[derive(Debug)]
pub(super) struct Netlink {
    host: String,
    handle: rtnetlink::Handle,
    connection: JoinHandle<()>,
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Netlink {
    /// Opens a socket in the network namespace that the calling thread is in, inside a tokio runtime.
    pub(super) fn open(host: &str) -> Result<Self, Error> {
        let (connection, handle, _) =
            new_connection().map_err(|source| Error::io("open a netlink socket", source))?;
        Ok(Self { host: host.to_owned(), handle, connection: tokio::spawn(connection) })
    }

    /// Lays a cable from an interface here to one in another namespace; `number` is no other cable's.
    pub(super) async fn veth(
        &self,
        number: u32,
        mtu: u32,
        name: &str,
        (peer, peer_name): (&Namespaces, &str),
    ) -> Result<(), Error> {
        // Indexes that differ: where both ends have the same one, the kernel takes them for one device, and
        // thinks it can take up to a second to notice that the cable is plugged in.
        let index = FIRST_INDEX + 2 * number;
        let far = LinkMessageBuilder::<LinkUnspec>::new()
            .index(index + 1)
            .name(peer_name)
            .mtu(mtu)
            .setns_by_fd(peer.net().as_raw_fd())
            .build();
        let near =
            LinkVeth::new(name, "").index(index).mtu(mtu).set_info_data(InfoData::Veth(InfoVeth::Peer(far)));
        let made = self.handle.link().add(near.build()).execute().await;
        made.map_err(|error| self.refused(format!("make the link {name}"), &error))
    }

    /// Makes a bridge and puts interfaces on it.
    pub(super) async fn bridge(&self, ports: &[String]) -> Result<(), Error> {
        let refused = |error: rtnetlink::Error| self.refused("make a bridge", &error);
        // Without snooping, neighbour discovery needs no querier.
        let bridge = LinkBridge::new("br0").mcast_snooping(false).build();
        self.handle.link().add(bridge).execute().await.map_err(refused)?;
        let bridge = self.index("br0").await?;
        for port in ports {
            let port = LinkUnspec::new_with_index(self.index(port).await?).controller(bridge).build();
            self.handle.link().change(port).execute().await.map_err(refused)?;
        }
        Ok(())
    }

    pub(super) async fn set_up(&self, name: &str, up: bool) -> Result<(), Error> {
        let link = LinkUnspec::new_with_index(self.index(name).await?);
        let link = if up { link.up() } else { link.down() }.build();
        let changed = self.handle.link().change(link).execute().await;
        changed.map_err(|error| self.refused(format!("switch {name}"), &error))
    }

    pub(super) async fn set_mtu(&self, name: &str, mtu: u32) -> Result<(), Error> {
        let link = LinkUnspec::new_with_index(self.index(name).await?).mtu(mtu).build();
        let changed = self.handle.link().change(link).execute().await;
        changed.map_err(|error| self.refused(format!("set the MTU of {name} to {mtu}"), &error))
    }

    pub(super) async fn add_address(&self, name: &str, address: Cidr) -> Result<(), Error> {
        let index = self.index(name).await?;
        let mut request = self.handle.address().add(index, address.ip(), address.length());
        if address.ip().is_ipv6() {
            // Usable at once: nobody else can have it here.
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        }
        let added = request.execute().await;
        added.map_err(|error| self.refused(format!("add the address {address} to {name}"), &error))
    }

    pub(super) async fn add_route(&self, to: Cidr, via: IpAddr) -> Result<(), Error> {
        let doing = || format!("add a route to {to} via {via}");
        let route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(to.ip(), to.length())
            .and_then(|route| route.gateway(via))
            .map_err(|_| self.invalid(doing()))?
            .build();
        let added = self.handle.route().add(route).replace().execute().await;
        added.map_err(|error| self.refused(doing(), &error))
    }

    pub(super) async fn add_dead_route(&self, to: Cidr, kind: DeadRoute) -> Result<(), Error> {
        let kind = match kind {
            DeadRoute::Blackhole => RouteType::BlackHole,
            DeadRoute::Unreachable => RouteType::Unreachable,
            DeadRoute::Prohibit => RouteType::Prohibit,
        };
        let route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(to.ip(), to.length())
            .map_err(|_| self.invalid(format!("add a route to {to}")))?
            .kind(kind)
            .build();
        let added = self.handle.route().add(route).execute().await;
        added.map_err(|error| self.refused(format!("add a {kind:?} route to {to}"), &error))
    }

    /// Removes every route of the main table to exactly this network, and says how many there were.
    pub(super) async fn remove_routes(&self, to: Cidr) -> Result<usize, Error> {
        let refused = |error: rtnetlink::Error| self.refused(format!("remove the routes to {to}"), &error);
        let all = match to.ip() {
            IpAddr::V4(_) => RouteMessageBuilder::<Ipv4Addr>::new().build(),
            IpAddr::V6(_) => RouteMessageBuilder::<Ipv6Addr>::new().build(),
        };
        let routes: Vec<RouteMessage> =
            self.handle.route().get(all).execute().try_collect().await.map_err(refused)?;
        let mut removed = 0;
        for route in routes {
            if leads_to(&route, to) {
                self.handle.route().del(route).execute().await.map_err(refused)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Returns once every interface has its carrier and no address is still being tried.
    pub(super) async fn wait_ready(&self, interfaces: &[String]) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            let missing = self.missing(interfaces).await?;
            if missing.is_empty() {
                return Ok(());
            }
            if start.elapsed() > READY_WITHIN {
                let missing = missing.join(", ");
                return Err(Error::NotReady { host: self.host.clone(), waited: READY_WITHIN, missing });
            }
            // Each round asks the kernel again; the pause only leaves it the processor.
            sleep(Duration::from_millis(1)).await;
        }
    }

    async fn missing(&self, interfaces: &[String]) -> Result<Vec<String>, Error> {
        let refused = |error: rtnetlink::Error| self.refused("look at the links", &error);
        let links: Vec<LinkMessage> =
            self.handle.link().get().execute().try_collect().await.map_err(refused)?;
        let up = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running;
        let ready = |name: &String| {
            let named = |link: &&LinkMessage| link.attributes.contains(&LinkAttribute::IfName(name.clone()));
            links.iter().find(named).is_some_and(|link| link.header.flags.contains(up))
        };
        let mut missing: Vec<String> = interfaces
            .iter()
            .filter(|name| !ready(name))
            .map(|name| format!("the carrier of {name}"))
            .collect();
        let mut addresses = self.handle.address().get().execute();
        while let Some(address) = addresses.try_next().await.map_err(refused)? {
            let tentative = |attribute: &AddressAttribute| matches!(attribute, AddressAttribute::Flags(flags) if flags.contains(AddressFlags::Tentative));
            if address.attributes.iter().any(tentative) {
                missing.push("the end of duplicate address detection".to_owned());
            }
        }
        Ok(missing)
    }

    async fn index(&self, name: &str) -> Result<u32, Error> {
        let mut links = self.handle.link().get().match_name(name.to_owned()).execute();
        let found = links.try_next().await;
        let found = found.map_err(|error| self.refused(format!("find the interface {name}"), &error))?;
        found.map(|link| link.header.index).ok_or_else(|| self.invalid(format!("find the interface {name}")))
    }

    fn refused(&self, doing: impl Into<String>, error: &rtnetlink::Error) -> Error {
        let source = match error {
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            other => io::Error::other(other.to_string()),
        };
        Error::Netlink { doing: doing.into(), host: self.host.clone(), source }
    }

    fn invalid(&self, doing: String) -> Error {
        Error::Netlink { doing, host: self.host.clone(), source: io::ErrorKind::InvalidInput.into() }
    }
}

fn leads_to(route: &RouteMessage, to: Cidr) -> bool {
    let destination = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
        RouteAttribute::Destination(RouteAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
        _ => None,
    });
    // A default route has no destination at all.
    let same_ip = destination.map_or(to.length() == 0, |ip| ip == to.ip());
    // 254 is the main table; the kernel's own routes to local addresses are in another.
    same_ip && route.header.destination_prefix_length == to.length() && route.header.table == 254
}

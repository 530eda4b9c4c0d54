//! What a lab is to be: plain data, gathered by the builder.

use std::time::Duration;

use super::{Lab, error::Error, filter::Filter, plan::Plan, program::Program};

/// The description of one host.
///
/// Wherever it takes "a host or an address", a host's name is turned into the address by which this host
/// reaches it, so that addresses need not be known when the lab is written down.
///
/// ```
/// use std::net::ToSocketAddrs;
/// use reqpath_testkit::lab::{self, HostSpec, Lab};
///
/// let client = HostSpec::new("client").knows("shop.test", "server");
/// let lab = Lab::builder().host(client).host("server").link("client", "server").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// let mut found = lab["client"].run(|| "shop.test:80".to_socket_addrs()).unwrap().unwrap();
/// assert!(found.any(|address| address.ip() == lab["server"].ipv4()));
/// ```
///
/// Everything that can be said of a host beforehand:
///
/// ```
/// use reqpath_testkit::lab::{self, Filter, HostSpec, Lab};
///
/// let client = HostSpec::new("client")
///     .without_routes()
///     .route("203.0.113.0/24", "edge")
///     .nameserver("edge")
///     .resolv_conf("search shop.test\noptions ndots:5")
///     .sysctl("net.ipv4.tcp_syn_retries", "1")
///     .filter("no-dns", Filter::outgoing().udp_port(53).drop())
///     .env("LANG", "C");
/// let lab = Lab::builder().host(client).router("edge").link("client", "edge").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// assert_eq!(lab["client"].fault("no-dns").unwrap().packets().unwrap(), 0);
/// let resolv_conf = std::fs::read_to_string(lab["client"].resolv_conf_path()).unwrap();
/// assert!(resolv_conf.contains("search shop.test\noptions ndots:5"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct HostSpec {
    pub(super) name: String,
    pub(super) forwards: bool,
    pub(super) bare: bool,
    pub(super) routes: Vec<(String, String)>,
    pub(super) sysctls: Vec<(String, String)>,
    pub(super) rules: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) nameservers: Vec<String>,
    pub(super) resolv_conf: String,
    pub(super) known: Vec<(String, String)>,
    pub(super) filters: Vec<(String, Filter)>,
    pub(super) programs: Vec<Program>,
}

impl HostSpec {
    /// A host that forwards nothing and knows nobody.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Lets the host forward packets, in both address families.
    pub fn router(mut self) -> Self {
        self.forwards = true;
        self
    }

    /// Gives the host no route of its own accord: only the networks that it touches.
    pub fn without_routes(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Adds a route, as in `.route("203.0.113.0/24", "edge")`; `via` is a neighbour or its address.
    pub fn route(mut self, network: impl Into<String>, via: impl Into<String>) -> Self {
        self.routes.push((network.into(), via.into()));
        self
    }

    /// Sets a kernel setting of the host's network, as in `.sysctl("net.ipv4.tcp_syn_retries", "1")`.
    pub fn sysctl(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.sysctls.push((key.into(), value.into()));
        self
    }

    /// Loads nftables rules, as `nft -f` reads them.
    pub fn rules(mut self, script: impl Into<String>) -> Self {
        self.rules.push(script.into());
        self
    }

    /// Puts a filter in force from the start; [`Host::fault`](super::Host::fault) finds it by its name.
    pub fn filter(mut self, name: impl Into<String>, filter: Filter) -> Self {
        self.filters.push((name.into(), filter));
        self
    }

    /// Starts a program with the lab, after those of the hosts described before.
    pub fn program(mut self, program: Program) -> Self {
        self.programs.push(program);
        self
    }

    /// Sets a variable in the environment of every program of this host.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds a nameserver to the host's `resolv.conf`: a host or an address.
    pub fn nameserver(mut self, server: impl Into<String>) -> Self {
        self.nameservers.push(server.into());
        self
    }

    /// Adds lines to the host's `resolv.conf`, as in `.resolv_conf("search shop.test\noptions ndots:5")`.
    pub fn resolv_conf(mut self, lines: &str) -> Self {
        self.resolv_conf.push_str(lines.trim_end());
        self.resolv_conf.push('\n');
        self
    }

    /// Puts a name into the host's hosts file, as in `.knows("shop.test", "edge")`: a host or an address.
    pub fn knows(mut self, name: impl Into<String>, whose: impl Into<String>) -> Self {
        self.known.push((name.into(), whose.into()));
        self
    }
}

impl From<&str> for HostSpec {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for HostSpec {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// The description of one cable between two hosts, or between a host and a switch.
///
/// ```
/// use reqpath_testkit::lab::{self, Lab, Link};
///
/// let link = Link::between("client", "edge").mtu(1400).address("edge", "192.0.2.1/24");
/// let lab = Lab::builder().host("client").host("edge").connect(link).build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// assert_eq!(lab["edge"].ipv4().to_string(), "192.0.2.1");
/// assert_eq!(lab["client"].interfaces()[0].mtu, 1400);
/// ```
///
/// A bad line to a far place:
///
/// ```
/// use std::net::{TcpListener, TcpStream};
/// use std::time::{Duration, Instant};
/// use reqpath_testkit::lab::{self, Lab, Link};
///
/// let far = Link::between("client", "server").delay(Duration::from_millis(30));
/// let Some(lab) = lab::or_skip(Lab::builder().host("client").host("server").connect(far).build()) else { return };
/// let address = (lab["server"].ipv4(), 80);
/// let _listener = lab["server"].run(|| TcpListener::bind(address)).unwrap().unwrap();
/// let began = Instant::now();
/// lab["client"].run(|| TcpStream::connect(address)).unwrap().unwrap();
/// assert!(began.elapsed() >= Duration::from_millis(60));
///
/// let lossy = Link::between("client", "server").lose_percent(20);
/// # let _ = lossy;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Link {
    pub(super) ends: [String; 2],
    pub(super) mtu: u32,
    pub(super) delay: Duration,
    pub(super) loss: Option<u8>,
    pub(super) addresses: Vec<(String, String)>,
}

impl Link {
    /// A plain cable: an MTU of 1500, no delay, addresses of the lab's choosing.
    pub fn between(one: impl Into<String>, other: impl Into<String>) -> Self {
        let ends = [one.into(), other.into()];
        Self { ends, mtu: 1500, delay: Duration::ZERO, loss: None, addresses: Vec::new() }
    }

    /// Sets the MTU of both ends, in bytes.
    pub fn mtu(mut self, bytes: u32) -> Self {
        self.mtu = bytes;
        self
    }

    /// Holds every frame back this long, each way (a round trip takes twice as much).
    ///
    /// Our timer has steps of a millisecond: a frame is never early, and up to that much late.
    ///
    /// A cable without delay is faster than any real one: packets are handed over inside the call that
    /// sends them. An ICMP answer may then arrive while `connect` still holds its socket, and the kernel
    /// only tells of it after the next SYN, a second later. A millisecond of delay
    /// spares that second, except on a busy machine: wait longer than that second all the same.
    pub fn delay(mut self, each_way: Duration) -> Self {
        self.delay = each_way;
        self
    }

    /// Loses this share of the packets at random, each way: 1 to 100 percent. It needs nftables.
    ///
    /// What the host `b` has lost of what arrived over the link `a-b` is counted by its fault `loss-a-b`,
    /// see [`Host::fault`](super::Host::fault); a switch counts nothing, so at a host linked to one
    /// `loss-a-b-out` counts what was lost on its way out.
    pub fn lose_percent(mut self, percent: u8) -> Self {
        self.loss = Some(percent);
        self
    }

    /// Gives one end an address, as in `.address("edge", "192.0.2.1/24")`.
    ///
    /// Every other end on the same network that has none of this family gets one of the same prefix.
    pub fn address(mut self, end: impl Into<String>, address: impl Into<String>) -> Self {
        self.addresses.push((end.into(), address.into()));
        self
    }

    pub(super) fn name(&self) -> String {
        self.ends.join("-")
    }
}

/// Gathers the description of a lab, then builds it.
///
/// ```
/// use reqpath_testkit::lab::{self, Lab};
///
/// let lab = Lab::builder().switch("lan").host("a").host("b").link("a", "lan").link("b", "lan");
/// let Some(lab) = lab::or_skip(lab.without_ipv6().build()) else { return };
/// let network = |host: &str| lab[host].interface_on("lan").unwrap().addresses[0].network();
/// assert_eq!(network("a"), network("b"));
/// assert_eq!(lab["a"].ips().count(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct LabBuilder {
    pub(super) hosts: Vec<HostSpec>,
    pub(super) switches: Vec<String>,
    pub(super) links: Vec<Link>,
    pub(super) ipv6: bool,
}

impl Default for LabBuilder {
    fn default() -> Self {
        Self { hosts: Vec::new(), switches: Vec::new(), links: Vec::new(), ipv6: true }
    }
}

impl LabBuilder {
    /// Adds a host: a name, or a [`HostSpec`].
    pub fn host(mut self, host: impl Into<HostSpec>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Adds a host that forwards packets.
    pub fn router(self, name: impl Into<String>) -> Self {
        self.host(HostSpec::new(name).router())
    }

    /// Adds a switch: everything linked to it is on one network.
    pub fn switch(mut self, name: impl Into<String>) -> Self {
        self.switches.push(name.into());
        self
    }

    /// Lays a plain cable between two parts.
    pub fn link(self, one: impl Into<String>, other: impl Into<String>) -> Self {
        self.connect(Link::between(one, other))
    }

    /// Lays a cable as described.
    pub fn connect(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    /// Builds a lab that has IPv4 only.
    pub fn without_ipv6(mut self) -> Self {
        self.ipv6 = false;
        self
    }

    /// Builds the lab; when this returns, every host can be reached.
    ///
    /// # Errors
    /// When the description is wrong, or when the machine lacks something ([`Error::is_missing`]).
    pub fn build(self) -> Result<Lab, Error> {
        Lab::construct(Plan::of(&self)?)
    }
}

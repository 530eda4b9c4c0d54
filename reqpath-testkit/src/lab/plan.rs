//! From a description to exact interfaces, addresses, routes and files: pure, before anything is made.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr, time::Duration};

use super::{
    addressing,
    cidr::Cidr,
    error::Error,
    filter::Filter,
    program::Program,
    routing,
    spec::{HostSpec, LabBuilder, Link},
    sysctl,
};

/// One network interface of a host.
///
/// ```
/// use reqpath_testkit::lab::{self, Lab};
///
/// let lab = Lab::builder().host("client").host("edge").link("client", "edge").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// let interface = lab["client"].interface_on("client-edge").unwrap();
/// assert_eq!((interface.name.as_str(), interface.mtu), ("eth0", 1500));
/// assert_eq!(interface.addresses[0].ip(), lab["client"].ipv4());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// Its name inside the host: `eth0`, `eth1`, … in the order of the links.
    pub name: String,
    /// The network it is on: the name of the switch, or of the link (`client-edge`).
    pub network: String,
    /// Its addresses, IPv4 first.
    pub addresses: Vec<Cidr>,
    /// Its MTU in bytes.
    pub mtu: u32,
}

impl Interface {
    pub(super) fn ip(&self, v4: bool) -> Option<IpAddr> {
        self.addresses.iter().map(Cidr::ip).find(|ip| ip.is_ipv4() == v4)
    }
}

/// A lab worked out to the last address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) nodes: Vec<Node>,
    pub(super) wires: Vec<Wire>,
    pub(super) ipv6: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    /// `None` for a switch.
    pub(super) settings: Option<Settings>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) routes: Vec<Route>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) forwards: bool,
    pub(super) sysctls: Vec<(String, String)>,
    pub(super) rules: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) resolv_conf: String,
    pub(super) hosts: String,
    pub(super) filters: Vec<(String, Filter)>,
    pub(super) programs: Vec<Program>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wire {
    /// Node and interface name of each end.
    pub(super) ends: [(usize, String); 2],
    pub(super) mtu: u32,
    pub(super) delay: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) to: Cidr,
    pub(super) via: IpAddr,
}

/// One network: which interfaces of which hosts are on it, and its prefixes.
#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) members: Vec<(usize, usize)>,
    pub(super) prefixes: Vec<Cidr>,
}

impl Plan {
    pub(super) fn of(lab: &LabBuilder) -> Result<Self, Error> {
        let names = names(lab)?;
        let mut nodes = nodes(lab);
        let (wires, mut networks, fixed) = cables(lab, &names, &mut nodes)?;
        addressing::assign(&mut nodes, &mut networks, &fixed, lab.ipv6)?;
        for (index, spec) in lab.hosts.iter().enumerate() {
            let mut routes =
                if spec.bare { Vec::new() } else { routing::automatic(&nodes, &networks, index) };
            for (to, via) in &spec.routes {
                let to: Cidr = to.parse()?;
                let to = to.network();
                let via = reach(&nodes, &names, index, via, Some(to.ip().is_ipv4()))?;
                routes.retain(|known| known.to != to);
                routes.push(Route { to, via: via[0] });
            }
            nodes[index].routes = routes;
            nodes[index].settings = Some(settings(&nodes, &names, index, spec)?);
        }
        lose(&lab.links, &wires, &mut nodes);
        for node in &nodes {
            check(node)?;
        }
        Ok(Self { nodes, wires, ipv6: lab.ipv6 })
    }
}

type Names = BTreeMap<String, usize>;
/// Node, interface and the address that the description gives it.
pub(super) type Fixed = Vec<(usize, usize, Cidr)>;

fn names(lab: &LabBuilder) -> Result<Names, Error> {
    let mut names = Names::new();
    for name in lab.hosts.iter().map(|host| &host.name).chain(&lab.switches) {
        if !is_plain(name) {
            return Err(Error::BadName { name: name.clone() });
        }
        if names.insert(name.clone(), names.len()).is_some() {
            return Err(Error::Duplicate { name: name.clone() });
        }
    }
    Ok(names)
}

fn is_plain(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    plain && !name.is_empty() && name.len() <= 40 && !name.starts_with('-')
}

// Hosts come first, so that a host has the same index here as in the description.
fn nodes(lab: &LabBuilder) -> Vec<Node> {
    let hosts = lab
        .hosts
        .iter()
        .map(|host| (&host.name, Some(Settings { forwards: host.forwards, ..Settings::default() })));
    hosts
        .chain(lab.switches.iter().map(|name| (name, None)))
        .map(|(name, settings)| Node {
            name: name.clone(),
            settings,
            interfaces: Vec::new(),
            routes: Vec::new(),
        })
        .collect()
}

fn cables(
    lab: &LabBuilder,
    names: &Names,
    nodes: &mut [Node],
) -> Result<(Vec<Wire>, Vec<Network>, Fixed), Error> {
    let (mut wires, mut fixed) = (Vec::new(), Fixed::new());
    let mut networks: Vec<Network> = Vec::new();
    let switched = switched(lab, names)?;
    let mut by_switch: BTreeMap<usize, usize> = BTreeMap::new();
    for link in &lab.links {
        let ends = [lookup(names, &link.ends[0])?, lookup(names, &link.ends[1])?];
        let network = match ends.iter().find_map(|end| switched.get(end)) {
            Some(leader) => *by_switch.entry(*leader).or_insert_with(|| {
                networks.push(Network { name: nodes[*leader].name.clone(), ..Network::default() });
                networks.len() - 1
            }),
            None => {
                let twins = networks.iter().filter(|known| known.name.starts_with(&link.name())).count();
                let name = if twins == 0 { link.name() } else { format!("{}-{}", link.name(), twins + 1) };
                networks.push(Network { name, ..Network::default() });
                networks.len() - 1
            }
        };
        let wired = ends.map(|end| {
            let node = &mut nodes[end];
            let at = node.interfaces.len();
            let prefix = if node.settings.is_some() { "eth" } else { "port" };
            node.interfaces.push(Interface {
                name: format!("{prefix}{at}"),
                network: networks[network].name.clone(),
                addresses: Vec::new(),
                mtu: link.mtu,
            });
            if node.settings.is_some() {
                networks[network].members.push((end, at));
            }
            (end, at)
        });
        for (name, address) in &link.addresses {
            let misplaced = |why| Error::MisplacedAddress {
                link: link.name(),
                name: name.clone(),
                address: address.clone(),
                why,
            };
            let cidr: Cidr = address.parse()?;
            let end = link
                .ends
                .iter()
                .position(|end| end == name)
                .ok_or_else(|| misplaced("it has no such end"))?;
            if nodes[ends[end]].settings.is_none() {
                return Err(misplaced("a switch has no address"));
            }
            if cidr.ip().is_ipv6() && !lab.ipv6 {
                return Err(misplaced("the lab is without IPv6"));
            }
            fixed.push((wired[end].0, wired[end].1, cidr));
        }
        let ends = wired.map(|(node, at)| (node, nodes[node].interfaces[at].name.clone()));
        wires.push(Wire { ends, mtu: link.mtu, delay: link.delay });
    }
    Ok((wires, networks, fixed))
}

/// Which switch leads the network that each switch is part of: linked switches are one network.
fn switched(lab: &LabBuilder, names: &Names) -> Result<BTreeMap<usize, usize>, Error> {
    let mut leaders: BTreeMap<usize, usize> =
        (lab.hosts.len()..names.len()).map(|switch| (switch, switch)).collect();
    for link in &lab.links {
        let (one, other) = (lookup(names, &link.ends[0])?, lookup(names, &link.ends[1])?);
        if one == other {
            return Err(Error::SelfLink { name: link.ends[0].clone() });
        }
        if let (Some(&one), Some(&other)) = (leaders.get(&one), leaders.get(&other)) {
            for leader in leaders.values_mut().filter(|leader| **leader == one.max(other)) {
                *leader = one.min(other);
            }
        }
    }
    Ok(leaders)
}

fn settings(nodes: &[Node], names: &Names, index: usize, spec: &HostSpec) -> Result<Settings, Error> {
    let mut resolv_conf = String::new();
    for server in &spec.nameservers {
        let server = reach(nodes, names, index, server, None)?[0];
        // Writing to a String cannot fail.
        let _ = writeln!(resolv_conf, "nameserver {server}");
    }
    resolv_conf.push_str(&spec.resolv_conf);
    let mut hosts = format!("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {}\n", spec.name);
    for (name, whose) in &spec.known {
        for ip in reach(nodes, names, index, whose, None)? {
            let _ = writeln!(hosts, "{ip} {name}");
        }
    }
    Ok(Settings {
        forwards: spec.forwards,
        sysctls: spec.sysctls.clone(),
        rules: spec.rules.clone(),
        environment: spec.environment.clone(),
        resolv_conf,
        hosts,
        filters: spec.filters.clone(),
        programs: spec.programs.clone(),
    })
}

/// Turns the loss of a link into filters of the hosts at its ends.
fn lose(links: &[Link], wires: &[Wire], nodes: &mut [Node]) {
    for (link, wire) in links.iter().zip(wires) {
        let Some(percent) = link.loss else { continue };
        for (one, other) in [(0, 1), (1, 0)] {
            // A switch has no rules of its own: the host loses for both.
            let to_switch = nodes[wire.ends[other].0].settings.is_none();
            let (node, interface) = &wire.ends[one];
            let Some(settings) = &mut nodes[*node].settings else { continue };
            let name = format!("loss-{}", link.name());
            if to_switch {
                let filter = Filter::leaving_by(interface).lose_percent(percent);
                settings.filters.push((format!("{name}-out"), filter));
            }
            settings.filters.push((name, Filter::arriving_by(interface).lose_percent(percent)));
        }
    }
}

/// Finds what would fail only once the lab is up.
fn check(node: &Node) -> Result<(), Error> {
    let Some(settings) = &node.settings else { return Ok(()) };
    let bad =
        |name: &str, why: String| Error::BadPart { host: node.name.clone(), name: name.to_owned(), why };
    for (key, _) in &settings.sysctls {
        sysctl::check(key)?;
    }
    let filters = settings.filters.iter().map(|(name, _)| name);
    let mut names = Vec::new();
    for name in filters {
        if names.contains(&name) {
            return Err(bad(name, "there is another filter of this name".to_owned()));
        }
        names.push(name);
    }
    let mut programs = Vec::new();
    for program in &settings.programs {
        if !is_plain(&program.name) {
            return Err(bad(&program.name, "a name is 1 to 40 of a-z, 0-9 and `-`".to_owned()));
        }
        if programs.contains(&&program.name) {
            return Err(bad(&program.name, "there is another program of this name".to_owned()));
        }
        if program.command.first().is_none_or(String::is_empty) {
            return Err(bad(&program.name, "it has no command".to_owned()));
        }
        programs.push(&program.name);
    }
    for (name, filter) in &settings.filters {
        // Names of losses are made of two names of hosts.
        if !is_plain(name) && !name.starts_with("loss-") {
            return Err(bad(name, "a name is 1 to 40 of a-z, 0-9 and `-`".to_owned()));
        }
        match filter.script("t") {
            Err(Error::BadFilter { why }) => return Err(bad(name, why.to_owned())),
            made => drop(made?),
        }
    }
    Ok(())
}

fn lookup(names: &Names, name: &str) -> Result<usize, Error> {
    names.get(name).copied().ok_or_else(|| Error::Unknown {
        name: name.to_owned(),
        known: names.keys().cloned().collect::<Vec<_>>().join(", "),
    })
}

/// The addresses by which a host reaches a target, never none: an address as it is, a host's name by
/// the addresses on a network they share, or else by that host's first ones.
fn reach(
    nodes: &[Node],
    names: &Names,
    from: usize,
    target: &str,
    v4: Option<bool>,
) -> Result<Vec<IpAddr>, Error> {
    let wanted = |ip: &IpAddr| v4.is_none_or(|v4| ip.is_ipv4() == v4);
    let nothing = || Error::NoWay { host: nodes[from].name.clone(), target: target.to_owned() };
    if let Ok(ip) = target.parse::<IpAddr>() {
        return if wanted(&ip) { Ok(vec![ip]) } else { Err(nothing()) };
    }
    let other = &nodes[lookup(names, target)?];
    let shared =
        |interface: &&Interface| nodes[from].interfaces.iter().any(|mine| mine.network == interface.network);
    let nearest = other.interfaces.iter().find(shared).or_else(|| other.interfaces.first());
    let ips: Vec<_> =
        nearest.into_iter().flat_map(|interface| &interface.addresses).map(Cidr::ip).filter(wanted).collect();
    if ips.is_empty() { Err(nothing()) } else { Ok(ips) }
}

#[cfg(test)]
mod tests {
    use super::super::spec::Link;
    use super::*;

    fn lab() -> LabBuilder {
        LabBuilder::default()
    }

    fn addresses(plan: &Plan, node: usize) -> Vec<String> {
        plan.nodes[node].interfaces.iter().flat_map(|i| &i.addresses).map(ToString::to_string).collect()
    }

    #[test]
    fn links_get_networks_of_their_own_and_switches_one_for_all() {
        let plan = Plan::of(
            &lab()
                .host("a")
                .host("b")
                .host("c")
                .switch("lan")
                .switch("floor")
                .link("a", "b")
                .link("b", "lan")
                .link("floor", "c")
                .link("lan", "floor"),
        )
        .unwrap();
        assert_eq!(addresses(&plan, 0), ["10.0.1.1/24", "fd00:0:0:1::1/64"]);
        assert_eq!(
            addresses(&plan, 1),
            ["10.0.1.2/24", "fd00:0:0:1::2/64", "10.0.2.1/24", "fd00:0:0:2::1/64"]
        );
        assert_eq!(addresses(&plan, 2), ["10.0.2.2/24", "fd00:0:0:2::2/64"]);
        assert_eq!(plan.nodes[0].interfaces[0].network, "a-b");
        assert_eq!(plan.nodes[2].interfaces[0].network, "lan");
    }

    #[test]
    fn given_addresses_are_kept_and_shared_out_around() {
        let plan = Plan::of(
            &lab()
                .host("a")
                .host("b")
                .host("c")
                .connect(Link::between("a", "b").address("b", "192.0.2.1/24"))
                .connect(Link::between("b", "c").address("c", "10.0.1.7/16").mtu(1400))
                .link("a", "c")
                .without_ipv6(),
        )
        .unwrap();
        assert_eq!(addresses(&plan, 0), ["192.0.2.2/24", "10.1.2.1/24"], "10.0/16 is taken by b-c");
        assert_eq!(addresses(&plan, 1), ["192.0.2.1/24", "10.0.0.1/16"]);
        assert_eq!(addresses(&plan, 2), ["10.0.1.7/16", "10.1.2.2/24"]);
        assert_eq!(plan.wires[1].mtu, 1400);
    }

    #[test]
    fn names_stand_for_the_nearest_address() {
        let plan = Plan::of(
            &lab()
                .host(HostSpec::new("a").nameserver("r").knows("far.test", "z").route("203.0.113.0/24", "r"))
                .router("r")
                .host("z")
                .link("r", "z")
                .link("a", "r")
                .without_ipv6(),
        )
        .unwrap();
        let settings = plan.nodes[0].settings.as_ref().unwrap();
        assert_eq!(settings.resolv_conf, "nameserver 10.0.2.2\n");
        assert!(settings.hosts.ends_with("10.0.1.2 far.test\n"), "{}", settings.hosts);
        let given = Route { to: "203.0.113.0/24".parse().unwrap(), via: "10.0.2.2".parse().unwrap() };
        assert!(plan.nodes[0].routes.contains(&given));
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |lab: LabBuilder| Plan::of(&lab).unwrap_err().to_string();
        assert!(wrong(lab().host("a b")).contains("`a b` is no host name"));
        assert!(wrong(lab().host("../x")).contains("no host name"));
        assert!(wrong(lab().host("a").switch("a")).contains("twice"));
        assert!(wrong(lab().host("a").link("a", "b")).contains("there is no `b` in the lab; it has: a"));
        assert!(wrong(lab().host("a").link("a", "a")).contains("itself"));
        let near = || lab().host("a").switch("s");
        assert!(
            wrong(near().connect(Link::between("a", "s").address("s", "10.0.0.1/8"))).contains("a switch")
        );
        assert!(
            wrong(near().connect(Link::between("a", "s").address("x", "10.0.0.1/8"))).contains("no such end")
        );
        assert!(
            wrong(near().connect(Link::between("a", "s").address("a", "10.0.0.1"))).contains("prefix length")
        );
        assert!(
            wrong(lab().host("b").host(HostSpec::new("a").nameserver("b")))
                .contains("no address to reach `b`")
        );
    }
}

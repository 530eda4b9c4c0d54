//! A scenario in network namespaces: real kernels, real servers, real rules.

mod eyes;
mod parts;
mod rules;

use std::any::Any;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

pub(super) use self::eyes::Sockets;

use super::Script;
use super::certificates::Certificates;
use super::error::{Place, RunError};
use super::fault::{Dns, Fault, Tcp, What};
use super::file::Role;
use super::follow::Meter;
use super::topology::{CLIENT, DNS, EDGE_FAR, EDGE_NEAR, Server};
use super::{mocks, names};
use crate::dns::{self, FakeDns, On};
use crate::lab::{self, DeadRoute, Filter, HostSpec, Lab, Link, Rejection};
use crate::real::{Knot, Signing, Unbound, Zone};

/// An answer from outside must not overtake the call that asks for it.
const CABLE: Duration = Duration::from_millis(1);
/// Where the nameserver is that the client's nameserver asks.
const BEHIND_PORT: u16 = 5399;

/// Everybody of a scenario, in a lab.
pub(super) struct Roads {
    // Parts end before the lab does.
    _parts: Vec<Box<dyn Any + Send + Sync>>,
    /// The rules that are faults, by the number of the fault.
    imposed: Vec<(usize, lab::Fault)>,
    pub(super) lab: Lab,
}

impl Roads {
    pub(super) fn build(script: &Script, certificates: &Certificates) -> Result<Self, RunError> {
        let lab = match describe(script, CABLE).build() {
            // Without it such an answer may come a second late, which a scenario's times allow for.
            Err(lab::Error::NoDevice { .. }) => describe(script, Duration::ZERO).build()?,
            built => built?,
        };
        let mut roads = Self { _parts: Vec::new(), imposed: Vec::new(), lab };
        roads.lab["edge"].load_rules(&rules::meters(script))?;
        roads.nameserver(script)?;
        for (place, server) in script.topology.servers.iter().enumerate() {
            if server.role == Role::Web {
                roads.serve(script, certificates, place, server)?;
            }
        }
        for (number, fault) in script.faults.iter().enumerate() {
            roads.impose(script, number, fault)?;
        }
        Ok(roads)
    }

    fn nameserver(&mut self, script: &Script) -> Result<(), RunError> {
        let host = &self.lab["dns"];
        let faults = || {
            script.faults.iter().filter_map(|fault| match fault.what {
                What::Dns(dns) => Some(dns),
                _ => None,
            })
        };
        let has = |dns: Dns| faults().any(|fault| fault == dns);
        if script.topology.zones.is_empty() || has(Dns::Closed) {
            return Ok(());
        }
        let part: Box<dyn Any + Send + Sync> = if has(Dns::Garbage) {
            let server = FakeDns::builder().bind_exactly(DNS).fault(On::any(), dns::Fault::garbage());
            Box::new(host.run(|| server.start())?.map_err(setup("start the nameserver"))?)
        } else if has(Dns::Servfail) {
            // Whom it has to ask refuses, for it has other zones only.
            let at = SocketAddr::new(DNS.ip(), BEHIND_PORT);
            let lame = Knot::builder().at(at).zone(Zone::new("elsewhere.test", "www A 192.0.2.99"));
            self._parts.push(Box::new(host.start(|| lame.start())?));
            let zones = script.topology.zones.iter();
            let server = zones.fold(Unbound::builder().at(DNS), |server, zone| server.ask(&zone.origin, at));
            Box::new(host.start(|| server.start())?)
        } else if has(Dns::Bogus) {
            let at = SocketAddr::new(DNS.ip(), BEHIND_PORT);
            let (authority, resolver) = host.start(|| {
                let (mut authority, mut resolver) = (Knot::builder().at(at), Unbound::builder().at(DNS));
                for zone in names::zones(script) {
                    let signed = Zone::new(&zone.origin, &names::records(&zone)).signed(Signing::Broken)?;
                    resolver = resolver.trust(&signed).ask(&zone.origin, at);
                    authority = authority.zone(signed);
                }
                Ok((authority.start()?, resolver.start()?))
            })?;
            Box::new((resolver, authority))
        } else if has(Dns::Refused) {
            Box::new(host.start(|| Unbound::builder().at(DNS).refusing().start())?)
        } else {
            let zones = names::zones(script);
            let server = zones.iter().fold(Knot::builder().at(DNS).largest_datagram(1232), |server, zone| {
                server.zone(Zone::new(&zone.origin, &names::records(zone)))
            });
            Box::new(host.start(|| server.start())?)
        };
        self._parts.push(part);
        Ok(())
    }

    /// Starts what serves: nginx where nginx can be like that, a mock where no real server is.
    fn serve(
        &mut self,
        script: &Script,
        certificates: &Certificates,
        place: usize,
        server: &Server,
    ) -> Result<(), RunError> {
        let host = &self.lab[server.name.as_str()];
        let faults: Vec<&Fault> = script.faults.iter().filter(|fault| fault.server == place).collect();
        let is = |what: Tcp| faults.iter().any(|fault| is_whole(fault) && fault.what == What::Tcp(what));
        if is(Tcp::Refuse) {
            return Ok(());
        }
        if is(Tcp::AcceptQueueFull) {
            for at in server.sockets() {
                let full = host.run(|| parts::full_queue(at))?.map_err(setup("fill an accept queue"))?;
                self._parts.push(Box::new(full));
            }
            return Ok(());
        }
        let part: Box<dyn Any + Send + Sync> = match parts::nginx(certificates, place, server, &faults) {
            Some(nginx) => Box::new(host.start(|| nginx.start())?),
            None => {
                let anywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), server.port);
                let mock = mocks::mock(script, certificates, place).bind_exactly(anywhere);
                Box::new(host.run(|| mock.start())?.map_err(setup("start a mock"))?)
            }
        };
        self._parts.push(part);
        Ok(())
    }

    /// Puts a rule in force where the fault is one.
    fn impose(&mut self, script: &Script, number: usize, fault: &Fault) -> Result<(), RunError> {
        let server = &script.topology.servers[fault.server];
        let edge = &self.lab["edge"];
        let forwarded = |to: SocketAddr| Filter::forwarded().to(host_network(to.ip())).tcp_port(to.port());
        let sockets = server.sockets().filter(|to| fault.befalls(to.ip()));
        match fault.what {
            What::Dns(Dns::Drop) => {
                for filter in [Filter::forwarded().udp_port(53), Filter::forwarded().tcp_port(53)] {
                    self.imposed.push((number, edge.impose(&filter.drop())?));
                }
            }
            What::Dns(Dns::Truncate) => {
                // That TCP is dropped is half of the fault: over UDP the trace comes to the other half.
                edge.impose(&Filter::forwarded().tcp_port(53).drop())?;
            }
            What::Tcp(Tcp::NoRoute) => {
                for to in sockets {
                    self.lab["client"].add_dead_route(&host_network(to.ip()), DeadRoute::Unreachable)?;
                }
            }
            What::Tcp(Tcp::Refuse | Tcp::Drop) if fault.every.is_some() => {
                edge.load_rules(&rules::every(fault, sockets))?;
            }
            What::Tcp(Tcp::Refuse) if is_whole(fault) => {}
            What::Tcp(tcp) => {
                for to in sockets {
                    let filter = match tcp {
                        Tcp::Drop => forwarded(to).drop(),
                        Tcp::Refuse => forwarded(to).reject(Rejection::TcpReset),
                        Tcp::RejectProhibited => forwarded(to).reject(Rejection::AdminProhibited),
                        Tcp::RejectPort => forwarded(to).reject(Rejection::PortUnreachable),
                        Tcp::Unreachable => forwarded(to).reject(Rejection::HostUnreachable),
                        // These are the server's own doing, or the client's.
                        Tcp::NoRoute | Tcp::AcceptQueueFull | Tcp::Close | Tcp::Reset => continue,
                    };
                    self.imposed.push((number, edge.impose(&filter)?));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Meter for Roads {
    fn count(&self, fault: usize, script: &Script) -> Result<Option<u64>, RunError> {
        if script.faults[fault].what == What::Tcp(Tcp::NoRoute) {
            // What the client does not send leaves no mark.
            return Ok(None);
        }
        let mut rules = self.imposed.iter().filter(|(number, _)| *number == fault).peekable();
        if rules.peek().is_some() {
            let counts = rules.map(|(_, rule)| rule.packets());
            return Ok(Some(counts.sum::<Result<u64, lab::Error>>()?));
        }
        let listed = self.lab["edge"].rules()?;
        let all = rules::sockets(script);
        let places = script.sockets_of(&script.faults[fault]);
        let numbers = all.iter().enumerate().filter(|(_, socket)| places.contains(socket));
        Ok(Some(numbers.map(|(number, _)| rules::packets(&listed, number)).sum()))
    }
}

/// Everybody, and the cables between them.
fn describe(script: &Script, delay: Duration) -> lab::LabBuilder {
    let topology = &script.topology;
    let mut client = HostSpec::new("client").resolv_conf(&topology.resolv_conf.join("\n"));
    if !topology.zones.is_empty() {
        client = client.nameserver(DNS.ip().to_string());
    }
    client = topology.hosts.iter().fold(client, |client, (name, ip)| client.knows(name, ip.to_string()));
    let near = addresses(Link::between("client", "edge").delay(delay), "client", &CLIENT);
    let near = addresses(near, "edge", &EDGE_NEAR);
    let far = addresses(Link::between("edge", "far"), "edge", &EDGE_FAR);
    let dns = addresses(Link::between("dns", "far"), "dns", &[DNS.ip()]);
    let lab = Lab::builder().host(client).router("edge").switch("far").host("dns");
    let lab = lab.connect(near).connect(far).connect(dns);
    topology.servers.iter().fold(lab, |lab, server| {
        let link = Link::between(server.name.as_str(), "far");
        lab.host(server.name.as_str()).connect(addresses(link, &server.name, &server.addresses))
    })
}

fn addresses(link: Link, end: &str, addresses: &[IpAddr]) -> Link {
    addresses.iter().fold(link, |link, ip| {
        let length = if ip.is_ipv4() { 24 } else { 64 };
        link.address(end, format!("{ip}/{length}"))
    })
}

/// Whether it befalls every connection to every address.
fn is_whole(fault: &Fault) -> bool {
    fault.every.is_none() && fault.family.is_none()
}

fn host_network(ip: IpAddr) -> String {
    format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 })
}

fn setup<E: std::error::Error + Send + Sync + 'static>(doing: &'static str) -> impl FnOnce(E) -> RunError {
    move |error| RunError::Setup { place: Place::Lab, doing: doing.to_owned(), source: Box::new(error) }
}

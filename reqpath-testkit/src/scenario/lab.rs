//! A scenario in network namespaces: real kernels, real servers, real rules.

use std::any::Any;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::time::timeout;

use super::Script;
use super::certificates::Certificates;
use super::error::{Place, RunError};
use super::fault::{Dns, Fault, Http, Tcp, Tls, What};
use super::file::Role;
use super::follow::Meter;
use super::topology::{CLIENT, DNS, EDGE_FAR, EDGE_NEAR, Server};
use super::witness::{Dialled, Eyes, QUIET};
use super::{mocks, names};
use crate::dns::{self, FakeDns, On};
use crate::lab::{self, DeadRoute, Filter, HostSpec, Lab, Link, Rejection};
use crate::real::{Knot, Nginx, NginxBuilder, Unbound, Zone};

/// An answer from outside must not overtake the call that asks for it.
const CABLE: Duration = Duration::from_millis(1);
/// More connections than a queue of length zero holds.
const FILLERS_MOST: usize = 64;
/// Where a nameserver is that knows nothing of the zones it is asked for.
const LAME_PORT: u16 = 5399;

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
        let lab = describe(script).build()?;
        let mut roads = Self { _parts: Vec::new(), imposed: Vec::new(), lab };
        roads.lab["edge"].load_rules(&meters(script))?;
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
            let at = SocketAddr::new(DNS.ip(), LAME_PORT);
            let lame = Knot::builder().at(at).zone(Zone::new("elsewhere.test", "www A 192.0.2.99"));
            self._parts.push(Box::new(host.start(|| lame.start())?));
            let zones = script.topology.zones.iter();
            let server = zones.fold(Unbound::builder().at(DNS), |server, zone| server.ask(&zone.origin, at));
            Box::new(host.start(|| server.start())?)
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
                let full = host.run(|| full_queue(at))?.map_err(setup("fill an accept queue"))?;
                self._parts.push(Box::new(full));
            }
            return Ok(());
        }
        let part: Box<dyn Any + Send + Sync> = match nginx(certificates, place, server, &faults) {
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
                edge.load_rules(&every(fault, sockets))?;
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
        let all = sockets(script);
        let places = script.sockets_of(&script.faults[fault]);
        let numbers = all.iter().enumerate().filter(|(_, socket)| places.contains(socket));
        Ok(Some(numbers.map(|(number, _)| packets(&listed, number)).sum()))
    }
}

/// Everybody, and the cables between them.
fn describe(script: &Script) -> lab::LabBuilder {
    let topology = &script.topology;
    let mut client = HostSpec::new("client").resolv_conf(&topology.resolv_conf.join("\n"));
    if !topology.zones.is_empty() {
        client = client.nameserver(DNS.ip().to_string());
    }
    client = topology.hosts.iter().fold(client, |client, (name, ip)| client.knows(name, ip.to_string()));
    let near = addresses(Link::between("client", "edge").delay(CABLE), "client", &CLIENT);
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

/// The nginx that is healthy, or has these faults; none where nginx cannot have them.
fn nginx(
    certificates: &Certificates,
    place: usize,
    server: &Server,
    faults: &[&Fault],
) -> Option<NginxBuilder> {
    let (mut tls, mut more) = (certificates.of(place), String::new());
    let mut answer = format!("return 200 '{}';", mocks::HEALTHY);
    for fault in faults {
        match fault.what {
            What::Tcp(Tcp::Close | Tcp::Reset) | What::Tls(Tls::Silent) => return None,
            What::Tls(Tls::Plaintext) => tls = None,
            What::Tls(Tls::ClientCertificate) => {
                more.push_str("ssl_client_certificate {file:root.pem}; ssl_verify_client on;\n");
            }
            What::Tcp(_) | What::Tls(_) | What::Dns(_) => {}
            _ if fault.every.is_some() => return None,
            What::Status(status) => answer = format!("return {status} 'status {status} on purpose\n';"),
            What::Http(Http::Empty) => answer = "return 444;".to_owned(),
            What::Http(Http::Reset) => answer = "reset_timedout_connection on; return 444;".to_owned(),
            What::Http(Http::RedirectLoop) => answer = "return 302 $request_uri;".to_owned(),
            What::Http(_) | What::Slow(_) => return None,
        }
    }
    let (ssl, mut nginx) = (if tls.is_some() { " ssl" } else { "" }, Nginx::builder());
    if let Some(leaf) = tls {
        more.push_str("ssl_certificate {certificate:web}; ssl_certificate_key {key:web};\n");
        nginx = nginx.certificate("web", leaf.chain_pem(), leaf.key_pem());
        nginx = nginx.file("root.pem", certificates.root().certificate_pem());
    }
    let port = server.port;
    let anywhere = SocketAddr::new([0, 0, 0, 0].into(), port);
    Some(nginx.at("", anywhere).server(&format!(
        "listen {{listen}}{ssl};\nlisten [::]:{port}{ssl} ipv6only=on;\ndefault_type text/plain;\n{more}location / {{ {answer} }}"
    )))
}

/// Whether it befalls every connection to every address.
fn is_whole(fault: &Fault) -> bool {
    fault.every.is_none() && fault.family.is_none()
}

/// A rule for every so-many-th SYN.
fn every(fault: &Fault, sockets: impl Iterator<Item = SocketAddr>) -> String {
    let every = fault.every.unwrap_or(1).max(1);
    let (last, name) = (every - 1, format!("reqpath_every_{}", fault.server));
    let act = if fault.what == What::Tcp(Tcp::Drop) { "drop" } else { "reject with tcp reset" };
    let mut text = format!("table inet {name} {{\nchain fault {{ type filter hook forward priority -10;\n");
    for to in sockets {
        text.push_str(&format!(
            "{} tcp dport {} tcp flags & (fin | syn | rst | ack) == syn numgen inc mod {every} == {last} {act}\n",
            destination(to.ip()),
            to.port()
        ));
    }
    text + "}\n}\n"
}

/// Everywhere that a client of the scenario may come to.
fn sockets(script: &Script) -> Vec<SocketAddr> {
    let servers = script.topology.servers.iter().flat_map(Server::sockets);
    std::iter::once(DNS).chain(servers).collect()
}

/// Rules that count what the router passes on to each socket, before any rule that is a fault.
fn meters(script: &Script) -> String {
    let sockets = sockets(script);
    let mut text = "table inet reqpath_meters {\n".to_owned();
    for number in 0..sockets.len() {
        text.push_str(&format!("counter socket_{number} {{ }}\n"));
    }
    text.push_str("chain meters { type filter hook forward priority -50;\n");
    for (number, to) in sockets.iter().enumerate() {
        text.push_str(&format!(
            "{} meta l4proto {{ tcp, udp }} th dport {} counter name socket_{number}\n",
            destination(to.ip()),
            to.port()
        ));
    }
    text + "}\n}\n"
}

/// The count of one meter in a listing of rules.
fn packets(listed: &str, number: usize) -> u64 {
    let Some((_, behind)) = listed.split_once(&format!("counter socket_{number} {{")) else { return 0 };
    let mut words = behind.split_whitespace().skip_while(|word| *word != "packets").skip(1);
    words.next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn destination(ip: IpAddr) -> String {
    format!("{} daddr {ip}", if ip.is_ipv4() { "ip" } else { "ip6" })
}

fn host_network(ip: IpAddr) -> String {
    format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 })
}

/// A listener that accepts nothing, and as many connections as its queue takes.
fn full_queue(at: SocketAddr) -> io::Result<(Socket, Vec<TcpStream>)> {
    let listener = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    listener.bind(&at.into())?;
    listener.listen(0)?;
    let mut fillers = Vec::new();
    while fillers.len() < FILLERS_MOST {
        match TcpStream::connect_timeout(&at, QUIET) {
            Ok(filler) => fillers.push(filler),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok((listener, fillers)),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("this kernel takes connections into a queue of length zero without end"))
}

/// Looks with plain sockets, from wherever the calling thread is.
#[derive(Debug)]
pub(super) struct Sockets;

impl Eyes for Sockets {
    async fn dial(&self, to: SocketAddr, limit: Duration) -> Dialled {
        match timeout(limit, tokio::net::TcpStream::connect(to)).await {
            Ok(Ok(stream)) => Dialled::Open(Box::new(stream)),
            Ok(Err(error)) => Dialled::Failed(error.kind()),
            Err(_) => Dialled::Silent,
        }
    }

    async fn ask(&self, to: SocketAddr, datagram: &[u8], limit: Duration) -> io::Result<Option<Vec<u8>>> {
        let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
        let socket = tokio::net::UdpSocket::bind((any, 0)).await?;
        socket.connect(to).await?;
        socket.send(datagram).await?;
        let mut buffer = vec![0; 65_535];
        match timeout(limit, socket.recv(&mut buffer)).await {
            Ok(length) => length.map(|length| Some(buffer[..length].to_vec())),
            Err(_) => Ok(None),
        }
    }
}

fn setup<E: std::error::Error + Send + Sync + 'static>(doing: &'static str) -> impl FnOnce(E) -> RunError {
    move |error| RunError::Setup { place: Place::Lab, doing: doing.to_owned(), source: Box::new(error) }
}

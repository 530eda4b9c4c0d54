//! A scenario in memory: names, routes and connections of a fake vantage, and mocks on loopback behind it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqpath_core::{
    Budget, ConnectFailure, ConnectOptions, Contact, ContactKind, IcmpError, PeerAddr, Permit, Route, Vantage,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Script;
use super::certificates::Certificates;
use super::error::{Place, RunError};
use super::fault::{Dns, Fault, Tcp, What};
use super::file::Role;
use super::follow::Meter;
use super::topology::{CLIENT, DNS, EDGE_NEAR};
use super::witness::{Dialled, Eyes};
use super::{mocks, names};
use crate::dns::{self, FakeDns, On};
use crate::mock::MockUpstream;
use crate::vantage::{Dial, Dials, Exchange, FakeVantage, FakeVantageBuilder, Lookup, Packets, Wanted};

/// How long the C library waits for a nameserver that is silent, as `resolv.conf` of a scenario says.
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(1);

/// Everybody of a scenario, in memory.
#[derive(Debug)]
pub(super) struct Fakes {
    pub(super) vantage: Arc<FakeVantage>,
    _mocks: Vec<MockUpstream>,
}

impl Fakes {
    pub(super) fn start(script: &Script, certificates: &Certificates) -> Result<Self, RunError> {
        let mut vantage = FakeVantage::builder().named("client").rest_absent();
        vantage = CLIENT.iter().fold(vantage, |vantage, ip| vantage.from(*ip));
        vantage = resolver(script, nameserver(script, vantage)?);
        let mut mocks = Vec::new();
        for (place, server) in script.topology.servers.iter().enumerate() {
            let mock = mocks::mock(script, certificates, place);
            let mock = mock.start().map_err(setup("start a mock"))?;
            for to in server.sockets() {
                let serve = match server.role {
                    Role::Web => bridge(mock.address()),
                    Role::Bare => Dial::refused(),
                };
                let fault = script.faults.iter().find(|fault| {
                    matches!(fault.what, What::Tcp(_)) && fault.server == place && fault.befalls(to.ip())
                });
                let (dials, route) = connecting(fault, serve, to);
                vantage = vantage.tcp(to, dials).route(to.ip(), route);
            }
            mocks.push(mock);
        }
        Ok(Self { vantage: vantage.build(), _mocks: mocks })
    }
}

/// The nameserver's two ports.
fn nameserver(script: &Script, vantage: FakeVantageBuilder) -> Result<FakeVantageBuilder, RunError> {
    let zones = names::zones(script);
    if zones.is_empty() {
        return Ok(vantage);
    }
    let mut server = zones.iter().fold(FakeDns::builder(), |server, zone| server.zone(names::fake(zone)));
    for fault in &script.faults {
        server = match fault.what {
            What::Dns(Dns::Servfail) => server.fault(On::name(&fault.name), dns::Fault::servfail()),
            What::Dns(Dns::Bogus) => server.fault(On::name(&fault.name), dns::Fault::servfail_unless_cd()),
            What::Dns(Dns::Refused) => server.fault(On::any(), dns::Fault::refused()),
            What::Dns(Dns::Drop) => server.fault(On::any(), dns::Fault::drop()),
            What::Dns(Dns::Truncate) => server.fault(On::name(&fault.name).udp(), dns::Fault::truncate()),
            What::Dns(Dns::Garbage) => server.fault(On::any(), dns::Fault::garbage()),
            _ => server,
        };
    }
    let server = server.offline().map_err(setup("make the nameserver"))?;
    let has = |dns: Dns| script.faults.iter().any(|fault| fault.what == What::Dns(dns));
    if has(Dns::Closed) {
        return Ok(vantage.udp(DNS, Packets::refused()).tcp(DNS, Dial::refused()));
    }
    let vantage = vantage.udp(DNS, server.clone());
    Ok(if has(Dns::Truncate) || has(Dns::Drop) {
        vantage.tcp(DNS, Dial::silent())
    } else {
        vantage.tcp(DNS, server)
    })
}

/// The system resolver and its files: what the C library of the lab's client would say.
fn resolver(script: &Script, mut vantage: FakeVantageBuilder) -> FakeVantageBuilder {
    let topology = &script.topology;
    let mut hosts = "127.0.0.1 localhost\n".to_owned();
    for (name, ip) in &topology.hosts {
        hosts.push_str(&format!("{ip} {name}\n"));
    }
    let mut configuration = topology.resolv_conf.join("\n") + "\n";
    if !topology.zones.is_empty() {
        configuration.insert_str(0, &format!("nameserver {}\n", DNS.ip()));
    }
    vantage =
        vantage.file("/etc/hosts", hosts.into_bytes()).file("/etc/resolv.conf", configuration.into_bytes());
    let mut answers = BTreeMap::new();
    for zone in &topology.zones {
        for name in zone.names.keys().chain(zone.aliases.keys()) {
            let full = if name == "@" { zone.origin.clone() } else { format!("{name}.{}", zone.origin) };
            if let Some(addresses) = topology.lookup(&full) {
                answers.insert(full, Lookup::addresses(addresses.iter().copied()));
            }
        }
    }
    for fault in &script.faults {
        if let What::Dns(dns) = fault.what {
            answers.insert(fault.name.clone(), as_the_c_library(dns));
        }
    }
    for (name, ip) in &topology.hosts {
        answers.insert(name.clone(), Lookup::addresses([*ip]));
    }
    answers.into_iter().fold(vantage, |vantage, (name, lookup)| vantage.name(&name, lookup))
}

/// What `getaddrinfo` says of a nameserver that does this.
fn as_the_c_library(dns: Dns) -> Lookup {
    match dns {
        Dns::Nxdomain | Dns::DanglingCname => Lookup::no_name(),
        Dns::NoData => Lookup::fails("EAI_NODATA", "No address associated with hostname"),
        Dns::Servfail | Dns::Bogus | Dns::Refused | Dns::Closed => Lookup::try_again(),
        Dns::Drop | Dns::Garbage | Dns::Truncate => Lookup::try_again().delayed(RESOLVER_TIMEOUT),
    }
}

/// What becomes of connecting to a server, and the route there.
fn connecting(fault: Option<&Fault>, serve: Dial, to: SocketAddr) -> (Turns, Route) {
    let family = usize::from(to.is_ipv6());
    let mut route = Route::new("unicast");
    route.interface = Some("eth0".to_owned());
    route.gateway = Some(EDGE_NEAR[family]);
    route.source = Some(CLIENT[family]);
    let Some(fault) = fault else { return (Turns::always(serve), route) };
    let edge = EDGE_NEAR[family];
    let spoilt = match fault.what {
        What::Tcp(Tcp::Refuse) => Dial::refused(),
        What::Tcp(Tcp::Drop | Tcp::AcceptQueueFull) => Dial::silent(),
        What::Tcp(Tcp::RejectProhibited) => Dial::prohibited(edge),
        What::Tcp(Tcp::RejectPort) => port_unreachable(to),
        What::Tcp(Tcp::Unreachable) => Dial::unreachable(edge),
        What::Tcp(Tcp::NoRoute) => {
            route = Route::new("unreachable");
            Dial::errno("EHOSTUNREACH")
        }
        // These are the server's own doing.
        _ => return (Turns::always(serve), route),
    };
    (Turns { every: fault.every.unwrap_or(1).into(), spoilt, otherwise: serve }, route)
}

fn port_unreachable(to: SocketAddr) -> Dial {
    let mut failure = ConnectFailure::new("Connection refused");
    failure.errno = Some(111);
    failure.symbol = Some("ECONNREFUSED".into());
    let (kind, code) = if to.is_ipv6() { (1, 4) } else { (3, 3) };
    let router = EDGE_NEAR[usize::from(to.is_ipv6())];
    failure.icmp = Some(IcmpError::new(kind, code, Some(router), to.is_ipv6()));
    Dial::fails(failure)
}

/// One outcome for every so-many-th attempt, another for the rest.
struct Turns {
    every: u64,
    spoilt: Dial,
    otherwise: Dial,
}

impl Turns {
    fn always(dial: Dial) -> Self {
        Self { every: 1, spoilt: dial.clone(), otherwise: dial }
    }
}

impl Dials for Turns {
    fn dial(&self, number: u64) -> Dial {
        if (number + 1).is_multiple_of(self.every) { self.spoilt.clone() } else { self.otherwise.clone() }
    }
}

/// Connects the fake's end with a mock on loopback, resets included.
fn bridge(to: SocketAddr) -> Dial {
    Dial::serve(move |mut exchange: Exchange| async move {
        // A mock that resets at once may do so before the connecting is over.
        let carried = async {
            let mut stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            tokio::io::copy_bidirectional(&mut exchange, &mut stream).await
        };
        match carried.await {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) =>
            {
                exchange.reset();
            }
            _ => {}
        }
        Ok(())
    })
}

/// Looks through the fake vantage, as a plain program at that place would.
#[derive(Debug)]
pub(super) struct FakeEyes(pub(super) Arc<FakeVantage>);

impl FakeEyes {
    fn permit(kind: ContactKind) -> io::Result<Permit> {
        let contact = Contact::new(kind, "the fault", 1, "to see whether it is there");
        Budget::of(&[contact]).permit(kind).map_err(io::Error::other)
    }
}

impl Eyes for FakeEyes {
    async fn dial(&self, to: SocketAddr, limit: Duration) -> Dialled {
        let Ok(permit) = Self::permit(ContactKind::Connection) else {
            return Dialled::Failed(io::ErrorKind::Other);
        };
        match self.0.connect(permit, PeerAddr(to), ConnectOptions::within(limit)).await {
            Ok(connection) => Dialled::Open(Box::new(connection)),
            Err(failure) if failure.timed_out => Dialled::Silent,
            Err(failure) => Dialled::Failed(match failure.symbol.as_deref() {
                Some("ECONNREFUSED") => io::ErrorKind::ConnectionRefused,
                Some("ECONNRESET") => io::ErrorKind::ConnectionReset,
                Some("EHOSTUNREACH") => io::ErrorKind::HostUnreachable,
                Some("ENETUNREACH") => io::ErrorKind::NetworkUnreachable,
                Some("EACCES") => io::ErrorKind::PermissionDenied,
                _ => io::ErrorKind::Other,
            }),
        }
    }

    async fn ask(&self, to: SocketAddr, datagram: &[u8], limit: Duration) -> io::Result<Option<Vec<u8>>> {
        let socket = self.0.datagram(Self::permit(ContactKind::Query)?, PeerAddr(to)).await?;
        socket.send(datagram).await?;
        let mut buffer = vec![0; 65_535];
        match timeout(limit, socket.receive(&mut buffer)).await {
            Ok(length) => length.map(|length| Some(buffer[..length].to_vec())),
            Err(_) => Ok(None),
        }
    }
}

impl Meter for FakeEyes {
    fn count(&self, fault: usize, script: &Script) -> Result<Option<u64>, RunError> {
        let places = script.sockets_of(&script.faults[fault]);
        let here = |wanted: &Wanted| match wanted {
            Wanted::Connection(to) | Wanted::Datagrams(to) => places.contains(&to.0),
            _ => false,
        };
        let contacts = self.0.contacts();
        let count = contacts.iter().filter(|contact| here(&contact.wanted)).count();
        Ok(Some(u64::try_from(count).unwrap_or(u64::MAX)))
    }
}

fn setup<E: std::error::Error + Send + Sync + 'static>(doing: &'static str) -> impl FnOnce(E) -> RunError {
    move |error| RunError::Setup { place: Place::Fakes, doing: doing.to_owned(), source: Box::new(error) }
}

//! The vantage against real networks: what the kernel tells about connections that fail, each in its way.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::result_large_err, reason = "the failure is the vantage's own, and made once a test")]

use std::future::Future;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use reqpath_core::{
    Budget, ConnectFailure, ConnectOptions, Connection, Contact, ContactKind, PeerAddr, Permit, Unavailable,
    Vantage,
};
use reqpath_local::LocalVantage;
use reqpath_testkit::lab::{self, DeadRoute, Filter, Host, HostSpec, Lab, Link, Rejection};
use reqpath_testkit::mock::{ClosedPort, FullAcceptQueue};

const SOON: Duration = Duration::from_secs(2);

fn permit() -> Permit {
    let plan = [Contact::new(ContactKind::Connection, "the lab", 1, "a test")];
    Budget::of(&plan).permit(ContactKind::Connection).unwrap()
}

fn now<T>(look: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(look)
}

fn connect(to: SocketAddr, limit: Duration) -> Result<Box<dyn Connection>, ConnectFailure> {
    now(LocalVantage::new().connect(permit(), PeerAddr(to), ConnectOptions::within(limit)))
}

/// Client, router and server, with a cable slow enough that the kernel is never caught in `connect()` itself.
fn road() -> Option<Lab> {
    let near = Link::between("client", "edge").delay(Duration::from_millis(1));
    let lab = Lab::builder().host("client").router("edge").host("server");
    lab::or_skip(lab.connect(near).link("edge", "server").build())
}

fn listening(host: &Host, at: impl Into<IpAddr>) -> TcpListener {
    let at = SocketAddr::new(at.into(), 0);
    host.run(|| TcpListener::bind(at)).unwrap().unwrap()
}

#[test]
fn an_open_connection_shows_its_ends_and_the_kernels_figures() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    now(async {
        let how = ConnectOptions::within(SOON);
        let connection = LocalVantage::new().connect(permit(), PeerAddr(to), how).await.unwrap();
        let (_accepted, from) = listener.accept().unwrap();
        assert_eq!(connection.peer(), PeerAddr(to));
        assert_eq!(connection.local().unwrap().0, from);
        let kernel = connection.kernel().unwrap();
        assert_eq!((kernel.state, kernel.total_retrans), (1, 0));
        assert!(kernel.snd_mss > 500 && kernel.pmtu > 1000 && kernel.rto_us.0 > 0, "{kernel:?}");
    });
}

#[test]
fn a_plain_refusal_has_nothing_behind_it() {
    let closed = ClosedPort::reserve().unwrap();
    let failure = connect(closed.address(), SOON).unwrap_err();
    assert_eq!(failure.symbol.as_deref(), Some("ECONNREFUSED"));
    assert_eq!(failure.message, "Connection refused");
    assert_eq!(failure.icmp, None);
    assert!(failure.local.is_some_and(|local| local.ip().is_loopback() && local.port() != 0), "{failure:?}");
    assert!(!failure.timed_out);
}

#[test]
fn each_rejection_is_told_by_the_message_behind_the_error() {
    let Some(lab) = road() else { return };
    if lab::or_skip(lab["edge"].rules()).is_none() {
        return;
    }
    let v4 = listening(&lab["server"], lab["server"].ipv4());
    let v6 = listening(&lab["server"], lab["server"].ipv6());
    for (rejection, symbols, messages) in [
        (Rejection::TcpReset, ["ECONNREFUSED", "ECONNREFUSED"], None),
        (Rejection::PortUnreachable, ["ECONNREFUSED", "ECONNREFUSED"], Some([(3, 3), (1, 4)])),
        (Rejection::HostUnreachable, ["EHOSTUNREACH", "EHOSTUNREACH"], Some([(3, 1), (1, 3)])),
        (Rejection::AdminProhibited, ["EHOSTUNREACH", "EACCES"], Some([(3, 13), (1, 1)])),
        (Rejection::NetUnreachable, ["ENETUNREACH", "ENETUNREACH"], Some([(3, 0), (1, 0)])),
    ] {
        let fault = lab["edge"].impose(&Filter::forwarded().reject(rejection)).unwrap();
        for (version, listener) in [&v4, &v6].into_iter().enumerate() {
            let to = listener.local_addr().unwrap();
            let failure = lab["client"].run(|| connect(to, SOON)).unwrap().unwrap_err();
            assert_eq!(failure.symbol.as_deref(), Some(symbols[version]), "{rejection:?} {failure:?}");
            let icmp = failure.icmp.as_ref();
            let expected = messages.map(|messages| messages[version]);
            assert_eq!(icmp.map(|icmp| (icmp.kind, icmp.code)), expected, "{rejection:?} {to}");
            assert!(
                icmp.is_none_or(|icmp| icmp.v6 == to.is_ipv6() && icmp.offender.is_some()),
                "{failure:?}"
            );
        }
        fault.lift().unwrap();
    }
}

#[test]
fn silence_shows_how_many_syns_were_sent() {
    let Some(lab) = road() else { return };
    if lab::or_skip(lab["edge"].rules()).is_none() {
        return;
    }
    lab["edge"].impose(&Filter::forwarded().drop()).unwrap();
    let to = SocketAddr::new(lab["server"].ipv4().into(), 80);
    let failure = lab["client"].run(|| connect(to, Duration::from_millis(1300))).unwrap().unwrap_err();
    assert!(failure.timed_out && failure.errno.is_none() && failure.icmp.is_none(), "{failure:?}");
    let kernel = failure.kernel.unwrap();
    assert_eq!((kernel.state, kernel.total_retrans), (2, 1), "still in SYN-SENT, with a second SYN");
    assert_eq!(failure.local.map(|local| local.ip()), Some(lab["client"].ipv4().into()));
}

#[test]
fn a_route_says_where_packets_go_and_where_they_do_not() {
    let Some(lab) = road() else { return };
    let client = &lab["client"];
    for (network, kind) in [
        ("198.18.1.0/24", DeadRoute::Blackhole),
        ("198.18.2.0/24", DeadRoute::Unreachable),
        ("198.18.3.0/24", DeadRoute::Prohibit),
        ("2001:db8:1::/64", DeadRoute::Blackhole),
        ("2001:db8:2::/64", DeadRoute::Unreachable),
        ("2001:db8:3::/64", DeadRoute::Prohibit),
    ] {
        client.add_dead_route(network, kind).unwrap();
    }
    let server = IpAddr::from(lab["server"].ipv4());
    let own = IpAddr::from(client.ipv4());
    let near = lab["edge"].interface_on("client-edge").unwrap();
    let router = near.addresses.iter().map(lab::Cidr::ip).find(IpAddr::is_ipv4);
    let route = |to: IpAddr| client.run(|| now(LocalVantage::new().route(permit(), to))).unwrap().unwrap();

    let sent = route(server);
    assert_eq!((&*sent.kind, sent.source), ("unicast", Some(own)));
    assert_eq!(sent.gateway, router);
    assert_eq!(sent.interface.as_deref(), client.interfaces().first().map(|i| i.name.as_str()));
    assert_eq!(route(own).kind, "local");
    assert_eq!(route(router.unwrap()).gateway, None);
    for (to, kind, symbol) in [
        ("198.18.1.1", "blackhole", "EINVAL"),
        ("198.18.2.1", "unreachable", "EHOSTUNREACH"),
        ("198.18.3.1", "prohibit", "EACCES"),
        ("2001:db8:1::1", "blackhole", "EINVAL"),
        ("2001:db8:2::1", "unreachable", "EHOSTUNREACH"),
        ("2001:db8:3::1", "prohibit", "EACCES"),
    ] {
        let to = to.parse().unwrap();
        assert_eq!(route(to).kind, kind, "{to}");
        let failure = client.run(|| connect(SocketAddr::new(to, 80), SOON)).unwrap().unwrap_err();
        assert_eq!(failure.symbol.as_deref(), Some(symbol), "{to}");
        assert_eq!(failure.icmp, None, "{to}: nothing was sent");
    }
}

#[test]
fn a_host_without_routes_says_so_in_both_versions() {
    let alone = Lab::builder().host(HostSpec::new("client").without_routes()).router("edge");
    let Some(lab) = lab::or_skip(alone.link("client", "edge").build()) else { return };
    for to in ["203.0.113.9", "2001:db8:9::9"] {
        let to: IpAddr = to.parse().unwrap();
        let look = || now(LocalVantage::new().route(permit(), to));
        assert_eq!(lab["client"].run(look).unwrap().unwrap().kind, "none", "{to}");
        let failure = lab["client"].run(|| connect(SocketAddr::new(to, 80), SOON)).unwrap().unwrap_err();
        assert_eq!(failure.symbol.as_deref(), Some("ENETUNREACH"));
    }
}

#[test]
fn the_queue_of_the_listener_that_serves_an_address_is_found() {
    let Some(lab) = lab::or_skip(Lab::builder().host("host").build()) else { return };
    let look = |at: SocketAddr| {
        let look = || now(LocalVantage::new().listener(permit(), PeerAddr(at)));
        lab["host"].run(look).unwrap().unwrap()
    };
    // A full one, by its exact address; and one that listens everywhere on both versions.
    let full = lab["host"].run(FullAcceptQueue::start).unwrap().unwrap();
    let queue = look(full.address()).unwrap();
    assert_eq!(queue.waiting as usize, full.waiting());
    assert!(queue.waiting > queue.backlog, "{queue:?}");
    let everywhere = listening(&lab["host"], std::net::Ipv6Addr::UNSPECIFIED);
    let port = everywhere.local_addr().unwrap().port();
    for at in ["127.0.0.1", "::1"] {
        let queue = look(SocketAddr::new(at.parse().unwrap(), port)).unwrap();
        assert_eq!((queue.waiting, queue.backlog > 0), (0, true), "{at}");
    }
    drop(everywhere);
    assert_eq!(look(SocketAddr::new("127.0.0.1".parse().unwrap(), port)), None);
}

#[test]
fn ports_towards_a_peer_are_counted_until_none_is_left() {
    let host = HostSpec::new("host").sysctl("net.ipv4.ip_local_port_range", "41000 41003");
    let Some(lab) = lab::or_skip(Lab::builder().host(host).build()) else { return };
    let listener = listening(&lab["host"], std::net::Ipv4Addr::LOCALHOST);
    let to = listener.local_addr().unwrap();
    lab["host"]
        .run(|| {
            now(async {
                let vantage = LocalVantage::new();
                let how = ConnectOptions::within(SOON);
                let mut open = Vec::new();
                let failure = loop {
                    match vantage.connect(permit(), PeerAddr(to), how).await {
                        Ok(connection) => open.push(connection),
                        Err(failure) => break failure,
                    }
                };
                assert_eq!(failure.symbol.as_deref(), Some("EADDRNOTAVAIL"));
                let ports = vantage.ports(permit(), PeerAddr(to)).await.unwrap();
                assert_eq!((ports.first, ports.last), (41000, 41003));
                // The listener itself may have taken one of them.
                assert_eq!(ports.used as usize, open.len());
                assert!((3..=4).contains(&open.len()));
            });
        })
        .unwrap();
}

#[test]
fn a_datagram_to_nobody_is_told_at_once() {
    let Some(lab) = road() else { return };
    if lab::or_skip(lab["edge"].rules()).is_none() {
        return;
    }
    let send = |to: SocketAddr| {
        let look = || {
            now(async {
                let socket = LocalVantage::new().datagram(permit(), PeerAddr(to)).await.unwrap();
                socket.send(b"anybody?").await.unwrap();
                let mut buffer = [0; 8];
                tokio::time::timeout(SOON, socket.receive(&mut buffer)).await.expect("an answer").unwrap_err()
            })
        };
        lab["client"].run(look).unwrap().kind()
    };
    let to = SocketAddr::new(lab["server"].ipv4().into(), 53);
    assert_eq!(send(to), std::io::ErrorKind::ConnectionRefused);
    lab["edge"].impose(&Filter::forwarded().udp_port(53).reject(Rejection::HostUnreachable)).unwrap();
    assert_eq!(send(to), std::io::ErrorKind::HostUnreachable);
}

#[test]
fn the_system_resolver_is_that_of_this_place() {
    let name = format!("h{:08x}.test", fastrand::u32(..));
    let nowhere = HostSpec::new("host").knows(&name, "192.0.2.77").nameserver("127.0.0.1");
    let Some(lab) = lab::or_skip(Lab::builder().host(nowhere).build()) else { return };
    let look =
        |name: String| lab["host"].run(move || now(LocalVantage::new().resolve(permit(), &name))).unwrap();
    assert_eq!(look(name).unwrap().addresses, ["192.0.2.77".parse::<IpAddr>().unwrap()]);
    let failure = look("unknown.test".to_owned()).unwrap_err();
    assert_eq!(failure.symbol, "EAI_AGAIN", "{failure:?}");
    assert!(!failure.message.contains("failed to lookup"), "{failure:?}");
    // What is no name at all is an answer too, not a panic.
    assert!(look("a\0b".to_owned()).is_err());
}

#[test]
fn files_are_read_to_a_limit_and_pipes_are_left_alone() {
    let read = |path: &str, limit| now(LocalVantage::new().read(permit(), path, limit));
    let folder = tempfile::tempdir().unwrap();
    let (file, pipe) = (folder.path().join("file"), folder.path().join("pipe"));
    std::fs::write(&file, "0123456789").unwrap();
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(read(file.to_str().unwrap(), 4).unwrap(), b"0123");
    assert!(matches!(read(pipe.to_str().unwrap(), 4), Err(Unavailable::System(_))));
    assert!(matches!(read(folder.path().to_str().unwrap(), 4), Err(Unavailable::System(_))));
    assert_eq!(read("/nonexistent/file", 4), Err(Unavailable::Missing));
    assert!(!read("/proc/thread-self/net/netstat", 1 << 16).unwrap().is_empty());
}

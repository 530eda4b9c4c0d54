//! Looking from a host: its network, names, files and environment, and real parts among its processes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqpath_core::{
    Budget, ConnectOptions, Contact, ContactKind, PeerAddr, Pipeline, Report, Target, Trace, Unavailable,
    Vantage,
};
use reqpath_stages::Road;
use reqpath_testkit::{
    MockUpstream,
    lab::{self, Error, Filter, Host, HostSpec, Lab, Link, Rejection},
    mock::Reply,
    real::{Knot, Nginx, Postgres, Unbound, Zone},
};
use serde_json::Value;

/// Two clients that know the shop by different addresses of the same server, which is two routers away.
fn two_places() -> Option<Lab> {
    let client = |name: &str, whose: &str| {
        HostSpec::new(name).knows("shop.test", whose).env("PLACE", name).resolv_conf("nameserver 192.0.2.53")
    };
    let lab = Lab::builder()
        .host(client("near", "10.9.0.1"))
        .host(client("far", "10.9.0.2"))
        .router("one")
        .router("two")
        .host("server")
        .link("near", "one")
        .link("far", "two")
        .link("one", "two")
        .connect(
            Link::between("two", "server").address("server", "10.9.0.1/24").address("server", "10.9.0.2/24"),
        )
        .without_ipv6();
    lab::or_skip(lab.build())
}

fn pipeline() -> Pipeline {
    Road::new().pipeline().unwrap()
}

fn trace(host: &Host, url: &str) -> Value {
    let target = Target::builder(url).unwrap().max_time(Duration::from_secs(10)).build();
    let report: Report = host.trace(&pipeline(), Trace::new(target, host.vantage())).unwrap();
    serde_json::to_value(report).unwrap()
}

fn seen<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = report["observations"].as_array().unwrap();
    all.iter().filter(|one| one["kind"] == kind).map(|one| &one["data"]).collect()
}

/// The addresses that were dialled.
fn attempts(report: &Value) -> Vec<String> {
    let all = report["observations"].as_array().unwrap().iter();
    let attempts = all.filter(|one| one["kind"] == "tcp.attempt");
    attempts.map(|one| one["subject"]["leg"]["address"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn whole_looks_from_two_hosts_differ_as_the_topology_says() {
    lab::rootless(|| {
        let Some(lab) = two_places() else { return };
        let server = &lab["server"];
        let any = SocketAddr::from(([0, 0, 0, 0], 8080));
        let _shop = server
            .run(|| MockUpstream::builder().bind_exactly(any).reply(Reply::ok("open")).start().unwrap())
            .unwrap();
        for (name, expected) in [("near", "10.9.0.1"), ("far", "10.9.0.2")] {
            let report = trace(&lab[name], "http://shop.test:8080/");
            assert_eq!(report["verdict"]["kind"], "reached", "{report:#}");
            assert_eq!(seen(&report, "dns.system")[0]["addresses"][0], expected, "{report:#}");
            let attempt = seen(&report, "tcp.attempt")[0];
            let local = attempt["local"].as_str().unwrap();
            assert_eq!(local.rsplit_once(':').unwrap().0, lab[name].ipv4().to_string(), "{attempt:#}");
            assert!(attempts(&report).contains(&format!("{expected}:8080")), "{report:#}");
            assert!(report["observations"].as_array().unwrap().iter().all(|one| one["vantage"] == name));
        }

        // What happens to one of them happens to that one alone.
        let refusal = Filter::forwarded().tcp_port(8080).reject(Rejection::TcpReset);
        let Some(fault) = lab::or_skip(lab["one"].impose(&refusal)) else { return };
        let report = trace(&lab["near"], "http://shop.test:8080/");
        assert_eq!(report["verdict"]["kind"], "died", "{report:#}");
        assert_eq!(report["verdict"]["cause"]["code"], "tcp.refused", "{report:#}");
        assert!(fault.packets().unwrap() > 0);
        assert_eq!(trace(&lab["far"], "http://shop.test:8080/")["verdict"]["kind"], "reached");
    });
}

/// Permits without end, for looks that no pipeline makes.
fn budget() -> Budget {
    let kinds = [
        ContactKind::Connection,
        ContactKind::Query,
        ContactKind::SystemLookup,
        ContactKind::Kernel,
        ContactKind::File,
    ];
    Budget::of(&kinds.map(|kind| Contact::new(kind, "a host", 1000, "to see where it looks from")))
}

/// Every look of a vantage, from wherever this is polled.
async fn everything(
    vantage: Arc<dyn Vantage>,
    budget: Arc<Budget>,
    name: String,
    own: IpAddr,
    server: IpAddr,
) {
    let permit = |kind| budget.permit(kind).unwrap();
    assert_eq!(vantage.name(), name);
    assert_eq!(vantage.environment("PLACE").as_deref(), Some(name.as_str()));
    assert_eq!(vantage.environment("CARGO_MANIFEST_DIR"), None, "nothing of this process");

    let peer = PeerAddr(SocketAddr::new(server, 8080));
    let how = ConnectOptions::within(Duration::from_secs(10));
    let mut open = vantage.connect(permit(ContactKind::Connection), peer, how).await.unwrap();
    assert_eq!(open.local().unwrap().0.ip(), own);
    assert_eq!(open.kernel().unwrap().state, 1);
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    open.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("open"), "{answer}");
    let refused = PeerAddr(SocketAddr::new(server, 1));
    let failure = vantage.connect(permit(ContactKind::Connection), refused, how).await.unwrap_err();
    assert_eq!(failure.symbol.as_deref(), Some("ECONNREFUSED"));

    let answer = vantage.resolve(permit(ContactKind::SystemLookup), "shop.test").await.unwrap();
    assert_eq!(answer.addresses, [server]);
    let datagram = vantage.datagram(permit(ContactKind::Query), refused).await.unwrap();
    assert_eq!(datagram.local().unwrap().0.ip(), own);
    let route = vantage.route(permit(ContactKind::Kernel), server).await.unwrap();
    assert_eq!(route.source, Some(own));
    assert!(route.gateway.is_some(), "{route:?}");
    let conf = vantage.read(permit(ContactKind::File), "/etc/resolv.conf", 1000).await.unwrap();
    assert_eq!(String::from_utf8(conf).unwrap(), "nameserver 192.0.2.53\n");
    let nothing = vantage.listener(permit(ContactKind::Kernel), PeerAddr(SocketAddr::new(own, 8080))).await;
    assert_eq!(nothing, Ok(None), "it listens on the server, not here");
    vantage.ports(permit(ContactKind::Kernel), peer).await.unwrap();
    vantage.descriptors(permit(ContactKind::Kernel)).await.unwrap();
    assert!(vantage.now().elapsed().unwrap() < Duration::from_secs(60));
}

#[test]
fn a_vantage_sees_the_same_from_inside_and_from_anywhere() {
    lab::rootless(|| {
        let Some(lab) = two_places() else { return };
        let any = SocketAddr::from(([0, 0, 0, 0], 8080));
        let _shop = lab["server"]
            .run(|| MockUpstream::builder().bind_exactly(any).reply(Reply::ok("open")).start().unwrap())
            .unwrap();
        let budget = Arc::new(budget());
        for (name, server) in [("near", "10.9.0.1"), ("far", "10.9.0.2")] {
            let host = &lab[name];
            let all = || {
                let (own, server) = (host.ipv4().into(), server.parse().unwrap());
                everything(host.vantage(), Arc::clone(&budget), name.to_owned(), own, server)
            };
            // On this machine's threads, on the host's own, and in one made for it.
            let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime().block_on(all());
            host.run_async(all()).unwrap();
            host.run(|| runtime().block_on(all())).unwrap();
            // Inside another host it is still this host that looks.
            lab["server"].run(|| runtime().block_on(all())).unwrap();
        }
        let vantage = lab["near"].vantage();
        let permit = || budget.permit(ContactKind::Kernel).unwrap();
        drop(lab);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gone = runtime.block_on(vantage.route(permit(), "10.9.0.1".parse().unwrap()));
        assert!(matches!(&gone, Err(Unavailable::System(said)) if said.contains("taken down")), "{gone:?}");
    });
}

#[test]
fn times_are_those_of_the_road() {
    lab::rootless(|| {
        let delay = Duration::from_millis(30);
        let slow = Link::between("client", "server").delay(delay);
        let Some(lab) = lab::or_skip(Lab::builder().host("client").host("server").connect(slow).build())
        else {
            return;
        };
        let address = SocketAddr::new(lab["server"].ipv4().into(), 8080);
        let _shop = lab["server"]
            .run(|| MockUpstream::builder().bind_exactly(address).reply(Reply::ok("slow")).start().unwrap())
            .unwrap();
        // The first time the neighbours have to be asked for.
        let url = format!("http://{address}/");
        trace(&lab["client"], &url);
        let report = trace(&lab["client"], &url);
        let took = seen(&report, "tcp.attempt")[0]["elapsed_us"].as_u64().unwrap();
        assert!((60_000..600_000).contains(&took), "a handshake takes two delays, not {took} us");
    });
}

fn namespace(pid: u32) -> std::path::PathBuf {
    fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap()
}

#[test]
fn real_parts_are_among_the_processes_of_their_host() {
    lab::rootless(|| {
        let Some(lab) = lab::or_skip(Lab::builder().host(HostSpec::new("web").env("PLACE", "web")).build())
        else {
            return;
        };
        let host = &lab["web"];
        let port = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let nginx = host.start(|| {
            let nginx = Nginx::builder().at("", port(80));
            nginx.server("listen {listen}; return 200 here;").start()
        });
        let Some(nginx) = lab::or_skip(nginx) else { return };
        let started = host.start(|| Postgres::builder().at(port(5432)).start());
        let Some(postgres) = lab::or_skip(started) else { return };
        let started =
            host.start(|| Knot::builder().zone(Zone::new("x.test", "www A 192.0.2.1")).at(port(53)).start());
        let Some(knot) = lab::or_skip(started) else { return };
        let started = host.start(|| Unbound::builder().ask("x.test", port(53)).at(port(5353)).start());
        let Some(unbound) = lab::or_skip(started) else { return };

        let sleeper = host.command("sleep").arg("1000").spawn().unwrap();
        let inside = namespace(sleeper.id());
        assert_ne!(inside, namespace(std::process::id()));
        for (pid, name) in [
            (nginx.pid(), "nginx"),
            (postgres.pid(), "postgres"),
            (knot.pid(), "knotd"),
            (unbound.pid(), "unbound"),
        ] {
            // Its number is the one it has here, not the one it has inside.
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
            assert_eq!((comm.trim_end(), namespace(pid)), (name, inside.clone()));
        }
        // The others write their titles over it.
        for pid in [knot.pid(), unbound.pid()] {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
            let variables: Vec<_> = environment.split(|byte| *byte == 0).collect();
            assert!(variables.contains(&&b"PLACE=web"[..]), "it has its host's environment");
            assert!(!variables.iter().any(|one| one.starts_with(b"CARGO")), "it has nothing of ours");
        }
        assert_eq!(postgres.sql("SELECT 1 + 1").unwrap(), "2\n");
        let rooms =
            [nginx.room(), postgres.room(), knot.room(), unbound.room()].map(|room| room.path().to_owned());
        assert!(rooms.iter().all(|room| room.is_dir()));

        // One that is dropped ends by itself; the others with the lab, though they are still held.
        let gone = unbound.pid();
        drop(unbound);
        assert!(!fs::exists(format!("/proc/{gone}")).unwrap());
        assert!(!rooms[3].exists());
        drop(lab);
        let pids = [nginx.pid(), postgres.pid(), knot.pid()];
        assert!(pids.iter().all(|pid| fs::read_link(format!("/proc/{pid}/ns/pid")).is_err()));
        assert!(!rooms.iter().any(|room| room.exists()));
    });
}

#[test]
fn a_part_that_does_not_start_says_why_and_where() {
    lab::rootless(|| {
        let Some(lab) = lab::or_skip(Lab::builder().host("web").build()) else { return };
        let refused = lab["web"].start(|| Nginx::builder().server("listen {listen}; lokation;").start());
        match refused {
            Err(Error::Part { host, source }) if !source.is_missing() => {
                assert_eq!(host, "web");
                assert!(source.to_string().contains("lokation"), "{source}");
            }
            Err(missing) if missing.is_missing() => drop(lab::or_skip(Err::<(), _>(missing))),
            other => panic!("{other:?}"),
        }
    });
}

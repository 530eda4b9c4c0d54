//! Labs as a test meets them: roads, filters, files, programs, and nothing of this machine.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of a test fails as the test does")]

use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use nix::errno::Errno;
use reqpath_testkit::lab::{
    self, DeadRoute, Error, Filter, Host, HostSpec, Lab, LabBuilder, Link, Rejection,
};

const PATIENCE: Duration = Duration::from_millis(400);

/// A client and a server with a router between, and cables as long as real ones: over a cable without
/// delay an ICMP answer can arrive before `connect` is ready to hear it.
fn road() -> LabBuilder {
    let millisecond = Duration::from_millis(1);
    let lab = Lab::builder().host("client").router("edge").host("server");
    lab.connect(Link::between("client", "edge").delay(millisecond)).link("edge", "server")
}

fn build(lab: LabBuilder) -> Option<Lab> {
    lab::or_skip(lab.build())
}

/// A server that answers every connection with one line, for as long as the lab lives.
fn serve(host: &Host, address: SocketAddr, line: &'static str) {
    let listener = host.run(|| TcpListener::bind(address)).unwrap().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(line.as_bytes()));
        }
    });
}

fn ask(host: &Host, address: SocketAddr) -> io::Result<String> {
    host.run(|| {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE * 5)?;
        let mut said = String::new();
        stream.read_to_string(&mut said).map(|_| said)
    })
    .unwrap()
}

/// Connecting must fail with exactly this.
///
/// Silence is given a moment. An answer is given as long as it takes: on a busy machine the first may come
/// while `connect` still holds its socket, and then only the one to the next SYN counts.
#[track_caller]
fn meets(host: &Host, address: SocketAddr, expected: Errno, case: impl std::fmt::Debug) {
    let patience = if expected == Errno::ETIMEDOUT { PATIENCE } else { Duration::from_secs(20) };
    let met = host.run(|| TcpStream::connect_timeout(&address, patience)).unwrap();
    let met = met.map(drop).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Some(Errno::ETIMEDOUT),
        _ => error.raw_os_error().map(Errno::from_raw),
    });
    assert_eq!(met, Err(Some(expected)), "{address} from {}: {case:?}", host.name());
}

fn both(host: &Host, port: u16) -> [SocketAddr; 2] {
    [SocketAddr::new(host.ipv4().into(), port), SocketAddr::new(host.ipv6().into(), port)]
}

#[test]
fn two_hosts_meet_over_both_families() {
    lab::rootless(|| {
        let Some(lab) = build(Lab::builder().host("client").host("server").link("client", "server")) else {
            return;
        };
        for address in both(&lab["server"], 8080) {
            serve(&lab["server"], address, "hello");
            assert_eq!(ask(&lab["client"], address).unwrap(), "hello", "{address}");
        }
        let itself = SocketAddr::from(([127, 0, 0, 1], 9000));
        serve(&lab["client"], itself, "loopback");
        assert_eq!(ask(&lab["client"], itself).unwrap(), "loopback");
        meets(&lab["server"], itself, Errno::ECONNREFUSED, "each has its own loopback");
    });
}

#[test]
fn switches_and_chains_of_routers_are_crossed() {
    lab::rootless(|| {
        let lab = Lab::builder()
            .host("a")
            .host("b")
            .switch("lan")
            .switch("floor")
            .router("edge")
            .router("core")
            .host("far");
        let lab = lab.link("a", "lan").link("b", "floor").link("lan", "floor").link("lan", "edge");
        let Some(lab) = build(lab.link("edge", "core").link("core", "far")) else { return };
        for (server, client) in [("b", "a"), ("far", "a"), ("a", "far")] {
            for address in both(&lab[server], 8080) {
                serve(&lab[server], address, "here");
                assert_eq!(ask(&lab[client], address).unwrap(), "here", "{client} to {server} at {address}");
            }
        }
        assert_eq!(lab["a"].interface_on("lan").unwrap().name, "eth0");
        assert_eq!(lab["edge"].sysctl("net.ipv4.ip_forward").unwrap(), "1");
        assert_eq!(lab["a"].sysctl("net.ipv4.ip_forward").unwrap(), "0");
    });
}

#[test]
fn every_filter_gives_the_errno_it_promises() {
    lab::rootless(|| {
        let Some(lab) = build(road()) else { return };
        if lab::or_skip(lab["edge"].rules()).is_none() {
            return;
        }
        let (client, server) = (&lab["client"], &lab["server"]);
        let [v4, v6] = both(server, 8080);
        for address in [v4, v6] {
            serve(server, address, "open");
        }
        let refused = |rejection| Filter::incoming().tcp_port(8080).reject(rejection);
        let passed_on = |rejection| Filter::forwarded().tcp_port(8080).reject(rejection);
        let cases = [
            (server, Filter::incoming().tcp_port(8080).opening().drop(), Errno::ETIMEDOUT, Errno::ETIMEDOUT),
            (server, Filter::incoming().lose_percent(100), Errno::ETIMEDOUT, Errno::ETIMEDOUT),
            (client, Filter::outgoing().tcp_port(8080).drop(), Errno::ETIMEDOUT, Errno::ETIMEDOUT),
            (server, refused(Rejection::TcpReset), Errno::ECONNREFUSED, Errno::ECONNREFUSED),
            (server, refused(Rejection::PortUnreachable), Errno::ECONNREFUSED, Errno::ECONNREFUSED),
            (server, refused(Rejection::HostUnreachable), Errno::EHOSTUNREACH, Errno::EHOSTUNREACH),
            (server, refused(Rejection::AdminProhibited), Errno::EHOSTUNREACH, Errno::EACCES),
            (server, refused(Rejection::NetUnreachable), Errno::ENETUNREACH, Errno::ENETUNREACH),
            (&lab["edge"], passed_on(Rejection::AdminProhibited), Errno::EHOSTUNREACH, Errno::EACCES),
            (&lab["edge"], passed_on(Rejection::TcpReset), Errno::ECONNREFUSED, Errno::ECONNREFUSED),
        ];
        for (host, filter, over_v4, over_v6) in cases {
            let fault = host.impose(&filter).unwrap();
            let before = fault.packets().unwrap();
            meets(client, v4, over_v4, &filter);
            meets(client, v6, over_v6, &filter);
            assert!(fault.packets().unwrap() >= before + 2, "the kernel counted what it did: {filter:?}");
            fault.lift().unwrap();
            assert_eq!(ask(client, v4).unwrap(), "open", "after {filter:?}");
        }
        let only_one = lab["edge"].impose(&Filter::forwarded().to(format!("{}/32", v4.ip())).drop()).unwrap();
        meets(client, v4, Errno::ETIMEDOUT, "");
        assert_eq!(ask(client, v6).unwrap(), "open");
        drop(only_one);
        meets(client, v4, Errno::ETIMEDOUT, "a dropped handle lifts nothing");
    });
}

#[test]
fn over_a_cable_without_delay_an_icmp_answer_counts_at_the_next_syn_at_the_latest() {
    lab::rootless(|| {
        let Some(lab) = build(Lab::builder().host("client").host("server").link("client", "server")) else {
            return;
        };
        let filter = Filter::incoming().tcp_port(8080).reject(Rejection::PortUnreachable);
        let Some(_fault) = lab::or_skip(lab["server"].impose(&filter)) else { return };
        for address in both(&lab["server"], 8080) {
            let refused =
                lab["client"].run(|| TcpStream::connect_timeout(&address, Duration::from_secs(10))).unwrap();
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused, "{address}");
        }
    });
}

#[test]
fn an_open_connection_survives_a_filter_on_opening_packets() {
    lab::rootless(|| {
        let Some(lab) = build(Lab::builder().host("client").host("server").link("client", "server")) else {
            return;
        };
        let address = both(&lab["server"], 8080)[0];
        let listener = lab["server"].run(|| TcpListener::bind(address)).unwrap().unwrap();
        let mut near = lab["client"].run(|| TcpStream::connect(address)).unwrap().unwrap();
        let mut far = listener.accept().unwrap().0;
        let filter = Filter::incoming().tcp_port(8080).opening().drop();
        let Some(_fault) = lab::or_skip(lab["server"].impose(&filter)) else { return };
        near.write_all(b"still here").unwrap();
        let mut heard = [0; 10];
        far.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"still here");
        meets(&lab["client"], address, Errno::ETIMEDOUT, "");
    });
}

#[test]
fn loss_hits_some_packets_and_spares_some() {
    lab::rootless(|| {
        let Some(lab) =
            build(Lab::builder().host("client").host("server").link("client", "server").without_ipv6())
        else {
            return;
        };
        let Some(fault) =
            lab::or_skip(lab["server"].impose(&Filter::incoming().udp_port(53).lose_percent(50)))
        else {
            return;
        };
        let address = SocketAddr::new(lab["server"].ipv4().into(), 53);
        let server = lab["server"].run(|| std::net::UdpSocket::bind(address)).unwrap().unwrap();
        server.set_nonblocking(true).unwrap();
        let client = lab["client"].run(|| std::net::UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
        for _ in 0..400 {
            client.send_to(b"x", address).unwrap();
        }
        // A veth hands over in the sender's own context or a soft interrupt soon after: count until all are accounted for.
        let (start, mut arrived) = (Instant::now(), 0);
        while arrived + fault.packets().unwrap() < 400 && start.elapsed() < Duration::from_secs(5) {
            while server.recv(&mut [0; 8]).is_ok() {
                arrived += 1;
            }
        }
        // 400 throws of a coin: outside 120..280 less often than once in 10^14.
        assert!((120..280).contains(&arrived), "{arrived} of 400 arrived");
        assert_eq!(arrived + fault.packets().unwrap(), 400);
    });
}

#[test]
fn routes_that_lead_nowhere_say_so() {
    lab::rootless(|| {
        let Some(lab) = build(road()) else { return };
        let (client, edge) = (&lab["client"], &lab["edge"]);
        let nowhere: SocketAddr = "203.0.113.7:80".parse().unwrap();
        let nowhere_v6: SocketAddr = "[2001:db8::7]:80".parse().unwrap();
        // At the router: it has no such route, and says so.
        meets(client, nowhere, Errno::ENETUNREACH, "");
        meets(client, nowhere_v6, Errno::ENETUNREACH, "");
        let kinds = [
            (DeadRoute::Blackhole, "198.51.100.0/24", "198.51.100.1:80", Errno::ETIMEDOUT, Errno::EINVAL),
            (
                DeadRoute::Unreachable,
                "192.0.2.0/25",
                "192.0.2.1:80",
                Errno::EHOSTUNREACH,
                Errno::EHOSTUNREACH,
            ),
            (DeadRoute::Prohibit, "192.0.2.128/25", "192.0.2.129:80", Errno::EHOSTUNREACH, Errno::EACCES),
            (
                DeadRoute::Unreachable,
                "2001:db8:1::/64",
                "[2001:db8:1::1]:80",
                Errno::ENETUNREACH,
                Errno::EHOSTUNREACH,
            ),
            (DeadRoute::Prohibit, "2001:db8:2::/64", "[2001:db8:2::1]:80", Errno::EACCES, Errno::EACCES),
        ];
        for (kind, network, address, at_router, at_client) in kinds {
            edge.add_dead_route(network, kind).unwrap();
            meets(client, address.parse().unwrap(), at_router, format!("{kind:?} {network} at the router"));
            client.add_dead_route(network, kind).unwrap();
            meets(client, address.parse().unwrap(), at_client, format!("{kind:?} {network} at the client"));
        }
        // At the client: no route at all.
        assert_eq!(client.remove_routes("0.0.0.0/0").unwrap(), 1);
        assert_eq!(client.remove_routes("::/0").unwrap(), 1);
        assert_eq!(client.remove_routes("0.0.0.0/0").unwrap(), 0);
        let [v4, v6] = both(&lab["server"], 80);
        meets(client, v4, Errno::ENETUNREACH, "");
        meets(client, v6, Errno::ENETUNREACH, "");
        client.add_route("0.0.0.0/0", &edge.ipv4().to_string()).unwrap();
        meets(client, v4, Errno::ECONNREFUSED, "the way is back, and nothing listens");
    });
}

#[test]
fn a_bare_host_has_only_its_own_networks() {
    lab::rootless(|| {
        let lab = Lab::builder().host(HostSpec::new("client").without_routes()).router("edge").host("server");
        let Some(lab) = build(lab.link("client", "edge").link("edge", "server")) else { return };
        meets(&lab["client"], both(&lab["server"], 80)[0], Errno::ENETUNREACH, "");
        meets(&lab["client"], both(&lab["edge"], 80)[0], Errno::ECONNREFUSED, "");
    });
}

#[test]
fn nothing_of_this_machine_is_in_reach() {
    lab::rootless(|| {
        let Some(lab) = build(Lab::builder().host("client").host("server").link("client", "server")) else {
            return;
        };
        let client = &lab["client"];
        let outside = TcpListener::bind("127.0.0.1:0").unwrap();
        meets(client, outside.local_addr().unwrap(), Errno::ECONNREFUSED, "");
        meets(client, "203.0.113.1:80".parse().unwrap(), Errno::ENETUNREACH, "");
        let seen = client.command("cat").arg("/proc/self/net/dev").output().unwrap();
        let seen = String::from_utf8(seen.stdout).unwrap();
        let names: Vec<&str> =
            seen.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim()).collect();
        assert!(names.contains(&"lo") && names.contains(&"eth0"), "{seen}");
        // Some kernels give every namespace fallback tunnel devices, always down; nothing else may be there.
        let fallback = [
            "lo", "eth0", "sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0",
            "ip6gre0",
        ];
        assert!(names.iter().all(|name| fallback.contains(name)), "{seen}");
        // And the other way round: this machine has neither the addresses nor the interfaces of the lab.
        let ours = nix::ifaddrs::getifaddrs().unwrap().filter_map(|known| known.address);
        let ours: Vec<String> = ours.map(|address| address.to_string()).collect();
        for address in both(client, 0).into_iter().chain(both(&lab["server"], 0)) {
            assert!(!ours.iter().any(|known| known.contains(&format!("{}:", address.ip()))), "{ours:?}");
        }
        for (inside, outside) in [("/sys/fs/cgroup", "/sys/fs/cgroup"), ("/etc/passwd", "/etc/passwd")] {
            let listed = client.command("stat").args(["-c", "%d:%i", inside]).output().unwrap();
            use std::os::unix::fs::MetadataExt as _;
            let known = fs::metadata(outside).unwrap();
            assert_eq!(
                String::from_utf8(listed.stdout).unwrap().trim(),
                format!("{}:{}", known.dev(), known.ino())
            );
        }
    });
}

#[test]
fn each_host_has_its_own_names_and_environment() {
    lab::rootless(|| {
        let client = HostSpec::new("client")
            .knows("shop.test", "server")
            .env("PLACE", "the client")
            .nameserver("server");
        let client = client.resolv_conf("search corner.test\noptions timeout:1 attempts:1");
        let Some(lab) = build(Lab::builder().host(client).host("server").link("client", "server")) else {
            return;
        };
        let (client, server) = (&lab["client"], &lab["server"]);
        let getent = |host: &Host, name: &str| {
            let output = host.command("getent").args(["ahostsv4", name]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().split_whitespace().next().map(str::to_owned)
        };
        assert_eq!(getent(client, "shop.test"), Some(server.ipv4().to_string()));
        assert_eq!(getent(server, "shop.test"), None, "only the client was told");
        let here = fs::read_to_string("/etc/hosts").unwrap();
        assert!(!here.contains("shop.test"), "and not this machine");
        server.set_hosts("192.0.2.77 shop.test\n").unwrap();
        assert_eq!(getent(server, "shop.test").as_deref(), Some("192.0.2.77"));

        // In a thread of this process too: through the C library, and as a file.
        let named = |host: &Host| {
            use std::net::ToSocketAddrs as _;
            host.run(|| ("shop.test", 80).to_socket_addrs().map(|mut all| all.next().unwrap().ip()).unwrap())
                .unwrap()
        };
        assert!([IpAddr::from(server.ipv4()), server.ipv6().into()].contains(&named(client)));
        assert_eq!(named(server), "192.0.2.77".parse::<IpAddr>().unwrap());
        let conf = client.run(|| fs::read_to_string("/etc/resolv.conf").unwrap()).unwrap();
        assert_eq!(
            conf,
            format!("nameserver {}\nsearch corner.test\noptions timeout:1 attempts:1\n", server.ipv4())
        );
        assert_eq!(conf, fs::read_to_string(client.resolv_conf_path()).unwrap());
        assert_ne!(fs::read_to_string("/etc/resolv.conf").unwrap_or_default(), conf);

        let env = |host: &Host| String::from_utf8(host.command("env").output().unwrap().stdout).unwrap();
        assert!(env(client).lines().any(|line| line == "PLACE=the client"));
        assert!(!env(server).contains("PLACE"));
        assert!(!env(server).contains("CARGO"), "nothing of the environment of this process");
        server.set_env("PLACE", "the server").unwrap();
        assert!(env(server).lines().any(|line| line == "PLACE=the server"));
        assert!(server.set_env("A=B", "c").is_err() && server.set_env("A", "b\nC=d").is_err());
    });
}

#[test]
fn programs_are_waited_for_bounded_and_killed_with_their_children() {
    lab::rootless(|| {
        let Some(lab) = build(Lab::builder().host("alone")) else { return };
        let host = &lab["alone"];
        let output = host.command("sh").args(["-c", "cat; echo err >&2; exit 3"]).output().unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.as_slice(), output.stderr.as_slice()),
            (Some(3), &b""[..], &b"err\n"[..])
        );
        let late = host.command("sleep").arg("60").limit(Duration::from_millis(50)).status();
        assert!(matches!(late, Err(Error::Overrun { .. })), "{late:?}");
        assert!(matches!(host.command("no-such-program").spawn(), Err(Error::Io { .. })));
        let here = std::env::current_dir().unwrap();
        let output = host.command("pwd").output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), here.to_str().unwrap());

        // One that leaves an orphan in a session of its own, which only the end of the host reaches.
        let script = "setsid sleep 1000 >/dev/null 2>&1 & echo started; wait";
        let mut child =
            host.command("sh").args(["-c", script]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = [0; 8];
        child.stdout.take().unwrap().read_exact(&mut line).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        let namespace = fs::read_link(format!("/proc/{}/ns/pid", child.id())).unwrap();
        assert!(in_namespace(&namespace) >= 3, "the first process, the shell and the sleep");
        let start = Instant::now();
        drop(lab);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(in_namespace(&namespace), 0);
        assert!(child.try_wait().unwrap().is_some());
    });
}

fn in_namespace(namespace: &std::path::Path) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| fs::read_link(entry.path().join("ns/pid")).is_ok_and(|found| found == namespace))
        .count()
}

#[test]
fn a_host_outlives_its_lab_as_a_shell_only() {
    lab::rootless(|| {
        let Some(lab) = build(Lab::builder().host("alone")) else { return };
        let host = lab["alone"].clone();
        let directory = host.hosts_path();
        host.run(|| ()).unwrap();
        drop(lab);
        assert!(matches!(host.run(|| ()), Err(Error::Gone { .. })));
        assert!(matches!(host.command("true").status(), Err(Error::Gone { .. })));
        assert!(matches!(host.run_async(async {}), Err(Error::Gone { .. })));
        assert!(!directory.exists());
    });
}

#[test]
fn tasks_of_a_host_go_on_and_can_be_awaited_outside() {
    lab::rootless(|| {
        let Some(lab) = build(Lab::builder().host("client").host("server").link("client", "server")) else {
            return;
        };
        let address = both(&lab["server"], 8080)[1];
        lab["server"]
            .run_async(async move {
                let listener = tokio::net::TcpListener::bind(address).await.unwrap();
                tokio::spawn(async move {
                    while let Ok((mut stream, _)) = listener.accept().await {
                        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"task").await;
                    }
                });
            })
            .unwrap();
        let asked = lab["client"].spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(address).await?;
            let mut said = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut said).await.map(|_| said)
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(asked.unwrap()).unwrap().unwrap(), "task");
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = lab["client"].run_async(async { panic!("as it should") });
        }));
        assert!(caught.is_err(), "a panic inside is a panic outside");
    });
}

#[test]
fn sysctls_mtu_and_rules_are_as_described() {
    lab::rootless(|| {
        let client = HostSpec::new("client").sysctl("net.ipv4.tcp_syn_retries", "1");
        let lab =
            Lab::builder().host(client).host("server").connect(Link::between("client", "server").mtu(1300));
        let Some(lab) = build(lab) else { return };
        assert_eq!(lab["client"].sysctl("net.ipv4.tcp_syn_retries").unwrap(), "1");
        assert_eq!(lab["server"].sysctl("net.ipv4.tcp_syn_retries").unwrap(), "6");
        let mtu = |host: &str| fs_in(&lab[host], "/proc/sys/net/ipv6/conf/eth0/mtu");
        assert_eq!((mtu("client"), mtu("server")), ("1300".into(), "1300".into()));
        lab["client"].set_mtu("eth0", 1280).unwrap();
        assert_eq!(mtu("client"), "1280");
        assert!(matches!(lab["client"].set_sysctl("kernel.hostname", "x"), Err(Error::NotASysctl { .. })));
        lab["server"].set_down("eth0").unwrap();
        let lost =
            lab["client"].run(|| TcpStream::connect_timeout(&both(&lab["server"], 80)[0], PATIENCE)).unwrap();
        assert!(lost.is_err(), "{lost:?}");
        if lab::or_skip(lab["client"].rules()).is_some() {
            let refused = lab["client"].load_rules("no such rule");
            assert!(
                matches!(&refused, Err(Error::RulesRefused { said, .. }) if said.contains("syntax error")),
                "{refused:?}"
            );
        }
    });
}

fn fs_in(host: &Host, path: &str) -> String {
    host.run(|| fs::read_to_string(path).unwrap().trim().to_owned()).unwrap()
}

#[test]
fn a_slow_cable_delays_both_families_by_its_delay() {
    lab::rootless(|| {
        let delay = Duration::from_millis(40);
        let cable = Link::between("client", "server").delay(delay).mtu(1400);
        let lab = Lab::builder().host("client").host("server").connect(cable).build();
        let Some(lab) = lab::or_skip(lab) else { return };
        for address in both(&lab["server"], 8080) {
            serve(&lab["server"], address, "slow");
            assert_eq!(ask(&lab["client"], address).unwrap(), "slow", "neighbours are known now");
            let took = lab["client"]
                .run(|| {
                    let start = Instant::now();
                    TcpStream::connect(address).map(|_| start.elapsed())
                })
                .unwrap()
                .unwrap();
            assert!(took >= delay * 2, "{address}: a round trip takes two delays, not {took:?}");
            assert!(took < delay * 2 + Duration::from_millis(500), "{address}: {took:?}");
        }
    });
}

#[test]
fn a_slow_cable_reaches_a_switch_and_carries_much() {
    lab::rootless(|| {
        let slow = Link::between("client", "lan").delay(Duration::from_millis(5));
        let lab = Lab::builder()
            .host("client")
            .host("server")
            .switch("lan")
            .connect(slow)
            .link("server", "lan")
            .build();
        let Some(lab) = lab::or_skip(lab) else { return };
        let address = both(&lab["server"], 8080)[0];
        let listener = lab["server"].run(|| TcpListener::bind(address)).unwrap().unwrap();
        let sender =
            thread::spawn(move || listener.accept().unwrap().0.write_all(&vec![7; 1 << 20]).unwrap());
        let mut stream = lab["client"].run(|| TcpStream::connect(address)).unwrap().unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        sender.join().unwrap();
        assert_eq!(received.len(), 1 << 20);
        assert!(received.iter().all(|byte| *byte == 7));
    });
}

//! Connections that fail, each as a real fault beside its twin: real kernels, real routers, real rules.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{REQPATH, Run, name, trace, trace_by};
use reqpath_testkit::dns::{FakeDns, Zone};
use reqpath_testkit::lab::{self, DeadRoute, Fault, Filter, Host, HostSpec, Lab, Link, Rejection};
use reqpath_testkit::mock::{ClosedPort, Connection, FullAcceptQueue, MockUpstream, Reply};
use reqpath_testkit::real::{Unbound, require};

/// `reqpath trace --json` inside a host.
fn trace_in(host: &Host, arguments: &[&str]) -> Run {
    let began = Instant::now();
    let output = host.command(REQPATH).args(["trace", "--json"]).args(arguments).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Run {
        status: output.status.code().unwrap_or(-1),
        report: serde_json::from_str(&stdout).unwrap_or_default(),
        stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        wall: began.elapsed(),
    }
}

/// A client, a router and a server that serves, with a cable slow enough for answers to come from outside.
struct Road {
    lab: Lab,
    server: MockUpstream,
}

impl Road {
    fn open(client: HostSpec) -> Option<Self> {
        let near = Link::between("client", "edge").delay(Duration::from_millis(1));
        let lab = Lab::builder().host(client).router("edge").host("server");
        let lab = lab::or_skip(lab.connect(near).link("edge", "server").build())?;
        lab::or_skip(lab["edge"].rules())?;
        let start = || MockUpstream::builder().bind(IpAddr::from([0; 16])).reply(Reply::ok("open")).start();
        let server = lab["server"].run(start).unwrap().unwrap();
        Some(Self { lab, server })
    }

    fn usual() -> Option<Self> {
        Self::open(HostSpec::new("client"))
    }

    fn port(&self) -> u16 {
        self.server.address().port()
    }

    fn v4(&self) -> SocketAddr {
        SocketAddr::new(self.lab["server"].ipv4().into(), self.port())
    }

    fn v6(&self) -> SocketAddr {
        SocketAddr::new(self.lab["server"].ipv6().into(), self.port())
    }

    fn impose(&self, host: &str, filter: &Filter) -> Fault {
        self.lab[host].impose(filter).unwrap()
    }

    fn trace(&self, to: SocketAddr, more: &[&str]) -> Run {
        self.trace_url(&format!("http://{to}/"), more)
    }

    fn trace_url(&self, url: &str, more: &[&str]) -> Run {
        let mut arguments = more.to_vec();
        if !more.contains(&"--max-time") {
            arguments.extend(["--max-time", "3"]);
        }
        arguments.push(url);
        trace_in(&self.lab["client"], &arguments)
    }
}

#[track_caller]
fn assert_at(run: &Run, hop: &str) {
    assert_eq!(run.report["verdict"]["at"]["hop"], hop, "{}", run.told());
    assert_eq!(
        run.report["verdict"]["at"]["station"],
        run.code().split('.').next().unwrap(),
        "{}",
        run.told()
    );
}

#[test]
fn a_port_where_nothing_listens_refuses() {
    let closed = ClosedPort::reserve().unwrap();
    let run = trace([format!("http://{}/", closed.address())]);
    run.assert_died("tcp.refused").assert_not_blamed("tcp.timed_out");
    assert_at(&run, "server");
    assert!(run.ruled_out().contains(&"tcp.administratively_prohibited"), "{}", run.told());
    let attempt = run.seen("tcp.attempt")[0];
    assert_eq!(attempt["failure"]["symbol"], "ECONNREFUSED");
    assert!(attempt["failure"]["local"].as_str().is_some_and(|local| local.starts_with("127.0.0.1:")));
    assert!(run.report["findings"][0]["error"].as_str().unwrap().contains("Connection refused"));
    assert!(run.wall < Duration::from_secs(2), "{:?}", run.wall);
}

#[test]
fn an_open_road_is_reached_over_both_versions_with_nothing_to_say() {
    let Some(road) = Road::usual() else { return };
    for to in [road.v4(), road.v6()] {
        let run = road.trace(to, &[]);
        run.assert_reached();
        assert!(run.found("warning").is_empty(), "{}", run.told());
        assert_eq!(run.seen("tcp.route")[0]["kind"], "unicast");
        assert_eq!(run.seen("tcp.attempt")[0]["kernel"]["state"], 1);
    }
}

#[test]
fn each_rejection_of_a_rule_is_another_cause() {
    let Some(road) = Road::usual() else { return };
    for (rejection, code) in [
        (Rejection::TcpReset, "tcp.refused"),
        (Rejection::PortUnreachable, "tcp.administratively_prohibited"),
        (Rejection::AdminProhibited, "tcp.administratively_prohibited"),
        (Rejection::HostUnreachable, "tcp.address_unreachable"),
        (Rejection::NetUnreachable, "tcp.address_unreachable"),
    ] {
        let fault = road.impose("edge", &Filter::forwarded().tcp_port(road.port()).reject(rejection));
        for to in [road.v4(), road.v6()] {
            let run = road.trace(to, &[]);
            run.assert_died(code);
            for other in [
                "tcp.refused",
                "tcp.administratively_prohibited",
                "tcp.address_unreachable",
                "tcp.no_local_route",
                "tcp.timed_out",
            ] {
                if other != code {
                    run.assert_not_blamed(other);
                }
            }
            let offender = &run.seen("tcp.attempt")[0]["failure"]["icmp"]["offender"];
            assert_eq!(offender.is_string(), rejection != Rejection::TcpReset, "{}", run.told());
            assert!(run.wall < Duration::from_secs(3), "{:?}", run.wall);
        }
        assert!(fault.packets().unwrap() >= 2);
        fault.lift().unwrap();
    }
}

#[test]
fn the_host_that_rejects_is_the_one_that_is_blamed() {
    let Some(road) = Road::usual() else { return };
    let rule = |filter: Filter| filter.tcp_port(road.port()).reject(Rejection::AdminProhibited);
    for (host, filter, blamed) in
        [("server", Filter::incoming(), "server"), ("client", Filter::outgoing(), "client")]
    {
        let fault = road.impose(host, &rule(filter));
        let run = road.trace(road.v4(), &["--max-time", "4"]);
        run.assert_died("tcp.administratively_prohibited");
        assert_at(&run, blamed);
        fault.lift().unwrap();
    }
}

#[test]
fn a_filtered_port_is_silent_and_no_full_queue() {
    let Some(road) = Road::usual() else { return };
    road.impose("edge", &Filter::forwarded().tcp_port(road.port()).drop());
    let run = road.trace(road.v4(), &["--connect-timeout", "1.5"]);
    run.assert_died("tcp.timed_out").assert_not_blamed("tcp.accept_queue_full");
    let attempt = run.seen("tcp.attempt")[0];
    let limit = attempt["limit_us"].as_u64().unwrap();
    assert!((1_300_000..=1_500_000).contains(&limit), "{}", run.told());
    let failure = &attempt["failure"];
    assert_eq!((&failure["timed_out"], &failure["kernel"]["total_retrans"]), (&true.into(), &1.into()));
    let verdict = run.report["verdict"]["cause"]["summary"].as_str().unwrap();
    assert!(verdict.contains("2 SYNs"), "{verdict}");
}

#[test]
fn a_full_accept_queue_is_told_from_a_filter() {
    let full = FullAcceptQueue::start().unwrap();
    let run =
        trace(["--max-time", "2.5", "--connect-timeout", "1.2", &format!("http://{}/", full.address())]);
    run.assert_died("tcp.accept_queue_full");
    assert_at(&run, "server");
    assert_eq!(run.report["verdict"]["chain"], serde_json::json!(["tcp.timed_out", "tcp.accept_queue_full"]));

    // The same silence with an empty queue.
    let Some(lab) = lab::or_skip(Lab::builder().host("host").build()) else { return };
    let listener = lab["host"].run(|| TcpListener::bind("127.0.0.1:0")).unwrap().unwrap();
    let at = listener.local_addr().unwrap();
    if lab::or_skip(lab["host"].rules()).is_none() {
        return;
    }
    lab["host"].impose(&Filter::incoming().tcp_port(at.port()).drop()).unwrap();
    let run =
        trace_in(&lab["host"], &["--max-time", "2.5", "--connect-timeout", "1.2", &format!("http://{at}/")]);
    run.assert_died("tcp.timed_out").assert_not_blamed("tcp.accept_queue_full");
    assert!(run.ruled_out().contains(&"tcp.accept_queue_full"), "{}", run.told());
}

#[test]
fn a_dead_route_of_this_host_is_not_one_of_a_router() {
    let Some(road) = Road::usual() else { return };
    for (to, network) in
        [(road.v4(), format!("{}/32", road.v4().ip())), (road.v6(), format!("{}/128", road.v6().ip()))]
    {
        for (kind, here, there) in [
            (DeadRoute::Unreachable, "tcp.no_local_route", "tcp.address_unreachable"),
            (DeadRoute::Prohibit, "tcp.administratively_prohibited", "tcp.administratively_prohibited"),
            (DeadRoute::Blackhole, "tcp.no_local_route", "tcp.timed_out"),
        ] {
            road.lab["client"].add_dead_route(&network, kind).unwrap();
            let run = road.trace(to, &[]);
            run.assert_died(here).assert_not_blamed("tcp.address_unreachable");
            assert_at(&run, "client");
            road.lab["client"].remove_routes(&network).unwrap();

            road.lab["edge"].add_dead_route(&network, kind).unwrap();
            let run = road.trace(to, &["--connect-timeout", "0.9", "--max-time", "2"]);
            run.assert_died(there).assert_not_blamed("tcp.no_local_route");
            road.lab["edge"].remove_routes(&network).unwrap();
        }
    }
}

#[test]
fn a_host_without_a_route_is_to_blame_itself() {
    let Some(road) = Road::open(HostSpec::new("client").without_routes()) else { return };
    for to in [road.v4(), road.v6()] {
        let run = road.trace(to, &[]);
        run.assert_died("tcp.no_local_route").assert_not_blamed("tcp.address_unreachable");
        assert_at(&run, "client");
    }
}

#[test]
fn an_address_to_which_no_connection_can_lead() {
    let Some(road) = Road::usual() else { return };
    // The kernel has a route for each, and says no at once.
    let broadcast = Ipv4Addr::from(u32::from(road.lab["client"].ipv4()) | 0xff);
    let port = fastrand::u16(1..);
    for (to, why) in [
        ((broadcast, port).into(), "a broadcast address"),
        ((Ipv4Addr::new(224, 0, 0, fastrand::u8(1..)), port).into(), "a multicast address"),
        (format!("[fe80::{:x}]:{port}", fastrand::u16(1..)).parse().unwrap(), "a link-local address"),
    ] {
        let run = road.trace(to, &[]);
        run.assert_died("tcp.failed").assert_not_blamed("tcp.no_local_route");
        run.assert_not_blamed("tcp.address_unreachable").assert_not_blamed("tcp.timed_out");
        assert_at(&run, "client");
        let summary = run.report["verdict"]["cause"]["summary"].as_str().unwrap();
        assert!(summary.contains(why), "{summary}");
        assert!(run.ruled_out().contains(&"tcp.no_local_route"), "{}", run.told());
    }
    // Without any route, the same addresses are another matter.
    let Some(cut_off) = Road::open(HostSpec::new("client").without_routes()) else { return };
    let run = cut_off.trace((Ipv4Addr::new(224, 0, 0, 9), port).into(), &[]);
    run.assert_died("tcp.no_local_route").assert_not_blamed("tcp.failed");
}

#[test]
fn a_neighbour_that_does_not_answer_is_unreachable() {
    let Some(road) = Road::usual() else { return };
    let client = &road.lab["client"];
    // The kernel asks three times; it need not take a second each.
    client.set_sysctl("net.ipv4.neigh.eth0.retrans_time_ms", "100").unwrap();
    let IpAddr::V4(own) = IpAddr::from(client.ipv4()) else { unreachable!() };
    let [a, b, c, _] = own.octets();
    let run = road.trace(SocketAddr::new([a, b, c, 250].into(), 80), &["--max-time", "6"]);
    run.assert_died("tcp.address_unreachable").assert_not_blamed("tcp.no_local_route");
    assert!(run.report["verdict"]["cause"]["summary"].as_str().unwrap().contains("eth0"), "{}", run.told());
}

#[test]
fn one_dead_address_of_two_is_reached_with_a_warning() {
    let server = MockUpstream::start(Reply::ok("x")).unwrap();
    let (name, port) = (name(), server.address().port());
    let url = format!("http://{name}:{port}/");
    for addresses in ["127.0.0.1,127.0.0.9", "127.0.0.9,127.0.0.1"] {
        let resolve = format!("{name}:{port}:{addresses}");
        let run = trace(["--resolve", &resolve, &url]);
        run.assert_reached().assert_warned("dns.dead_address").assert_not_blamed("dns.broken_family");
        let strict = trace(["--fail-on", "warning", "--resolve", &resolve, &url]);
        assert_eq!((strict.kind(), strict.status), ("reached", 1), "{}", strict.told());
    }
    // Both dead: then it is not one address.
    let closed = ClosedPort::reserve_at(IpAddr::from([0; 4])).unwrap();
    let port = closed.address().port();
    let run = trace([
        "--resolve",
        &format!("{name}:{port}:127.0.0.8,127.0.0.9"),
        &format!("http://{name}:{port}/"),
    ]);
    run.assert_died("tcp.refused").assert_not_blamed("dns.dead_address");
}

#[test]
fn a_version_of_ip_that_is_filtered_is_broken_and_one_that_is_missing_is_not() {
    let Some(road) = Road::usual() else { return };
    let (name, port) = (name(), road.port());
    let resolve = format!("{name}:{port}:[{}],{}", road.v6().ip(), road.v4().ip());
    let url = format!("http://{name}:{port}/");
    let fault = road.impose("edge", &Filter::forwarded().to(format!("{}/128", road.v6().ip())).drop());
    let run = road.trace_url(&url, &["--max-time", "5", "--resolve", &resolve]);
    run.assert_reached().assert_warned("dns.broken_family").assert_not_blamed("dns.dead_address");
    assert!(run.wall < Duration::from_secs(4), "{:?}", run.wall);
    let used = run.seen("tcp.attempt").into_iter().find(|attempt| attempt["used"] == true).unwrap();
    assert!(used["local"].as_str().unwrap().starts_with(&road.lab["client"].ipv4().to_string()));
    fault.lift().unwrap();

    // A client that has no IPv6 at all: nobody's fault.
    for network in ["::/0", "default"] {
        let _ = road.lab["client"].remove_routes(network);
    }
    let run = road.trace_url(&url, &["--resolve", &resolve]);
    run.assert_reached();
    assert!(run.found("warning").is_empty(), "{}", run.told());
}

#[test]
fn a_lost_segment_is_counted_and_kills_nobody() {
    // Every other one, beginning with the first: a SYN, or the request itself.
    for (lost, place) in [("(syn | ack) == syn", "tcp.attempt"), ("psh == psh", "tcp.kernel")] {
        let Some(road) = Road::usual() else { return };
        let rule = format!(
            "table inet loss {{ chain in {{ type filter hook input priority 0; \
             tcp dport {} tcp flags & {lost} numgen inc mod 2 == 0 drop; }}\n}}",
            road.port()
        );
        road.lab["server"].load_rules(&rule).unwrap();
        let run = road.trace(road.v4(), &["--max-time", "5"]);
        run.assert_reached().assert_warned("tcp.retransmits");
        let seen = run.seen(place)[0];
        let kernel = if place == "tcp.kernel" { seen } else { &seen["kernel"] };
        // The reuse look sends a second request over the same connection.
        assert!(kernel["total_retrans"].as_u64() >= Some(1), "{}", run.told());
    }
}

#[test]
fn every_third_sample_refused_is_degraded() {
    let Some(road) = Road::usual() else { return };
    let rule = format!(
        "table inet third {{ chain in {{ type filter hook input priority 0; \
         tcp dport {} tcp flags & (syn | ack) == syn numgen inc mod 3 == 2 reject with tcp reset; }}\n}}",
        road.port()
    );
    road.lab["server"].load_rules(&rule).unwrap();
    let run = road.trace(road.v4(), &["-n", "12", "--deadline", "20"]);
    run.assert_degraded("tcp.refused");
    let outcome = &run.report["verdict"]["outcome"];
    let died = outcome["died"].as_u64().unwrap();
    assert_eq!(outcome["samples"], 12, "{outcome}");
    assert!((3..=6).contains(&died), "{outcome}");
}

#[test]
fn ports_that_are_used_up_are_the_clients_own_trouble() {
    let narrow = HostSpec::new("client").sysctl("net.ipv4.ip_local_port_range", "41000 41003");
    let Some(road) = Road::open(narrow) else { return };
    let to = road.v4();
    let run = road.trace(to, &["--resolve", "x:1:127.0.0.1"]);
    run.assert_reached();
    let held: Vec<TcpStream> = road.lab["client"]
        .run(|| std::iter::from_fn(|| TcpStream::connect(to).ok()).take(10).collect())
        .unwrap();
    assert!(!held.is_empty() && held.len() <= 4);
    let run = road.trace(to, &[]);
    run.assert_died("client.ports_exhausted")
        .assert_not_blamed("tcp.timed_out")
        .assert_not_blamed("tcp.no_local_route");
    assert_at(&run, "client");
    assert_eq!(run.seen("tcp.ports")[0]["first"], 41000);
    // Another destination has ports left.
    road.trace(road.v6(), &[]).assert_reached();
}

#[test]
fn a_process_without_descriptors_says_so() {
    let server = MockUpstream::start(Reply::ok("x")).unwrap();
    let url = format!("http://{}/", server.address());
    // How many descriptors the program needs before it dials is its own affair: find the limit at which it starts.
    let run = (4..64)
        .map(|limit| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), REQPATH]);
            trace_by(command, [&url])
        })
        .find(|run| !run.report.is_null() && run.kind() != "unknown")
        .unwrap();
    run.assert_died("client.fds_exhausted").assert_not_blamed("tcp.failed");
    assert_at(&run, "client");
    let seen = run.seen("tcp.descriptors")[0];
    // More than the limit where the shell before had others open.
    assert!(seen["open"].as_u64() >= seen["limit"].as_u64(), "{}", run.told());
    assert_eq!(server.connection_count(), 0);
}

#[test]
fn a_peer_that_hangs_up_on_everybody_is_not_one_that_dislikes_the_request() {
    for (connection, code) in
        [(Connection::close_at_accept(), "tcp.closed"), (Connection::reset_at_accept(), "tcp.reset")]
    {
        for scheme in ["http", "https"] {
            let server = MockUpstream::builder().connections(connection.clone()).start().unwrap();
            let run = trace(["--max-time", "5", &format!("{scheme}://{}/", server.address())]);
            run.assert_died(code);
        }
    }
    for (connection, code) in [
        (Connection::close_after_first_bytes(), "http.response.empty"),
        (Connection::reset_after_first_bytes(), "http.response.reset"),
    ] {
        let server = MockUpstream::builder().connections(connection).start().unwrap();
        let run = trace(["--max-time", "5", &format!("http://{}/", server.address())]);
        run.assert_died(code).assert_not_blamed("tcp.closed").assert_not_blamed("tcp.reset");
        assert_eq!(run.seen("tcp.silence")[0]["closed"], "none", "{}", run.told());
    }
}

#[test]
fn a_line_in_the_hosts_file_is_blamed_for_where_it_leads() {
    let name = name();
    let client = HostSpec::new("client")
        .resolv_conf("options timeout:1")
        .nameserver("edge")
        .knows(&name, "192.0.2.66");
    let Some(road) = Road::open(client) else { return };
    let (zone, host) = name.split_once('.').map(|(host, zone)| (zone, host)).unwrap();
    let zone = Zone::new(zone).a(host, road.lab["server"].ipv4());
    let at = SocketAddr::new(road.lab["edge"].interface_on("client-edge").unwrap().addresses[0].ip(), 53);
    let _dns =
        road.lab["edge"].run(|| FakeDns::builder().bind_exactly(at).zone(zone).start()).unwrap().unwrap();
    road.lab["edge"].add_dead_route("192.0.2.0/24", DeadRoute::Unreachable).unwrap();
    let url = format!("http://{name}:{}/", road.port());
    let run = road.trace_url(&url, &["--max-time", "5"]);
    run.assert_died("client.hosts_override").assert_not_blamed("dns.stale_answer");
    assert_at(&run, "client");
    assert!(run.report["verdict"]["chain"].to_string().contains("tcp.address_unreachable"), "{}", run.told());

    // The same line with the address that the DNS has: nothing is overridden.
    road.lab["client"].set_hosts(&format!("{} {name}\n", road.lab["server"].ipv4())).unwrap();
    let run = road.trace_url(&url, &["--max-time", "5"]);
    run.assert_reached().assert_not_blamed("client.hosts_override");
}

#[test]
fn a_cache_with_the_old_address_is_blamed_once_the_zone_has_moved() {
    let Some(road) = Road::usual() else { return };
    let name = name();
    let (host, origin) = name.split_once('.').unwrap();
    let (old, new) = (road.lab["edge"].ipv4(), road.lab["server"].ipv4());
    let zone = |address| Zone::new(origin).ttl(300).record("@", "NS", "ns").a("ns", new).a(host, address);
    let at = SocketAddr::new(new.into(), 53);
    let authority = FakeDns::builder().bind_exactly(at).zone(zone(old)).authoritative();
    let authority = road.lab["server"].run(|| authority.start()).unwrap().unwrap();
    let cache = Unbound::builder().on(old).ask(origin, at);
    let Some(cache) = require(road.lab["edge"].run(|| cache.start()).unwrap()) else { return };
    let (server, url) = (cache.address().to_string(), format!("http://{name}:{}/", road.port()));
    let arguments = ["--max-time", "8", "--authority", "--dns-server", &server];

    // The zone says so too: it is simply refused.
    let run = road.trace_url(&url, &arguments);
    run.assert_died("tcp.refused").assert_not_blamed("dns.stale_answer");

    authority.replace_zones([zone(new)]).unwrap();
    let run = road.trace_url(&url, &arguments);
    run.assert_died("dns.stale_answer").assert_not_blamed("client.hosts_override");
    assert!(run.report["verdict"]["chain"].to_string().contains("tcp.refused"), "{}", run.told());
    let summary = run.report["verdict"]["cause"]["summary"].as_str().unwrap();
    assert!(summary.contains(&old.to_string()) && summary.contains(&new.to_string()), "{summary}");

    // As long as the old address serves, nobody dies of it.
    let there = SocketAddr::new(old.into(), road.port());
    let start = || MockUpstream::builder().bind_exactly(there).reply(Reply::ok("old")).start();
    let _still = road.lab["edge"].run(start).unwrap().unwrap();
    road.trace_url(&url, &arguments).assert_reached().assert_not_blamed("dns.stale_answer");
}

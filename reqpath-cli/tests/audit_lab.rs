//! Look-alikes on the road between the hosts, made by real routers, rules, resolvers and proxies.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use common::{REQPATH, Run, name};
use reqpath_testkit::dns::{FakeDns, Zone};
use reqpath_testkit::lab::{self, DeadRoute, Filter, Host, HostSpec, Lab};
use reqpath_testkit::mock::{MockUpstream, Reply};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{Nginx, Unbound, require};

/// `reqpath trace --json` inside a host, with these variables in its environment.
fn trace_in(host: &Host, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = host.command(REQPATH).args(["trace", "--json"]).args(arguments);
    for (variable, value) in variables {
        command = command.env(variable, value);
    }
    let began = Instant::now();
    let output = command.output().unwrap();
    Run::of(&output, began.elapsed())
}

/// A client, a router with rules, and a server behind it.
fn road(client: HostSpec) -> Option<Lab> {
    let lab = Lab::builder().host(client).router("edge").host("server");
    let lab = lab::or_skip(lab.link("client", "edge").link("edge", "server").build())?;
    lab::or_skip(lab["edge"].rules())?;
    Some(lab)
}

fn serving(host: &Host, reply: Reply) -> MockUpstream {
    let start = || MockUpstream::builder().bind(IpAddr::from([0; 4])).reply(reply).start();
    host.run(start).unwrap().unwrap()
}

fn of(host: &Host, mock: &MockUpstream) -> SocketAddr {
    SocketAddr::new(host.ipv4().into(), mock.address().port())
}

/// A nameserver on a host's port 53, at the address by which others know it.
fn nameserver(host: &Host, zone: Zone) -> FakeDns {
    let at = SocketAddr::new(host.ipv4().into(), 53);
    host.run(|| FakeDns::builder().bind_exactly(at).zone(zone).start()).unwrap().unwrap()
}

#[track_caller]
fn assert_only(run: &Run, code: &str, twins: &[&str]) {
    run.assert_died(code);
    for twin in twins {
        run.assert_not_blamed(twin);
    }
}

#[test]
fn silence_of_the_far_end_is_neither_a_nameserver_s_nor_a_handshake_s() {
    let Some(lab) = road(HostSpec::new("client").nameserver("edge")) else { return };
    let server = serving(&lab["server"], Reply::ok("open"));
    let (name, to) = (name(), of(&lab["server"], &server));
    let (host, origin) = name.split_once('.').unwrap();
    let dns = nameserver(&lab["edge"], Zone::new(origin).a(host, lab["server"].ipv4()));
    let url = |scheme: &str| format!("{scheme}://{name}:{}/", to.port());
    trace_in(&lab["client"], &[], &["--max-time", "4", &url("http")]).assert_reached();
    let fault = lab["edge"].impose(&Filter::forwarded().tcp_port(to.port()).drop()).unwrap();
    for scheme in ["http", "https"] {
        let run = trace_in(&lab["client"], &[], &["--max-time", "1.5", &url(scheme)]);
        assert_only(
            &run,
            "tcp.timed_out",
            &[
                "dns.timed_out",
                "dns.partial_resolvers",
                "tls.timed_out",
                "http.response.timed_out",
                "client.ports_exhausted",
                "client.deadline_too_short",
            ],
        );
        for kind in ["tls.handshake", "http.exchange"] {
            assert!(run.seen(kind).is_empty(), "{kind} was never reached\n{}", run.told());
        }
    }
    assert!(fault.packets().unwrap() > 0 && dns.query_count() > 0);
}

#[test]
fn a_filter_before_the_proxy_and_one_before_the_target_are_two_things() {
    let Some(lab) = road(HostSpec::new("client")) else { return };
    let server = serving(&lab["server"], Reply::ok("open"));
    let to = of(&lab["server"], &server);
    // The proxy stands on the router itself, and its port is filtered there.
    let proxy = SocketAddr::new(lab["edge"].ipv4().into(), fastrand::u16(3000..4000));
    let through = format!("http://{proxy}");
    let url = format!("http://{to}/");
    let arguments = ["--max-time", "1", "--deadline", "4", &url];
    let held = lab["edge"].impose(&Filter::incoming().tcp_port(proxy.port()).drop()).unwrap();
    let run = trace_in(&lab["client"], &[("http_proxy", &through)], &arguments);
    run.assert_died("client.proxy_env");
    assert!(run.report["verdict"]["chain"].to_string().contains("tcp.timed_out"), "{}", run.told());
    held.lift().unwrap();

    // The twin: the variable is set and exempts the target, which is filtered.
    lab["edge"].impose(&Filter::forwarded().tcp_port(to.port()).drop()).unwrap();
    let network = format!("{}/24", lab["server"].ipv4());
    for exempt in ["*", network.as_str()] {
        let variables = [("http_proxy", through.as_str()), ("no_proxy", exempt)];
        let run = trace_in(&lab["client"], &variables, &arguments);
        assert_only(&run, "tcp.timed_out", &["client.proxy_env"]);
    }
}

#[test]
fn a_proxy_that_keeps_an_old_address_is_not_the_client_s_stale_answer() {
    let Some(lab) = road(HostSpec::new("client").nameserver("edge")) else { return };
    let app = serving(&lab["edge"], Reply::ok("old"));
    let origin = format!("z{:08x}.test", fastrand::u32(..));
    let (old, new) = (lab["edge"].ipv4(), lab["server"].ipv4());
    let zone = |app| Zone::new(&origin).record("@", "NS", "ns").a("ns", old).a("front", new).a("app", app);
    let dns = nameserver(&lab["edge"], zone(old));
    // nginx looks the name up once, when it starts.
    lab["server"].set_resolv_conf(&format!("nameserver {old}\n")).unwrap();
    let listen = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), fastrand::u16(8000..9000));
    let server = format!(
        "listen {{listen}}; proxy_connect_timeout 1s;
         location / {{ proxy_pass http://app.{origin}:{}; }}",
        app.address().port()
    );
    let started = lab["server"].start(|| Nginx::builder().at("", listen).server(&server).start());
    let Some(_nginx) = lab::or_skip(started) else { return };
    let url = format!("http://front.{origin}:{}/", listen.port());
    let arguments = ["--max-time", "4", "--authority", &url];
    trace_in(&lab["client"], &[], &arguments).assert_reached();
    drop(app);
    dns.replace_zones([zone(new)]).unwrap();
    let run = trace_in(&lab["client"], &[], &arguments);
    assert_only(&run, "http.error", &["dns.stale_answer", "dns.dead_address", "dns.resolvers_disagree"]);
    assert!(run.report["verdict"]["cause"]["summary"].as_str().unwrap().contains("502"), "{}", run.told());
}

#[test]
fn of_two_nameservers_one_is_behind_the_zone() {
    let Some(lab) = road(HostSpec::new("client")) else { return };
    let server = serving(&lab["server"], Reply::ok("open"));
    let origin = format!("z{:08x}.test", fastrand::u32(..));
    let (old, new) = (Ipv4Addr::new(192, 0, 2, 77), lab["server"].ipv4());
    lab["edge"].add_dead_route("192.0.2.0/24", DeadRoute::Unreachable).unwrap();
    let zone = |www| Zone::new(&origin).ttl(300).record("@", "NS", "ns").a("ns", new).a("www", www);
    let at = SocketAddr::new(new.into(), 53);
    let start = || FakeDns::builder().bind_exactly(at).zone(zone(old)).authoritative().start();
    let authority = lab["server"].run(start).unwrap().unwrap();
    let cache = || Unbound::builder().on(lab["edge"].ipv4()).ask(&origin, at).start();
    let Some(behind) = require(lab["edge"].run(cache).unwrap()) else { return };
    let url = format!("http://www.{origin}:{}/", server.address().port());
    let (behind, zone_s_own) = (behind.address().to_string(), at.to_string());
    let trace = |servers: [&str; 2], more: &[&str]| {
        let base = ["--max-time", "6", "--dns-server", servers[0], "--dns-server", servers[1], &url];
        trace_in(&lab["client"], &[], &[&base, more].concat())
    };
    let run = trace([&behind, &zone_s_own], &["--authority"]);
    assert_only(&run, "tcp.address_unreachable", &["dns.stale_answer", "dns.resolvers_disagree"]);

    authority.replace_zones([zone(new)]).unwrap();
    // Without the zone's own word nobody knows which of them is right.
    let run = trace([&behind, &zone_s_own], &[]);
    assert_only(&run, "tcp.address_unreachable", &["dns.stale_answer"]);
    run.assert_warned("dns.resolvers_disagree");
    assert!(run.stdout.contains("--authority"), "how to find out: {}", run.told());
    let run = trace([&behind, &zone_s_own], &["--authority"]);
    run.assert_died("dns.stale_answer");
    assert!(!run.found("fatal").contains(&"client.hosts_override"), "{}", run.told());
    // Asked first, the one that is right lets the request live.
    trace([&zone_s_own, &behind], &["--authority"])
        .assert_reached()
        .assert_warned("dns.resolvers_disagree")
        .assert_not_blamed("dns.dead_address");
}

#[test]
fn a_device_between_that_resets_what_it_reads_is_not_a_port_that_resets() {
    let Some(lab) = road(HostSpec::new("client")) else { return };
    let name = name();
    let leaf = Authority::new().unwrap().leaf(&name).issue().unwrap();
    let plain = serving(&lab["server"], Reply::ok("open"));
    let start =
        || MockUpstream::builder().bind(IpAddr::from([0; 4])).tls(&leaf).reply(Reply::ok("x")).start();
    let secured = lab["server"].run(start).unwrap().unwrap();
    lab["edge"]
        .load_rules(
            "table inet reader { chain between { type filter hook forward priority 0;
               tcp flags & psh == psh reject with tcp reset; }\n}",
        )
        .unwrap();
    let (to, over) = (of(&lab["server"], &plain), of(&lab["server"], &secured));
    let run = trace_in(&lab["client"], &[], &["--max-time", "4", &format!("http://{to}/")]);
    assert_only(
        &run,
        "http.response.reset",
        &["tcp.reset", "tcp.refused", "client.stale_connection", "http.response.empty"],
    );
    let resolve = format!("{name}:{}:{}", over.port(), over.ip());
    let url = format!("https://{name}:{}/", over.port());
    let run = trace_in(&lab["client"], &[], &["--max-time", "4", "--resolve", &resolve, &url]);
    assert_only(&run, "tls.protocol.error", &["tcp.reset", "http.response.reset", "tls.plaintext_peer"]);
    assert_eq!((plain.request_count(), secured.request_count()), (0, 0));
}

#[test]
fn answers_that_are_not_translated_back_are_no_reset_of_the_server() {
    let Some(lab) = road(HostSpec::new("client")) else { return };
    let server = serving(&lab["server"], Reply::ok("open"));
    let inner = of(&lab["server"], &server);
    // The client asks an outer address; the router translates, but forgets to for answers with data in them.
    let outer = lab["edge"].ipv4();
    let port = fastrand::u16(20_000..30_000);
    lab["edge"]
        .load_rules(&format!(
            "table ip outer {{
               chain forget {{ type filter hook prerouting priority raw;
                 ip saddr {} tcp sport {} tcp flags & psh == psh counter notrack; }}
               chain in {{ type nat hook prerouting priority dstnat; tcp dport {port} dnat to {inner}; }}
             }}",
            inner.ip(),
            inner.port()
        ))
        .unwrap();
    let url = format!("http://{outer}:{port}/");
    let run = trace_in(&lab["client"], &[], &["--max-time", "1.2", &url]);
    assert_only(
        &run,
        "http.response.timed_out",
        &[
            "http.response.reset",
            "tcp.reset",
            "response.truncated",
            "client.stale_connection",
            "response.stalled",
        ],
    );
    assert!(server.request_count() >= 1, "the request came through");
}

#[test]
fn large_segments_that_vanish_let_small_answers_pass() {
    let Some(lab) = road(HostSpec::new("client")) else { return };
    let small = serving(&lab["server"], Reply::ok("open"));
    let large = serving(&lab["server"], Reply::ok(vec![b'x'; 200_000]));
    // A hole for what is longer than a tunnel would carry, and nobody says so.
    lab["edge"]
        .load_rules(
            "table inet hole { chain between { type filter hook forward priority 0;
               tcp flags & ack == ack meta length > 1200 counter drop; }\n}",
        )
        .unwrap();
    let url = |mock: &MockUpstream| format!("http://{}/", of(&lab["server"], mock));
    trace_in(&lab["client"], &[], &["--max-time", "4", &url(&small)]).assert_reached();
    let run = trace_in(&lab["client"], &[], &["--max-time", "1.5", &url(&large)]);
    assert_eq!(run.kind(), "died", "{}", run.told());
    assert!(matches!(run.code(), "response.stalled" | "http.response.timed_out"), "{}", run.told());
    run.assert_died(run.code()).assert_not_blamed("client.deadline_too_short");
    for code in ["response.truncated", "response.reset_mid_body", "tcp.timed_out", "http.response.empty"] {
        run.assert_not_blamed(code);
    }
}

#[test]
fn each_family_is_taken_when_asked_for_alone() {
    let Some(lab) = road(HostSpec::new("client")) else { return };
    let start = || MockUpstream::builder().bind(IpAddr::from([0; 16])).reply(Reply::ok("open")).start();
    let server = lab["server"].run(start).unwrap().unwrap();
    let (name, port) = (name(), server.address().port());
    let (v4, v6) = (lab["server"].ipv4(), lab["server"].ipv6());
    let resolve = format!("{name}:{port}:{v4},[{v6}]");
    let url = format!("http://{name}:{port}/");
    for (flag, at) in [("-4", SocketAddr::from((v4, port))), ("-6", SocketAddr::from((v6, port)))] {
        let run = trace_in(&lab["client"], &[], &[flag, "--max-time", "4", "--resolve", &resolve, &url]);
        run.assert_reached();
        let attempts = run.report["observations"].as_array().unwrap().iter();
        let attempts: Vec<_> = attempts.filter(|seen| seen["kind"] == "tcp.attempt").collect();
        let elsewhere = attempts.iter().filter(|seen| seen["subject"]["leg"]["address"] != at.to_string());
        assert_eq!((attempts.is_empty(), elsewhere.count()), (false, 0), "{}", run.told());
        // A place given by --connect-to is an address like any other.
        let rule = format!("::{}:{port}", if at.is_ipv6() { format!("[{v6}]") } else { v4.to_string() });
        let nowhere = format!("http://{name}.invalid/");
        trace_in(&lab["client"], &[], &["--max-time", "4", "--connect-to", &rule, &nowhere]).assert_reached();
    }
}

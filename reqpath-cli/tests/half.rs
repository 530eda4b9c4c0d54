//! Half-bugs: some requests die, and what tells them from the others is named.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::{REQPATH, Run, judge_again, name, reqpath, run, trace};
use reqpath_testkit::dns::{FakeDns, Zone};
use reqpath_testkit::lab::{Host, HostSpec, Lab, or_skip};
use reqpath_testkit::mock::{Connection, MockUpstream, Reply, Request, Tls};
use reqpath_testkit::pki::Authority;
use serde_json::{Value, json};

/// The samples that the design asks for.
const N: [&str; 2] = ["-n", "24"];

/// Two servers or more on one port of several addresses, each with an answer of its own.
fn servers(replies: &[(IpAddr, u16)]) -> (u16, Vec<MockUpstream>) {
    'port: for _ in 0..50 {
        let mut servers: Vec<MockUpstream> = Vec::new();
        for (address, status) in replies {
            let port = servers.first().map_or(0, |first| first.address().port());
            let at = SocketAddr::new(*address, port);
            let reply = Reply::status(*status).body("hello");
            match MockUpstream::builder().bind_exactly(at).reply(reply).start() {
                Ok(server) => servers.push(server),
                // Somebody else has it on that address.
                Err(_) => continue 'port,
            }
        }
        return (servers[0].address().port(), servers);
    }
    panic!("no port is free on all of {replies:?}");
}

fn v4(last: u8) -> IpAddr {
    IpAddr::from(Ipv4Addr::new(127, 0, 0, last))
}

const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The one thing that separates, of a trace in which some requests died.
#[track_caller]
fn separated(run: &Run) -> &Value {
    let by = run.report["verdict"]["separated_by"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(by.len(), 1, "{}", run.told());
    let confirmed = by[0]["confirmed"]["p"].as_f64().unwrap();
    assert!(confirmed <= 0.01 && by[0]["p"].as_f64().unwrap() <= 0.05, "{}", run.told());
    &by[0]
}

/// Exactly these attributes, and the value that fails; all that had it died, and nobody else.
#[track_caller]
fn assert_separated(run: &Run, attributes: &[&str], value: &str) {
    let by = separated(run);
    assert_eq!(
        (&by["attributes"], by["value"].as_str()),
        (&json!(attributes), Some(value)),
        "{}",
        run.told()
    );
    for round in [by, &by["confirmed"]] {
        assert_eq!(round["failing"]["died"], round["failing"]["of"], "{}", run.told());
        assert_eq!(round["others"]["died"], 0, "{}", run.told());
    }
}

#[track_caller]
fn assert_not_separated(run: &Run) {
    assert_eq!(run.report["verdict"]["separated_by"], Value::Null, "{}", run.told());
}

#[test]
fn one_address_of_three_answers_502() {
    let (port, servers) = servers(&[(v4(1), 200), (v4(2), 502), (v4(3), 200)]);
    let host = name();
    let resolve = format!("{host}:{port}:127.0.0.1,127.0.0.2,127.0.0.3");
    let url = format!("http://{host}:{port}/");
    let run = trace([&url, "--resolve", &resolve, N[0], N[1]]);
    run.assert_degraded("http.error");
    assert_separated(&run, &["address"], &format!("127.0.0.2:{port}"));
    let by = separated(&run);
    // In turn, and in the further round one with it and one without.
    assert_eq!((&by["failing"]["of"], &by["confirmed"]["failing"]["of"]), (&json!(8), &json!(12)));
    assert_eq!(
        run.report["verdict"]["outcome"],
        json!({"samples": 24, "died": 8}),
        "only the first round counts"
    );
    assert!(servers.iter().map(MockUpstream::request_count).sum::<u64>() <= announced(&url, &resolve));
    let text = run_text([&url, "--resolve", &resolve, N[0], N[1]]);
    let line = format!("what tells them apart: address 127.0.0.2:{port}: all 8 died, 0 of 16 others");
    assert!(text.lines().nth(1).unwrap().starts_with(&line), "{text}");
}

/// The requests that a dry run announces.
fn announced(url: &str, resolve: &str) -> u64 {
    let plan = run_text([url, "--resolve", resolve, N[0], N[1], "--dry-run"]);
    let requests = plan.lines().filter(|line| line.contains(" × request"));
    requests.map(|line| line.split_whitespace().next().unwrap().parse::<u64>().unwrap()).sum()
}

fn run_text<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let mut command = reqpath();
    command.arg("trace").args(arguments);
    run(command).stdout
}

#[test]
fn two_addresses_of_four_are_named_as_a_set() {
    let (port, _servers) = servers(&[(v4(1), 200), (v4(2), 502), (v4(3), 200), (v4(4), 502)]);
    let host = name();
    let resolve = format!("{host}:{port}:127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4");
    let run = trace([&format!("http://{host}:{port}/"), "--resolve", &resolve, N[0], N[1]]);
    run.assert_degraded("http.error");
    assert_separated(&run, &["address"], &format!("127.0.0.2:{port} or 127.0.0.4:{port}"));
}

#[test]
fn deaths_that_depend_on_nothing_have_no_name() {
    let died = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62 == 0;
    let reply = move |request: &Request| {
        Reply::status(if died(request.connection) { 502 } else { 200 }).body("hello")
    };
    for _ in 0..5 {
        let server = MockUpstream::start(reply).unwrap();
        let run = trace([&server.url("/"), N[0], N[1]]);
        assert_not_separated(&run);
    }
    // Nor where all die, and nothing is there to compare with.
    let (port, _servers) = servers(&[(v4(1), 502), (v4(2), 502)]);
    let host = name();
    let resolve = format!("{host}:{port}:127.0.0.1,127.0.0.2");
    let run = trace([&format!("http://{host}:{port}/"), "--resolve", &resolve, N[0], N[1]]);
    run.assert_died("http.error");
    assert_not_separated(&run);
}

#[test]
fn ipv6_answers_502_from_every_address() {
    let Some(lab) = or_skip(Lab::builder().host("client").host("server").link("client", "server").build())
    else {
        return;
    };
    let (client, server) = (&lab["client"], &lab["server"]);
    let mut command = server.command("ip");
    let other = Ipv6Addr::from(u128::from(server.ipv6()) + 0x100);
    command = command.args([
        "-6",
        "address",
        "add",
        &format!("{other}/64"),
        "dev",
        &server.interfaces()[0].name,
        "nodad",
    ]);
    assert!(command.output().unwrap().status.success());
    let start = |address: IpAddr, status| {
        let reply = Reply::status(status).body("hello");
        let upstream = MockUpstream::builder().bind_exactly(SocketAddr::new(address, 8080)).reply(reply);
        server.run(|| upstream.start().unwrap()).unwrap()
    };
    let _up = [start(server.ipv4().into(), 200), start(server.ipv6().into(), 502), start(other.into(), 502)];
    let host = name();
    let resolve = format!("{host}:8080:{},{other},{}", server.ipv6(), server.ipv4());
    let run = trace_on(client, &[&format!("http://{host}:8080/"), "--resolve", &resolve, N[0], N[1]]);
    run.assert_degraded("http.error");
    let by = separated(&run);
    assert_eq!(by["attributes"].as_array().unwrap().len(), 2, "{}", run.told());
    assert!(by["attributes"].as_array().unwrap().contains(&json!("family")), "{}", run.told());
    assert!(by["value"].as_str().unwrap().contains("IPv6"), "{}", run.told());
}

/// `reqpath trace --json` on a host of a lab.
fn trace_on(host: &Host, arguments: &[&str]) -> Run {
    let began = Instant::now();
    let output = host.command(REQPATH).args(["trace", "--json"]).args(arguments).output().unwrap();
    let wall = began.elapsed();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Run {
        status: output.status.code().unwrap_or(-1),
        report: serde_json::from_str(&stdout).unwrap_or(Value::Null),
        stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        wall,
    }
}

#[test]
fn one_nameserver_of_two_does_not_know_the_name() {
    let (port, _servers) = servers(&[(v4(1), 200)]);
    let zone = format!("{}.test", name().replace('.', "-"));
    let good = FakeDns::start(Zone::new(&zone).a("www", Ipv4Addr::LOCALHOST)).unwrap();
    let bad = FakeDns::start(Zone::new(&zone).a("other", Ipv4Addr::LOCALHOST)).unwrap();
    let (one, two) = (good.address().to_string(), bad.address().to_string());
    let url = format!("http://www.{zone}:{port}/");
    let run = trace([&url, "--dns-server", &one, "--dns-server", &two, N[0], N[1]]);
    run.assert_degraded("dns.resolvers_disagree");
    assert_separated(&run, &["resolver"], &two);
}

#[test]
fn one_nameserver_of_two_gives_a_bad_address() {
    let (port, _servers) = servers(&[(v4(1), 200), (v4(2), 502)]);
    let zone = format!("{}.test", name().replace('.', "-"));
    let good = FakeDns::start(Zone::new(&zone).a("www", Ipv4Addr::LOCALHOST)).unwrap();
    let bad = FakeDns::start(Zone::new(&zone).a("www", Ipv4Addr::new(127, 0, 0, 2))).unwrap();
    let (one, two) = (good.address().to_string(), bad.address().to_string());
    let url = format!("http://www.{zone}:{port}/");
    let run = trace([&url, "--dns-server", &one, "--dns-server", &two, N[0], N[1]]);
    run.assert_degraded("http.error");
    assert_separated(&run, &["resolver", "address"], &format!("{two}, 127.0.0.2:{port}"));
}

#[test]
fn a_link_of_a_bundle_is_dead() {
    // A hash over the ports chooses the link: every second pair of ports meets the dead one.
    let rules = "table inet bundle {\n chain input {\n type filter hook input priority 0\n \
                 tcp dport 8080 tcp sport & 2 == 2 drop\n }\n}\n";
    let Some(lab) = or_skip(Lab::builder().host(HostSpec::new("client")).build()) else { return };
    let client = &lab["client"];
    let upstream =
        MockUpstream::builder().bind_exactly(SocketAddr::new(v4(1), 8080)).reply(Reply::ok("hello"));
    let _upstream = client.run(|| upstream.start().unwrap()).unwrap();
    if or_skip(client.load_rules(rules)).is_none() {
        return;
    }
    let limits = ["--connect-timeout", "0.3", "--deadline", "50"];
    let run = trace_on(client, &[&["http://127.0.0.1:8080/", N[0], N[1]], &limits[..]].concat());
    run.assert_degraded("tcp.timed_out");
    assert_separated(&run, &["source_port"], "2 to 3 modulo 4");
}

#[test]
fn large_answers_are_cut() {
    let reply = |request: &Request| {
        let size = 500 + (request.connection * 7919 % 1000) as usize * 100;
        let reply = Reply::ok(vec![b'x'; size]);
        if size > 50_000 { reply.truncate_after(50_000) } else { reply }
    };
    let server = MockUpstream::start(reply).unwrap();
    let run = trace([&server.url("/"), N[0], N[1]]);
    run.assert_degraded("response.truncated");
    let by = separated(&run);
    assert_eq!(by["attributes"], json!(["response_size"]), "{}", run.told());
    assert!(by["value"].as_str().unwrap().ends_with(" or more"), "{}", run.told());
}

#[test]
fn one_version_of_http_fails() {
    let authority = Authority::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trust = folder.path().join("ca.pem");
    std::fs::write(&trust, authority.certificate_pem()).unwrap();
    let host = name();
    let leaf = authority.leaf(&host).issue().unwrap();
    let start = |address: IpAddr, port: u16, alpn: &str, status| {
        MockUpstream::builder()
            .bind_exactly(SocketAddr::new(address, port))
            .tls(Tls::new(&leaf).alpn(&[alpn]))
            .reply(Reply::status(status).body("hello"))
            .start()
    };
    let (port, _servers) = (0..50)
        .find_map(|_| {
            let first = start(v4(1), 0, "h2", 502).ok()?;
            let port = first.address().port();
            let second = start(v4(2), port, "http/1.1", 200).ok()?;
            Some((port, [first, second]))
        })
        .unwrap();
    let resolve = format!("{host}:{port}:127.0.0.1,127.0.0.2");
    let url = format!("https://{host}:{port}/");
    let run = trace([&url, "--resolve", &resolve, "--cacert", trust.to_str().unwrap(), N[0], N[1]]);
    run.assert_degraded("http.error");
    // Each version lives at an address of its own, and both are said.
    assert_separated(&run, &["address", "http_version"], &format!("127.0.0.1:{port}, HTTP/2"));
}

#[test]
fn used_connections_lose_requests() {
    let second = Mutex::new(HashSet::new());
    let reply = move |request: &Request| match second.lock().unwrap().insert(request.connection) {
        true => Reply::ok("hello"),
        false => Reply::reset(),
    };
    let server = MockUpstream::start(reply).unwrap();
    let run = trace([&server.url("/"), N[0], N[1]]);
    run.assert_reached().assert_warned("client.stale_connection");
    assert_separated(&run, &["reused"], "yes");
}

#[test]
fn connections_that_were_idle_for_long_lose_requests() {
    let connection = Connection::serve().dead_after_idle(Duration::from_secs(1));
    let server = MockUpstream::builder().connections(connection).reply(Reply::ok("hello")).start().unwrap();
    let run = trace([&server.url("/"), N[0], N[1], "--idle", "20ms,2s", "--deadline", "20"]);
    run.assert_reached().assert_warned("client.stale_connection");
    assert_separated(&run, &["idle"], "2.00 s or more");
}

#[test]
fn healthy_connections_have_nothing_to_tell() {
    let (port, _servers) = servers(&[(v4(1), 200), (V6, 200)]);
    let host = name();
    let resolve = format!("{host}:{port}:::1,127.0.0.1");
    let run = trace([&format!("http://{host}:{port}/"), "--resolve", &resolve, N[0], N[1], "--idle", "20ms"]);
    run.assert_reached();
    assert_not_separated(&run);
    let used_again = run.seen("request.reused");
    // Eleven of the samples, at once and after the pause.
    assert_eq!(used_again.len(), 22, "{}", run.told());
    assert!(used_again.iter().all(|again| again["left"] == "alive"));
    let few = trace([&format!("http://{host}:{port}/"), "--resolve", &resolve, "-n", "9"]);
    assert!(few.seen("request.reused").is_empty(), "nine are not compared");
    assert!(few.seen("request.trial").iter().all(|trial| trial["attributes"].is_null()));
}

#[test]
fn what_a_client_gets_over_has_nothing_to_tell() {
    // One address of each IP version is closed: the client goes on to the next, whoever has the first turn.
    let (port, _servers) = servers(&[(v4(1), 200), (v4(2), 200)]);
    let host = name();
    let resolve = format!("{host}:{port}:::1,127.0.0.1,127.0.0.2,127.0.0.3");
    let run = trace([&format!("http://{host}:{port}/"), "--resolve", &resolve, N[0], N[1]]);
    run.assert_reached();
    assert_not_separated(&run);
}

/// A report as logs make it: which node and which Pod each request went to.
fn logged(died: impl Fn(u32, u32, u32) -> bool) -> Value {
    let mut observations = Vec::new();
    for sample in 0..48_u32 {
        let (node, pod) = (sample % 3, sample * 7 / 3 % 4);
        let subject = json!({"leg": {"from": "client", "to": "server", "sample": sample}});
        let status = if died(sample, node, pod) { 502 } else { 200 };
        let role = if sample < 24 { "fresh" } else { "confirm" };
        observations.push(json!({"kind": "http.exchange", "subject": subject,
            "data": {"request": {"url": "http://server.example/"}, "status": status, "end": "complete"}}));
        for (name, value) in [("node", format!("node-{node}")), ("pod", format!("web-{pod}"))] {
            observations.push(json!({"kind": "request.attribute", "subject": subject,
                "data": {"name": name, "value": value}}));
        }
        observations.push(json!({"kind": "request.trial", "subject": subject,
            "data": {"role": role, "left": "alive", "stage": "http", "sent": true, "arrived": "yes"}}));
    }
    json!({"schema": "reqpath.report/1", "observations": observations})
}

#[test]
fn nodes_and_pods_are_told_by_logs() {
    let by_node = judge_again(&logged(|_, node, _| node == 1).to_string());
    by_node.assert_degraded("http.error");
    assert_separated(&by_node, &["node"], "node-1");
    let by_pod = judge_again(&logged(|_, _, pod| pod == 2).to_string());
    by_pod.assert_degraded("http.error");
    assert_separated(&by_pod, &["pod"], "web-2");
    let by_neither = judge_again(&logged(|sample, _, _| sample * 5 % 7 < 2).to_string());
    by_neither.assert_degraded("http.error");
    assert_not_separated(&by_neither);
    // Without the further round nothing is named.
    let mut unconfirmed = logged(|_, node, _| node == 1);
    unconfirmed["observations"].as_array_mut().unwrap().retain(|seen| seen["data"]["role"] != "confirm");
    let run = judge_again(&unconfirmed.to_string());
    run.assert_degraded("http.error");
    assert_not_separated(&run);
}

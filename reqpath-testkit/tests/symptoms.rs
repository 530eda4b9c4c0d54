//! The nine symptoms of `docs/symptoms.md`, each made on the ready-made road, seen by something that knows of no
//! verdict, and judged as the page says.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails as the test does"
)]

mod page;
mod ready;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs as _};

use reqpath_core::{Report, Verdict};
use reqpath_stages::Road;
use reqpath_testkit::{
    MockUpstream,
    lab::{self, Host, WholeRoad, road::TrafficPolicy},
    mock::Reply,
    real::{Knot, Unbound, Zone, require},
    scenario::Needed,
};
use serde::Deserialize;

use page::Page;
use ready::{PATIENCE, Ready, curl, dial, off, shown, told};

/// Where a nameserver of the road listens.
const EVERYWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 53));

/// What the page says of a symptom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// The stages that the cause's own code needs.
    #[serde(default)]
    requires: Vec<Needed>,
    /// The cause's code.
    code: String,
    /// The verdict without those stages: its kind, the hop, the chain.
    verdict: String,
    /// Where that is unknown: a part of the look that would tell.
    look: Option<String>,
    /// Where there are several: what each status is called.
    #[serde(default)]
    codes: BTreeMap<String, String>,
}

fn page() -> Page {
    Page::read("symptoms.md")
}

fn said(number: usize) -> Said {
    let section = page().section(number);
    let text = section.fence("toml").unwrap_or_else(|| panic!("symptom {number} has no expectation"));
    toml::from_str(text).unwrap_or_else(|error| panic!("symptom {number}: {error}"))
}

/// The verdict is as the page says, for what the pipeline can name so far.
#[track_caller]
fn as_said(number: usize, report: &Report) {
    as_said_of(&said(number), report);
}

#[track_caller]
fn as_said_of(said: &Said, report: &Report) {
    let mut stages = Road::new();
    stages.whole = true;
    let known = stages.pipeline().unwrap().catalogue().find(&said.code).is_some();
    if known {
        let found = report.findings.iter().any(|finding| finding.code == said.code);
        assert!(found, "{} is not found\n{}", said.code, shown(report));
    } else {
        assert!(
            !said.requires.is_empty(),
            "{} is in no catalogue, and no stage is said to bring it",
            said.code
        );
    }
    if known && !said.requires.is_empty() {
        return;
    }
    match (&said.look, report.verdict.as_ref().unwrap()) {
        (Some(look), Verdict::Unknown { at: Some(at), what_would_tell, .. }) => {
            assert_eq!(format!("unknown {}", at.hop), said.verdict, "\n{}", shown(report));
            assert!(what_would_tell.iter().any(|tells| tells.contains(look)), "{what_would_tell:?}");
        }
        _ => assert_eq!(told(report), said.verdict, "\n{}", shown(report)),
    }
}

#[test]
fn the_page_lists_nine_and_tells_of_each() {
    let page = page();
    let rows: Vec<Vec<&str>> = page.table();
    assert_eq!((rows.len(), page.sections().len()), (9, 9));
    for (number, row) in (1..).zip(&rows) {
        let section = page.section(number);
        let said = said(number);
        assert_eq!(row[0], number.to_string());
        assert_eq!(row[1], section.title, "the table and the text speak of the same");
        assert!(row[4].contains(&said.code), "{row:?} names {}", said.code);
        let needs: Vec<&str> = said.requires.iter().map(|needed| needed.stage()).collect();
        for stage in ["nginx", "apisix", "k8s", "node", "db"] {
            let told = section.text.contains(&format!("stage `{stage}`"));
            assert_eq!(told, needs.contains(&stage), "symptom {number}, {stage}");
        }
        assert!(section.fence("sh").is_some_and(|command| command.contains("reqpath trace")));
        assert!(section.text.contains(&format!("\nWhy: {}", row[3])), "why: {row:?}");
        assert!(said.codes.values().all(|code| row[4].contains(code)), "{row:?}");
    }
}

#[test]
fn symptom_1_changed_server_and_still_the_old_address() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        // Before the move the front was on the machine of the nameserver; the zone's own server tells.
        let outside = |host: &Host| host.interface_on("outside").unwrap().addresses[0].ip();
        let (old, new) = (outside(&ready.road.dns.host), outside(&ready.road.edge.host));
        let zone = |www: IpAddr| {
            let soa = "@ SOA dns.road.test. hostmaster.road.test. 1 3600 600 86400 60\n@ NS dns\n";
            Zone::new("road.test", &format!("{soa}dns A {old}\nwww A {www}\n"))
        };
        let host = ready.road.dns.host.clone();
        let serve = |zone| lab::or_skip(host.start(|| Knot::builder().zone(zone).at(EVERYWHERE).start()));
        off(ready.road.dns.knot.leash(), "TERM");
        let Some(mut before) = serve(zone(old)) else { return };
        let server =
            MockUpstream::builder().bind_exactly((old, 80).into()).reply(Reply::ok("the old server"));
        let server = host.run(|| server.start()).unwrap().unwrap();
        // The client asks a cache of its own, as many do.
        let cache = || {
            Unbound::builder().at((Ipv4Addr::LOCALHOST, 53).into()).ask("road.test", (old, 53).into()).start()
        };
        let Some(_cache) = require(ready.road.client.run(cache).unwrap()) else { return };
        ready.road.client.set_resolv_conf("nameserver 127.0.0.1\n").unwrap();
        let Some((status, body)) = curl(&ready.road.client, &ready.road.front_url(), &[]) else { return };
        assert_eq!((status, body.as_str()), (200, "the old server"));

        drop(server);
        off(before.leash(), "TERM");
        let Some(_after) = serve(zone(new)) else { return };
        // Seen: by its name nothing, at its new address everything.
        assert_eq!(curl(&ready.road.client, &ready.road.front_url(), &[]).unwrap().0, 0);
        let right = format!("www.road.test:80:{new}");
        // The gateway's name is in the zone no more, and the edge looked it up long ago.
        let there = curl(&ready.road.client, &ready.road.front_url(), &["--resolve", &right]);
        assert_eq!(there.unwrap().0, 200);

        let mut how = ready.how("/");
        how.stages.dns.authority = true;
        as_said(1, &ready.trace_as(how, |walk| walk));
    });
}

#[test]
fn symptom_2_now_and_then_502_with_a_strange_upstream_address() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        let (stays, gone) = (ready.road.nodes[0].node_port(), ready.road.nodes[1].node_port());
        // The second node is gone, and its name leads to the first. The gateway looked it up when it started.
        without_rules(&ready, 1);
        off(ready.road.dns.knot.leash(), "TERM");
        let edge = ready.road.edge.host.interface_on("outside").unwrap().addresses[0].ip();
        let zone = Zone::new("road.test", &format!("www A {edge}\nnode1 A {0}\nnode2 A {0}\n", stays.ip()));
        let host = ready.road.dns.host.clone();
        let knot = host.start(|| Knot::builder().zone(zone).at(EVERYWHERE).start());
        let Some(_knot) = lab::or_skip(knot) else { return };
        // Its people know where it is now.
        let nodes = ready.path.hops.iter_mut().find(|hop| hop.id.as_str() == "nodes").unwrap();
        nodes.addresses.truncate(1);

        let report = ready.trace_often("/", 24);
        as_said(2, &report);
        let apart = report.verdict.as_ref().unwrap().separated_by();
        assert!(apart.iter().any(|by| by.value.contains(&gone.to_string())), "{apart:#?}");
        // Seen: the log names an address that the name does not give.
        let gateway = ready.road.gateway.as_ref().unwrap();
        let line = format!("upstream=\"{gone}\" upstream_status=\"502\"");
        assert!(gateway.access_log().wait_for(PATIENCE, |said| said.contains(&line)).is_some());
        let look = || ("node2.road.test", 0).to_socket_addrs().unwrap().map(|at| at.ip()).collect::<Vec<_>>();
        assert_eq!(gateway.host.run(look).unwrap(), [stays.ip()]);
    });
}

#[test]
fn symptom_3_access_forbidden_by_rule_for_whom_it_allows() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        let client = ready.road.client.ipv4();
        let rule = format!("location / {{\nallow {client}; deny all;\n");
        Ready::reconfigured(ready.gateway(), "location / {\n", &rule);
        let report = ready.trace("/");
        as_said(3, &report);
        // Seen: the rule judged the edge, and the client it allows stands in a header.
        let gateway = ready.road.gateway.as_ref().unwrap();
        assert!(gateway.error_log().text().contains("access forbidden by rule, client: "));
        let edge = ready.road.edge.host.interface_on("inside").unwrap().addresses[0].ip();
        let line = format!("{edge} ");
        assert!(gateway.access_log().lines().iter().all(|said| said.starts_with(&line)));
    });
}

#[test]
fn symptom_4_a_clear_refusal_is_the_gateway_s() {
    lab::rootless(|| {
        let said = said(4);
        let refusals = [
            ("401", "", "auth_basic \"shop\"; auth_basic_user_file /dev/null;"),
            ("403", "", "return 403;"),
            (
                "429",
                "limit_req_zone $server_port zone=few:1m rate=1r/m;",
                "limit_req zone=few; limit_req_status 429;",
            ),
        ];
        for (status, http, location) in refusals {
            let Some(mut ready) = Ready::up(Ready::strict().nodes(1)) else { return };
            let gateway = ready.gateway();
            Ready::reconfigured(gateway, "upstream next {", &format!("{http}\nupstream next {{"));
            Ready::reconfigured(gateway, "location / {\n", &format!("location / {{\n{location}\n"));
            // The one that is allowed in a minute.
            let Some((met, _)) = curl(&ready.road.client, &ready.road.front_url(), &[]) else { return };
            let served = || ready.road.pods[0].application.served().len();
            let before = served();
            assert_eq!(met == 200, status == "429", "{met}");
            let report = ready.trace("/");
            let expected = said.verdict.replace(&said.code, &said.codes[status]);
            assert_eq!(told(&report), expected, "\n{}", shown(&report));
            // Seen: the gateway asked nobody, and nobody was asked. Only the Pods' own entry came there.
            let (client, gateway) = (&ready.road.client, ready.road.gateway.as_ref().unwrap());
            let refused = format!("\" {status} ");
            let line = gateway.access_log().wait_for(PATIENCE, |line| line.contains(&refused)).unwrap();
            assert!(line.contains("upstream=\"-\""), "{line}");
            let entries = served() - before;
            assert!(entries > 0, "entered further in, it works");
            assert_eq!(curl(client, &ready.road.front_url(), &[]).unwrap().0.to_string(), status);
            assert_eq!(served() - before, entries);
        }
    });
}

#[test]
fn symptom_5_502_and_nothing_in_the_logs_behind() {
    lab::rootless(|| {
        let edge = "proxy_next_upstream off; proxy_read_timeout 1s;";
        let road = WholeRoad::builder().without_ipv6().without_gateway().without_marking_down();
        let road = road.traffic_policy(TrafficPolicy::Local).edge_directives(edge);
        let Some(mut ready) = Ready::up(road) else { return };
        // The second node is off. That nobody answers for its address shows after three tries.
        let inside = |host: &Host| host.interface_on("inside").unwrap().name.clone();
        let (edge, dead) = (&ready.road.edge.host, &ready.road.nodes[1].host);
        let pause = format!("net.ipv4.neigh.{}.retrans_time_ms", inside(edge));
        edge.set_sysctl(&pause, "40").unwrap();
        dead.set_down(&inside(dead)).unwrap();
        let pods = ready.path.hops.iter_mut().find(|hop| hop.id.as_str() == "pods").unwrap();
        pods.addresses.truncate(1);

        let report = ready.trace_often("/", 24);
        as_said(5, &report);
        // Seen: what died is in the first log, and nowhere behind.
        let dead = ready.road.nodes[1].node_port();
        let line = format!("upstream=\"{dead}\" upstream_status=\"502\"");
        let line = ready.road.edge.access_log().wait_for(PATIENCE, |said| said.contains(&line)).unwrap();
        let id = line.rsplit_once("id=\"").unwrap().1.trim_end_matches('"').to_owned();
        let of_it = |served: &lab::road::Served| served.request_id.as_deref() == Some(&id);
        assert!(!ready.road.pods.iter().any(|pod| pod.application.served().iter().any(of_it)), "{line}");
        assert!(dial(&ready.road.edge.host, dead).is_err());
    });
}

#[test]
fn symptom_6_all_the_load_on_one_node() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        let gateway = ready.gateway();
        Ready::reconfigured(gateway, "server node2.road.test:30080 max_fails=0;", "");
        for _ in 0..12 {
            let Some((status, _)) = curl(&ready.road.client, &ready.road.front_url(), &[]) else { return };
            assert_eq!(status, 200);
        }
        // Seen: by the counters of the nodes.
        let count = |node: usize| ready.road.nodes[node].connections().unwrap();
        assert_eq!((count(0), count(1)), (12, 0));
        as_said(6, &ready.trace("/"));
    });
}

#[test]
fn symptom_7_the_backend_sees_only_nodes() {
    lab::rootless(|| {
        for (policy, masked) in [(TrafficPolicy::Cluster, true), (TrafficPolicy::Local, false)] {
            let Some(ready) = Ready::up(Ready::strict().traffic_policy(policy)) else { return };
            let Some((status, _)) = curl(&ready.road.client, &ready.road.front_url(), &[]) else { return };
            assert_eq!(status, 200);
            // Seen: by the Pod, and by the counters of the nodes.
            let served: Vec<_> = ready.road.pods.iter().flat_map(|pod| pod.application.served()).collect();
            let gateway = ready.road.gateway.as_ref().unwrap();
            let of_a_node = |ip| ready.road.nodes.iter().any(|node| node.host.ips().any(|own| own == ip));
            assert_eq!(of_a_node(served[0].peer.ip()), masked, "{served:?}");
            assert_eq!(gateway.host.ips().any(|own| own == served[0].peer.ip()), !masked, "{served:?}");
            let count: u64 = ready.road.nodes.iter().map(|node| node.masqueraded().unwrap()).sum();
            assert_eq!(count > 0, masked);
            if masked {
                as_said(7, &ready.trace("/"));
            } else {
                assert_eq!(told(&ready.trace("/")), "reached");
            }
        }
    });
}

#[test]
fn symptom_8_errors_right_after_a_deploy() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        // The new Pod is routed to, and its application has not begun to listen.
        let new = ready.road.pods.remove(1);
        let (host, address) = (new.host.clone(), new.address());
        drop(new);
        let node = ready.road.nodes[0].host.clone();
        assert_eq!(dial(&node, address), Err(ErrorKind::ConnectionRefused));
        as_said(8, &ready.trace_often("/", 24));

        // A while later it does, and nobody has touched anything.
        let listening = MockUpstream::builder().bind_exactly(address).reply(Reply::ok("here I am"));
        let _listening = host.run(|| listening.start()).unwrap().unwrap();
        assert_eq!(dial(&node, address), Ok(()));
        let report = ready.trace_often("/", 24);
        assert_eq!(told(&report), "reached", "\n{}", shown(&report));
    });
}

#[test]
fn symptom_9_a_service_with_nobody_behind_it() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        // What kube-proxy writes for a Service whose endpoints are empty.
        for node in &ready.road.nodes {
            let refuses = "flush table inet reqpath_service\n\
                           table inet reqpath_service { chain empty { type filter hook input priority 0;\n\
                           tcp dport 30080 counter reject\n}\n}";
            node.host.load_rules(refuses).unwrap();
        }
        // Nobody is ready, so nobody is listed.
        ready.path.hops.iter_mut().find(|hop| hop.id.as_str() == "pods").unwrap().addresses.clear();
        let gateway = ready.road.gateway.as_ref().unwrap().host.clone();
        let at: Vec<SocketAddr> = ready.road.nodes.iter().map(lab::road::Node::node_port).collect();
        assert!(at.iter().all(|at| dial(&gateway, *at) == Err(ErrorKind::ConnectionRefused)));
        let rules = ready.road.nodes[0].host.rules().unwrap();
        assert!(rules.contains("reject") && !rules.contains("dnat"), "{rules}");
        as_said(9, &ready.trace("/"));
    });
}

/// The Service's rules of a node are gone.
fn without_rules(ready: &Ready, node: usize) {
    let node = &ready.road.nodes[node];
    node.host.load_rules("flush table inet reqpath_service").unwrap();
    assert_eq!(dial(&ready.road.edge.host, node.node_port()), Err(ErrorKind::ConnectionRefused));
}

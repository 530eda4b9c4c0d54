//! The ready-made road, whole and with each of its parts killed: which hop, which cause, by which chain.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

mod ready;

use std::io::ErrorKind;

use reqpath_core::{Report, Weight};
use reqpath_testkit::{
    lab::{self, Filter, WholeRoad},
    pki::Authority,
};

use ready::{Ready, assert_told, dial, off, shown, told};

fn fatal(report: &Report) -> Vec<&str> {
    let fatal = report.findings.iter().filter(|finding| finding.weight == Weight::Fatal);
    fatal.map(|finding| &*finding.code).collect()
}

#[test]
fn a_healthy_road_is_reached_with_and_without_the_database() {
    lab::rootless(|| {
        let Some(ready) = Ready::up(WholeRoad::builder()) else { return };
        for at in ["/", "/db"] {
            let report = ready.trace(at);
            assert_told(&report, "reached");
            assert!(report.findings.is_empty(), "{}", shown(&report));
        }
        // Every instance was entered, from the place of the hop before.
        let report = ready.trace("/");
        let trials: Vec<String> = report
            .observations
            .iter()
            .filter(|seen| seen.kind() == "request.trial")
            .map(|seen| seen.subject.to_string())
            .collect();
        let entries = ready.path.hops.iter().skip(2).map(|hop| hop.addresses.len()).sum::<usize>();
        assert_eq!(entries, 2 + 4 + 4 + 1);
        assert!(trials.len() > entries, "{trials:#?}");
    });
}

#[test]
fn a_road_without_a_gateway_and_with_one_node_is_reached() {
    lab::rootless(|| {
        let Some(ready) = Ready::up(WholeRoad::builder().nodes(1).without_gateway()) else { return };
        let report = ready.trace("/db");
        assert_told(&report, "reached");
        assert!(report.findings.is_empty(), "{}", shown(&report));
    });
}

#[test]
fn without_its_dns_server_nothing_leaves_the_client() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        off(ready.road.dns.knot.leash(), "TERM");
        let report = ready.trace("/");
        assert_told(&report, "died client dns.unreachable");
    });
}

#[test]
fn an_edge_that_is_off_refuses() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        off(ready.road.edge.nginx.leash(), "TERM");
        assert_told(&ready.trace("/"), "died edge tcp.refused");
    });
}

#[test]
fn a_gateway_that_is_off_is_named_through_the_edge_s_log_and_a_dial_from_there() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        off(ready.gateway().leash(), "TERM");
        let report = ready.trace("/");
        assert_told(&report, "died gateway http.error<proxy.connection_refused<tcp.refused");
    });
}

#[test]
fn a_node_without_rules_is_nobody_s_death_where_the_proxy_tries_another() {
    lab::rootless(|| {
        let Some(ready) = Ready::up(Ready::calm()) else { return };
        without_rules(&ready, 1);
        let report = ready.trace_often("/", 4);
        assert_told(&report, "reached");
        assert!(fatal(&report).is_empty(), "{}", shown(&report));
        assert!(report.findings.iter().any(|finding| finding.code == "tcp.refused"), "{}", shown(&report));
    });
}

#[test]
fn two_nodes_without_rules_refuse() {
    lab::rootless(|| {
        let Some(ready) = Ready::up(Ready::strict()) else { return };
        without_rules(&ready, 0);
        without_rules(&ready, 1);
        let report = ready.trace("/");
        assert_told(&report, "died nodes http.error<proxy.connection_refused<tcp.refused");
    });
}

#[test]
fn one_dead_node_of_two_is_told_apart_at_24() {
    lab::rootless(|| {
        let Some(ready) = Ready::up(Ready::strict()) else { return };
        without_rules(&ready, 1);
        let report = ready.trace_often("/", 24);
        assert!(told(&report).starts_with("degraded nodes "), "{}", shown(&report));
        assert!(told(&report).ends_with("tcp.refused"), "{}", shown(&report));
        let apart = report.verdict.as_ref().unwrap().separated_by();
        let dead = ready.road.nodes[1].node_port().ip().to_string();
        assert!(apart.iter().any(|by| by.value.contains(&dead)), "{apart:#?}\n{}", shown(&report));
    });
}

#[test]
fn one_dead_pod_of_two_is_told_at_24() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        let dead = ready.road.pods.remove(1);
        let address = dead.address();
        drop(dead);
        assert_eq!(dial(&ready.road.nodes[0].host, address), Err(ErrorKind::ConnectionRefused));
        let report = ready.trace_often("/", 24);
        assert!(told(&report).starts_with("degraded pods "), "{}", shown(&report));
        assert!(told(&report).ends_with("tcp.refused"), "{}", shown(&report));
    });
}

#[test]
fn pods_that_are_off_are_named_behind_nodes_that_only_pass_packets_on() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        ready.road.pods.clear();
        let report = ready.trace("/");
        assert!(told(&report).starts_with("died pods "), "{}", shown(&report));
        assert!(told(&report).ends_with("tcp.refused"), "{}", shown(&report));
    });
}

#[test]
fn a_database_that_is_off_is_the_cause_of_what_the_application_answers() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        off(ready.road.database.postgres.leash(), "INT");
        let report = ready.trace("/db");
        assert!(told(&report).starts_with("died database http.error<"), "{}", shown(&report));
        assert!(told(&report).ends_with("tcp.refused<db.unreachable"), "{}", shown(&report));
        assert_told(&ready.trace("/"), "reached");
    });
}

#[test]
fn a_database_behind_a_filter_is_the_cause_of_the_silence() {
    lab::rootless(|| {
        let Some(ready) = Ready::up(Ready::strict()) else { return };
        let filter = Filter::incoming().tcp_port(5432).opening().drop();
        let filter = lab::or_skip(ready.road.database.host.impose(&filter));
        let Some(filter) = filter else { return };
        let report = ready.trace("/db");
        assert!(told(&report).starts_with("died database "), "{}", shown(&report));
        assert!(told(&report).ends_with("tcp.timed_out<db.unreachable"), "{}", shown(&report));
        assert!(filter.packets().unwrap() > 0);
    });
}

#[test]
fn a_database_whose_certificate_is_of_another_is_the_cause() {
    lab::rootless(|| {
        let authority = Authority::new().unwrap();
        for (name, right) in [("database.road.test", true), ("another.test", false)] {
            let leaf = authority.leaf(name).issue().unwrap();
            let secured = Ready::calm().nodes(1).database_over_tls(&authority, &leaf).unwrap();
            let Some(ready) = Ready::up(secured) else { return };
            let report = ready.trace_over_tls("/db", &authority);
            if right {
                assert_told(&report, "reached");
            } else {
                assert!(told(&report).starts_with("died database http.error<"), "{}", shown(&report));
                assert!(told(&report).ends_with("tls.cert.name_invalid<db.tls_failed"), "{}", shown(&report));
            }
        }
    });
}

/// The Service's rules of a node are gone, as when its proxy never wrote them: it refuses by itself.
fn without_rules(ready: &Ready, node: usize) {
    let node = &ready.road.nodes[node];
    node.host.load_rules("flush table inet reqpath_service").unwrap();
    assert_eq!(dial(&ready.road.edge.host, node.node_port()), Err(ErrorKind::ConnectionRefused));
}

//! Faults of a nameserver.

use std::time::Duration;

use reqpath_core::Report;
use reqpath_testkit::FakeVantage;
use reqpath_testkit::dns::{FakeDns, Fault, On, Zone};
use reqpath_testkit::mock::{ClosedPort, MockUpstream, Reply};
use reqpath_testkit::vantage::{Dial, Packets};

use crate::body::{OK, Real, compare, figures, road};

/// A name looked up at a server with this script, then a good answer; on sockets and in memory.
#[track_caller]
fn named(script: impl Fn(Zone) -> reqpath_testkit::dns::Builder) -> Report {
    let upstream = MockUpstream::start(Reply::raw(OK)).unwrap();
    let builder = || script(Zone::new("shop.test").a("@", [127, 0, 0, 1]));
    let dns = builder().start().unwrap();
    let server = dns.address();
    let mut road = road();
    road.dns.servers = vec![server];
    road.dns.query_timeout = Some(Duration::from_millis(300));
    compare("http://shop.test:PORT/x", road, Real::of(upstream.address(), (upstream, dns)), |address| {
        let offline = builder().offline().unwrap();
        FakeVantage::builder()
            .udp(server, offline.clone())
            .tcp(server, offline)
            .tcp(address, Dial::answers(OK).kernel(figures()))
            .build()
    })
}

fn dns(zone: Zone) -> reqpath_testkit::dns::Builder {
    FakeDns::builder().zone(zone)
}

#[test]
fn a_name_that_resolves() {
    reqpath_testkit::assert_reached!(named(dns));
}

#[test]
fn a_name_that_does_not_exist() {
    named(|zone| dns(zone).fault(On::any(), Fault::nxdomain()));
}

#[test]
fn a_name_without_an_address() {
    named(|zone| dns(zone).fault(On::any(), Fault::no_data()));
}

#[test]
fn a_server_that_fails() {
    named(|zone| dns(zone).fault(On::any(), Fault::servfail().extended(6, "DNSSEC Bogus")));
}

#[test]
fn a_server_that_refuses() {
    named(|zone| dns(zone).fault(On::any(), Fault::refused()));
}

#[test]
fn a_server_that_is_silent() {
    named(|zone| dns(zone).fault(On::any(), Fault::drop()));
}

#[test]
fn answers_cut_to_nothing_over_udp() {
    named(|zone| dns(zone).fault(On::any().udp(), Fault::truncate()));
}

#[test]
fn answers_to_another_question() {
    named(|zone| dns(zone).fault(On::any(), Fault::wrong_id()));
}

#[test]
fn a_nameserver_that_is_not_there() {
    let upstream = MockUpstream::start(Reply::raw(OK)).unwrap();
    // A port that is ours over TCP only: a datagram to it is answered with an ICMP error.
    let port = ClosedPort::reserve().unwrap();
    let server = port.address();
    let mut road = road();
    road.dns.servers = vec![server];
    road.dns.query_timeout = Some(Duration::from_millis(300));
    compare("http://shop.test:PORT/x", road, Real::of(upstream.address(), (upstream, port)), |_| {
        FakeVantage::builder().udp(server, Packets::refused()).build()
    });
}

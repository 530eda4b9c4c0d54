use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;

use super::super::{RealError, find, require};
use super::{Knot, Signing, Unbound, Zone};

/// Asks with a program that is neither ours nor the server's.
fn dig(server: SocketAddr, question: &[&str]) -> String {
    let program = find::system_program("dig", "dig", "apt-get install bind9-dnsutils").unwrap();
    let output = Command::new(program)
        .args([&format!("@{}", server.ip()), "-p", &server.port().to_string(), "+time=5", "+tries=2"])
        .args(question)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn dig_is_here() -> bool {
    require(find::system_program("dig", "dig", "apt-get install bind9-dnsutils")).is_some()
}

fn large() -> Zone {
    let records = (0..120).map(|n| format!("big A 192.0.2.{n}\n")).collect::<String>();
    Zone::new("shop.test", &records)
}

#[test]
fn knot_answers_for_its_zones_and_refuses_the_rest() {
    if !dig_is_here() {
        return;
    }
    let zone =
        Zone::new("shop.test", "www CNAME edge\nedge CNAME deep\ndeep A 192.0.2.1\nlost CNAME nowhere\n");
    let started = Knot::builder().zone(zone).zone(Zone::new("other.test", "@ AAAA 2001:db8::1")).start();
    let Some(knot) = require(started) else { return };
    let (address, room) = (knot.address(), knot.room().path().to_owned());

    let chain = dig(address, &["www.shop.test"]);
    assert!(chain.contains("ANSWER: 3") && chain.contains("192.0.2.1") && chain.contains(" aa"), "{chain}");
    let dangling = dig(address, &["lost.shop.test"]);
    assert!(dangling.contains("NXDOMAIN") && dangling.contains("nowhere.shop.test"), "{dangling}");
    let no_data = dig(address, &["deep.shop.test", "AAAA"]);
    assert!(no_data.contains("NOERROR") && no_data.contains("ANSWER: 0"), "{no_data}");
    assert!(dig(address, &["other.test", "AAAA", "+short"]).contains("2001:db8::1"));
    assert!(dig(address, &["elsewhere.example"]).contains("status: REFUSED"));

    drop(knot);
    assert!(TcpStream::connect(address).is_err());
    UdpSocket::bind(address).unwrap();
    assert!(!room.exists());
}

#[test]
fn knot_truncates_and_tells_the_whole_over_tcp() {
    if !dig_is_here() {
        return;
    }
    let Some(knot) = require(Knot::builder().zone(large()).start()) else { return };
    let over_udp = dig(knot.address(), &["big.shop.test", "+ignore"]);
    assert!(over_udp.contains(" tc"), "{over_udp}");
    let over_tcp = dig(knot.address(), &["big.shop.test", "+tcp", "+short"]);
    assert_eq!(over_tcp.lines().count(), 120);

    let Some(knot) = require(Knot::builder().zone(large()).largest_datagram(4096).start()) else { return };
    let over_udp = dig(knot.address(), &["big.shop.test", "+ignore", "+bufsize=4096", "+short"]);
    assert_eq!(over_udp.lines().count(), 120);
}

#[test]
fn knot_tells_what_is_wrong_with_a_zone() {
    match Knot::builder().zone(Zone::new("shop.test", "www A 192.0.2.999")).start() {
        Err(RealError::Refused { output, .. }) => assert!(output.contains("shop.test"), "{output}"),
        other => drop(require(other)),
    }
}

/// What a resolver that trusts the zone's key says of `www`, checking and not checking.
fn validated(signing: Signing) -> Option<[String; 2]> {
    if !dig_is_here() {
        return None;
    }
    let zone = require(Zone::new("shop.test", "www A 192.0.2.1").signed(signing))?;
    let knot = require(Knot::builder().zone(zone.clone()).start())?;
    let unbound = require(Unbound::builder().trust(&zone).ask("shop.test", knot.address()).start())?;
    let checked = dig(unbound.address(), &["www.shop.test", "+dnssec"]);
    let unchecked = dig(unbound.address(), &["www.shop.test", "+cd"]);
    Some([checked, unchecked])
}

#[test]
fn a_good_signature_is_authentic() {
    let Some([checked, unchecked]) = validated(Signing::Valid) else { return };
    assert!(checked.contains("NOERROR") && checked.contains(" ad"), "{checked}");
    assert!(unchecked.contains("192.0.2.1"), "{unchecked}");
}

#[test]
fn a_bad_signature_is_a_servfail_with_its_reason_and_data_without_checking() {
    for (signing, reason) in [
        (Signing::Broken, "EDE: 6 (DNSSEC Bogus)"),
        (Signing::Expired, "EDE: 7 (Signature Expired)"),
        (Signing::NotYetValid, "EDE: 8 (Signature Not Yet Valid)"),
        (Signing::Stripped, "EDE: "),
    ] {
        let Some([checked, unchecked]) = validated(signing) else { return };
        assert!(checked.contains("SERVFAIL") && checked.contains(reason), "{signing:?}: {checked}");
        assert!(unchecked.contains("NOERROR") && unchecked.contains("192.0.2.1"), "{signing:?}: {unchecked}");
    }
}

#[test]
fn a_name_that_nobody_was_given_for_does_not_exist() {
    if !dig_is_here() {
        return;
    }
    let Some(unbound) = require(Unbound::builder().start()) else { return };
    let answer = dig(unbound.address(), &["www.elsewhere.example"]);
    assert!(answer.contains("status: NXDOMAIN"), "{answer}");
    assert!(unbound.log().text().contains("www.elsewhere.example"));
}

#[test]
fn unbound_refuses_when_told() {
    if !dig_is_here() {
        return;
    }
    let Some(unbound) = require(Unbound::builder().refusing().start()) else { return };
    let answer = dig(unbound.address(), &["www.shop.test"]);
    assert!(answer.contains("status: REFUSED"), "{answer}");
}

#[test]
fn unbound_without_tcp_truncates_and_nobody_is_there_over_tcp() {
    if !dig_is_here() {
        return;
    }
    let Some(unbound) = require(Unbound::builder().zone(large()).without_tcp().start()) else { return };
    let over_udp = dig(unbound.address(), &["big.shop.test", "+ignore", "+bufsize=512"]);
    assert!(over_udp.contains(" tc"), "{over_udp}");
    let refused = TcpStream::connect(unbound.address()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_resolver_follows_a_chain_across_two_servers_over_a_forwarder() {
    if !dig_is_here() {
        return;
    }
    let front = Knot::builder().zone(Zone::new("shop.test", "www CNAME edge.cdn.test.")).start();
    let Some(front) = require(front) else { return };
    let Some(cdn) = require(Knot::builder().zone(Zone::new("cdn.test", "edge A 192.0.2.7")).start()) else {
        return;
    };
    let inner = Unbound::builder().ask("shop.test", front.address()).ask("cdn.test", cdn.address()).start();
    let Some(inner) = require(inner) else { return };
    let Some(outer) = require(Unbound::builder().forward(".", inner.address()).start()) else { return };
    let answer = dig(outer.address(), &["www.shop.test", "+short"]);
    assert_eq!(answer.lines().collect::<Vec<_>>(), ["edge.cdn.test.", "192.0.2.7"]);
}

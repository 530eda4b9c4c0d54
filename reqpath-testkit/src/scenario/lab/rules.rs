//! Rules of the router: those that count what it passes on, and faults that a [`Filter`](crate::lab::Filter) cannot be.

use std::net::{IpAddr, SocketAddr};

use super::super::Script;
use super::super::fault::{Fault, Tcp, What};
use super::super::topology::{DNS, Server};

/// A rule for every so-many-th SYN.
pub(super) fn every(fault: &Fault, sockets: impl Iterator<Item = SocketAddr>) -> String {
    let every = fault.every.unwrap_or(1).max(1);
    let (last, name) = (every - 1, format!("reqpath_every_{}", fault.server));
    let act = if fault.what == What::Tcp(Tcp::Drop) { "drop" } else { "reject with tcp reset" };
    let mut text = format!("table inet {name} {{\nchain fault {{ type filter hook forward priority -10;\n");
    for to in sockets {
        text.push_str(&format!(
            "{} tcp dport {} tcp flags & (fin | syn | rst | ack) == syn numgen inc mod {every} == {last} {act}\n",
            destination(to.ip()),
            to.port()
        ));
    }
    text + "}\n}\n"
}

/// Everywhere that a client of the scenario may come to.
pub(super) fn sockets(script: &Script) -> Vec<SocketAddr> {
    let servers = script.topology.servers.iter().flat_map(Server::sockets);
    std::iter::once(DNS).chain(servers).collect()
}

/// Rules that count what the router passes on to each socket, before any rule that is a fault.
pub(super) fn meters(script: &Script) -> String {
    let sockets = sockets(script);
    let mut text = "table inet reqpath_meters {\n".to_owned();
    for number in 0..sockets.len() {
        text.push_str(&format!("counter socket_{number} {{ }}\n"));
    }
    text.push_str("chain meters { type filter hook forward priority -50;\n");
    for (number, to) in sockets.iter().enumerate() {
        text.push_str(&format!(
            "{} meta l4proto {{ tcp, udp }} th dport {} counter name socket_{number}\n",
            destination(to.ip()),
            to.port()
        ));
    }
    text + "}\n}\n"
}

/// The count of one meter in a listing of rules.
pub(super) fn packets(listed: &str, number: usize) -> u64 {
    let Some((_, behind)) = listed.split_once(&format!("counter socket_{number} {{")) else { return 0 };
    let mut words = behind.split_whitespace().skip_while(|word| *word != "packets").skip(1);
    words.next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn destination(ip: IpAddr) -> String {
    format!("{} daddr {ip}", if ip.is_ipv4() { "ip" } else { "ip6" })
}

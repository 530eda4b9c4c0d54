//! The zones as the nameserver has them, with what is wrong with them.

use std::net::{IpAddr, Ipv4Addr};

use super::Script;
use super::fault::{Dns, What};
use super::topology::Zone;
use crate::dns;

/// A name that no zone has.
const NOWHERE: &str = "nowhere-at-all";
/// So many addresses fill more than a datagram, with EDNS too.
const TOO_MANY: u8 = 120;

/// The zones as they are served: names that do not exist are left out, and so on.
pub(super) fn zones(script: &Script) -> Vec<Zone> {
    let mut zones = script.topology.zones.clone();
    for fault in &script.faults {
        let What::Dns(what) = fault.what else { continue };
        for zone in &mut zones {
            let Some(relative) = zone.relative(&fault.name).map(str::to_owned) else { continue };
            match what {
                Dns::Nxdomain => {
                    zone.names.remove(&relative);
                    zone.aliases.remove(&relative);
                }
                Dns::NoData => {
                    zone.aliases.remove(&relative);
                    zone.names.insert(relative, Vec::new());
                }
                Dns::DanglingCname => {
                    zone.names.remove(&relative);
                    zone.aliases.insert(relative, NOWHERE.to_owned());
                }
                Dns::Truncate => {
                    let more = (1..=TOO_MANY).map(|n| IpAddr::V4(Ipv4Addr::new(198, 18, 0, n)));
                    zone.names.entry(relative).or_default().extend(more);
                }
                Dns::Servfail | Dns::Bogus | Dns::Refused | Dns::Drop | Dns::Closed | Dns::Garbage => {}
            }
        }
    }
    zones
}

/// A zone for the fake nameserver.
pub(super) fn fake(zone: &Zone) -> dns::Zone {
    let mut fake = dns::Zone::new(&zone.origin);
    for (name, addresses) in &zone.names {
        if addresses.is_empty() {
            fake = fake.txt(name, "no address");
        }
        fake = addresses.iter().fold(fake, |fake, ip| fake.address(name, *ip));
    }
    zone.aliases.iter().fold(fake, |fake, (name, to)| fake.cname(name, to))
}

/// The records of a zone as zone files have them.
#[cfg(target_os = "linux")]
pub(super) fn records(zone: &Zone) -> String {
    let mut text = String::new();
    for (name, addresses) in &zone.names {
        if addresses.is_empty() {
            text.push_str(&format!("{name} TXT \"no address\"\n"));
        }
        for ip in addresses {
            let kind = if ip.is_ipv4() { "A" } else { "AAAA" };
            text.push_str(&format!("{name} {kind} {ip}\n"));
        }
    }
    for (name, to) in &zone.aliases {
        text.push_str(&format!("{name} CNAME {to}\n"));
    }
    text
}

//! `dns.wrong_address`

use std::net::IpAddr;

use reqpath_client::HostsFile;
use reqpath_core::{Case, Decline, End, Finding, HopId, ObservationId, Scope, Seen, Subject, cause};
use reqpath_dns::{Answer, Resolution, SystemLookup};
use reqpath_tcp::{Attempt, Purpose};

use super::met::EVERYWHERE;

cause! {
    /// The name gives addresses, and none of them is one that the path declares for its first hop.
    ///
    /// The request goes somewhere else: to the server before a move, to a name of the same spelling in another
    /// zone, to what a resolver puts in place of the truth.
    /// Whether somebody serves there does not matter; where somebody does, it is a warning.
    /// Where another answer to the same question holds a declared address, the set rotates, a cache is behind
    /// (`dns.stale_answer`) or resolvers differ (`dns.resolvers_disagree`), and this is not it.
    /// Where a hosts file gives the address, `client.hosts_override` is.
    /// Only a first hop whose addresses are declared as numbers can be compared.
    ///
    /// # What to do
    ///
    /// Correct the record, or the resolver that answers so; where the address has moved for good, the path file.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"},
    ///                    {"id": "edge", "kind": "nginx", "addresses": ["192.0.2.7:443"]}]},
    ///  "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"name": "shop.example", "addresses": ["198.51.100.9"]}},
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "edge", "address": "198.51.100.9:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 410, "failure": {"errno": 111, "symbol": "ECONNREFUSED",
    ///             "message": "Connection refused"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static WRONG_ADDRESS: "dns.wrong_address" = recognise {
        scope(Scope::Sample),
        blames(End::Near),
        explains(&["tcp.*", "tls.*", "http.*", "response.*", "dns.dead_address", "dns.broken_family"]),
        twins(&["dns.stale_answer", "dns.resolvers_disagree", "client.hosts_override", "dns.dead_address"]),
        kills_in(&["tcp", "tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let front = case.path().front().ok_or(Decline::Absent)?;
    let leg = at.whole_leg();
    if leg != front {
        return Err(Decline::Absent);
    }
    let hop = leg.as_leg().and_then(|leg| case.path().hop(&leg.to)).ok_or(Decline::Absent)?;
    let declared: Option<Vec<IpAddr>> = hop.addresses.iter().map(reqpath_core::Endpoint::ip).collect();
    let declared = declared.filter(|declared| !declared.is_empty()).ok_or(Decline::Absent)?;
    let looked_up = LookedUp::of(case, at).ok_or(Decline::Absent)?;
    if let Some(right) = looked_up.addresses.iter().find(|address| declared.contains(address)) {
        return Err(looked_up.not(format!("{} is one of the addresses declared for {}", right, hop.id)));
    }
    if let Some(file) = case
        .of::<HostsFile>(&front)
        .find(|file| file.entries.iter().any(|entry| looked_up.addresses.contains(&entry.address)))
    {
        return Err(
            case.not(&file, || format!("{} gives that address, and no nameserver was asked", file.file))
        );
    }
    if let Some(rotating) = elsewhere(case, &front, &declared) {
        return Err(rotating);
    }
    let went = case
        .of::<Attempt>(at)
        .find(|attempt| attempt.purpose == Purpose::Road)
        .and_then(|attempt| Some((attempt.subject().address()?, attempt)));
    // Whoever was sent to a declared place, whatever its name gives, was not misled.
    if let Some((peer, attempt)) = &went
        && declared.contains(&peer.ip())
    {
        return Err(case.not(attempt, || format!("the request went to {peer}, as declared")));
    }
    let finding = looked_up.finding(at, &hop.id, &declared);
    Ok(match &went {
        Some((_, attempt)) => {
            let finding = finding.citing(attempt);
            match attempt.words() {
                Some(words) => finding.error(words),
                None => finding,
            }
        }
        None => finding,
    })
}

/// What the name gave on the client's own road.
enum How<'a> {
    System(Seen<'a, SystemLookup>),
    Given(Seen<'a, Resolution>),
}

struct LookedUp<'a> {
    addresses: Vec<IpAddr>,
    how: How<'a>,
}

impl<'a> LookedUp<'a> {
    fn of(case: &'a Case, at: &'a Subject) -> Option<Self> {
        let given = case.of::<Resolution>(at).last();
        let looked_up = match given {
            Some(given) => Self { addresses: given.addresses.clone(), how: How::Given(given) },
            None => {
                let system = case.of::<SystemLookup>(at).last()?;
                Self { addresses: system.usable().collect(), how: How::System(system) }
            }
        };
        (!looked_up.addresses.is_empty()).then_some(looked_up)
    }

    fn not(&self, because: String) -> Decline {
        match &self.how {
            How::System(seen) => Decline::not(because, seen),
            How::Given(seen) => Decline::not(because, seen),
        }
    }

    fn finding(&self, at: &Subject, hop: &HopId, declared: &[IpAddr]) -> Finding {
        let list = |addresses: &[IpAddr]| {
            let mut words: Vec<String> = addresses.iter().take(4).map(ToString::to_string).collect();
            if addresses.len() > 4 {
                words.push(format!("{} more", addresses.len() - 4));
            }
            words.join(", ")
        };
        let name = match &self.how {
            How::System(seen) => &seen.name,
            How::Given(seen) => &seen.name,
        };
        let name = reqpath_core::escape(name, 255);
        let summary = format!(
            "{name} gives {}, and {hop} is declared to be at {}",
            list(&self.addresses),
            list(declared)
        );
        let finding = match &self.how {
            How::System(seen) => Finding::new(at, seen, summary),
            How::Given(seen) => Finding::new(at, seen, summary),
        };
        finding.next(format!("getent ahosts {name}")).next(format!("dig +short {name} A {name} AAAA"))
    }
}

/// Another answer to the same question that holds a declared address: the set is larger than one answer shows.
fn elsewhere(case: &Case, front: &Subject, declared: &[IpAddr]) -> Option<Decline> {
    let right = |address: IpAddr| declared.contains(&address);
    let not = |who: String, id: ObservationId| Decline::Not {
        because: format!("{who} gives a declared address: the set rotates, or those who answer differ")
            .into(),
        cites: vec![id],
    };
    let of_front = |subject: &Subject| front.covers(subject);
    for answer in case.of::<Answer>(&EVERYWHERE).filter(|answer| of_front(answer.subject())) {
        if answer.addresses.iter().any(|record| right(record.address)) {
            return Some(not(answer.server.ip().to_string(), answer.id()));
        }
    }
    for other in case.of::<SystemLookup>(&EVERYWHERE).filter(|other| of_front(other.subject())) {
        if other.usable().any(right) {
            return Some(not("the system's resolver, asked for another request,".to_owned(), other.id()));
        }
    }
    let given = case.of::<Resolution>(&EVERYWHERE).filter(|other| of_front(other.subject()));
    let mut right = given.filter(|other| other.addresses.iter().any(|address| right(*address)));
    right.next().map(|other| not("the same look-up for another request".to_owned(), other.id()))
}

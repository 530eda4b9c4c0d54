//! The client's own road: the system resolver, or the given nameservers in their order.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::try_join_all;
use hickory_resolver::proto::rr::{Name, RecordType};
use reqpath_core::{Contact, ContactKind, Context, Error, PeerAddr, Subject, Target, escape};
use tokio::time::{Instant, timeout_at};

use super::exchange::{Question, is_conclusive};
use super::together::Together;
use super::{connections, names, order, other, queries};
use crate::DnsOptions;
use crate::evidence::{Answer, Asked, Outcome, Resolution, SystemLookup};

/// The time a nameserver is given where nobody says.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Once one family has addresses, the other is waited for this part of the time that is left: long enough
/// for a lost datagram to be sent again, and no client lets its request die for addresses it can do without.
const OTHER_FAMILY: u32 = 4;
/// A question is asked for both families, and once more each without EDNS where that is not understood.
const QUESTIONS_A_SERVER: usize = 4;

/// What our own resolution through given nameservers came to.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) addresses: Vec<IpAddr>,
    /// The answers of the servers that had their turn, in order.
    pub(super) asked: Vec<(SocketAddr, Vec<Answer>)>,
}

/// What the road may contact.
pub(super) fn plan(options: &DnsOptions, target: &Target, plan: &mut Vec<Contact>) {
    let elsewhere = target.max_redirects() > 0;
    if !options.servers.is_empty() || names::is_localhost(target.host()) || elsewhere {
        plan.push(Contact::new(ContactKind::Kernel, "the routing table", 2, "which IP version to try first"));
    }
    if options.servers.is_empty() {
        plan.push(Contact::new(
            ContactKind::SystemLookup,
            "the system resolver",
            1,
            "the client's own look-up",
        ));
        return;
    }
    let servers = options.servers.len();
    plan.push(queries("the given nameservers", servers * QUESTIONS_A_SERVER, "the client's own look-up"));
    let others = servers * QUESTIONS_A_SERVER * other::MOST;
    plan.push(queries("the given nameservers", others, "other names: an issuer's, a clock's").once());
    plan.push(connections("the given nameservers", servers * 2 * (1 + other::MOST)));
}

/// The addresses of this very host: what any name that ends in `localhost` stands for (RFC 6761, section 6.3).
///
/// As curl and browsers have it nobody is asked: system resolvers know `localhost` by the hosts file, and many
/// know no name below it. In curl's order, which is that of most hosts files: IPv4 first.
pub(super) async fn this_host(options: &DnsOptions, at: &Subject, cx: &Context, host: &str) -> Vec<IpAddr> {
    let began = Instant::now();
    let mut seen = cx.begin(at, Resolution::of(host));
    seen.family = options.family;
    seen.by_rule = true;
    let (v6, v4) = (IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST));
    seen.addresses = match options.family {
        Some(4) => vec![v4],
        Some(6) => vec![v6],
        _ if order::has_way(cx, v6).await => vec![v4, v6],
        _ => vec![v4],
    };
    seen.time_us = began.elapsed().into();
    let addresses = seen.addresses.clone();
    seen.finish();
    addresses
}

/// Asks the system resolver, and waits no longer than connecting and the request may last.
pub(super) async fn system(
    options: &DnsOptions,
    at: &Subject,
    cx: &Context,
    host: &str,
) -> Result<Vec<IpAddr>, Error> {
    let permit = cx.permit(ContactKind::SystemLookup)?;
    let began = Instant::now();
    let mut seen = cx.begin(at, SystemLookup::of(host));
    seen.family = options.family;
    let answer = timeout_at(cx.connect_deadline(), cx.vantage().resolve(permit, host)).await;
    seen.time_us = began.elapsed().into();
    match answer {
        Ok(Ok(answer)) => seen.addresses = answer.addresses,
        Ok(Err(error)) => {
            seen.symbol = Some(error.symbol);
            seen.message = Some(escape(&error.message, 200));
        }
        Err(_) => {
            // Dropped, not finished: the resolver may yet answer, to nobody.
            seen.still_waiting = true;
            return Ok(Vec::new());
        }
    }
    let addresses = seen.usable().collect();
    seen.finish();
    Ok(addresses)
}

/// Asks the given nameservers in their order, as a stub resolver does: the next where one is
/// silent, unreachable, refuses or fails.
pub(super) async fn given(
    options: &DnsOptions,
    at: &Subject,
    cx: &Context,
    host: &str,
) -> Result<Walked, Error> {
    let began = Instant::now();
    let mut seen = cx.begin(at, Resolution::of(host));
    seen.family = options.family;
    let mut walked = Walked { addresses: Vec::new(), asked: Vec::new() };
    let name = match Name::from_str(&names::absolute(host)) {
        Ok(name) => name,
        Err(error) => {
            // No server can be asked for what is no name; the first stands for all.
            if let Some(server) = options.servers.first() {
                let mut answer = Answer::to(PeerAddr(*server), escape(host, 300), "A");
                answer.asked = Asked::Given;
                answer.on_road = true;
                answer.error = Some(escape(&error.to_string(), 200));
                cx.record(at, answer);
            }
            seen.finish();
            return Ok(walked);
        }
    };
    let servers = in_turn(options, cx);
    for (place, server) in servers.iter().enumerate() {
        let patience = share(options, cx, options.servers.len() - place);
        let questions = types(options.family)
            .iter()
            .map(|of| Question::new(*server, &name, *of, Asked::Given).on_road())
            .collect::<Vec<_>>();
        let together = Together::default();
        let answers = try_join_all(questions.iter().map(|question| async {
            let answer = question.ask_among(cx, at, patience, &together).await?;
            if answer.outcome() == Outcome::Addresses {
                together.hurry(Instant::now() + cx.connect_limit(Duration::MAX) / OTHER_FAMILY);
            }
            Ok::<_, Error>(answer)
        }))
        .await?;
        let addresses: Vec<IpAddr> =
            answers.iter().flat_map(|answer| &answer.addresses).map(|record| record.address).collect();
        let has_address = answers.iter().any(|answer| answer.outcome() == Outcome::Addresses);
        let settled = has_address || answers.iter().all(is_conclusive);
        walked.asked.push((*server, answers));
        seen.time_us = began.elapsed().into();
        // Of several the last counts: the one that settled it.
        cx.attribute("resolver", || server.to_string());
        if settled {
            seen.settled_by = Some(PeerAddr(*server));
            if has_address {
                walked.addresses = order::sorted(cx, addresses).await;
                seen.addresses.clone_from(&walked.addresses);
            }
            break;
        }
        seen.passed_over.push(PeerAddr(*server));
    }
    seen.finish();
    Ok(walked)
}

/// The given nameservers in their order; where samples are compared, another begins from sample to sample.
fn in_turn<'a>(options: &'a DnsOptions, cx: &Context) -> Cow<'a, [SocketAddr]> {
    if !cx.compares() || options.servers.len() < 2 {
        return Cow::Borrowed(&options.servers);
    }
    let mut servers = options.servers.clone();
    servers.rotate_left(cx.turn("resolver", options.servers.len()));
    if let Some(pinned) = cx.pinned("resolver") {
        servers.sort_by_key(|server| !pinned.fits(&server.to_string()));
    }
    Cow::Owned(servers)
}

/// The time one server is given: its own limit, or a fair part of what is left, so that each has a turn.
fn share(options: &DnsOptions, cx: &Context, servers_left: usize) -> Duration {
    let own = options.query_timeout.unwrap_or(TIMEOUT);
    let left = cx.connect_limit(Duration::MAX);
    let parts = u32::try_from(servers_left).unwrap_or(u32::MAX).max(1);
    own.min(left / parts)
}

/// The types asked for.
pub(super) fn types(family: Option<u8>) -> &'static [RecordType] {
    match family {
        Some(4) => &[RecordType::A],
        Some(6) => &[RecordType::AAAA],
        _ => &[RecordType::A, RecordType::AAAA],
    }
}

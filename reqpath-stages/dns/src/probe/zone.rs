//! The zone's own servers: found through a resolver, then asked directly.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::try_join_all;
use hickory_resolver::proto::rr::{Name, RecordType};
use reqpath_core::{Context, Error, Subject};

use super::exchange::Question;
use crate::evidence::{Answer, Asked};

/// Servers of a zone that are looked up and asked, at most.
const MOST_SERVERS: usize = 4;
/// Finding the zone, its servers' addresses, and asking them; once more without EDNS each.
pub(super) const QUESTIONS: usize = 2 * (2 + MOST_SERVERS * 2 + MOST_SERVERS * 2);

/// Finds the servers of the zone that holds the name, and asks them without recursion.
pub(super) async fn look(
    cx: &Context,
    at: &Subject,
    resolver: SocketAddr,
    asked: Asked,
    name: &Name,
    types: &[RecordType],
    patience: Duration,
) -> Result<Vec<Answer>, Error> {
    let ask = |name: Name, of: RecordType| {
        let question = Question::new(resolver, &name, of, asked);
        async move { question.ask(cx, at, patience).await }
    };
    let mut delegation = ask(name.clone(), RecordType::NS).await?;
    if delegation.nameservers.is_empty() {
        // The name is no zone of its own: the denial names the one it is in.
        let zone = delegation.authority.as_ref().and_then(|authority| Name::from_str(&authority.zone).ok());
        let Some(zone) = zone.filter(|zone| zone != name && zone.zone_of(name)) else {
            return Ok(Vec::new());
        };
        delegation = ask(zone, RecordType::NS).await?;
    }
    let servers: Vec<Name> = delegation
        .nameservers
        .iter()
        .filter_map(|server| Name::from_str(server).ok())
        .take(MOST_SERVERS)
        .collect();
    let families = [RecordType::A, RecordType::AAAA];
    let looks = servers.iter().flat_map(|server| families.iter().map(|of| ask(server.clone(), *of)));
    let found = try_join_all(looks).await?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for record in found.iter().flat_map(|answer| &answer.addresses) {
        if addresses.len() < MOST_SERVERS && !addresses.contains(&record.address) {
            addresses.push(record.address);
        }
    }
    let questions: Vec<Question> = addresses
        .iter()
        .flat_map(|address| {
            let server = SocketAddr::new(*address, 53);
            types.iter().map(move |of| Question::new(server, name, *of, Asked::Authority))
        })
        .collect();
    try_join_all(questions.iter().map(|question| question.ask(cx, at, patience))).await
}

//! Honest answers from zones.

use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::zone::Loaded;

/// Longer alias chains than any resolver follows.
const CHAIN_MOST: usize = 16;

/// What the zones say to one question.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) code: ResponseCode,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
}

/// Answers a question, following aliases as a resolver does.
///
/// A loop gives its chain once round; an alias into nothing gives the chain with NXDOMAIN (RFC 6604);
/// a name of no zone is refused.
pub(super) fn look_up(zones: &[Loaded], name: &Name, record_type: RecordType, elapsed: Duration) -> Answer {
    let mut answer = Answer::default();
    let mut name = name.clone();
    let mut seen = Vec::new();
    let mut last_zone: Option<&Loaded> = None;
    for _ in 0..CHAIN_MOST {
        let zone = zones
            .iter()
            .filter(|zone| zone.origin.zone_of(&name))
            .max_by_key(|zone| zone.origin.num_labels());
        let Some(zone) = zone else {
            answer.code = if last_zone.is_some() { ResponseCode::NXDomain } else { ResponseCode::Refused };
            answer.authorities.extend(last_zone.map(Loaded::negative_soa));
            return answer;
        };
        last_zone = Some(zone);
        let records = zone.named(&name, elapsed);
        let wanted = |record: &&Record| record_type.is_any() || record.record_type() == record_type;
        let direct: Vec<Record> = records.iter().filter(wanted).cloned().collect();
        if !direct.is_empty() {
            answer.answers.extend(direct);
            return answer;
        }
        let alias = records.into_iter().find_map(|record| match &record.data {
            RData::CNAME(target) => Some((target.0.clone(), record)),
            _ => None,
        });
        let Some((target, record)) = alias else {
            let exists = zone.exists(&name) || !zone.named(&name, elapsed).is_empty();
            answer.code = if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
            answer.authorities.push(zone.negative_soa());
            return answer;
        };
        answer.answers.push(record);
        seen.push(name);
        if seen.contains(&target) {
            return answer;
        }
        name = target;
    }
    answer
}

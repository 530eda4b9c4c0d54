//! Questions and answers as bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use hickory_resolver::proto::ProtoError;
use hickory_resolver::proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use reqpath_core::{escape, escape_bytes};

use crate::evidence::{AddressRecord, Alias, Answer, Authority, ExtendedError, Flags, Transport};

/// The largest datagram we say we take: what fits the smallest IPv6 MTU.
pub(super) const PAYLOAD: u16 = 1232;
/// Aliases kept of one answer; all are followed, as the C library does.
const MOST_ALIASES: usize = 64;
/// Addresses kept of one answer.
const MOST_ADDRESSES: usize = 256;
/// Nameservers kept of one answer.
const MOST_NAMESERVERS: usize = 8;
/// Extended errors kept of one answer.
const MOST_EXTENDED_ERRORS: usize = 8;
/// A name has at most 255 bytes, each of which may be escaped to four characters.
const MOST_NAME: usize = 1020;

/// What a question asks.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) name: Name,
    pub(super) record_type: RecordType,
    pub(super) recursion: bool,
    pub(super) checking_disabled: bool,
    pub(super) edns: bool,
}

/// Whether bytes that came back are an answer to our question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// They are, and what they say is written down: readable or not.
    Ours,
    /// The id or the question is another's.
    NotOurs,
}

impl Wanted {
    /// The question in bytes.
    pub(super) fn bytes(&self, id: u16) -> Result<Vec<u8>, ProtoError> {
        let mut message = Message::query();
        message.metadata.id = id;
        message.metadata.recursion_desired = self.recursion;
        message.metadata.checking_disabled = self.checking_disabled;
        message.add_query(Query::query(self.name.clone(), self.record_type));
        if self.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(PAYLOAD).set_version(0);
            message.set_edns(edns);
        }
        message.to_vec()
    }

    /// Reads what came back into the record of the answer.
    pub(super) fn read(&self, bytes: &[u8], ids: &[u16], answer: &mut Answer) -> Reading {
        let Some(id) = bytes.first_chunk::<2>().map(|id| u16::from_be_bytes(*id)) else {
            return Reading::NotOurs;
        };
        let Some(&flags) = bytes.get(2).filter(|_| ids.contains(&id)) else { return Reading::NotOurs };
        if flags & 0x80 == 0 {
            return Reading::NotOurs;
        }
        match Message::from_vec(bytes) {
            Ok(message) if self.is_of(&message) => {
                self.keep(&message, answer);
                Reading::Ours
            }
            Ok(_) => Reading::NotOurs,
            // Some servers cut in the midst of a record; the flag says so, and TCP will have the rest.
            Err(_) if flags & 0x02 != 0 && answer.transport == Transport::Udp => {
                let low = bytes.get(3).copied().unwrap_or_default();
                answer.rcode = Some(rcode_name(ResponseCode::from_low(low & 0x0f)));
                answer.flags.tc = true;
                Reading::Ours
            }
            Err(error) => {
                answer.malformed = Some(format!(
                    "{}; {} bytes, beginning {}",
                    escape(&error.to_string(), 200),
                    bytes.len(),
                    hexadecimal(&bytes[..bytes.len().min(48)])
                ));
                Reading::Ours
            }
        }
    }

    /// Whether a message answers this question. Errors may leave the question out.
    fn is_of(&self, message: &Message) -> bool {
        if message.metadata.message_type != MessageType::Response {
            return false;
        }
        match message.queries.as_slice() {
            [] => message.metadata.response_code != ResponseCode::NoError,
            [query, ..] => query.name() == &self.name && query.query_type() == self.record_type,
        }
    }

    fn keep(&self, message: &Message, answer: &mut Answer) {
        let header = &message.metadata;
        answer.rcode = Some(rcode_name(header.response_code));
        answer.flags = Flags::default();
        answer.flags.aa = header.authoritative;
        answer.flags.tc = header.truncation;
        answer.flags.rd = header.recursion_desired;
        answer.flags.ra = header.recursion_available;
        answer.flags.ad = header.authentic_data;
        answer.flags.cd = header.checking_disabled;
        let end = self.follow_aliases(&message.answers, answer);
        self.keep_records(&message.answers, &end, answer);
        answer.authority = message.authorities.iter().find_map(zone_of);
        if let Some(edns) = &message.edns {
            answer.edns_payload = Some(edns.max_payload());
            answer.extended_errors = extended_errors(edns);
        }
    }

    /// Follows the aliases from the name asked for; the name they end in.
    ///
    /// Only a name met twice is a loop: how long a chain may be, the size of a message settles.
    fn follow_aliases(&self, records: &[Record], answer: &mut Answer) -> Name {
        let mut aliases = aliases(records);
        let mut at = &self.name;
        while let Some((ttl_s, target)) = aliases.get_mut(at) {
            let Some(target) = target.take() else {
                answer.alias_loop = true;
                break;
            };
            let alias = Alias { name: name_text(at), target: name_text(target), ttl_s: *ttl_s };
            if answer.chain.len() == MOST_ALIASES {
                // What a chain begins and what it ends with say most.
                answer.chain.pop();
                answer.aliases_left_out += 1;
            }
            answer.chain.push(alias);
            at = target;
        }
        at.clone()
    }

    fn keep_records(&self, records: &[Record], end: &Name, answer: &mut Answer) {
        for record in records {
            if record.dns_class != DNSClass::IN || record.name != *end {
                if !matches!(record.data, RData::CNAME(_)) {
                    answer.other_records = answer.other_records.saturating_add(1);
                }
                continue;
            }
            let address = match &record.data {
                RData::A(address) if self.record_type == RecordType::A => IpAddr::V4(address.0),
                RData::AAAA(address) if self.record_type == RecordType::AAAA => IpAddr::V6(address.0),
                RData::NS(server)
                    if self.record_type == RecordType::NS && answer.nameservers.len() < MOST_NAMESERVERS =>
                {
                    answer.nameservers.push(name_text(&server.0));
                    continue;
                }
                RData::CNAME(_) => continue,
                _ => {
                    answer.other_records = answer.other_records.saturating_add(1);
                    continue;
                }
            };
            if answer.addresses.len() < MOST_ADDRESSES {
                answer.addresses.push(AddressRecord { address, ttl_s: record.ttl });
            } else {
                answer.addresses_left_out = answer.addresses_left_out.saturating_add(1);
            }
        }
    }
}

/// A name as evidence holds it: lower case, safe to print.
pub(super) fn name_text(name: &Name) -> String {
    escape(&name.to_lowercase().to_ascii(), MOST_NAME)
}

/// The alias of each name that has one, until it is taken; of several the first counts.
fn aliases(records: &[Record]) -> HashMap<&Name, (u32, Option<&Name>)> {
    let mut aliases = HashMap::new();
    for record in records {
        if let RData::CNAME(target) = &record.data {
            aliases.entry(&record.name).or_insert((record.ttl, Some(&target.0)));
        }
    }
    aliases
}

fn zone_of(record: &Record) -> Option<Authority> {
    let RData::SOA(soa) = &record.data else { return None };
    Some(Authority {
        zone: name_text(&record.name),
        primary: name_text(&soa.mname),
        serial: soa.serial,
        negative_ttl_s: record.ttl.min(soa.minimum),
    })
}

fn extended_errors(edns: &Edns) -> Vec<ExtendedError> {
    let options = edns.options().get_all(EdnsCode::Unknown(15));
    let errors = options.into_iter().filter_map(|option| match option {
        EdnsOption::Unknown(_, data) => {
            let (code, text) = data.split_first_chunk::<2>()?;
            Some(ExtendedError { code: u16::from_be_bytes(*code), text: escape_bytes(text, 200) })
        }
        _ => None,
    });
    errors.take(MOST_EXTENDED_ERRORS).collect()
}

fn rcode_name(code: ResponseCode) -> Cow<'static, str> {
    Cow::Borrowed(match code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::YXDomain => "YXDOMAIN",
        ResponseCode::YXRRSet => "YXRRSET",
        ResponseCode::NXRRSet => "NXRRSET",
        ResponseCode::NotAuth => "NOTAUTH",
        ResponseCode::NotZone => "NOTZONE",
        ResponseCode::BADVERS | ResponseCode::BADSIG => "BADVERS",
        ResponseCode::BADCOOKIE => "BADCOOKIE",
        other => return Cow::Owned(format!("RCODE{}", u16::from(other))),
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_resolver::proto::rr::rdata::{A, CNAME};
    use proptest::prelude::*;
    use reqpath_core::PeerAddr;

    use super::*;
    use crate::evidence::Outcome;

    const ID: u16 = 0x1234;

    fn wanted(record_type: RecordType) -> Wanted {
        let name = Name::from_str("www.shop.test.").unwrap();
        Wanted { name, record_type, recursion: true, checking_disabled: false, edns: true }
    }

    fn blank() -> Answer {
        Answer::to(PeerAddr(([127, 0, 0, 1], 53).into()), "www.shop.test.", "A")
    }

    fn response(records: Vec<Record>) -> Message {
        let mut message = Message::query();
        message.metadata.id = ID;
        message.metadata.message_type = MessageType::Response;
        message.add_query(Query::query(wanted(RecordType::A).name, RecordType::A));
        message.add_answers(records);
        message
    }

    fn name(text: &str) -> Name {
        Name::from_str(text).unwrap()
    }

    fn cname(from: &str, to: &str) -> Record {
        Record::from_rdata(name(from), 30, RData::CNAME(CNAME(name(to))))
    }

    fn a(of: &str, last: u8) -> Record {
        Record::from_rdata(name(of), 60, RData::A(A::new(192, 0, 2, last)))
    }

    fn read(message: &Message) -> Answer {
        let mut answer = blank();
        let bytes = message.to_vec().unwrap();
        assert_eq!(wanted(RecordType::A).read(&bytes, &[ID], &mut answer), Reading::Ours);
        answer
    }

    #[test]
    fn a_chain_is_followed_in_order_whatever_the_order_of_the_records() {
        let records = vec![
            a("edge.cdn.test.", 7),
            cname("shop.cdn.test.", "edge.cdn.test."),
            cname("WWW.shop.test.", "shop.cdn.test."),
        ];
        let answer = read(&response(records));
        let chain: Vec<&str> = answer.chain.iter().map(|alias| alias.target.as_str()).collect();
        assert_eq!(chain, ["shop.cdn.test.", "edge.cdn.test."]);
        assert_eq!(answer.end_of_chain(), "edge.cdn.test.");
        assert_eq!(answer.addresses.len(), 1);
        assert_eq!(answer.ttl_left_s(), Some(30));
    }

    #[test]
    fn an_address_of_another_name_is_not_taken() {
        let answer = read(&response(vec![a("evil.test.", 66)]));
        assert_eq!(answer.outcome(), Outcome::NoData);
        assert_eq!(answer.other_records, 1);
    }

    fn chain_of(length: usize) -> Vec<Record> {
        let mut records = vec![cname("www.shop.test.", "n0.test.")];
        records.extend((1..length).map(|n| cname(&format!("n{}.test.", n - 1), &format!("n{n}.test."))));
        records
    }

    #[test]
    fn a_loop_ends_where_a_name_is_met_twice() {
        let to_the_first = vec![cname("www.shop.test.", "b.test."), cname("b.test.", "www.shop.test.")];
        let to_another = vec![
            cname("www.shop.test.", "b.test."),
            cname("b.test.", "c.test."),
            cname("c.test.", "B.test."),
        ];
        let to_itself = vec![cname("www.shop.test.", "WWW.shop.test.")];
        let mut long = chain_of(60);
        long.push(cname("n59.test.", "n0.test."));
        for (records, length) in [(to_the_first, 2), (to_another, 3), (to_itself, 1), (long, 61)] {
            let answer = read(&response(records));
            assert!(answer.alias_loop);
            assert_eq!((answer.outcome(), answer.chain.len()), (Outcome::Failed, length));
        }
    }

    #[test]
    fn a_long_chain_is_no_loop() {
        for length in [15, 16, 17, 20, MOST_ALIASES, 300] {
            let mut records = chain_of(length);
            records.push(a(&format!("n{}.test.", length - 1), 9));
            let answer = read(&response(records));
            assert_eq!((answer.alias_loop, answer.outcome()), (false, Outcome::Addresses), "{length}");
            assert_eq!(answer.chain.len(), length.min(MOST_ALIASES));
            assert_eq!(answer.aliases_left_out as usize, length - answer.chain.len());
            assert_eq!(answer.chain[0].name, "www.shop.test.");
            assert_eq!(answer.end_of_chain(), format!("n{}.test.", length - 1));
        }
    }

    #[test]
    fn only_so_many_addresses_are_kept() {
        let many = (0..=255).flat_map(|last| [a("www.shop.test.", last), a("other.test.", last)]);
        let many = many.chain((0..50).map(|last| a("www.shop.test.", last)));
        let answer = read(&response(many.collect()));
        assert_eq!(answer.addresses.len(), MOST_ADDRESSES);
        assert_eq!((answer.addresses_left_out, answer.other_records), (50, 256));
    }

    #[test]
    fn an_answer_cut_within_a_record_is_still_a_cut_answer() {
        let mut message = response((0..20).map(|last| a("www.shop.test.", last)).collect());
        message.metadata.truncation = true;
        let bytes = message.to_vec().unwrap();
        let mut answer = blank();
        assert_eq!(wanted(RecordType::A).read(&bytes[..bytes.len() - 5], &[ID], &mut answer), Reading::Ours);
        assert_eq!(answer.outcome(), Outcome::Truncated);
    }

    #[test]
    fn what_is_not_an_answer_to_us_is_left_alone() {
        let bytes = response(vec![]).to_vec().unwrap();
        let mut answer = blank();
        assert_eq!(wanted(RecordType::A).read(&bytes, &[1, 2], &mut answer), Reading::NotOurs);
        assert_eq!(wanted(RecordType::AAAA).read(&bytes, &[ID], &mut answer), Reading::NotOurs);
        let question = wanted(RecordType::A).bytes(ID).unwrap();
        assert_eq!(wanted(RecordType::A).read(&question, &[ID], &mut answer), Reading::NotOurs);
        assert_eq!(wanted(RecordType::A).read(&[], &[ID], &mut answer), Reading::NotOurs);
        assert_eq!(answer.outcome(), Outcome::Unfinished);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(tail in prop::collection::vec(any::<u8>(), 0..600), flags in any::<u8>()) {
            let mut bytes = ID.to_be_bytes().to_vec();
            bytes.push(flags | 0x80);
            bytes.extend(tail);
            let mut answer = blank();
            wanted(RecordType::A).read(&bytes, &[ID], &mut answer);
            prop_assert!(answer.addresses.len() <= MOST_ADDRESSES);
        }

        #[test]
        fn any_change_to_a_good_answer_is_survived(place in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let records = vec![cname("www.shop.test.", "b.test."), a("b.test.", 1)];
            let mut message = response(records);
            message.set_edns(Edns::new());
            let mut bytes = message.to_vec().unwrap();
            let place = 2 + place.index(bytes.len() - 2);
            bytes[place] = value;
            bytes.truncate(2 + cut.index(bytes.len() - 1));
            let mut answer = blank();
            wanted(RecordType::A).read(&bytes, &[ID], &mut answer);
            let _ = answer.outcome();
        }
    }
}

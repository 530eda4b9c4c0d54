//! From a query and a fault to the bytes that are sent, or not.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::opt::EdnsOption;
use hickory_resolver::proto::rr::rdata::{A, CNAME, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};

use super::answer::{Answer, look_up};
use super::fault::{Fault, Kind};
use super::record::Transport;
use super::zone::Loaded;

/// The option code of Extended DNS Errors (RFC 8914).
const EXTENDED_ERROR: u16 = 15;
/// What fits into a datagram when the asker does not say otherwise (RFC 1035).
const SMALLEST_DATAGRAM: usize = 512;

/// What the server does about one query.
#[derive(Debug)]
pub(super) enum Deed {
    Send(Bytes),
    SendFrom(Option<IpAddr>, Bytes),
    Nothing,
    Close,
}

/// All that an answer depends on besides the query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) zones: &'a [Loaded],
    /// The zone of the fault, where it has one.
    pub(super) other_zone: Option<&'a Loaded>,
    pub(super) fault: Option<&'a Fault>,
    pub(super) transport: Transport,
    pub(super) elapsed: Duration,
    pub(super) authoritative: bool,
}

/// Decides on one query with exactly one question.
pub(super) fn decide(query: &Message, question: &Query, circumstances: Circumstances<'_>) -> Deed {
    let Circumstances { zones, other_zone, fault, transport, elapsed, authoritative } = circumstances;
    let zones = other_zone.map_or(zones, std::slice::from_ref);
    let honest = || look_up(zones, question.name(), question.query_type(), elapsed);
    let send = |answer: Answer| finish(query, question, answer, fault, transport, authoritative);
    let negative = |code| Answer { code, authorities: soa_for(zones, question.name()), ..Answer::default() };
    let Some(fault) = fault else { return Deed::Send(send(honest())) };
    match &fault.kind {
        Kind::Nothing | Kind::Zone(_) => Deed::Send(send(honest())),
        Kind::Code(code) => Deed::Send(send(Answer { code: (*code).into(), ..Answer::default() })),
        Kind::NoName => Deed::Send(send(negative(ResponseCode::NXDomain))),
        Kind::NoData => Deed::Send(send(negative(ResponseCode::NoError))),
        Kind::ServfailUnlessCd if query.metadata.checking_disabled => Deed::Send(send(honest())),
        Kind::ServfailUnlessCd => {
            Deed::Send(send(Answer { code: ResponseCode::ServFail, ..Answer::default() }))
        }
        Kind::Drop => Deed::Nothing,
        Kind::Close => Deed::Close,
        Kind::Truncate if transport == Transport::Tcp => Deed::Send(send(honest())),
        Kind::Truncate => Deed::Send(encode(&response(query, question, authoritative).truncate())),
        Kind::WrongId => {
            let mut bytes = send(honest()).to_vec();
            if let Some(low) = bytes.get_mut(1) {
                *low ^= 0x55;
            }
            Deed::Send(bytes.into())
        }
        Kind::WrongSource(address) => Deed::SendFrom(*address, send(honest())),
        Kind::WrongQuestion => {
            let other = Query::query(below("other", question.name()), question.query_type());
            Deed::Send(finish(query, &other, honest(), Some(fault), transport, authoritative))
        }
        Kind::CnameLoop => Deed::Send(send(cname_loop(question.name()))),
        Kind::ControlCharacters => Deed::Send(send(control_characters(question.name()))),
        Kind::PointerLoop => Deed::Send(pointer_loop(query, question)),
        Kind::Garbage => {
            Deed::Send([&query.metadata.id.to_be_bytes()[..], &[0x81, 0x80], &[0xff; 60]].concat().into())
        }
        Kind::Raw(bytes) => Deed::Send(bytes.clone()),
    }
}

/// What is said to bytes that are no query: FORMERR or NOTIMP where an id can be read, else nothing.
pub(super) fn reject(bytes: &[u8], parsed: Option<&Message>) -> Deed {
    if let Some(message) = parsed {
        let code = match message.metadata.op_code {
            OpCode::Query => ResponseCode::FormErr,
            _ => ResponseCode::NotImp,
        };
        return Deed::Send(encode(&Message::error_msg(message.metadata.id, message.metadata.op_code, code)));
    }
    match bytes.get(..12) {
        // Answering what is itself an answer could go on for ever.
        Some(&[high, low, flags, ..]) if flags & 0x80 == 0 => {
            let id = u16::from_be_bytes([high, low]);
            Deed::Send(encode(&Message::error_msg(id, OpCode::Query, ResponseCode::FormErr)))
        }
        _ => Deed::Nothing,
    }
}

fn response(query: &Message, question: &Query, authoritative: bool) -> Message {
    let mut message = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    message.metadata.recursion_desired = query.metadata.recursion_desired;
    message.metadata.checking_disabled = query.metadata.checking_disabled;
    message.metadata.recursion_available = !authoritative;
    message.metadata.authoritative = authoritative;
    message.add_query(question.clone());
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(1232).set_version(0);
        message.set_edns(edns);
    }
    message
}

fn finish(
    query: &Message,
    question: &Query,
    answer: Answer,
    fault: Option<&Fault>,
    transport: Transport,
    authoritative: bool,
) -> Bytes {
    let mut message = response(query, question, authoritative);
    message.metadata.response_code = answer.code;
    message.answers = answer.answers;
    message.authorities = answer.authorities;
    let extended =
        fault.and_then(|fault| fault.extended.as_ref()).filter(|_| answer.code != ResponseCode::NoError);
    if let (Some((code, text)), Some(edns)) = (extended, message.edns.as_mut()) {
        let content = [&code.to_be_bytes()[..], text.as_bytes()].concat();
        edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR, content));
    }
    let bytes = encode(&message);
    let room = query.edns.as_ref().map_or(SMALLEST_DATAGRAM, |edns| usize::from(edns.max_payload()));
    if transport == Transport::Udp && bytes.len() > room.max(SMALLEST_DATAGRAM) {
        return encode(&message.truncate());
    }
    bytes
}

/// Empty when a record cannot be encoded, which the sender takes as nothing to send.
fn encode(message: &Message) -> Bytes {
    message.to_vec().unwrap_or_default().into()
}

fn soa_for(zones: &[Loaded], name: &Name) -> Vec<Record> {
    let zone =
        zones.iter().filter(|zone| zone.origin.zone_of(name)).max_by_key(|zone| zone.origin.num_labels());
    zone.map(Loaded::negative_soa).into_iter().collect()
}

fn cname_loop(name: &Name) -> Answer {
    let other = below("loop", name);
    let alias =
        |from: &Name, to: &Name| Record::from_rdata(from.clone(), 60, RData::CNAME(CNAME(to.clone())));
    Answer { answers: vec![alias(name, &other), alias(&other, name)], ..Answer::default() }
}

fn control_characters(name: &Name) -> Answer {
    let odd = below(&b"\x1b[31mred\x07\r\n"[..], name);
    Answer {
        answers: vec![
            Record::from_rdata(name.clone(), 60, RData::CNAME(CNAME(odd.clone()))),
            Record::from_rdata(odd.clone(), 60, RData::A(A(Ipv4Addr::LOCALHOST))),
            Record::from_rdata(odd, 60, RData::TXT(TXT::from_bytes(vec![b"\x1b]0;title\x07\x1b[2J"]))),
        ],
        ..Answer::default()
    }
}

fn pointer_loop(query: &Message, question: &Query) -> Bytes {
    let mut bytes = encode(&response(query, question, false)).to_vec();
    // One question, one answer, nothing else: the OPT record of the response, if any, is cut off with its count.
    let question_end = 12 + question.name().iter().map(|label| label.len() + 1).sum::<usize>() + 1 + 4;
    bytes.truncate(question_end);
    if let Some(counts) = bytes.get_mut(6..12) {
        counts.copy_from_slice(&[0, 1, 0, 0, 0, 0]);
    }
    let [high, low] = u16::try_from(bytes.len()).unwrap_or(12).to_be_bytes();
    bytes.extend_from_slice(&[0xc0 | high, low, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    bytes.into()
}

/// A name one label longer, or the same where it would be too long.
fn below(label: impl hickory_resolver::proto::rr::domain::IntoLabel, name: &Name) -> Name {
    name.prepend_label(label).unwrap_or_else(|_| name.clone())
}

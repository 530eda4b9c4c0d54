//! One plain DNS query, without EDNS, as an old program would send it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, Query};
use hickory_resolver::proto::rr::{Name, RecordType};

use super::witness::Eyes;

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Message { rcode: u16, answers: usize, truncated: bool },
    Garbage,
    Nothing,
    Refused,
    Failed(io::ErrorKind),
}

/// Asks for the IPv4 addresses of a name, perhaps without a check of the signatures (CD).
pub(super) async fn ask<E: Eyes>(
    eyes: &E,
    server: SocketAddr,
    name: &str,
    unchecked: bool,
    limit: Duration,
) -> Answer {
    let name = format!("{}.", name.trim_end_matches('.'));
    let Ok(name) = Name::from_str(&name) else { return Answer::Failed(io::ErrorKind::InvalidInput) };
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.metadata.checking_disabled = unchecked;
    message.add_query(Query::query(name, RecordType::A));
    let Ok(bytes) = message.to_vec() else { return Answer::Failed(io::ErrorKind::InvalidInput) };
    match eyes.ask(server, &bytes, limit).await {
        Ok(None) => Answer::Nothing,
        Ok(Some(answer)) => match Message::from_vec(&answer) {
            Ok(answer) if answer.metadata.id == message.metadata.id => Answer::Message {
                rcode: answer.metadata.response_code.into(),
                answers: answer.answers.len(),
                truncated: answer.metadata.truncation,
            },
            _ => Answer::Garbage,
        },
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Answer::Refused,
        Err(error) => Answer::Failed(error.kind()),
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { rcode, answers, truncated } => {
                let tc = if *truncated { ", truncated" } else { "" };
                write!(f, "rcode {rcode} with {answers} answers{tc}")
            }
            Self::Garbage => f.write_str("bytes that are no answer"),
            Self::Nothing => f.write_str("no answer"),
            Self::Refused => f.write_str("ICMP port unreachable"),
            Self::Failed(kind) => write!(f, "an error: {kind}"),
        }
    }
}

//! How findings say what nameservers said.

use reqpath_core::PeerAddr;

use super::survey::{Standing, standing_of};
use crate::evidence::Answer;

/// The name as it is, with its final dot.
pub(super) fn absolute(host: &str) -> String {
    format!("{}.", host.trim_end_matches('.').to_ascii_lowercase())
}

/// A nameserver as people write it: without the port where that is 53.
pub(super) fn text(server: PeerAddr) -> String {
    if server.port() == 53 { server.ip().to_string() } else { server.to_string() }
}

/// Aliases of a chain that are shown one by one; of a longer one, the first and the last.
const MOST_SHOWN: usize = 8;

/// A name and the aliases it leads over: `a. → b. → c.`.
pub(super) fn chain(answer: &Answer) -> String {
    let mut text = answer.chain.first().map_or(&answer.name, |first| &first.name).clone();
    let mut to = |target: &str| {
        text.push_str(" → ");
        text.push_str(target);
    };
    let of = answer.aliases();
    if of <= MOST_SHOWN {
        answer.chain.iter().for_each(|alias| to(&alias.target));
    } else {
        answer.chain.iter().take(MOST_SHOWN - 1).for_each(|alias| to(&alias.target));
        to(&format!("({} more)", of - MOST_SHOWN));
        to(answer.end_of_chain());
    }
    text
}

/// What an answer says, as a verb phrase.
pub(super) fn told(answer: &Answer) -> String {
    let time = answer.time_us;
    match standing_of(answer) {
        Standing::Addresses => format!("gave {} in {time}", addresses(answer.count())),
        Standing::NoData if !answer.denies() => format!("gave no {} record in {time}", answer.record_type),
        Standing::NoData => format!("said in {time} that there is no {} record", answer.record_type),
        Standing::NoSuchName | Standing::ServerFailure | Standing::Refused => {
            format!("said {} in {time}", answer.rcode.as_deref().unwrap_or("nothing"))
        }
        Standing::Failed => match &answer.rcode {
            Some(rcode) if !answer.alias_loop => format!("said {rcode} in {time}"),
            _ => format!("gave an answer in {time} that cannot be used"),
        },
        Standing::Cut => "cut its answer, and cannot be asked over TCP".to_owned(),
        Standing::TimedOut => format!("did not answer in {time}"),
        Standing::Unreachable => "cannot be reached".to_owned(),
        Standing::Unfinished => "was not waited for".to_owned(),
    }
}

/// The command that asks a nameserver the same.
pub(super) fn dig(answer: &Answer, more: &str) -> String {
    dig_of(answer, &answer.name, &answer.record_type, more)
}

/// The command that asks the same nameserver something else.
pub(super) fn dig_of(answer: &Answer, name: &str, record_type: &str, more: &str) -> String {
    let port = match answer.server.port() {
        53 => String::new(),
        port => format!(" -p {port}"),
    };
    let more = if more.is_empty() { String::new() } else { format!(" {more}") };
    format!("dig @{}{port}{more} {name} {record_type}", answer.server.ip())
}

/// So many addresses.
pub(super) fn addresses(count: usize) -> String {
    if count == 1 { "1 address".to_owned() } else { format!("{count} addresses") }
}

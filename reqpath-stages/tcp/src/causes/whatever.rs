//! A connection that dies whatever is said on it: what `tcp.reset` and `tcp.closed` share.

use reqpath_core::{Case, Decline, Finding, Micros, Seen, Subject};

use crate::evidence::{Broken, Closing, Progress, Silence};

use super::met::apart;

/// How much later than the connection that spoke a silent one may die and still have died of the same, plus a bit.
const SLOWER: u64 = 10;
const BIT: u64 = 200_000;

/// The finding where a silent connection to this address was ended in this way, as the one that spoke was.
///
/// What the silent one saw decides: a peer that closes with our bytes unread resets the connection that spoke.
pub(super) fn ended_anyway(case: &Case, at: &Subject, how: Closing) -> Result<Finding, Decline> {
    let peer = at.address().ok_or(Decline::Absent)?;
    let broken = case.first::<Broken>(at)?;
    let look = |seconds: u64| {
        let peer = apart(peer);
        Decline::needs(format!("sleep {seconds} | nc -v {peer}   # does a silent connection die too?"))
    };
    let Some(silence) = case.of::<Silence>(at).last() else { return Err(look(2)) };
    // One that was watched for less time than the other lived may have died like it.
    if silence.closed == Closing::None && silence.after_us < broken.after_us {
        return Err(look(broken.after_us.0.div_ceil(500_000)));
    }
    if silence.closed == Closing::None {
        let because =
            format!("a second connection, on which nothing was said, stayed open for {}", silence.after_us);
        return Err(Decline::not(because, &silence));
    }
    if silence.closed != how {
        return Err(Decline::not(format!("a silent connection was {}", silence.closed), &silence));
    }
    if silence.after_us.0 > broken.after_us.0.saturating_mul(SLOWER).saturating_add(BIT) {
        let because = format!(
            "a silent connection lived for {}, the one that spoke died after {}",
            silence.after_us, broken.after_us
        );
        return Err(Decline::not(because, &silence));
    }
    let summary = format!(
        "{peer} accepts connections and ends them whatever is said: {}, and a silent one was {} after {}",
        spoke(&broken),
        silence.closed,
        at_once(silence.after_us)
    );
    Ok(Finding::new(at, &silence, summary)
        .citing(&broken)
        .next(format!("sleep 2 | nc -v {}", apart(peer)))
        .next(format!("tcpdump -ni any 'host {} and tcp port {}'", peer.ip(), peer.port())))
}

fn spoke(broken: &Seen<'_, Broken>) -> String {
    let said = match broken.after {
        Progress::Sent => "the request",
        Progress::Handshake => "the start of a handshake",
    };
    format!("the one with {said} was {} after {}", broken.how, broken.after_us)
}

fn at_once(after: Micros) -> String {
    if after.0 < 1_000 { "less than 1 ms".to_owned() } else { after.to_string() }
}

//! Finding the attempts that ended in one way, among all there were at an address.

use reqpath_core::{Case, Decline, IcmpError, PeerAddr, Role, Seen, Subject, Trial};

use reqpath_dns::Resolution;

use crate::evidence::{Attempt, Death, Outcome, Purpose, RouteTaken};

/// An attempt that died in the way that was looked for.
pub(super) struct Met<'a> {
    pub(super) peer: PeerAddr,
    pub(super) attempt: Seen<'a, Attempt>,
    times: usize,
    of: usize,
}

impl Met<'_> {
    /// ` (4 of 12 attempts)`, or nothing where every attempt died so.
    pub(super) fn how_often(&self) -> String {
        if self.times == self.of {
            String::new()
        } else {
            format!(" ({} of {} attempts)", self.times, self.of)
        }
    }

    /// The system's own words.
    pub(super) fn words(&self) -> String {
        self.attempt.words().unwrap_or_default()
    }
}

/// The attempts at this address that died in one of these ways.
///
/// Where there were attempts and none did, that is what rules the cause out.
pub(super) fn met<'a>(case: &'a Case, at: &'a Subject, deaths: &[Death]) -> Result<Met<'a>, Decline> {
    let peer = at.address().ok_or(Decline::Absent)?;
    let ended: Vec<Seen<'a, Attempt>> =
        case.of::<Attempt>(at).filter(|attempt| attempt.outcome != Outcome::GivenUp).collect();
    let first = ended.first().ok_or(Decline::Absent)?;
    let met = |attempt: &&Seen<'a, Attempt>| attempt.death().is_some_and(|death| deaths.contains(&death));
    let on_road = ended.iter().filter(met).find(|attempt| attempt.purpose == Purpose::Road);
    let Some(attempt) = on_road.or_else(|| ended.iter().find(met)) else {
        return Err(case.not(first, || otherwise(peer, first)));
    };
    if let Some((served, open)) = serves_on_the_other(case, at) {
        return Err(case.not(&open, || {
            format!(
                "{peer} is one of two ways to this very host, which nobody promised, and {served} is open"
            )
        }));
    }
    Ok(Met { peer, attempt: *attempt, times: ended.iter().filter(met).count(), of: ended.len() })
}

/// Where a name stands for this very host by rule, its address that is open: no record says that the other is.
pub(super) fn serves_on_the_other<'a>(case: &'a Case, at: &Subject) -> Option<(PeerAddr, Seen<'a, Attempt>)> {
    let leg = at.whole_leg();
    if !case.of::<Resolution>(&leg).any(|resolution| resolution.by_rule) {
        return None;
    }
    of_leg(case, at).find(|(_, attempt)| attempt.connected())
}

/// Whether an address further in was dialled because the path declares it: then no name gave it.
pub(super) fn declared(case: &Case, at: &Subject, peer: PeerAddr) -> bool {
    let whole = at.whole_leg();
    let hop = whole.as_leg().and_then(|leg| case.path().hop(&leg.to));
    case.path().front() != Some(whole.clone())
        && hop.is_some_and(|hop| hop.addresses.iter().any(|address| address.ip() == Some(peer.ip())))
}

/// How an attempt ended, as the reason why it is not something else.
fn otherwise(peer: PeerAddr, attempt: &Attempt) -> String {
    let elapsed = attempt.elapsed_us;
    let words = || attempt.words().unwrap_or_default();
    match (attempt.death(), attempt.icmp()) {
        (None, _) => format!("the handshake with {peer} was completed in {elapsed}"),
        (Some(Death::Refused), _) => {
            format!("{peer} answered our SYN with a RST after {elapsed}, and no ICMP message came with it")
        }
        (Some(Death::Unanswered), _) => format!("nothing at all came back from {peer} for {elapsed}"),
        (Some(Death::Reset), _) => format!("{peer} completed the handshake, and then reset the connection"),
        (Some(_), Some(icmp)) => {
            let who = icmp.offender.map(|offender| format!(" from {offender}")).unwrap_or_default();
            format!("{}, and what came back{who} is {}", words(), icmp_name(icmp))
        }
        (Some(_), None) => format!("{} after {elapsed}, and nothing came back from the network", words()),
    }
}

/// Every attempt of a leg with its address, whatever the address and the sample.
///
/// A proxy's addresses and those of the target behind it are two sets: what is seen of the one tells nothing of
/// the other. So the control past the proxy counts only for an address that no other request was sent to, and
/// then alone.
pub(super) fn of_leg<'a>(
    case: &'a Case,
    at: &Subject,
) -> impl Iterator<Item = (PeerAddr, Seen<'a, Attempt>)> + use<'a> {
    static EVERYWHERE: Subject = Subject::Path;
    let leg = at.whole_leg();
    let direct = case.of::<Trial>(&leg).find(|trial| trial.role == Role::Direct);
    let direct = direct.and_then(|trial| trial.subject().sample());
    let past = move |attempt: &Seen<'_, Attempt>| direct.is_some() && attempt.subject().sample() == direct;
    let wanted = direct.is_some()
        && (at.address().is_some() || at.sample().is_some())
        && case.of::<Attempt>(at).all(|attempt| past(&attempt));
    case.of::<Attempt>(&EVERYWHERE)
        .filter(move |attempt| leg.covers(attempt.subject()) && past(attempt) == wanted)
        .filter_map(|attempt| Some((attempt.subject().address()?, attempt)))
}

/// The route towards this address, where it was looked up.
pub(super) fn route<'a>(case: &'a Case, at: &'a Subject) -> Option<Seen<'a, RouteTaken>> {
    case.of::<RouteTaken>(at).last()
}

/// An ICMP message by its name and numbers.
pub(super) fn icmp_name(icmp: &IcmpError) -> String {
    let name = match (icmp.v6, icmp.kind, icmp.code) {
        (false, 3, 0 | 6) | (true, 1, 0) => "network unreachable",
        (false, 3, 1 | 7) | (true, 1, 3) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
        (true, 1, 5) => "source address fails policy",
        (true, 1, 6) => "rejected route",
        (false, 11, _) | (true, 3, _) => "time exceeded in transit",
        _ => "an error",
    };
    let version = if icmp.v6 { "v6" } else { "" };
    format!("{name} (ICMP{version} type {} code {})", icmp.kind, icmp.code)
}

/// `192.0.2.1 80`: how `nc` wants it.
pub(super) fn apart(peer: PeerAddr) -> String {
    format!("{} {}", peer.ip(), peer.port())
}

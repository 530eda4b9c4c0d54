//! The search list made another name of it.

use std::net::IpAddr;

use reqpath_core::{Case, Decline, End, Finding, Seen, Subject, cause};

use super::survey::{Road, Standing, Survey};
use super::words::{absolute, dig, dig_of, text, told};
use crate::evidence::{Answer, Outcome, SearchList};

cause! {
    /// The search list turned the name into another one.
    ///
    /// A name with fewer dots than `ndots` is first asked for with each suffix of the search list.
    /// If one of those names exists, by a wildcard for example, the request goes there and the name that
    /// was meant is never asked for; if the server of one of them is silent, the client's time may run out there.
    /// The list of names that were asked for shows it, and the name with a final dot has other addresses.
    /// It is told from `dns.name_not_resolved`, where no name of the list exists, and from `dns.timed_out`, where
    /// the name with a final dot leaves the same question unanswered.
    ///
    /// # What to do
    ///
    /// Write the name with a final dot, lower `ndots`, or take the suffix out of the search list.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "dns.system", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "api.shop.example", "addresses": ["10.9.9.9"]}},
    ///   {"kind": "dns.search", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"name": "api.shop.example", "ndots": 5,
    ///             "names": ["api.shop.example.corp.example.", "api.shop.example."]}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "api.shop.example.corp.example.", "rcode": "NOERROR",
    ///             "addresses": [{"address": "10.9.9.9", "ttl_s": 60}]}},
    ///   {"kind": "dns.answer", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"server": "192.0.2.53:53", "name": "api.shop.example.", "rcode": "NOERROR",
    ///             "addresses": [{"address": "198.51.100.7", "ttl_s": 60}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}]}
    /// ```
    pub static SEARCH_MISMATCH: "dns.search_mismatch" = recognise {
        only_in_trouble(),
        blames(End::Near),
        explains(&["dns.system_resolver_failed", "dns.timed_out", "dns.dead_address", "tcp.*", "tls.*", "http.*"]),
        twins(&["dns.name_not_resolved", "dns.timed_out"]),
        kills_in(&["dns", "tcp", "tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let survey = Survey::of(case, at)?;
    let Road::System(system) = survey.road else { return Err(Decline::Absent) };
    let search = survey.search.ok_or(Decline::Absent)?;
    let meant = absolute(survey.host());
    if search.names.first().is_none_or(|first| *first == meant) {
        return Err(Decline::not(format!("{meant} is asked for as it is, before any suffix"), &search));
    }
    if !survey.host().trim_end_matches('.').contains('.') {
        return Err(Decline::not("a name without dots is meant to go through the search list", &search));
    }
    let Some(own) = answer_of(&survey, &meant, Standing::Addresses) else {
        return Err(Decline::not(format!("{meant} itself has no address"), &search));
    };
    if system.usable().next().is_none() {
        return stopped(at, &survey, &search, &own);
    }
    let winner = search.names.iter().find_map(|name| answer_of(&survey, name, Standing::Addresses));
    let winner = winner
        .filter(|winner| winner.name != own.name)
        .ok_or_else(|| Decline::not(format!("only {meant} itself has an address"), &own))?;
    let went_there = system.usable().any(|address| holds(&winner, address));
    let meets_own =
        system.usable().any(|address| all_of(&survey, &meant).any(|answer| holds(&answer, address)));
    if !went_there || meets_own {
        let because = format!("the addresses that were used are those of {meant} itself");
        return Err(Decline::not(because, &own));
    }
    let summary = format!(
        "{} was looked up as {} (search list, ndots:{}) and got {}; {meant} itself is {}",
        system.name,
        winner.name,
        search.ndots,
        first_of(&winner),
        first_of(&own)
    );
    let finding = Finding::new(at, &search, summary).citing(&winner).citing(&own).citing(&system);
    Ok(finding
        .next(dig(&winner, "+short"))
        .next(dig(&own, "+short"))
        .next("grep -E 'search|ndots' /etc/resolv.conf"))
}

/// The client's time ran out over a name of the list that nobody answers for, before the one that was meant.
///
/// The list is to blame only where the name itself, with the same questions to the same server, would have done.
fn stopped(
    at: &Subject,
    survey: &Survey<'_>,
    search: &Seen<'_, SearchList>,
    own: &Seen<'_, Answer>,
) -> Result<Finding, Decline> {
    let before = search.names.iter().take_while(|name| **name != own.name);
    let silent = before.filter_map(|name| answer_of(survey, name, Standing::TimedOut)).next();
    let Some(silent) = silent.filter(|_| survey.out_of_time()) else {
        let because = format!("no name of the search list kept the client from asking for {}", own.name);
        return Err(Decline::not(because, own));
    };
    let plain = answered_by(survey, &own.name, &silent)?;
    let summary = format!(
        "{} was looked up as {} first (search list, ndots:{}), and {} left its {} question unanswered for {}; \
         {} itself is {}, and its turn did not come in time",
        survey.host(),
        silent.name,
        search.ndots,
        text(silent.server),
        silent.record_type,
        silent.time_us,
        own.name,
        first_of(own)
    );
    let finding = Finding::new(at, search, summary).citing(&silent).citing(own).citing(&plain);
    Ok(survey.road.cited(finding.next(dig(&silent, "+tries=1")).next(dig(own, "+short"))))
}

/// The answer about the name itself to the question that another name left open, from the same server.
///
/// Declined where the name itself leaves a question of the client open as well, or takes as long: then it dies
/// with a final dot too.
fn answered_by<'a>(
    survey: &Survey<'a>,
    name: &str,
    silent: &Seen<'a, Answer>,
) -> Result<Seen<'a, Answer>, Decline> {
    let questions = || all_of(survey, name).filter(|answer| answer.server == silent.server);
    let in_time = |answer: &Answer| {
        matches!(answer.outcome(), Outcome::Addresses | Outcome::NoData | Outcome::NoSuchName)
            && answer.time_us < survey.road.time()
    };
    if let Some(open) = questions().find(|answer| !in_time(answer)) {
        let because =
            format!("{name} itself fares no better: its {} question {}", open.record_type, fate(&open));
        return Err(Decline::not(because, &open));
    }
    questions().find(|answer| answer.record_type == silent.record_type).ok_or_else(|| {
        Decline::needs(format!(
            "{}   # of the name itself",
            dig_of(silent, name, &silent.record_type, "+tries=1")
        ))
    })
}

/// What became of a question, as a verb phrase.
fn fate(answer: &Answer) -> String {
    match answer.outcome() {
        Outcome::TimedOut | Outcome::Unfinished => format!("was not answered in {}", answer.time_us),
        _ => format!("was answered after {}, and the server {}", answer.time_us, told(answer)),
    }
}

fn all_of<'a>(survey: &Survey<'a>, name: &str) -> impl Iterator<Item = Seen<'a, Answer>> {
    let answers = survey.servers.iter().flat_map(|server| server.answers.iter().copied());
    answers.filter(move |answer| answer.name == name).collect::<Vec<_>>().into_iter()
}

fn answer_of<'a>(survey: &Survey<'a>, name: &str, standing: Standing) -> Option<Seen<'a, Answer>> {
    all_of(survey, name).find(|answer| super::survey::standing_of(answer) == standing)
}

fn holds(answer: &Answer, address: IpAddr) -> bool {
    answer.addresses.iter().any(|record| record.address == address)
}

fn first_of(answer: &Answer) -> String {
    answer.addresses.first().map_or_else(String::new, |record| record.address.to_string())
}

//! What the look-ups of one leg come to, put side by side for the recognisers.

use reqpath_core::{Case, Decline, Finding, Micros, PeerAddr, Seen, Subject};

use super::words::{absolute, addresses, text, told};
use crate::evidence::{Answer, Asked, Outcome, Resolution, Resolvers, SearchList, SystemLookup, Transport};

/// The look-ups of one leg: the client's own road, and every nameserver beside it.
///
/// Where samples differ it is about the first that got no address.
pub(super) struct Survey<'a> {
    pub(super) road: Road<'a>,
    /// The nameservers, in the order in which the client asks them.
    pub(super) servers: Vec<Server<'a>>,
    pub(super) resolvers: Option<Seen<'a, Resolvers>>,
    pub(super) search: Option<Seen<'a, SearchList>>,
}

/// The client's own road.
#[derive(Clone, Copy)]
pub(super) enum Road<'a> {
    System(Seen<'a, SystemLookup>),
    Given(Seen<'a, Resolution>),
}

/// One nameserver and what it answered about the names of this look-up.
pub(super) struct Server<'a> {
    pub(super) address: PeerAddr,
    /// One answer for each name and type: the last one given.
    pub(super) answers: Vec<Seen<'a, Answer>>,
    /// Answers to questions with CD=1.
    pub(super) unchecked: Vec<Seen<'a, Answer>>,
    /// Answers to questions asked once more.
    pub(super) again: Vec<Seen<'a, Answer>>,
}

/// A server with the answer that decides about it.
pub(super) type Answered<'s, 'a> = (&'s Server<'a>, Seen<'a, Answer>);

/// What one server's answers come to, for a client that asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Addresses,
    ServerFailure,
    Refused,
    Failed,
    /// Cut over UDP, and not to be had over TCP.
    Cut,
    TimedOut,
    Unreachable,
    Unfinished,
    NoData,
    NoSuchName,
}

/// The order in which answers to several names and types count.
const BY_WEIGHT: [Standing; 10] = [
    Standing::Addresses,
    Standing::ServerFailure,
    Standing::Refused,
    Standing::Failed,
    Standing::Cut,
    Standing::TimedOut,
    Standing::Unreachable,
    Standing::Unfinished,
    Standing::NoData,
    Standing::NoSuchName,
];

impl<'a> Survey<'a> {
    /// Puts the look-ups side by side; declined where no name was looked up.
    pub(super) fn of(case: &'a Case, at: &'a Subject) -> Result<Self, Decline> {
        let roads = || {
            let systems = case.of::<SystemLookup>(at).map(Road::System);
            systems.chain(case.of::<Resolution>(at).map(Road::Given))
        };
        let road = roads().find(Road::failed).or_else(|| roads().next()).ok_or(Decline::Absent)?;
        if !road.failed() && case.of::<Answer>(at).next().is_none() {
            // The name resolved and nobody else was asked: nothing to compare, at no cost.
            return Err(Decline::Absent);
        }
        let search = case.of::<SearchList>(at).next();
        let resolvers = case.of::<Resolvers>(at).next();
        let names = names_of(&road, search.as_ref());
        let all: Vec<Seen<'a, Answer>> =
            case.of::<Answer>(at).filter(|answer| is_about(answer, &names)).collect();
        let mut servers: Vec<Server<'a>> = Vec::new();
        let order = resolvers.iter().flat_map(|seen| seen.evidence().nameservers.iter().copied());
        for address in order.chain(all.iter().map(|answer| answer.server)) {
            if !servers.iter().any(|server| server.address == address) {
                let server = Server::of(address, &all, road.subject().sample());
                if !server.answers.is_empty() {
                    servers.push(server);
                }
            }
        }
        servers.sort_by_key(|server| road.turn_of(server.address));
        Ok(Self { road, servers, resolvers, search })
    }

    /// The same, where the client got no address; otherwise that rules the cause out.
    pub(super) fn of_failure(case: &'a Case, at: &'a Subject) -> Result<Self, Decline> {
        let survey = Self::of(case, at)?;
        if survey.road.failed() { Ok(survey) } else { Err(survey.road.declines(survey.road.words())) }
    }

    /// The answer that settles the look-up for a client: that of the first server that says yes or no.
    pub(super) fn settled(&self) -> Option<(Standing, &Server<'a>, Seen<'a, Answer>)> {
        self.servers.iter().find_map(|server| {
            let standing = server.standing();
            let conclusive =
                matches!(standing, Standing::Addresses | Standing::NoData | Standing::NoSuchName);
            conclusive.then_some((standing, server, server.answer(standing)?))
        })
    }

    /// The answer by which the client learnt that there is no address, if one did.
    pub(super) fn denied(&self) -> Option<(Standing, Seen<'a, Answer>)> {
        let (standing, _, answer) = self.settled()?;
        (standing != Standing::Addresses && !self.contradicts_denial()).then_some((standing, answer))
    }

    /// Whether the system calls the failure temporary though every nameserver says a plain no.
    fn contradicts_denial(&self) -> bool {
        let temporary =
            matches!(&self.road, Road::System(seen) if seen.symbol.as_deref() == Some("EAI_AGAIN"));
        let plain =
            |server: &Server<'_>| matches!(server.standing(), Standing::NoData | Standing::NoSuchName);
        temporary && self.servers.iter().all(plain)
    }

    /// The first server of this standing whose trouble matters: the client got no address and no
    /// other server settled it, or it got one although this server failed.
    pub(super) fn troubled(&self, standing: Standing) -> Option<Answered<'_, 'a>> {
        let matters = if self.road.failed() {
            self.settled().is_none()
        } else {
            // A name that only the hosts file knows may well trouble a nameserver.
            self.servers.iter().any(Server::resolves)
        };
        let server =
            self.servers.iter().find(|server| server.answer(standing).is_some()).filter(|_| matters)?;
        Some((server, server.answer(standing)?))
    }

    /// Why a cause about a server's trouble does not hold.
    pub(super) fn not_troubled(&self, otherwise: &'static str) -> Decline {
        match self.settled() {
            Some((_, server, answer)) => {
                Decline::not(format!("{} {}", server.text(), told(&answer)), &answer)
            }
            None => match self.servers.iter().find_map(|server| server.answer(server.standing())) {
                Some(answer) => Decline::not(format!("{} {}", text(answer.server), told(&answer)), &answer),
                None => Decline::needs(otherwise),
            },
        }
    }

    /// Servers from which nothing came, with what tells it.
    pub(super) fn dead(&self) -> Vec<Answered<'_, 'a>> {
        let dead = self.servers.iter().filter(|server| server.is_dead());
        dead.filter_map(|server| Some((server, server.answer(server.standing())?))).collect()
    }

    /// What the other servers did, as further clauses.
    pub(super) fn others(&self, but: &Server<'_>) -> String {
        let others = self.servers.iter().filter(|server| server.address != but.address);
        let told = others.filter_map(|server| {
            let answer = server.answer(server.standing())?;
            Some(format!("; {} {}", server.text(), told(&answer)))
        });
        told.take(4).collect()
    }

    /// The names that were asked for, in turn.
    pub(super) fn names_asked(&self) -> impl Iterator<Item = &'a str> {
        self.search.iter().flat_map(|seen| &seen.evidence().names).map(String::as_str)
    }

    /// Why a cause about what the zone says does not hold.
    pub(super) fn not_settled_by(&self, what: &'static str) -> Decline {
        match self.settled() {
            Some((_, server, answer)) => {
                Decline::not(format!("{} {}", server.text(), told(&answer)), &answer)
            }
            None if self.servers.is_empty() => {
                Decline::needs(format!("dig {}   # whether {what}", self.host()))
            }
            None => self.road.declines(format!("no nameserver said whether {what}")),
        }
    }

    /// Whether the client was still waiting when its time was over.
    pub(super) fn out_of_time(&self) -> bool {
        match &self.road {
            Road::System(seen) => seen.still_waiting || !seen.complete(),
            Road::Given(seen) => !seen.complete(),
        }
    }

    /// The name that was looked up, as the program gave it.
    pub(super) fn host(&self) -> &'a str {
        self.road.host()
    }
}

impl<'a> Road<'a> {
    fn subject(&self) -> &'a Subject {
        match self {
            Self::System(seen) => seen.subject(),
            Self::Given(seen) => seen.subject(),
        }
    }

    pub(super) fn host(&self) -> &'a str {
        match self {
            Self::System(seen) => &seen.evidence().name,
            Self::Given(seen) => &seen.evidence().name,
        }
    }

    /// Whether the client got no address it can use.
    pub(super) fn failed(&self) -> bool {
        match self {
            Self::System(seen) => seen.usable().next().is_none(),
            Self::Given(seen) => seen.addresses.is_empty(),
        }
    }

    pub(super) fn family(&self) -> Option<u8> {
        match self {
            Self::System(seen) => seen.family,
            Self::Given(seen) => seen.family,
        }
    }

    /// The time it took the client, or that it spent waiting.
    pub(super) fn time(&self) -> Micros {
        match self {
            Self::System(seen) => seen.time_us,
            Self::Given(seen) => seen.time_us,
        }
    }

    /// When a server had its turn, where the road tells: samples that are compared begin with one each.
    fn turn_of(&self, server: PeerAddr) -> usize {
        let Self::Given(seen) = self else { return 0 };
        let asked = seen.passed_over.iter().chain(seen.settled_by.as_ref());
        asked.clone().position(|asked| *asked == server).unwrap_or(usize::MAX)
    }

    /// What the client got, as a clause.
    pub(super) fn words(&self) -> String {
        let time = self.time();
        match self {
            Self::System(seen) if seen.still_waiting || (self.failed() && !seen.complete()) => {
                format!("the system resolver was still silent after {time}")
            }
            Self::System(seen) => match (&seen.symbol, seen.usable().count()) {
                (Some(symbol), _) => format!("the system resolver said {symbol} after {time}"),
                (None, 0) if seen.addresses.is_empty() => {
                    format!("the system resolver gave no address, after {time}")
                }
                (None, 0) => "the system resolver gave addresses of the other IP version only".to_owned(),
                (None, count) => format!("the system resolver gave {} in {time}", addresses(count)),
            },
            Self::Given(seen) => match (seen.settled_by, seen.addresses.len()) {
                (Some(server), 0) => format!("{} said in {time} that there is no address", text(server)),
                (Some(server), count) => format!("{} gave {} in {time}", text(server), addresses(count)),
                (None, _) => format!("no given nameserver had an answer in {time}"),
            },
        }
    }

    /// The finding, citing this road and with its own words.
    pub(super) fn cited(&self, finding: Finding) -> Finding {
        match self {
            Self::System(seen) => {
                let finding = finding.citing(seen);
                match (&seen.symbol, &seen.message) {
                    (Some(symbol), Some(message)) => finding.error(format!("{symbol}: {message}")),
                    _ => finding,
                }
            }
            Self::Given(seen) => finding.citing(seen),
        }
    }

    /// Ruled out by what the client got.
    pub(super) fn declines(&self, because: String) -> Decline {
        match self {
            Self::System(seen) => Decline::not(because, seen),
            Self::Given(seen) => Decline::not(because, seen),
        }
    }
}

impl<'a> Server<'a> {
    /// What one server said: in the sample that is judged, or, if it was not asked there, in any.
    fn of(address: PeerAddr, all: &[Seen<'a, Answer>], sample: Option<u32>) -> Self {
        let own = all.iter().filter(|answer| answer.server == address).copied();
        let here: Vec<Seen<'a, Answer>> =
            own.clone().filter(|answer| answer.subject().sample() == sample).collect();
        let chosen = if here.is_empty() { own.collect() } else { here };
        let mut server = Self { address, answers: Vec::new(), unchecked: Vec::new(), again: Vec::new() };
        for answer in chosen {
            if answer.checking_disabled {
                server.unchecked.push(answer);
            } else if answer.again {
                server.again.push(answer);
            } else {
                server
                    .answers
                    .retain(|known| known.name != answer.name || known.record_type != answer.record_type);
                server.answers.push(answer);
            }
        }
        server
    }

    /// What its answers come to, for a client that asks it.
    pub(super) fn standing(&self) -> Standing {
        let has = |standing: &&Standing| self.answer(**standing).is_some();
        BY_WEIGHT.iter().find(has).copied().unwrap_or(Standing::Unfinished)
    }

    /// The first answer of this standing.
    pub(super) fn answer(&self, standing: Standing) -> Option<Seen<'a, Answer>> {
        self.answers.iter().find(|answer| standing_of(answer) == standing).copied()
    }

    /// Whether it gave any address.
    pub(super) fn resolves(&self) -> bool {
        self.answer(Standing::Addresses).is_some()
    }

    /// Whether nothing came from it at all.
    pub(super) fn is_dead(&self) -> bool {
        self.answers.iter().all(|answer| {
            answer.transport == Transport::Udp
                && matches!(answer.outcome(), Outcome::TimedOut | Outcome::Unreachable)
        })
    }

    /// Whether anything at all came from it.
    pub(super) fn gave_a_sign(&self) -> bool {
        self.sign().is_some()
    }

    /// The first thing that came from it.
    pub(super) fn sign(&self) -> Option<Seen<'a, Answer>> {
        let mut signs =
            self.answers.iter().filter(|answer| answer.answered() || answer.transport == Transport::Tcp);
        signs.next().copied()
    }

    pub(super) fn text(&self) -> String {
        text(self.address)
    }
}

pub(super) fn standing_of(answer: &Answer) -> Standing {
    match answer.outcome() {
        Outcome::Truncated => Standing::Cut,
        _ if answer.transport == Transport::Tcp && !answer.answered() => Standing::Cut,
        Outcome::Addresses => Standing::Addresses,
        Outcome::NoData => Standing::NoData,
        Outcome::NoSuchName => Standing::NoSuchName,
        Outcome::ServerFailure => Standing::ServerFailure,
        Outcome::Refused => Standing::Refused,
        Outcome::Failed => Standing::Failed,
        Outcome::TimedOut => Standing::TimedOut,
        Outcome::Unreachable => Standing::Unreachable,
        Outcome::Unfinished => Standing::Unfinished,
    }
}

/// The names this look-up asks for; the answers about other names belong to other questions.
fn names_of(road: &Road<'_>, search: Option<&Seen<'_, SearchList>>) -> Vec<String> {
    let mut names = vec![absolute(road.host())];
    names.extend(search.iter().flat_map(|seen| &seen.names).map(|name| name.to_ascii_lowercase()));
    names
}

fn is_about(answer: &Answer, names: &[String]) -> bool {
    let name = absolute(&answer.name);
    matches!(&*answer.record_type, "A" | "AAAA") && answer.asked != Asked::Authority && names.contains(&name)
}

//! Looks beside the road: every nameserver asked directly.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, try_join, try_join_all};
use hickory_resolver::proto::rr::{Name, RecordType};
use reqpath_core::{Contact, ContactKind, Context, Error, Subject};

use super::configuration::{self, MOST_NAMESERVERS};
use super::exchange::{Question, is_conclusive, pause, seconds};
use super::names::{self, MOST_NAMES};
use super::{connections, queries, road, zone};
use crate::DnsOptions;
use crate::evidence::{Answer, Asked, Outcome, Transport};

/// The time between two looks at one cached answer: TTLs are whole seconds.
const COUNT_DOWN: Duration = Duration::from_millis(1_100);
/// What fits a datagram without EDNS, in bytes.
const WITHOUT_EDNS: u32 = 512;
/// A and AAAA, once more each without EDNS, one with CD=1 and one after it.
const QUESTIONS_A_NAME: usize = 6;

/// What these looks may contact.
pub(super) fn plan(options: &DnsOptions, plan: &mut Vec<Contact>) {
    let (with, servers, names) = if options.servers.is_empty() {
        plan.push(
            Contact::new(ContactKind::File, "/etc/resolv.conf", 2, "which nameservers there are").once(),
        );
        ("the configured nameservers", MOST_NAMESERVERS, MOST_NAMES + 1)
    } else {
        ("the given nameservers", options.servers.len(), 1)
    };
    let questions = servers * names * QUESTIONS_A_NAME;
    plan.push(queries(with, questions, "what each answers by itself").once());
    plan.push(connections(with, servers * names * 2).once());
    if options.authority {
        let questions = zone::QUESTIONS + servers * 2;
        plan.push(queries("the zone's own servers", questions, "what the zone says itself").once());
        plan.push(connections("the zone's own servers", questions).once());
    }
}

/// What one server is asked, and how long it is waited for.
#[derive(Clone, Copy)]
struct Manner<'a> {
    cx: &'a Context,
    at: &'a Subject,
    types: &'a [RecordType],
    asked: Asked,
    patience: Duration,
    /// Whether the client's own datagrams carry EDNS, and so may be larger than 512 bytes.
    edns: bool,
}

/// Asks every configured nameserver for every name the look-up turns into.
pub(super) async fn configured(cx: Context, at: Subject, options: Arc<DnsOptions>, host: String) {
    if let Err(error) = ask_configured(&cx, &at, &options, &host).await {
        cx.trouble("dns", &error);
    }
}

/// Asks the given nameservers that had no turn on the road, and what the road left open.
pub(super) async fn given(
    cx: Context,
    at: Subject,
    options: Arc<DnsOptions>,
    host: String,
    asked: Vec<(SocketAddr, Vec<Answer>)>,
) {
    if let Err(error) = ask_given(&cx, &at, &options, &host, asked).await {
        cx.trouble("dns", &error);
    }
}

async fn ask_configured(cx: &Context, at: &Subject, options: &DnsOptions, host: &str) -> Result<(), Error> {
    let since = cx.elapsed();
    let resolvers = configuration::read(cx).await?;
    let list = names::expand(host, &resolvers);
    let patience = options.query_timeout.unwrap_or_else(|| seconds(resolvers.timeout_s));
    let no_aaaa = resolvers.options.iter().any(|option| option == "no-aaaa");
    let edns = resolvers.options.iter().any(|option| option == "edns0");
    let servers: Vec<SocketAddr> = resolvers.nameservers.iter().map(|server| server.0).collect();
    let names = list.names.clone();
    cx.record_from(at, since, resolvers);
    cx.record_from(at, since, list);
    let family = if no_aaaa { Some(4) } else { options.family };
    let manner = Manner { cx, at, types: road::types(family), asked: Asked::Configured, patience, edns };
    let absolute = names::absolute(host);
    let looks = servers.iter().map(|server| manner.names(*server, &names, &absolute));
    let looks = join_all(looks).await;
    let answers: Vec<(SocketAddr, Vec<Answer>)> =
        servers.iter().zip(looks).filter_map(|(server, told)| Some((*server, manner.kept(told)?))).collect();
    if options.authority {
        manner.authority(&answers).await?;
    }
    Ok(())
}

async fn ask_given(
    cx: &Context,
    at: &Subject,
    options: &DnsOptions,
    host: &str,
    mut answers: Vec<(SocketAddr, Vec<Answer>)>,
) -> Result<(), Error> {
    // What is no name was said on the road.
    let Ok(name) = Name::from_str(&names::absolute(host)) else { return Ok(()) };
    let patience = options.query_timeout.unwrap_or_else(|| seconds(5));
    let manner =
        Manner { cx, at, types: road::types(options.family), asked: Asked::Given, patience, edns: true };
    let unchecked = join_all(answers.iter().map(|(server, told)| manner.unchecked(*server, &name, told)));
    let others: Vec<SocketAddr> = options
        .servers
        .iter()
        .copied()
        .filter(|server| !answers.iter().any(|(asked, _)| asked == server))
        .collect();
    let others_answers = join_all(others.iter().map(|server| manner.name(*server, &name)));
    let (controls, others_answers) = join(unchecked, others_answers).await;
    for control in controls {
        manner.kept(control);
    }
    let told = others.into_iter().zip(others_answers);
    answers.extend(told.filter_map(|(server, told)| Some((server, manner.kept(told)?))));
    if options.authority {
        manner.authority(&answers).await?;
    }
    Ok(())
}

impl Manner<'_> {
    /// What a look gave; trouble with one server does not end the looks at the others.
    fn kept<T>(&self, look: Result<T, Error>) -> Option<T> {
        look.inspect_err(|error| self.cx.trouble("dns", error)).ok()
    }

    /// Asks one server for all names in turn, until one has an address, and for the name as it is.
    async fn names(
        &self,
        server: SocketAddr,
        names: &[String],
        absolute: &str,
    ) -> Result<Vec<Answer>, Error> {
        let others: Vec<&String> = names.iter().filter(|name| *name != absolute).collect();
        let has_absolute = names.iter().any(|name| name == absolute);
        let absolute_first = names.first().is_some_and(|name| name == absolute);
        let single_label = absolute.matches('.').count() < 2;
        if !has_absolute {
            return self.until_found(server, &others).await;
        }
        let as_it_is = async {
            match parsed(absolute) {
                Some(name) => self.name(server, &name).await,
                None => Ok(Vec::new()),
            }
        };
        if absolute_first || others.is_empty() {
            let mut answers = as_it_is.await?;
            if goes_on(&answers) {
                answers.extend(self.until_found(server, &others).await?);
            }
            return Ok(answers);
        }
        if single_label {
            let mut answers = self.until_found(server, &others).await?;
            if goes_on(&answers) {
                answers.extend(as_it_is.await?);
            }
            return Ok(answers);
        }
        let (mut answers, found) = try_join(as_it_is, self.until_found(server, &others)).await?;
        answers.extend(found);
        Ok(answers)
    }

    async fn until_found(&self, server: SocketAddr, names: &[&String]) -> Result<Vec<Answer>, Error> {
        let mut answers = Vec::new();
        for name in names.iter().filter_map(|name| parsed(name)) {
            let told = self.name(server, &name).await?;
            let on = goes_on(&told);
            answers.extend(told);
            if !on {
                break;
            }
        }
        Ok(answers)
    }

    /// Asks one server for one name: all types at once, and unchecked where it failed.
    async fn name(&self, server: SocketAddr, name: &Name) -> Result<Vec<Answer>, Error> {
        let answers = try_join_all(self.types.iter().map(|of| self.question(server, name, *of))).await?;
        self.unchecked(server, name, &answers).await?;
        Ok(answers)
    }

    /// One question; once more without EDNS where that could make the difference to the client.
    async fn question(&self, server: SocketAddr, name: &Name, of: RecordType) -> Result<Answer, Error> {
        let question = Question::new(server, name, of, self.asked);
        let answer = question.ask(self.cx, self.at, self.patience).await?;
        if !self.edns && answer.transport == Transport::Udp && answer.response_bytes > WITHOUT_EDNS {
            return question.without_edns().ask(self.cx, self.at, self.patience).await;
        }
        Ok(answer)
    }

    /// One question with CD=1, where the server failed: does the data exist after all?
    ///
    /// If it does, the checked question once more, so that a failure of the moment is not called a
    /// bad signature.
    async fn unchecked(&self, server: SocketAddr, name: &Name, answers: &[Answer]) -> Result<(), Error> {
        let mut both = self.types.iter().zip(answers);
        let Some((of, _)) = both.find(|(_, answer)| answer.outcome() == Outcome::ServerFailure) else {
            return Ok(());
        };
        let question = Question::new(server, name, *of, self.asked);
        let unchecked = question.clone().checking_disabled().ask(self.cx, self.at, self.patience).await?;
        if is_conclusive(&unchecked) {
            question.again().ask(self.cx, self.at, self.patience).await?;
        }
        Ok(())
    }

    /// Asks the zone's own servers, and, where a cache says otherwise, the cache once more.
    async fn authority(&self, answers: &[(SocketAddr, Vec<Answer>)]) -> Result<(), Error> {
        let usable = |answer: &&Answer| is_conclusive(answer);
        let Some((resolver, answer)) = answers.iter().find_map(|(server, told)| {
            Some((*server, told.iter().filter(usable).max_by_key(|a| a.addresses.len())?))
        }) else {
            return Ok(());
        };
        let Some(name) = parsed(answer.end_of_chain()) else { return Ok(()) };
        let told =
            zone::look(self.cx, self.at, resolver, self.asked, &name, self.types, self.patience).await?;
        let cached =
            answers.iter().flat_map(|(server, told)| told.iter().map(move |answer| (*server, answer)));
        let mut again = Vec::new();
        for (server, cached) in cached.filter(|(_, cached)| cached.outcome() == Outcome::Addresses) {
            let mut of_type = told.iter().filter(|answer| answer.record_type == cached.record_type);
            let truth = of_type.find(|answer| is_conclusive(answer));
            let name = parsed(&cached.name).zip(RecordType::from_str(&cached.record_type).ok());
            if let (Some(truth), Some((name, of))) = (truth, name)
                && !same_addresses(truth, cached)
            {
                again.push(Question::new(server, &name, of, self.asked).again());
            }
        }
        if !again.is_empty() && pause(self.cx, COUNT_DOWN).await {
            try_join_all(again.iter().map(|question| question.ask(self.cx, self.at, self.patience))).await?;
        }
        Ok(())
    }
}

/// Whether the C library would go on to the next name after these answers.
fn goes_on(answers: &[Answer]) -> bool {
    !answers.iter().any(|answer| {
        matches!(
            answer.outcome(),
            Outcome::Addresses | Outcome::TimedOut | Outcome::Unreachable | Outcome::Unfinished
        )
    })
}

fn same_addresses(a: &Answer, b: &Answer) -> bool {
    let has = |answer: &Answer, of: &Answer| {
        answer.addresses.iter().all(|record| of.addresses.iter().any(|other| other.address == record.address))
    };
    has(a, b) && has(b, a)
}

/// A name that can be asked for; a search list may hold what cannot.
fn parsed(name: &str) -> Option<Name> {
    Name::from_str(name).ok()
}

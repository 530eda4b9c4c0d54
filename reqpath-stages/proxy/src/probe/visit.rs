//! One visit: the access logs until our last line is there, then the error logs, then what both tell together.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, UNIX_EPOCH};

use reqpath_core::{Attribute, Context, Hop, HopKind, PeerAddr, Scrubber, Source, Subject, escape};
use reqpath_http::Passage;
use tokio::time::{Instant, sleep};

use super::join::{Joined, Known, Sent, by_trial, join};
use super::read::{name, read};
use super::requests::{Request, awaited, leg, requests};
use super::{ACCESS, ERRORS, READS, RUNS, logs, read_here};
use crate::ProxyOptions;
use crate::evidence::{Absent, Fault, LoggedError, ReadLog, without_secrets};
use crate::logs::{AccessLine, AccessReader, ErrorLine, lines_with, parse_error_line, text};

/// So many lines of one request are kept: a loop may make thousands.
const MOST_OF_ONE: usize = 8;
/// So many error lines of one request are kept.
const MOST_ERRORS: usize = 16;
/// The first pause before a log is read again; each one is longer than the one before.
const PAUSE: Duration = Duration::from_millis(10);

/// A line of an access log, and of which request it is.
struct Line {
    sample: u32,
    /// It is of a request made beside that one: what it tells is not told of that one.
    further: bool,
    log: String,
    said: AccessLine,
}

impl Line {
    /// Whether it is of this very request.
    fn is_of(&self, sample: u32) -> bool {
        self.sample == sample && !self.further
    }
}

/// Reads the logs of a hop and records what they say of our requests.
pub(super) async fn visit(options: &ProxyOptions, hop: &Hop, cx: &Context) {
    let Some(leg) = leg(hop, cx) else { return };
    let here = || logs(hop).filter(|source| read_here(source, hop, cx));
    let requests = requests(hop, cx);
    let mut lines = Vec::new();
    let mut last_log = None;
    for source in here().filter(|source| source.kind == ACCESS) {
        let (found, log) = access(options, hop, source, &requests, cx).await;
        lines.extend(found);
        last_log = log.or(last_log);
    }
    let mut errors = Errors::default();
    for source in here().filter(|source| source.kind == ERRORS) {
        read_errors(options, hop, source, (&requests, &lines), &mut errors, cx).await;
    }
    record(hop, &leg, lines, errors, (&requests, last_log), cx);
}

/// The lines of our requests in one access log.
async fn access(
    options: &ProxyOptions,
    hop: &Hop,
    source: &Source,
    requests: &[Request],
    cx: &Context,
) -> (Vec<Line>, Option<String>) {
    let log = name(source);
    let reader = match AccessReader::of(source.format.as_deref()) {
        Ok(reader) => reader,
        Err(error) => {
            cx.trouble("proxy", &error);
            return (Vec::new(), None);
        }
    };
    let awaited = awaited(requests).map(|request| request.sample);
    let until = Instant::now() + cx.limit(options.wait);
    let reads = if source.file.is_some() { READS } else { RUNS };
    let mut pause = PAUSE;
    for turn in 1.. {
        let bytes = match read(options, source, cx).await {
            Ok(bytes) => bytes,
            Err(error) => {
                cx.trouble("proxy", &error);
                return (Vec::new(), None);
            }
        };
        let mut seen = ReadLog::default();
        let lines = ours(&text(&bytes, options.tail), &reader, &log, &mut seen, cx);
        let there = awaited.is_none_or(|sample| lines.iter().any(|line| line.is_of(sample)));
        if there || turn >= reads || Instant::now() + pause > until {
            seen.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            (seen.kind, seen.log) = (ACCESS.to_owned(), log.clone());
            cx.record(&Subject::Hop(hop.id.clone()), seen);
            return (lines, Some(log));
        }
        sleep(pause).await;
        pause *= 2;
    }
    (Vec::new(), None)
}

fn ours(text: &str, reader: &AccessReader, log: &str, seen: &mut ReadLog, cx: &Context) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut of_one = BTreeMap::<(u32, bool), usize>::new();
    for ours in lines_with(text, cx.trace_id()) {
        let beside = || Some((cx.beside(ours.id)?, true));
        let Some((sample, further)) = cx.sample_of(ours.id).map(|sample| (sample, false)).or_else(beside)
        else {
            continue;
        };
        let Some(said) = reader.read(ours.line) else {
            seen.unread = seen.unread.saturating_add(1);
            continue;
        };
        seen.ours = seen.ours.saturating_add(1);
        let count = of_one.entry((sample, further)).or_default();
        *count += 1;
        if *count <= MOST_OF_ONE {
            lines.push(Line { sample, further, log: log.to_owned(), said });
        }
    }
    lines
}

/// Error lines of our requests, and of how many logs they are.
#[derive(Default)]
struct Errors {
    lines: Vec<(u32, LoggedError)>,
    /// Whether every line that an answer of the hop's own would have left can be among them.
    whole: bool,
}

async fn read_errors(
    options: &ProxyOptions,
    hop: &Hop,
    source: &Source,
    (requests, lines): (&[Request], &[Line]),
    errors: &mut Errors,
    cx: &Context,
) {
    let log = name(source);
    let bytes = match read(options, source, cx).await {
        Ok(bytes) => bytes,
        Err(error) => return cx.trouble("proxy", &error),
    };
    let text = text(&bytes, options.tail);
    let all: Vec<ErrorLine<'_>> = text
        .lines()
        .filter(|line| line.len() <= crate::logs::MOST_LINE)
        .filter_map(parse_error_line)
        .collect();
    let holds_errors = all.iter().any(|line| !matches!(line.level, "crit" | "alert" | "emerg"));
    let lasted = i64::try_from(cx.elapsed().0 / 1_000_000).unwrap_or(i64::MAX).saturating_add(3);
    let joined = join(all, &known(hop, requests, lines, cx), lasted);
    let scrubber = scrubber(cx);
    let mut of_one = BTreeMap::<u32, usize>::new();
    let mut seen = ReadLog::default();
    // Lines of requests made beside ours are known, so that they are given to nobody else.
    for Joined { line, sample, indirect, .. } in joined.into_iter().filter(|joined| !joined.further) {
        seen.ours = seen.ours.saturating_add(1);
        let count = of_one.entry(sample).or_default();
        *count += 1;
        if *count <= MOST_ERRORS {
            let mut error =
                LoggedError::of(&line, hop.id.as_str(), &log, |text| scrubber.scrub(text).into_owned());
            error.indirect = indirect;
            errors.lines.push((sample, error));
        }
    }
    errors.whole |= holds_errors;
    seen.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    (seen.kind, seen.log, seen.holds_errors) = (ERRORS.to_owned(), log, holds_errors);
    cx.record(&Subject::Hop(hop.id.clone()), seen);
}

/// What is known of our requests at this hop: by its access log, else by what was sent.
fn known(hop: &Hop, requests: &[Request], lines: &[Line], cx: &Context) -> Vec<Known> {
    let now = cx.vantage().now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let sent = sent(hop, cx);
    let trial = |request: &Request| by_trial(request, &sent, now_s, cx.elapsed().0);
    // Where the access log was read, what is not in it never came.
    let logged = |sample: u32| lines.is_empty() || lines.iter().any(|line| line.is_of(sample));
    let mut known = Vec::new();
    for request in requests.iter().filter(|request| logged(request.sample)) {
        let by_trial = trial(request);
        let mut of_log = lines.iter().filter(|line| line.sample == request.sample).peekable();
        if of_log.peek().is_none() {
            known.push(by_trial);
            continue;
        }
        known.extend(of_log.map(|Line { said, further, .. }| {
            let mut words = said.request.as_deref().unwrap_or_default().split(' ');
            let (method, uri) = (words.next().filter(|word| !word.is_empty()), words.next());
            let failed = said.status.is_none_or(|status| status >= 400) || said.tries.len() > 1;
            let (from_s, to_s) = match (said.time_s, said.took) {
                (Some(end), Some(took)) => (end - i64::try_from(took.0 / 1_000_000).unwrap_or(0) - 1, end),
                _ => (by_trial.from_s, by_trial.to_s),
            };
            Known {
                from_s,
                to_s,
                client: said.client.clone(),
                method: method.map(str::to_owned),
                uri: uri.map(str::to_owned),
                host: said.host.clone(),
                connection: said.connection,
                request_id: said.request_id.clone(),
                failed,
                further: *further,
                asked: said.tries.iter().filter_map(|tried| tried.address.as_deref()?.parse().ok()).collect(),
                ..by_trial.clone()
            }
        }));
    }
    known
}

/// The request as it comes to this hop, as far as the path file tells.
fn sent(hop: &Hop, cx: &Context) -> Sent {
    let target = cx.target();
    let sends = hop.sends.as_ref();
    Sent {
        method: target.method().to_owned(),
        uri: sends.and_then(|sends| sends.uri.clone()).unwrap_or_else(|| target.path_and_query().to_owned()),
        host: sends.and_then(|sends| sends.host.clone()).unwrap_or_else(|| target.authority().to_owned()),
    }
}

/// The secrets of our request, and of what hops on its road send.
fn scrubber(cx: &Context) -> Scrubber {
    cx.target().scrubber()
}

fn record(
    hop: &Hop,
    leg: &Subject,
    lines: Vec<Line>,
    errors: Errors,
    (requests, log): (&[Request], Option<String>),
    cx: &Context,
) {
    let scrubber = scrubber(cx);
    let broke: HashSet<u32> = errors
        .lines
        .iter()
        .filter(|(_, error)| Fault::of_line(error).is_some_and(Fault::is_upstream))
        .map(|(sample, _)| *sample)
        .collect();
    // A line that fits several requests may be of one that got none.
    let of_another =
        |error: &LoggedError| error.indirect && Fault::of_line(error).is_some_and(Fault::is_upstream);
    let told_apart = !errors.lines.iter().any(|(_, error)| of_another(error));
    let lines: Vec<Line> = lines.into_iter().filter(|line| !line.further).collect();
    let logged: HashSet<u32> = lines.iter().map(|line| line.sample).collect();
    for line in lines {
        let mut passage = passage(hop, line.log, line.said, &scrubber);
        if let Some(last) = passage.tries.last_mut()
            && last.answered.is_none()
            && matches!(last.status, Some(502 | 504))
        {
            // nginx writes these for tries without an answer too; then its error log has a line.
            last.answered = match broke.contains(&line.sample) {
                true => Some(false),
                false => (errors.whole && told_apart).then_some(true),
            };
        }
        attribute(hop, leg, line.sample, &passage, cx);
        let address = passage.upstream().and_then(|upstream| upstream.parse().ok()).map(PeerAddr);
        let at = leg.at_sample(line.sample);
        cx.record(&address.map_or_else(|| at.clone(), |address| at.at_address(address)), passage);
    }
    for (sample, error) in errors.lines {
        let at = leg.at_sample(sample);
        cx.record(&error.address().map_or_else(|| at.clone(), |address| at.at_address(address)), error);
    }
    if let Some(log) = log {
        absent(hop, requests, &logged, &log, cx);
    }
}

/// Requests that are not in the log, though one that ended later is.
fn absent(hop: &Hop, requests: &[Request], logged: &HashSet<u32>, log: &str, cx: &Context) {
    let Some(before) = cx.path().before(&hop.id) else { return };
    let leg = Subject::leg(&before.id, &hop.id);
    for (place, request) in
        requests.iter().enumerate().filter(|(_, request)| !logged.contains(&request.sample))
    {
        // They stand in the order in which they ended.
        let later = requests.iter().skip(place + 1).find(|later| logged.contains(&later.sample));
        if let Some(later) = later {
            let (hop, log) = (hop.id.to_string(), log.to_owned());
            cx.record(&leg.at_sample(request.sample), Absent { hop, log, later: later.sample });
        }
    }
}

/// By whom a request was answered may be what failing ones have in common.
fn attribute(hop: &Hop, leg: &Subject, sample: u32, passage: &Passage, cx: &Context) {
    let Some(upstream) = passage.upstream() else { return };
    let kind = cx.path().after(&hop.id).map(|next| next.kind);
    let name = match kind {
        Some(HopKind::Node | HopKind::Service) => "node",
        Some(HopKind::Pod) => "pod",
        _ => "upstream",
    };
    cx.record(&leg.at_sample(sample), Attribute::new(name, upstream.to_owned()));
}

/// What may be stored of a line.
fn passage(hop: &Hop, log: String, said: AccessLine, scrubber: &Scrubber) -> Passage {
    let safe = |text: String| escape(&scrubber.scrub(&text), 300);
    let mut passage = Passage::default();
    passage.hop = hop.id.to_string();
    passage.log = log;
    passage.client = said.client.map(safe);
    passage.request = said.request.map(|request| safe(without_secrets(&request)));
    passage.host = said.host.map(safe);
    passage.status = said.status;
    passage.time_s = said.time_s;
    passage.took_us = said.took;
    passage.cache = said.cache.map(safe);
    passage.tells_upstream = said.tells_upstream;
    passage.tries = said.tries;
    for tried in &mut passage.tries {
        tried.address = tried.address.take().map(safe);
    }
    passage
}

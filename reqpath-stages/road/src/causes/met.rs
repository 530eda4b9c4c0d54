//! What recognisers share that put hops side by side.

use reqpath_core::{
    Case, Decline, Evidence, Finding, Hop, HopKind, Micros, Path, Role, Seen, Subject, Trial,
};
use reqpath_http::{End, Exchange};
use reqpath_tcp::{Attempt, Figures};

use crate::evidence::Declared;
use crate::timetable::{Patience, Timetable, plain};

/// Everything that was seen; to be narrowed to legs that are only known inside a recogniser.
pub(super) static EVERYWHERE: Subject = Subject::Path;

/// An answer that comes within this time was made at once, whatever it says of waiting.
const AT_ONCE: Micros = Micros(100_000);

/// What the path declares, as it was written down.
pub(super) fn declared(case: &Case) -> Result<Seen<'_, Declared>, Decline> {
    case.first::<Declared>(&EVERYWHERE)
}

/// Whether an answer from this hop is the application's, unless it shows another hand.
pub(super) fn is_application(path: &Path, hop: &Hop) -> bool {
    match hop.kind {
        HopKind::Pod => true,
        // The last place of a road of several, or one of which it is said how long it may take.
        HopKind::Server | HopKind::Other => {
            let last = hop.branch_of.is_none() && path.after(&hop.id).is_none();
            last && (path.road().nth(2).is_some() || hop.budget_us.is_some())
        }
        _ => false,
    }
}

/// Whether an answer is a failure that nobody expected there.
pub(super) fn failed(case: &Case, seen: &Seen<'_, Exchange>) -> bool {
    let unexpected = |status| !case.expected(seen.subject()).status.iter().any(|range| range.holds(status));
    seen.answered() && seen.status.is_some_and(|status| status >= 500 && unexpected(status))
}

/// The time from the request to the first byte of its answer, or to the end of waiting for one.
pub(super) struct Waited {
    pub(super) time: Micros,
    /// Whether anything came at all.
    pub(super) answered: bool,
}

impl Waited {
    /// For an answer to begin; nothing where the exchange ended in another way before.
    pub(super) fn of(exchange: &Exchange) -> Option<Self> {
        if let Some(time) = exchange.waited() {
            return Some(Self { time, answered: true });
        }
        let (sent, ended) = (exchange.request_sent_us?, exchange.ended_us?);
        let time = Micros(ended.0.saturating_sub(sent.0));
        (exchange.end == Some(End::TimedOut)).then_some(Self { time, answered: false })
    }
}

/// The part of a wait that the network took: one way there and one back, and what was sent again.
pub(super) struct Network<'a> {
    pub(super) time: Micros,
    opening: Option<Seen<'a, Attempt>>,
}

impl<'a> Network<'a> {
    pub(super) fn of(case: &'a Case, at: &'a Subject) -> Self {
        let opening = case.of::<Attempt>(at).find(|attempt| attempt.used && attempt.connected());
        // Opening a connection is one round trip, as are a request and its first byte.
        let trip = opening.map_or(0, |attempt| attempt.elapsed_us.0);
        let again = case
            .of::<Figures>(at)
            .last()
            .map_or(0, |figures| u64::from(figures.0.total_retrans).saturating_mul(figures.0.rto_us.0));
        Self { time: Micros(trip.saturating_add(again)), opening }
    }

    /// `; connecting took 0.4 ms`, or nothing where that was not seen.
    pub(super) fn said(&self) -> String {
        self.opening.map_or_else(String::new, |attempt| format!("; connecting took {}", attempt.elapsed_us))
    }

    pub(super) fn cited_by(&self, finding: Finding) -> Finding {
        match &self.opening {
            Some(opening) => finding.citing(opening),
            None => finding,
        }
    }
}

/// How long a place may take before it is slow.
pub(super) enum Limit<'a> {
    /// What is declared for it.
    Budget(Micros),
    /// As long as somebody before it is declared to wait.
    Patience(String, Micros),
    /// As long as the request at the front was waited for.
    Observed(Micros, InVain<'a>),
}

impl<'a> Limit<'a> {
    /// For this hop: its budget, or else, where the request at the front was waited for in vain, the patience
    /// of whoever waits for the hop, or else the time that was waited.
    pub(super) fn of(case: &'a Case, hop: &Hop) -> Option<Self> {
        if let Some(budget) = hop.budget_us.filter(|budget| budget.0 > 0) {
            return Some(Self::Budget(budget));
        }
        let in_vain = InVain::at_the_front(case)?;
        let table = Timetable::of(case.path());
        match table.waited_for(case.path(), &hop.id) {
            Some((by, Patience::For(time))) => Some(Self::Patience(by.to_string(), time)),
            _ => Some(Self::Observed(in_vain.waited, in_vain)),
        }
    }

    pub(super) fn time(&self) -> Micros {
        match self {
            Self::Budget(time) | Self::Patience(_, time) | Self::Observed(time, _) => *time,
        }
    }

    /// As a clause: `its budget is 500 ms`.
    pub(super) fn said(&self) -> String {
        match self {
            Self::Budget(time) => format!("its budget is {}", plain(*time)),
            Self::Patience(by, time) => {
                format!("{} waits {} for it", reqpath_core::escape(by, 40), plain(*time))
            }
            Self::Observed(time, _) => format!("the request at the front was given up after {time}"),
        }
    }

    pub(super) fn cited_by(&self, case: &Case, finding: Finding) -> Finding {
        match self {
            Self::Observed(_, in_vain) => finding.citing(&in_vain.exchange),
            Self::Budget(_) | Self::Patience(..) => match declared(case) {
                Ok(declared) => finding.citing(&declared),
                Err(_) => finding,
            },
        }
    }
}

/// A request at the front that somebody waited for in vain.
pub(super) struct InVain<'a> {
    pub(super) waited: Micros,
    pub(super) exchange: Seen<'a, Exchange>,
}

impl<'a> InVain<'a> {
    /// The first, where there is one: no answer in our own time, or an answer that says so.
    fn at_the_front(case: &'a Case) -> Option<Self> {
        let front = case.path().front()?;
        let exchanges = case.of::<Exchange>(&EVERYWHERE).filter(|seen| front.covers(seen.subject()));
        exchanges.into_iter().find_map(|exchange| {
            let told = matches!(exchange.status, Some(504 | 522 | 524)) && failed(case, &exchange);
            let silent = matches!(exchange.end, Some(End::TimedOut | End::Stalled));
            let waited = Waited::of(&exchange).map_or_else(Micros::default, |waited| waited.time);
            (waited >= AT_ONCE && (told || silent)).then_some(Self { waited, exchange })
        })
    }
}

/// Whether the same failure was answered at the front: passed on, and not waited for in vain.
pub(super) fn passed_on(case: &Case, seen: &Exchange) -> bool {
    let Some(front) = case.path().front() else { return false };
    let mut answers = case.of::<Exchange>(&EVERYWHERE).filter(|other| front.covers(other.subject()));
    answers.any(|other| other.answered() && other.status == seen.status)
}

/// Whether any request at the front failed, or may count as failed: what is then only declared is no cause of it.
pub(super) fn front_failed(case: &Case) -> bool {
    let Some(front) = case.path().front() else { return false };
    let trials = case.of::<Trial>(&EVERYWHERE).filter(|trial| trial.role == Role::Fresh);
    let mut died = trials.filter(|trial| trial.died() && front.covers(trial.subject()));
    let mut answers = case.of::<Exchange>(&EVERYWHERE).filter(|seen| front.covers(seen.subject()));
    let badly = |seen: &Seen<'_, Exchange>| {
        let expect = case.expected(seen.subject());
        // Whether a refusal is the application's own, others tell.
        let refused = expect.status.is_empty() && seen.status.is_some_and(|status| status >= 400);
        seen.answered() && (refused || !seen.meets(expect))
    };
    died.next().is_some() || answers.any(|seen| badly(&seen))
}

/// What was asked, in a few words: `GET https://api.example/x`.
pub(super) fn asked(exchange: &Exchange) -> String {
    let url = exchange.request.url();
    let method = reqpath_core::escape(exchange.request.method(), 20);
    if url.is_empty() { method } else { format!("{method} {}", reqpath_core::escape(&url, 200)) }
}

/// A place as it was met: `shop at 10.0.0.9:8080`.
pub(super) fn place(hop: &Hop, at: &Seen<'_, impl Evidence>) -> String {
    let name = reqpath_core::escape(hop.id.as_str(), 40);
    match at.subject().address() {
        Some(address) => format!("{name} at {address}"),
        None => name,
    }
}

/// The command that shows where the time of this request goes.
pub(super) fn timed(exchange: &Exchange) -> String {
    let target = exchange.curl_target();
    format!("curl -so /dev/null -w '%{{time_connect}} %{{time_starttransfer}} %{{time_total}}\\n' {target}")
}

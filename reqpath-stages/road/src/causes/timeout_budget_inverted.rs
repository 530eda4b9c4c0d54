//! `proxy.timeout_budget_inverted`

use reqpath_core::{Case, Decline, End as Blame, Finding, HopKind, Micros, Scope, Seen, Subject, cause};
use reqpath_http::{End, Exchange};

use super::met::{EVERYWHERE, Network, declared, failed, front_failed, place, timed};
use crate::timetable::{Inversion, Timetable, plain};

cause! {
    /// An outer place gives up before an inner one may have answered.
    ///
    /// The timeouts that the path declares are in the wrong order: the outer place's patience is shorter than the
    /// time that the inner one may take, tries and connecting included.
    /// While answers come quickly that is a warning.
    /// It has fired when the outer place answered with a failure, or closed, at about the time its patience ends,
    /// and the very same request, entered further in, was answered later than that and within the time that is
    /// allowed there: then nothing behind is slow by its own measure, and the order is to blame.
    /// Where the inner place took longer than it may, it is slow (`pod.slow`), whatever the order.
    ///
    /// # What to do
    ///
    /// Let each place wait longer than the one behind it may take: the sum of connecting and reading, times its
    /// tries, and some time besides. The report's table shows that sum for each place.
    /// Shorten the inner timeouts before lengthening the outer ones: nobody waits for what has been given up.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"},
    ///                    {"id": "gateway", "kind": "nginx", "timeouts": {"connect_us": 1000000, "read_us": 1000000, "tries": 1}},
    ///                    {"id": "shop", "kind": "pod", "budget_us": 5000000}]},
    ///  "observations": [
    ///   {"kind": "road.declared", "subject": "path",
    ///    "data": {"hops": [{"hop": "gateway", "timeouts": {"connect_us": 1000000, "read_us": 1000000, "tries": 1}},
    ///                      {"hop": "shop", "budget_us": 5000000}]}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "gateway", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "request_sent_us": 90, "first_byte_us": 1000300,
    ///             "version": "HTTP/1.1", "status": 504, "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "gateway", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 504", "elapsed_us": 1001000}},
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "gateway", "to": "shop", "address": "10.0.0.9:8080", "sample": 10}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "request_sent_us": 40, "first_byte_us": 3200040,
    ///             "version": "HTTP/1.1", "status": 200, "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "gateway", "to": "shop", "sample": 10}},
    ///    "data": {"role": "inner", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 200", "elapsed_us": 3201000}}
    /// ]}
    /// ```
    pub static TIMEOUT_BUDGET_INVERTED: "proxy.timeout_budget_inverted" = recognise {
        scope(Scope::Hop),
        blames(Blame::Near),
        explains(&[
            "http.error",
            "http.response.unexpected",
            "http.response.timed_out",
            "http.response.empty",
            "http.response.reset",
            "response.truncated",
            "response.stalled",
            "proxy.http_response_timeout",
        ]),
        twins(&["pod.slow", "client.deadline_too_short", "http.response.timed_out", "http.error"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let Subject::Hop(hop) = at else { return Err(Decline::Absent) };
    let declared = declared(case)?;
    let table = Timetable::of(case.path());
    let inversion = table.inversions.iter().find(|inversion| inversion.outer == *hop);
    let inversion = inversion.ok_or_else(|| case.not(&declared, || as_it_is(&table, hop.as_str())))?;
    if !front_failed(case) {
        let finding = Finding::new(at, &declared, inversion.to_string());
        return Ok(
            finding.next(format!("nginx -T | grep -nE 'proxy_(connect|read|next_upstream)' # at {hop}"))
        );
    }
    // While requests die, what is only declared so and did not fire would be held against them.
    let gave_up = gave_up(case, inversion, &table).ok_or_else(|| {
        let patience = plain(inversion.patience);
        case.not(&declared, || {
            format!("{hop} gives up after {patience}, and nothing ended at about that time")
        })
    })?;
    let answered = answered_later(case, inversion, &table)?;
    let inner = case.path().hop(&inner_of(&answered.0));
    let summary = format!(
        "{inversion}: it gave up after {}, and {} answered the same request after {}",
        gave_up.1,
        inner.map_or_else(|| "what is behind".to_owned(), |inner| place(inner, &answered.0)),
        answered.1,
    );
    let finding = Finding::new(at, &declared, summary).citing(&gave_up.0).citing(&answered.0);
    let line = gave_up.0.status_line();
    let finding = if line.is_empty() { finding } else { finding.error(line) };
    Ok(finding.next(timed(&answered.0)).next(timed(&gave_up.0)))
}

/// Why the order is as it should be, in the words of the row below this hop.
fn as_it_is(table: &Timetable, hop: &str) -> String {
    let behind =
        table.rows.iter().find(|row| row.waited_for_by.as_ref().is_some_and(|by| by.as_str() == hop));
    match behind.and_then(|row| Some((row, row.holds?))) {
        Some((row, holds)) => format!("{hop} waits as long as {} may take ({holds})", row.hop),
        None => format!("nothing is declared that {hop} does not wait for"),
    }
}

/// An exchange that the outer hop ended when its patience was over, and how long that took.
fn gave_up<'a>(
    case: &'a Case,
    inversion: &Inversion,
    table: &Timetable,
) -> Option<(Seen<'a, Exchange>, Micros)> {
    let path = case.path();
    // The caller's own patience ends our requests, and has a cause of its own.
    let outer = path.hop(&inversion.outer).filter(|outer| outer.kind != HopKind::Client)?;
    let front = path.front()?;
    // Each try takes the patience once, and connecting besides.
    let longest =
        table.row(&outer.id).and_then(|row| row.holds).map_or(inversion.patience, |holds| holds.time);
    let (from, to) = (inversion.patience.0 / 10 * 9, longest.0.saturating_add(longest.0 / 10 + 1_000_000));
    let ended = |seen: &Seen<'_, Exchange>| {
        let told = failed(case, seen) && seen.status != Some(500);
        let closed = matches!(seen.end, Some(End::Empty | End::Reset | End::Truncated | End::ResetMidBody));
        let until = if told { seen.first_byte_us } else { seen.ended_us.filter(|_| closed) };
        let time = until?.0.saturating_sub(seen.request_sent_us.unwrap_or_default().0);
        (from..=to).contains(&time).then_some(Micros(time))
    };
    let shows = |seen: &Seen<'_, Exchange>| {
        // What those before it passed on shows it too.
        front.covers(seen.subject()) || seen.subject().as_leg().is_some_and(|leg| leg.to == outer.id)
    };
    case.of::<Exchange>(&EVERYWHERE).filter(shows).find_map(|seen| Some((seen, ended(&seen)?)))
}

/// An entry further in that was answered after the outer hop's patience, and within what is allowed there.
fn answered_later<'a>(
    case: &'a Case,
    inversion: &Inversion,
    table: &Timetable,
) -> Result<(Seen<'a, Exchange>, Micros), Decline> {
    let path = case.path();
    let road: Vec<&reqpath_core::HopId> = path.road().map(|hop| &hop.id).collect();
    let outer = road.iter().position(|hop| **hop == inversion.outer);
    let deeper = |seen: &Seen<'_, Exchange>| {
        let place = road.iter().position(|hop| **hop == inner_of(seen));
        place > outer && outer.is_some()
    };
    let mut later = None;
    let mut any = false;
    for seen in case.of::<Exchange>(&EVERYWHERE).filter(deeper) {
        any = true;
        let Some(waited) = seen.waited().filter(|_| seen.answered() && !failed(case, &seen)) else {
            continue;
        };
        let inner = inner_of(&seen);
        let Some(holds) = table.row(&inner).and_then(|row| row.holds) else { continue };
        // What may hold a request for longer than is declared has not broken its word yet.
        let own = Micros(waited.0.saturating_sub(Network::of(case, seen.subject()).time.0));
        if own > holds.time && !holds.at_least {
            return Err(case.not(&seen, || format!("{inner} took {waited}, and it may take {holds}")));
        }
        if waited.0 > inversion.patience.0 / 10 * 9 {
            later = Some((seen, waited));
        }
    }
    match later {
        Some(later) => Ok(later),
        None if any => Err(Decline::Absent),
        None => Err(Decline::needs(format!(
            "a request that enters at {}: give it addresses, and `{}` a vantage",
            inversion.inner, inversion.outer
        ))),
    }
}

/// The hop that an exchange was with.
fn inner_of(seen: &Seen<'_, Exchange>) -> reqpath_core::HopId {
    match seen.subject().as_leg() {
        Some(leg) => leg.to.clone(),
        None => reqpath_core::HopId::new(""),
    }
}

//! `proxy.keepalive_race`

use std::collections::BTreeSet;

use reqpath_core::{Case, Decline, End, Finding, HopId, Micros, Scope, Seen, Subject, cause};
use reqpath_http::evidence::End as Ended;
use reqpath_http::{Exchange, Passage};

use super::told::{line, passage};
use crate::evidence::{Fault, LoggedError};

cause! {
    /// The proxy sent the request over a kept connection that the other side was closing.
    ///
    /// The proxy keeps idle connections longer than the one behind it does, so now and then a request meets the close: it is
    /// lost without an answer, and what may not be sent twice (a POST) becomes a 502. Fresh connections never fail so.
    /// Named where the connection ended without an answer, and either the declared idle times are inverted, or fresh
    /// connections to the same place never fail while so many of the proxy's requests do that it is no accident (p ≤ 0.01).
    /// A connection that was opened for this very request rules it out, and so does a fresh one of ours that ended the same way.
    ///
    /// # What to do
    ///
    /// Let the one behind keep idle connections longer than the proxy (application 75 s, proxy 60 s), or lower `keepalive_timeout`
    /// in the proxy's `upstream` block.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx", "timeouts": {"keep_idle_us": 60000000}},
    ///                    {"id": "shop", "kind": "pod", "timeouts": {"idle_us": 5000000}}]},
    ///  "observations": [
    ///   {"kind": "http.exchange", "subject": {"leg": {"from": "client", "to": "edge", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "status": 502, "end": "complete"}},
    ///   {"kind": "proxy.error", "subject": {"leg": {"from": "edge", "to": "shop", "address": "10.0.0.7:8080", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/error.log", "level": "error",
    ///             "message": "upstream prematurely closed connection",
    ///             "action": "reading response header from upstream", "upstream": "http://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static KEEPALIVE_RACE: "proxy.keepalive_race" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Leg),
        explains(&["proxy.connection_terminated"]),
        twins(&["proxy.connection_terminated"]),
    }
}

/// A connection opened in less than this may have been a kept one: logs count milliseconds.
const KEPT: Micros = Micros(1_000);
/// The most that chance may explain.
const ACCIDENT: f64 = 0.01;

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = line(case, at, Fault::ConnectionTerminated)?;
    let leg = at.as_leg().filter(|leg| leg.from.as_str() == seen.hop).ok_or(Decline::Absent)?;
    let opened = passage(case, at, &seen.hop).and_then(|passage| passage.tries.last()?.connect_us);
    if let Some(opened) = opened.filter(|opened| *opened > KEPT) {
        return Err(case.not(&seen, || format!("the connection was new: it took {opened} to open")));
    }
    let whole = Subject::leg(&leg.from, &leg.to);
    let fresh: Vec<_> = case.of::<Exchange>(&whole).collect();
    if let Some(dead) = fresh.iter().find(|exchange| is_lost(exchange)) {
        let words = || format!("a fresh connection to {} ended without an answer too", leg.to);
        return Err(case.not(dead, words));
    }
    let idle = |hop: &HopId| case.path().hop(hop).map(|hop| &hop.timeouts);
    let keeps = idle(&leg.from).and_then(|timeouts| timeouts.keep_idle_us);
    let closes = idle(&leg.to).and_then(|timeouts| timeouts.idle_us);
    let said = match (keeps, closes) {
        (Some(keeps), Some(closes)) if keeps > closes => {
            format!(
                "{} keeps idle connections for {keeps}, and {} closes them after {closes}",
                leg.from, leg.to
            )
        }
        (Some(_), Some(closes)) => {
            return Err(case.not(&seen, || format!("{} closes idle connections only after {closes}", leg.to)));
        }
        _ => separated(case, &whole, &seen.hop, &fresh).ok_or_else(|| {
            Decline::needs(format!(
                "the idle times of {} and {}: give `timeouts` in the path file; or twenty-four samples",
                leg.from, leg.to
            ))
        })?,
    };
    let whom = seen.asked().unwrap_or(leg.to.as_str());
    let summary =
        format!("{} lost the request on a connection to {whom} that was being closed: {said}", leg.from);
    Ok(Finding::new(at, &seen, summary).error(seen.words()))
}

/// What tells kept connections from fresh ones: that none of the fresh failed, and too many others for an accident.
///
/// The chance is that of Fisher's exact test: that all failures fall on the proxy's requests, and none on ours.
fn separated(case: &Case, whole: &Subject, hop: &str, fresh: &[Seen<'_, Exchange>]) -> Option<String> {
    let works =
        |exchange: &Exchange| exchange.answered() && exchange.status.is_some_and(|status| status < 500);
    if !fresh.iter().all(|exchange| works(exchange)) {
        return None;
    }
    let passages =
        case.of::<Passage>(whole).filter(|passage| passage.hop == hop && !passage.tries.is_empty());
    let sent = passages.filter_map(|passage| passage.subject().sample()).collect::<BTreeSet<_>>();
    let lost = case.of::<LoggedError>(whole).filter(|line| line.hop == hop);
    let lost = lost.filter(|line| Fault::of_line(line) == Some(Fault::ConnectionTerminated));
    let lost = lost.filter_map(|line| line.subject().sample()).collect::<BTreeSet<_>>();
    let lost = lost.intersection(&sent).count();
    let chance: f64 = (0..lost)
        .map(|already| {
            let left = sent.len() - already;
            count(left) / count(left + fresh.len())
        })
        .product();
    // Where every request is lost, it may as well be the request: of those kept, some must be new.
    (lost < sent.len() && chance <= ACCIDENT).then(|| {
        format!(
            "{lost} of {} of its requests were lost so, and none of {} over fresh connections",
            sent.len(),
            fresh.len()
        )
    })
}

/// Whether the connection ended before an answer.
fn is_lost(exchange: &Exchange) -> bool {
    exchange.status.is_none() && matches!(exchange.end, Some(Ended::Empty | Ended::Reset))
}

fn count(many: usize) -> f64 {
    u32::try_from(many).map_or(f64::MAX, f64::from)
}

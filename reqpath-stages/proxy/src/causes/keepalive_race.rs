//! `proxy.keepalive_race`

use reqpath_core::{Case, Decline, End, Finding, HopId, Micros, Scope, Subject, cause};
use reqpath_http::{Exchange, Passage};

use super::told::{line, passage};
use crate::evidence::Fault;

cause! {
    /// The proxy sent the request over a kept connection that the other side was closing.
    ///
    /// The proxy keeps idle connections longer than the one behind it does, so now and then a request meets the close: it is
    /// lost without an answer, and what may not be sent twice (a POST) becomes a 502. Fresh connections never fail so.
    /// Named where the connection ended without an answer, and either the declared idle times are inverted, or the same leg
    /// works afresh and for other requests. A connection that was opened for this very request rules it out.
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

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = line(case, at, Fault::ConnectionTerminated)?;
    let leg = at.as_leg().filter(|leg| leg.from.as_str() == seen.hop).ok_or(Decline::Absent)?;
    let opened = passage(case, at, &seen.hop).and_then(|passage| passage.tries.last()?.connect_us);
    if let Some(opened) = opened.filter(|opened| *opened > KEPT) {
        return Err(case.not(&seen, || format!("the connection was new: it took {opened} to open")));
    }
    let idle = |hop: &HopId| case.path().hop(hop).map(|hop| &hop.timeouts);
    let keeps = idle(&leg.from).and_then(|timeouts| timeouts.keep_idle_us);
    let closes = idle(&leg.to).and_then(|timeouts| timeouts.idle_us);
    let whole = Subject::leg(&leg.from, &leg.to);
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
        _ => {
            let fresh: Vec<_> = case.of::<Exchange>(&whole).collect();
            let works = |exchange: &Exchange| {
                exchange.answered() && exchange.status.is_some_and(|status| status < 500)
            };
            let passed = case.of::<Passage>(&whole).any(|passage| {
                passage.hop == seen.hop
                    && passage.status.is_some_and(|status| status < 500)
                    && !passage.tries.is_empty()
            });
            if fresh.is_empty() || !fresh.iter().all(|exchange| works(exchange)) || !passed {
                let look = format!(
                    "the idle times of {} and {}: give `timeouts` in the path file",
                    leg.from, leg.to
                );
                return Err(Decline::needs(look));
            }
            "requests over fresh connections, and others of this hop, were answered".to_owned()
        }
    };
    let whom = seen.asked().unwrap_or(leg.to.as_str());
    let summary =
        format!("{} lost the request on a connection to {whom} that was being closed: {said}", leg.from);
    Ok(Finding::new(at, &seen, summary).error(seen.words()))
}

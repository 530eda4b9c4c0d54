//! `response.stalled`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Micros, Scope, Seen, Subject, cause};
use reqpath_tcp::Figures;

use super::met::{asked, capture, ended, peer};
use crate::evidence::{Body, End, Exchange};

/// A pause so long, as a part of the body's time, is a stall and not a slow line.
const PART: u64 = 5;
/// A flow slower than this, in bytes a second, trickles.
const TRICKLE: u64 = 2048;

cause! {
    /// The answer began, and then trickled or stopped until our time ran out.
    ///
    /// The head came, and bytes of the body with it; then pauses between them grew longer than any
    /// network explains: an application that computes while it writes, a proxy that waits for its
    /// upstream in the middle of an answer, a peer that feeds bytes one by one, a window or a queue
    /// that is full, or large packets that never arrive.
    /// The kernel's figures tell these apart: segments lost or sent again point to the path, none of
    /// that to the far side.
    /// A body that flowed steadily and was merely too large for the time is not stalled.
    ///
    /// # What to do
    ///
    /// See where it pauses: always at the same offset points to the application or to a size.
    /// Fetch something small from the same server; if that is fast and large answers stall, compare
    /// path MTUs (`ping -M do -s 1472`).
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/big"}, "status": 200, "end": "stalled",
    ///             "headers_us": 1800, "ended_us": 5000000,
    ///             "body": {"coding": "length", "promised": 100000, "received": 2896, "last_byte_us": 4100,
    ///                      "max_gap_us": 4995900, "max_gap_at": 2896}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true, "arrived": "yes",
    ///             "out_of_time": true}}
    /// ]}
    /// ```
    pub static STALLED: "response.stalled" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Leg),
        silent(),
        twins(&["response.truncated", "http.response.timed_out", "client.deadline_too_short"]),
        kills_in(&["http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::Stalled])?;
    let body = seen.body.clone().unwrap_or_default();
    let lasted = seen.ended_us.unwrap_or_default().0.saturating_sub(seen.headers_us.unwrap_or_default().0);
    let gap = body.max_gap_us.unwrap_or_default();
    let paused = gap.0.saturating_mul(PART) >= lasted;
    let trickled = body.received.saturating_mul(1_000_000) < TRICKLE.saturating_mul(lasted);
    if !paused && !trickled {
        return Err(Decline::needs(format!(
            "reqpath trace {} --max-time {}   # it was still flowing: {} bytes in {}, no pause above {gap}",
            reqpath_core::quoted(&seen.request.url()),
            Micros(lasted).duration().as_secs().saturating_mul(10).max(10),
            body.received,
            Micros(lasted),
        )));
    }
    let finding = Finding::new(at, &seen, summary(&seen, &body, Micros(lasted)));
    let finding = finding.behind(Behind::SILENCE).next(capture(&seen)).next(format!(
        "curl -so /dev/null -w '%{{size_download}} bytes in %{{time_total}} s\\n' {}",
        seen.curl_target()
    ));
    let figures = case.of::<Figures>(at).last();
    Ok(match figures {
        Some(figures) => finding.citing(&figures),
        None => finding,
    })
}

fn summary(seen: &Seen<'_, Exchange>, body: &Body, lasted: Micros) -> String {
    let of = body.promised.map_or_else(String::new, |promised| format!(" of {promised}"));
    let ended = seen.ended_us.unwrap_or_default();
    let quiet = Micros(ended.0.saturating_sub(body.last_byte_us.or(seen.headers_us).unwrap_or_default().0));
    let gap = body.max_gap_us.unwrap_or_default();
    let how = if quiet.0.saturating_mul(2) >= lasted.0 {
        format!("nothing more came for {quiet}")
    } else {
        let at = body.max_gap_at.unwrap_or_default();
        format!("the rest trickles, with pauses of up to {gap} (the longest after byte {at})")
    };
    format!(
        "{} sent {}{of} bytes of its answer to {} within {lasted}: {how}",
        peer(seen),
        body.received,
        asked(seen)
    )
}

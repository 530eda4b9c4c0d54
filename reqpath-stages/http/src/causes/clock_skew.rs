//! `client.clock_skew`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Seen, Subject, cause};
use reqpath_tls::{Handshake, Moment, Reason};

use crate::date;
use crate::evidence::{Clock, Exchange};

/// A difference up to this many seconds is no fault: answers are cached, clocks drift.
const TOLERATED: u64 = 60;
/// Peers agree when their clocks differ by no more than this many seconds.
const AGREEMENT: u64 = 120;

cause! {
    /// The local clock is wrong, so certificates look expired or not yet valid that are neither.
    ///
    /// A certificate is judged by the clock of the machine that checks it.
    /// Several servers that have nothing to do with each other say in their `Date` what time it is; where
    /// they agree with each other and not with us, it is our clock that is wrong.
    /// One server alone proves nothing: it may be the one that is wrong.
    /// Where the certificate would be out of date by their clock as well, the clock is not the cause.
    ///
    /// # What to do
    ///
    /// Set the clock and keep it set: `timedatectl`, `chronyc tracking`; in a virtual machine look at
    /// the host, after a suspend or a restored snapshot at both.
    /// To have the clock compared, name servers over plain http: `--clock-from http://…`, twice.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.clock", "subject": {"leg": {"from": "client", "to": "server"}},
    ///    "data": {"peer": "http://one.example/", "date": "Thu, 20 Aug 2026 10:00:00 GMT", "local_s": 1818583200,
    ///             "ahead_s": 31363200}},
    ///   {"kind": "http.clock", "subject": {"leg": {"from": "client", "to": "server"}},
    ///    "data": {"peer": "http://two.example/", "date": "Thu, 20 Aug 2026 10:00:01 GMT", "local_s": 1818583200,
    ///             "ahead_s": 31363199}},
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "refused",
    ///             "error": "invalid peer certificate: certificate expired",
    ///             "verification": {"verdict": "refused", "reason": "expired"},
    ///             "clock": "2027-08-18T10:00:00Z",
    ///             "chain": [{"subject": "CN=server.example",
    ///                        "not_before": "2026-07-20T00:00:00Z", "not_after": "2026-10-18T00:00:00Z"}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CLOCK_SKEW: "client.clock_skew" = recognise {
        only_in_trouble(),
        scope(Scope::Leg),
        blames(Blame::Near),
        explains(&["tls.cert.date_invalid", "tls.cert.chain_expired"]),
        twins(&["tls.cert.date_invalid", "tls.cert.chain_expired"]),
    }
}

/// What one peer says of our clock.
struct Voice<'a> {
    ahead: i64,
    told: Told<'a>,
}

enum Told<'a> {
    Clock(Seen<'a, Clock>),
    Answer(Seen<'a, Exchange>),
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let refused = refused_for_dates(case, at);
    // The target alone is one witness; most traces have asked no other.
    if case.first::<Clock>(at).is_err() {
        return Err(if refused.is_some() { clocks(case) } else { Decline::Absent });
    }
    let voices = voices(case, at);
    let Some(first) = voices.first() else { return Err(clocks(case)) };
    if let Some(voice) = voices.iter().find(|voice| voice.ahead.unsigned_abs() <= TOLERATED) {
        return Err(voice.decline(case, || format!("our clock agrees with that of {}", voice.peer())));
    }
    let (least, most) = voices.iter().fold((first.ahead, first.ahead), |(least, most), voice| {
        (least.min(voice.ahead), most.max(voice.ahead))
    });
    if most.abs_diff(least) > AGREEMENT {
        let because = || format!("the clocks of {} peers do not agree with each other", voices.len());
        return Err(first.decline(case, because));
    }
    let [first, second, ..] = voices.as_slice() else { return Err(clocks(case)) };
    if let Some(handshake) = refused.as_ref().filter(|handshake| !in_date_by(handshake, first.ahead)) {
        return Err(Decline::not(
            "by the clock of the peers the certificate is out of date as well",
            handshake,
        ));
    }
    let side = if first.ahead > 0 { "ahead of" } else { "behind" };
    let span = date::span(first.ahead.unsigned_abs());
    let mut summary = format!(
        "the local clock is {span} {side} those of {} and {}, which agree with each other",
        first.peer(),
        second.peer()
    );
    if refused.is_some() {
        summary.push_str("; by their clock the certificate is within its dates");
    }
    let mut finding = match &first.told {
        Told::Clock(seen) => Finding::new(at, seen, summary),
        Told::Answer(seen) => Finding::new(at, seen, summary),
    };
    for voice in &voices[1..] {
        finding = match &voice.told {
            Told::Clock(seen) => finding.citing(seen),
            Told::Answer(seen) => finding.citing(seen),
        };
    }
    if let Some(handshake) = &refused {
        finding = finding.citing(handshake);
    }
    Ok(finding.next("date -u; timedatectl").next("chronyc tracking || ntpq -p"))
}

impl Voice<'_> {
    /// Host and port of whoever told the time.
    fn peer(&self) -> String {
        match &self.told {
            Told::Clock(seen) => host(&seen.peer),
            Told::Answer(seen) => host(&seen.request.url()),
        }
    }

    fn decline(&self, case: &Case, because: impl FnOnce() -> String) -> Decline {
        match &self.told {
            Told::Clock(seen) => case.not(seen, because),
            Told::Answer(seen) => case.not(seen, because),
        }
    }
}

/// What each peer says, each host once.
fn voices<'a>(case: &'a Case, at: &'a Subject) -> Vec<Voice<'a>> {
    let mut voices: Vec<Voice<'a>> = Vec::new();
    let mut add = |voice: Voice<'a>| {
        // A single one, as most traces have, needs no name.
        if voices.is_empty() || !voices.iter().any(|known| known.peer() == voice.peer()) {
            voices.push(voice);
        }
    };
    for seen in case.of::<Clock>(at) {
        if let Some(ahead) = seen.ahead_s {
            add(Voice { ahead, told: Told::Clock(seen) });
        }
    }
    for seen in case.of::<Exchange>(at) {
        // What comes out of a cache was dated when it went in.
        let theirs = seen.headers.get("date").filter(|_| !seen.headers.has("age"));
        if let (Some(theirs), Some(ours)) = (theirs.and_then(|date| date::parse(&date)), seen.clock_s) {
            let ahead = ours.saturating_sub(theirs);
            add(Voice { ahead, told: Told::Answer(seen) });
        }
    }
    voices
}

/// Host and port of a URL.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

fn clocks(case: &Case) -> Decline {
    let url = case.target().url_to_type();
    Decline::needs(format!(
        "reqpath trace {url} --clock-from http://ONE/ --clock-from http://ANOTHER/   # is our clock right?"
    ))
}

fn refused_for_dates<'a>(case: &'a Case, at: &'a Subject) -> Option<Seen<'a, Handshake>> {
    case.of::<Handshake>(at).find(|handshake| handshake.is_road() && handshake.reasons().any(Reason::is_date))
}

/// Whether the whole path is within its dates by a clock that ours is so many seconds ahead of.
fn in_date_by(handshake: &Handshake, ahead: i64) -> bool {
    let theirs = handshake.clock.and_then(|ours| Moment::from_seconds(ours.seconds().checked_sub(ahead)?));
    let Some(theirs) = theirs else { return false };
    let mut path = handshake.chain.path().peekable();
    path.peek().is_some() && path.all(|one| !one.is_expired(theirs) && !one.is_not_yet_valid(theirs))
}

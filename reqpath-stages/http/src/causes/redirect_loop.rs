//! `http.response.redirect_loop`

use reqpath_core::{
    Case, Decline, End as Blame, Finding, HopId, Left, Role, Round, Scope, Seen, Subject, Trial, cause,
};

use crate::evidence::Redirect;

/// How many steps of a chain are shown.
const SHOWN: usize = 6;
/// How many requests a trace remembers to tell whether they go round: no round is longer.
const REMEMBERED: u32 = 64;

cause! {
    /// Redirects go round in a circle, or never end.
    ///
    /// Two places disagree about where the resource lives, and each sends the request to the other:
    /// a proxy that turns http into https before a server that sees only http and turns it again
    /// (`X-Forwarded-Proto` lost or not believed), `www` against the bare name, a trailing slash that
    /// one adds and the other removes; or a login page that needs a cookie which does not come back.
    ///
    /// That a URL is met twice is not enough: a form leads back to its own page, and a waiting page to itself
    /// until something is ready. So redirects are followed as far as the caller allows (`--max-redirs`, 50 unless
    /// said) and only then it is told whether the last of them went round, half of them at least; or until the
    /// time is over, where it was spent on going round.
    ///
    /// # What to do
    ///
    /// Read the chain: the two steps that alternate name the two rules that fight.
    /// Behind a TLS-terminating proxy, let the server believe `X-Forwarded-Proto` from that proxy.
    /// Where one URL leads to itself, it waits for something that this client does not bring:
    /// most often a cookie, which is not kept from one request to the next.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.redirect", "subject": {"leg": {"from": "client", "to": "redirect-1", "sample": 0}},
    ///    "data": {"from": "https://server.example/", "to": "http://server.example/", "status": 301, "loop": true,
    ///             "chain": ["http://server.example/", "http://server.example/", "https://server.example/",
    ///                       "http://server.example/", "https://server.example/"],
    ///             "left_out": 46, "round": {"length": 2, "times": 25}, "limit": 50}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "redirect-1", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true, "arrived": "yes"}}
    /// ],
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "server", "kind": "server"},
    ///                    {"id": "redirect-1", "kind": "server"}]}}
    /// ```
    pub static REDIRECT_LOOP: "http.response.redirect_loop" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        explains(&[
            "dns.timed_out",
            "tcp.timed_out",
            "tls.timed_out",
            "http.response.timed_out",
            "response.stalled",
            "client.deadline_too_short",
        ]),
        twins(&["http.response.unexpected", "http.response.timed_out"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let Ok(seen) = case.last::<Redirect>(at) else { return out_of_time(case, at) };
    if seen.followed {
        return Err(Decline::not(format!("the redirect to {} was followed", seen.to), &seen));
    }
    // Evidence of old, when whatever was asked for before was not followed, and no round was known.
    if seen.loops && seen.round.is_none() {
        let (from, to) = (&seen.from, &seen.to);
        let summary = format!("redirects go round in a circle: {from} leads back to {to} ({})", steps(&seen));
        return Ok(found(case, at, &seen, summary));
    }
    let Some(limit) = seen.limit else {
        let because = format!("the redirect to {} is the answer, and was not to be followed", seen.to);
        return Err(Decline::not(because, &seen));
    };
    let summary = match circle(&seen) {
        Some((round, circle)) if mostly(round, limit) => format!(
            "redirects go round in a circle, which the last {} of {limit} do not leave ({circle})",
            gone(round).min(limit)
        ),
        Some((round, circle)) => format!(
            "more than {limit} redirect{} ({}); only the last {} go round ({circle})",
            plural(limit),
            steps(&seen),
            gone(round)
        ),
        None => format!("more than {limit} redirect{} ({})", plural(limit), steps(&seen)),
    };
    Ok(found(case, at, &seen, summary))
}

/// The time was over before the limit was met, and it was spent on going round.
fn out_of_time(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let trial = case.last::<Trial>(at)?;
    let leg = at.as_leg().ok_or(Decline::Absent)?;
    let number: u32 =
        leg.to.as_str().strip_prefix("redirect-").and_then(|n| n.parse().ok()).ok_or(Decline::Absent)?;
    // Stages end a look slightly before the deadline, so that its evidence is complete.
    let over = trial.out_of_time || trial.elapsed_us.0 / 9 >= trial.limit_us.0 / 10;
    if !trial.died() || !over {
        return Err(Decline::Absent);
    }
    let before = |back: u32| match (number.checked_sub(back)?, leg.sample) {
        (0, _) | (_, None) => None,
        (number, Some(sample)) => Some(Subject::leg(&leg.from, &HopId::redirect(number)).at_sample(sample)),
    };
    let seen = case.last::<Redirect>(&before(1).ok_or(Decline::Absent)?)?;
    let (round, circle) = circle(&seen).filter(|_| seen.followed).ok_or(Decline::Absent)?;
    if !mostly(round, number) {
        let because = format!("of {number} redirects only the last {} go round", gone(round));
        return Err(Decline::not(because, &seen));
    }
    // One that hangs in the middle of a round is another matter.
    let asked_before = (1..=round.length.min(REMEMBERED)).filter_map(before);
    let longest =
        asked_before.filter_map(|at| case.last::<Trial>(&at).ok()).map(|trial| trial.elapsed_us).max();
    let longest = longest.unwrap_or_default();
    if trial.elapsed_us.0 > longest.0.saturating_mul(2) {
        let because = format!(
            "the last request of the round had {}, and none before it took more than {longest}",
            trial.elapsed_us
        );
        return Err(Decline::not(because, &trial));
    }
    // With more time it may lead out of it.
    let patient = case.of::<Trial>(&Subject::Path).filter(|trial| trial.role == Role::Patient).last();
    if let Some(patient) = patient.filter(|patient| patient.left == Left::Alive && patient.complete()) {
        return Err(Decline::not("with more time the redirects came to an end", &patient));
    }
    let summary =
        format!("redirects go round in a circle, {} times until the time was over ({circle})", round.times);
    Ok(found(case, at, &seen, summary).citing(&trial).ends_sample())
}

fn found(case: &Case, at: &Subject, seen: &Seen<'_, Redirect>, summary: String) -> Finding {
    let first = case.target().url_to_type();
    Finding::new(at, seen, summary)
        .error(format!("{} Location: {}", seen.status, seen.to))
        .next(format!("curl -sL -o /dev/null -D - --max-redirs 5 {first} | grep -iE '^(HTTP|location)'"))
}

/// What was gone round, where it was gone more than once: back where one was is not yet a circle.
fn circle(seen: &Redirect) -> Option<(Round, String)> {
    let round = seen.round.filter(|round| round.times > 1)?;
    let length = usize::try_from(round.length).ok()?;
    let known = seen.chain.len().saturating_sub(usize::from(seen.left_out > 0));
    let circle = match seen.chain.len().checked_sub(length).filter(|_| length <= known) {
        Some(start) => joined(&seen.chain[start..], &seen.to),
        None => steps(seen),
    };
    Some((round, circle))
}

/// How many redirects went round.
fn gone(round: Round) -> u32 {
    round.length.saturating_mul(round.times)
}

/// Whether that is at least half of so many, or of those that are remembered: a way that only ends in a round
/// is a long way.
fn mostly(round: Round, of: u32) -> bool {
    gone(round) >= of.min(REMEMBERED).div_ceil(2)
}

/// The chain, with its middle left out where it is long.
fn steps(seen: &Redirect) -> String {
    let left_out = usize::try_from(seen.left_out).unwrap_or(usize::MAX);
    let steps = seen.chain.len() + 1;
    if steps <= SHOWN && left_out == 0 {
        return joined(&seen.chain, &seen.to);
    }
    // What is left out already stood behind the first of the chain.
    let (start, end) = if left_out > 0 { (1, SHOWN / 2) } else { (SHOWN / 2, SHOWN / 2) };
    let start = start.min(seen.chain.len());
    let end = seen.chain.len().saturating_sub(end - 1).max(start);
    let more = left_out.saturating_add(end - start);
    format!(
        "{} → … {more} more … → {}",
        seen.chain[..start].join(" → "),
        joined(&seen.chain[end..], &seen.to)
    )
}

fn joined(chain: &[std::sync::Arc<str>], to: &str) -> String {
    chain.iter().map(|url| &**url).chain([to]).collect::<Vec<_>>().join(" → ")
}

fn plural(many: u32) -> &'static str {
    if many == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use reqpath_core::{Catalogue, Report};
    use serde_json::{Value, json};

    use super::super::CAUSES;

    /// The verdict's code, and its summary.
    fn verdict(observations: &Value) -> (String, String) {
        let report = json!({"schema": "reqpath.report/1", "observations": observations,
            "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "server", "kind": "server"}]}});
        let catalogue = Catalogue::new(CAUSES.iter().copied()).unwrap();
        let report = Report::load(report.to_string().as_bytes()).unwrap().judged(&catalogue);
        let cause = report.verdict.as_ref().and_then(|verdict| verdict.cause());
        cause.map(|cause| (cause.code.clone(), cause.summary.clone())).unwrap_or_default()
    }

    /// The same, where the last redirect of a request was this one.
    fn judged(redirect: Value) -> (String, String) {
        let at = json!({"leg": {"from": "client", "to": "redirect-2", "sample": 0}});
        verdict(&json!([
            {"kind": "http.redirect", "subject": at, "data": redirect},
            {"kind": "request.trial", "subject": at,
             "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true, "arrived": "yes"}},
        ]))
    }

    /// The same, where the request to which this redirect led ran out of time.
    fn judged_out_of_time(redirect: Value, number: u32) -> (String, String) {
        let at =
            |number: u32| json!({"leg": {"from": "client", "to": format!("redirect-{number}"), "sample": 0}});
        let trial = |number: u32, more: Value| {
            let mut data = json!({"role": "fresh", "left": "alive", "stage": "http", "elapsed_us": 900_000,
                                  "limit_us": 9_000_000});
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"kind": "request.trial", "subject": at(number), "data": data})
        };
        verdict(&json!([
            trial(number - 2, json!({})),
            {"kind": "http.redirect", "subject": at(number - 1), "data": redirect},
            trial(number - 1, json!({})),
            trial(number, json!({"left": "dead", "stage": "tcp", "elapsed_us": 700_000, "limit_us": 700_000,
                                 "out_of_time": true})),
        ]))
    }

    #[test]
    fn going_round_until_the_time_is_over_is_a_circle_in_whatever_stage_it_ends() {
        let seen = |times: u32| {
            json!({"from": "http://h/a", "to": "http://h/b", "chain": ["http://h/b", "http://h/a"],
                   "followed": true, "loop": true, "round": {"length": 2, "times": times}})
        };
        let (code, summary) = judged_out_of_time(seen(3), 7);
        assert_eq!(code, "http.response.redirect_loop", "{summary}");
        assert!(summary.ends_with("3 times until the time was over (http://h/b → http://h/a → http://h/b)"));
        assert_ne!(judged_out_of_time(seen(1), 7).0, code, "once round is not yet a circle");
        assert_ne!(judged_out_of_time(seen(3), 20).0, code, "the time was spent on another way");
    }

    fn summary(redirect: Value) -> String {
        let (code, summary) = judged(redirect);
        assert_eq!(code, "http.response.redirect_loop", "{summary}");
        summary
    }

    #[test]
    fn evidence_of_old_says_what_it_said() {
        let told = summary(json!({"from": "http://a/", "to": "http://b/", "loop": true,
                                  "chain": ["http://x/", "http://b/", "http://a/"]}));
        assert!(told.contains("(http://x/ → http://b/ → http://a/ → http://b/)"), "{told}");
        // A limit that was used up as well changes nothing.
        let seen = |round: Value| {
            json!({"from": "http://b/", "to": "http://a/", "loop": true, "chain": ["http://a/", "http://b/"],
                   "limit": 1, "round": round})
        };
        let told = summary(seen(json!(null)));
        assert!(told.starts_with("redirects go round in a circle: http://b/ leads back to"), "{told}");
        let told = summary(seen(json!({"length": 2, "times": 1})));
        assert!(told.starts_with("more than 1 redirect ("), "{told}");
    }

    #[test]
    fn a_long_way_that_ends_in_a_round_is_a_long_way() {
        let last = ["http://h/1", "http://h/46", "http://h/47", "http://h/48", "http://h/48"];
        let told = |length: u32, times: u32, limit: u32| {
            summary(json!({"from": "http://h/48", "to": "http://h/48", "loop": true, "chain": last,
                           "left_out": 46, "limit": limit, "round": {"length": length, "times": times}}))
        };
        let few = told(1, 2, 50);
        assert!(few.starts_with("more than 50 redirects (http://h/1 → … "), "{few}");
        assert!(few.ends_with("; only the last 2 go round (http://h/48 → http://h/48)"), "{few}");
        assert!(!told(2, 12, 50).contains("circle"), "{}", told(2, 12, 50));
        let half = told(1, 25, 50);
        assert!(half.starts_with("redirects go round in a circle, which the last 25 of 50 do not"), "{half}");
        // No more than so many are remembered.
        assert!(
            told(2, 32, 1000).contains("in a circle, which the last 64 of 1000"),
            "{}",
            told(2, 32, 1000)
        );
        assert!(told(1, 51, 50).contains("the last 50 of 50"), "{}", told(1, 51, 50));
    }

    #[test]
    fn of_a_long_chain_the_ends_are_shown_and_of_a_circle_its_round() {
        let chain: Vec<String> = (0..9).map(|k| format!("http://h/{k}")).collect();
        let told = summary(json!({"from": "http://h/8", "to": "http://h/9", "chain": chain, "limit": 8}));
        assert!(told.contains("http://h/0 → http://h/1 → http://h/2 → … 4 more … → http://h/7"), "{told}");
        let last = ["http://h/0", "http://h/4", "http://h/5", "http://h/6", "http://h/7", "http://h/8"];
        let left_out =
            json!({"from": "http://h/8", "to": "http://h/9", "chain": last, "left_out": 3, "limit": 8});
        let told = summary(left_out);
        assert!(told.contains("(http://h/0 → … 6 more … → http://h/7 → http://h/8 → http://h/9)"), "{told}");
        // Once round is not yet a circle.
        let round = |length: u32, times: u32| {
            summary(
                json!({"from": "http://h/8", "to": "http://h/7", "chain": last, "left_out": 3, "limit": 8,
                           "round": {"length": length, "times": times}}),
            )
        };
        assert!(round(2, 1).starts_with("more than 8 redirects ("), "{}", round(2, 1));
        assert!(round(2, 2).ends_with("(http://h/7 → http://h/8 → http://h/7)"), "{}", round(2, 2));
        assert!(round(2, 2).contains("in a circle, which the last 4 of 8 do not leave"), "{}", round(2, 2));
        assert!(round(40, 2).contains("more …"), "longer than what is kept: {}", round(40, 2));
    }

    #[test]
    fn whatever_a_report_says_is_survived() {
        for round in
            [json!({"length": 0, "times": 9}), json!({"length": u32::MAX, "times": u32::MAX}), json!({})]
        {
            for chain in [json!([]), json!(["x"]), json!(vec!["x"; 500])] {
                for left_out in [0, u32::MAX] {
                    judged(json!({"chain": chain, "left_out": left_out, "limit": u32::MAX, "round": round}));
                    let seen =
                        json!({"chain": chain, "left_out": left_out, "followed": true, "round": round});
                    judged_out_of_time(seen, u32::MAX);
                }
            }
        }
    }
}

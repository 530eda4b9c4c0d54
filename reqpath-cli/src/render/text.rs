//! The text report: the answer first, then the road, then what it rests on.

use std::fmt::Write as _;

use reqpath_core::{
    Catalogue, Finding, Observation, Report, Role, Subject, Tri, Trial, Verdict, Weight, escape, redact_url,
};

use super::COMMAND;
use super::hops::{self, Shown};
use super::paint::{BAD, BOLD, DIM, GOOD, WARN, paint};
use super::timeouts::timeouts;

/// How many lines one stage may take unless everything is asked for.
const LINES_A_STAGE: usize = 5;
/// How many hops are shown.
const HOPS: usize = 100;
/// How wide a peer's words may grow.
const WIDTH: usize = 240;

pub(super) fn report(report: &Report, catalogue: &Catalogue, verbose: bool) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "{}", first_line(report));
    for separation in report.verdict.iter().flat_map(Verdict::separated_by) {
        let _ = writeln!(
            out,
            "{} {}",
            paint(BOLD, "what tells them apart:"),
            escape(&separation.to_string(), 400)
        );
    }
    let _ = writeln!(out, "{}\n", paint(DIM, about(report)));
    road(&mut out, report, verbose);
    cause(&mut out, report, catalogue);
    timeouts(&mut out, &report.path);
    warnings(&mut out, report);
    ruled_out(&mut out, report);
    if let Some(Verdict::Unknown { what_would_tell, .. }) = &report.verdict {
        list(&mut out, "what would tell", what_would_tell.iter().map(|look| escape(look, COMMAND)));
    }
    list(
        &mut out,
        "could not look",
        report.errors.iter().map(|e| format!("{}: {}", escape(&e.stage, 40), escape(&e.message, WIDTH))),
    );
    list(&mut out, "run next", report.next.iter().map(|command| escape(command, COMMAND)));
    if verbose {
        observations(&mut out, report);
    }
    out
}

/// The answer.
pub(super) fn first_line(report: &Report) -> String {
    let Some(verdict) = &report.verdict else { return paint(WARN, "not judged") };
    let code = |code: &str| paint(DIM, format!("[{code}]"));
    let place = |at: &reqpath_core::At| match &at.leg {
        Some(leg) => format!("between {} and {} ({})", hop(&leg.from), hop(&leg.to), escape(&at.station, 40)),
        None => format!("at {} ({})", hop(&at.hop), escape(&at.station, 40)),
    };
    match verdict {
        Verdict::Reached { answer, outcome, .. } => {
            let answer =
                answer.as_deref().map_or_else(|| "an answer".to_owned(), |answer| escape(answer, 80));
            let mut warnings: Vec<&str> = Vec::new();
            for finding in report.findings.iter().filter(|finding| finding.weight == Weight::Warning) {
                if !warnings.contains(&&*finding.code) {
                    warnings.push(&finding.code);
                }
            }
            let besides = match warnings.len() {
                0 => String::new(),
                1 => paint(WARN, ", with a warning"),
                n => paint(WARN, format!(", with {n} warnings")),
            };
            let count =
                if outcome.samples > 1 { format!(", {} of {0}", outcome.samples) } else { String::new() };
            format!("{}: {answer} in {}{count}{besides}", paint(GOOD, "reached"), time_of_first(report))
        }
        Verdict::Died { at, cause, outcome, .. } => {
            let of_it = match cause.others {
                0 => String::new(),
                others => format!("{} of {} ", outcome.died.saturating_sub(others), outcome.died),
            };
            let summary = escape(&cause.summary, 400);
            format!("{} {of_it}{}: {summary} {}", paint(BAD, "died"), place(at), code(&cause.code))
        }
        Verdict::Degraded { at, cause, why, outcome, .. } => {
            let head = format!("{} {} of {} died", paint(WARN, "degraded:"), outcome.died, outcome.samples);
            match (at, cause, why) {
                (Some(at), Some(cause), _) => {
                    let of_it = match cause.others {
                        0 => String::new(),
                        others => format!(", {} of them", outcome.died.saturating_sub(others)),
                    };
                    let summary = escape(&cause.summary, 400);
                    format!("{head}{of_it} {}: {summary} {}", place(at), code(&cause.code))
                }
                (_, _, Some(why)) => format!("{head}; {}", escape(why, 400)),
                _ => head,
            }
        }
        Verdict::Unknown { at, why, .. } => {
            let place = at.as_ref().map(|at| format!(" {}", place(at))).unwrap_or_default();
            format!("{}{place}: {}", paint(WARN, "unknown"), escape(why, 400))
        }
        _ => paint(WARN, verdict.kind()),
    }
}

/// A hop's name, which a report file may have from anywhere.
fn hop(id: &reqpath_core::HopId) -> String {
    escape(id.as_str(), 40)
}

fn time_of_first(report: &Report) -> String {
    trials(report)
        .find(|(_, trial)| trial.role == Role::Fresh)
        .map_or_else(|| report.elapsed_us.to_string(), |(_, trial)| trial.elapsed_us.to_string())
}

/// What was asked, when, and by which id its log lines are found.
fn about(report: &Report) -> String {
    let mut parts = vec![format!(
        "{} {}",
        escape(report.target.method(), 40),
        escape(&redact_url(report.target.url()), WIDTH)
    )];
    if !report.started.is_empty() {
        parts.push(format!("at {}", escape(&report.started.to_string(), 40)));
    }
    if !report.request_id.is_empty() {
        parts.push(format!("request id {}", escape(&report.request_id, 80)));
    }
    parts.join(" · ")
}

/// The road hop by hop, with the times of the first sample that died, or of the first.
fn road(out: &mut String, report: &Report, verbose: bool) {
    let dead = trials(report).find(|(_, trial)| trial.role == Role::Fresh && trial.died());
    let blamed = report.verdict.as_ref().and_then(Verdict::cause).and_then(|cause| cause.subject.sample());
    let by_verdict =
        blamed.and_then(|sample| trials(report).find(|(o, _)| o.subject.sample() == Some(sample)));
    // What entered further in may have ended first, and is not what was asked for.
    let first =
        || trials(report).find(|(_, trial)| trial.role == Role::Fresh).or_else(|| trials(report).next());
    let Some((shown, _)) = by_verdict.or(dead).or_else(first) else { return };
    let sample = shown.subject.sample();
    let legs: Vec<(&Observation, &Trial)> =
        trials(report).filter(|(observation, _)| observation.subject.sample() == sample).take(HOPS).collect();
    for shown in hops::shown(report, verbose) {
        let (hop, starts) = match shown {
            Shown::Hop(hop, starts) => (hop, starts),
            Shown::Folded(folded) => {
                let _ = writeln!(out, "  {}", paint(DIM, format!("… {folded} more redirects (-v)")));
                continue;
            }
        };
        let leg = legs
            .iter()
            .find(|(observation, _)| observation.subject.as_leg().is_some_and(|leg| leg.to == hop.hop));
        if let Some(&(observation, trial)) = leg {
            stages(out, report, observation, trial, verbose);
        }
        let state = match (hop.arrived, hop.left_alive) {
            // The request does not arrive where it starts.
            (_, Tri::Yes) if starts => paint(GOOD, "left alive"),
            (_, Tri::No) if starts => paint(BAD, "did not leave alive"),
            (Tri::Yes, Tri::Yes) => paint(GOOD, "arrived, left alive"),
            (Tri::Yes, Tri::No) => paint(BAD, "arrived, did not leave alive"),
            (Tri::Yes, _) => "arrived".to_owned(),
            (Tri::No, _) => paint(BAD, "did not arrive"),
            _ => paint(DIM, "not known whether it arrived"),
        };
        let _ = writeln!(out, "  {} {state}", paint(BOLD, format!("{:<10}", self::hop(&hop.hop))));
    }
    out.push('\n');
}

/// The stages of one leg, each with its time and what was seen in a few words.
fn stages(out: &mut String, report: &Report, shown: &Observation, trial: &Trial, verbose: bool) {
    if let Some(leg) = shown.subject.as_leg().filter(|_| trial.role == Role::Inner) {
        let entered = format!("a request that entered here, as {} would send it", hop(&leg.from));
        let _ = writeln!(out, "    {}", paint(DIM, entered));
    }
    let ended_in = report.verdict.as_ref().and_then(Verdict::cause).map(|_| trial.stage.as_ref());
    for phase in &trial.phases {
        let briefs: Vec<String> = seen_in(report, &shown.subject, &phase.stage).collect();
        let last = phase.stage == trial.stage;
        // A stage that had nothing to do has nothing to show.
        if briefs.is_empty() && phase.elapsed_us.0 < 1000 && !(last && trial.died()) && !verbose {
            continue;
        }
        let mark = if last && trial.died() { paint(BAD, "✗") } else { paint(DIM, "·") };
        let time = phase.elapsed_us.to_string();
        let first = briefs.first().map_or("", String::as_str);
        let _ = writeln!(out, "    {mark} {:<8}{time:>10}  {first}", escape(&phase.stage, 20));
        let rest = briefs.iter().skip(1);
        let most = if verbose { usize::MAX } else { LINES_A_STAGE - 1 };
        for brief in rest.clone().take(most) {
            let _ = writeln!(out, "    {:22}{brief}", "");
        }
        if let Some(more) = rest.len().checked_sub(most).filter(|more| *more > 0) {
            let _ = writeln!(out, "    {:22}{}", "", paint(DIM, format!("and {more} more (-v)")));
        }
    }
    let reached = |stage: &str| trial.phases.iter().any(|phase| phase.stage == stage);
    let tls = report.target.scheme() == reqpath_core::Scheme::Https;
    let missing: Vec<&str> = ["dns", "tcp", "tls", "http"]
        .into_iter()
        .filter(|stage| !reached(stage) && (tls || *stage != "tls"))
        .collect();
    if !missing.is_empty() && (trial.died() || ended_in.is_some()) {
        let _ = writeln!(
            out,
            "    {} {}",
            paint(DIM, "-"),
            paint(DIM, format!("not reached: {}", missing.join(", ")))
        );
    }
}

/// What one stage saw in this sample or about the whole leg, in a few words each.
fn seen_in<'a>(report: &'a Report, at: &'a Subject, stage: &'a str) -> impl Iterator<Item = String> + 'a {
    let mut said = std::collections::HashSet::new();
    report.observations.iter().filter_map(move |observation| {
        let of_stage = observation.kind().split('.').next() == Some(stage);
        if !of_stage || !(at.covers(&observation.subject) || at.whole_leg() == observation.subject) {
            return None;
        }
        let brief = escape(&observation.brief(), WIDTH);
        (!brief.is_empty() && said.insert(brief.clone())).then_some(brief)
    })
}

/// The cause, what it rests on, the system's own words, and what to do.
fn cause(out: &mut String, report: &Report, catalogue: &Catalogue) {
    let Some(cause) = report.verdict.as_ref().and_then(Verdict::cause) else { return };
    let finding = report
        .findings
        .iter()
        .find(|finding| finding.code == cause.code.as_str() && finding.subject == cause.subject);
    let (chain, also) = match &report.verdict {
        Some(Verdict::Died { chain, also, .. } | Verdict::Degraded { chain, also, .. }) => (chain, also),
        _ => return,
    };
    let _ = writeln!(out, "{} {}", paint(BOLD, "cause"), escape(&cause.code, 80));
    if chain.len() > 1 {
        let _ =
            writeln!(out, "  {}", chain.iter().map(|code| escape(code, 80)).collect::<Vec<_>>().join(" ← "));
    }
    if let Some(known) = catalogue.find(&cause.code) {
        let _ = writeln!(out, "  {}", known.doc.summary());
    }
    if let Some(finding) = finding {
        evidence(out, report, finding);
        if let Some(error) = &finding.error {
            let _ = writeln!(out, "  error    {}", escape(error, 400));
        }
    }
    if let Some(known) = catalogue.find(&cause.code) {
        let advice = known.doc.what_to_do();
        if let Some(advice) = advice.split("\n\n").next().filter(|advice| !advice.is_empty()) {
            let _ = writeln!(out, "  to do    {}", advice.replace('\n', " "));
        }
    }
    if !also.is_empty() {
        let _ = writeln!(
            out,
            "  also     {}",
            also.iter().map(|code| escape(code, 80)).collect::<Vec<_>>().join(", ")
        );
    }
    out.push('\n');
}

fn evidence(out: &mut String, report: &Report, finding: &Finding) {
    for id in finding.cites.iter().take(6) {
        let Some(observation) = report.observations.iter().find(|observation| observation.id == *id) else {
            continue;
        };
        let brief = escape(&observation.brief(), WIDTH);
        let _ = writeln!(out, "  evidence {id} {} {brief}", paint(DIM, escape(observation.kind(), 60)));
        let source = report.source_of(observation);
        if !source.is_empty() {
            let _ = writeln!(out, "           {}", paint(DIM, format!("$ {}", escape(&source, COMMAND))));
        }
    }
}

/// Each warning once, with the number of times it was met.
fn warnings(out: &mut String, report: &Report) {
    let mut told: Vec<(&Finding, usize)> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.weight == Weight::Warning) {
        match told.iter_mut().find(|(known, _)| known.code == finding.code) {
            Some((_, times)) => *times += 1,
            None => told.push((finding, 1)),
        }
    }
    for (finding, times) in told {
        let again = if times > 1 { format!(", {times} times") } else { String::new() };
        let _ = writeln!(
            out,
            "{} {} {}",
            paint(WARN, "warning"),
            escape(&finding.summary, 400),
            paint(DIM, format!("[{}]{again}", escape(&finding.code, 80)))
        );
    }
}

/// What it was not, each reason once: one fact often rules out several look-alikes.
fn ruled_out(out: &mut String, report: &Report) {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for ruled in &report.ruled_out {
        let code = escape(&ruled.code, 80);
        match reasons.iter_mut().find(|(because, _)| *because == &*ruled.because) {
            Some((_, codes)) => codes.push(code),
            None => reasons.push((&ruled.because, vec![code])),
        }
    }
    let line =
        |(because, codes): (&str, Vec<String>)| format!("{}: {}", codes.join(", "), escape(because, WIDTH));
    list(out, "ruled out", reasons.into_iter().map(line));
}

fn list(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}", paint(BOLD, title));
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

fn observations(out: &mut String, report: &Report) {
    let _ = writeln!(out, "{}", paint(BOLD, "seen"));
    for observation in &report.observations {
        let cut = if observation.complete { "" } else { " (cut short)" };
        let _ = writeln!(
            out,
            "  {:<4} +{:<9} {:<18} {}: {}{cut}",
            observation.id.to_string(),
            observation.at.to_string(),
            escape(observation.kind(), 60),
            escape(&observation.subject.to_string(), 120),
            escape(&observation.brief(), WIDTH)
        );
    }
}

fn trials(report: &Report) -> impl Iterator<Item = (&Observation, &Trial)> {
    report.observations.iter().filter_map(|observation| Some((observation, observation.get::<Trial>()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_road_shown_is_that_of_the_request_that_was_asked_for() {
        let leg =
            |from: &str, to: &str, sample: u32| json!({"leg": {"from": from, "to": to, "sample": sample}});
        let phases = |stage: &str| json!([{"stage": stage, "elapsed_us": 7_000}]);
        let report = json!({"schema": "reqpath.report/1",
            "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx"}, {"id": "shop", "kind": "pod"}]},
            "observations": [
                {"kind": "request.trial", "subject": leg("edge", "shop", 5),
                 "data": {"role": "inner", "left": "dead", "stage": "tcp", "phases": phases("tcp")}},
                {"kind": "request.trial", "subject": leg("client", "edge", 0),
                 "data": {"role": "fresh", "left": "alive", "stage": "http", "answer": "HTTP/1.1 200", "phases": phases("http")}}]});
        let catalogue = reqpath_stages::catalogue().unwrap();
        let report = Report::load(report.to_string().as_bytes()).unwrap().judged(&catalogue);
        let text = anstream::adapter::strip_str(&super::report(&report, &catalogue, false)).to_string();
        let road = text.split("\n\n").nth(1).unwrap();
        assert!(text.starts_with("reached: HTTP/1.1 200"), "{text}");
        assert!(road.contains("· http") && !road.contains('✗') && !road.contains("entered here"), "{text}");
    }
}

//! A report as plain text.

use std::fmt::Write as _;

use reqpath_core::{At, Finding, Observation, Report, Tri, Verdict, Weight, escape, redact_url};

/// How long a line of somebody else's words may be.
const WIDTH: usize = 300;
/// How many lines a section has.
const LINES: usize = 200;

/// A report as plain text: verdict, hops, findings, and everything that was seen.
///
/// Whatever came from a peer is escaped, so it is safe to print.
///
/// ```
/// use reqpath_core::Report;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let report = Report::load(br#"{"schema": "reqpath.report/1",
///     "verdict": {"kind": "unknown", "why": "no request was sent", "outcome": {"samples": 0, "died": 0}}}"#)?;
/// assert!(reqpath_testkit::assertions::text(&report).starts_with("unknown: no request was sent\n"));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn text(report: &Report) -> String {
    // Writing to a String cannot fail, here and below.
    let mut out = String::new();
    let _ = writeln!(out, "{}", verdict(report));
    let url = escape(&redact_url(report.target.url()), WIDTH);
    let _ = writeln!(out, "{} {url}", escape(report.target.method(), 40));
    section(
        &mut out,
        "hops",
        report.hops.iter().map(|hop| {
            let state = |tri| match tri {
                Tri::Yes => "yes",
                Tri::No => "no",
                _ => "not known",
            };
            let (arrived, left) = (state(hop.arrived), state(hop.left_alive));
            format!("{:<12} arrived: {arrived}, left alive: {left}", escape(hop.hop.as_str(), 60))
        }),
    );
    section(&mut out, "findings", report.findings.iter().map(finding));
    let ruled = |ruled: &reqpath_core::RuledOut| {
        format!("{}: {}", escape(&ruled.code, 80), escape(&ruled.because, WIDTH))
    };
    section(&mut out, "ruled out", report.ruled_out.iter().map(ruled));
    if let Some(Verdict::Unknown { what_would_tell, .. }) = &report.verdict {
        section(&mut out, "what would tell", what_would_tell.iter().map(|look| escape(look, WIDTH)));
    }
    let trouble = |error: &reqpath_core::ProbeError| {
        format!("{}: {}", escape(&error.stage, 40), escape(&error.message, WIDTH))
    };
    section(&mut out, "could not look", report.errors.iter().map(trouble));
    section(&mut out, "seen", report.observations.iter().map(observation));
    out
}

/// A place in the words of the text.
pub(super) fn place(at: &At) -> String {
    let station = escape(&at.station, 40);
    match &at.leg {
        Some(leg) => format!(
            "at {} ({station}, the leg from {})",
            escape(at.hop.as_str(), 60),
            escape(leg.from.as_str(), 60)
        ),
        None => format!("at {} ({station})", escape(at.hop.as_str(), 60)),
    }
}

fn verdict(report: &Report) -> String {
    let Some(verdict) = &report.verdict else { return "not judged".to_owned() };
    let outcome = verdict.outcome();
    let mut text = verdict.kind().to_owned();
    if let Some(at) = verdict.at() {
        let _ = write!(text, " {}", place(at));
    }
    if let Some(cause) = verdict.cause() {
        let _ = write!(text, " of {}: {}", escape(&cause.code, 80), escape(&cause.summary, WIDTH));
    }
    match verdict {
        Verdict::Reached { answer: Some(answer), .. } => {
            let _ = write!(text, ": {}", escape(answer, WIDTH));
        }
        Verdict::Degraded { why: Some(why), .. } | Verdict::Unknown { why, .. } => {
            let _ = write!(text, ": {}", escape(why, WIDTH));
        }
        _ => {}
    }
    if let Verdict::Died { chain, also, .. } | Verdict::Degraded { chain, also, .. } = verdict {
        let codes = |codes: &[String], between| {
            codes.iter().map(|code| escape(code, 80)).collect::<Vec<_>>().join(between)
        };
        if chain.len() > 1 {
            let _ = write!(text, "\n  {}", codes(chain, " ← "));
        }
        if !also.is_empty() {
            let _ = write!(text, "\n  also {}", codes(also, ", "));
        }
    }
    if outcome.samples > 1 {
        let _ = write!(text, "\n  {} of {} fresh requests died", outcome.died, outcome.samples);
    }
    text
}

fn finding(finding: &Finding) -> String {
    let weight = if finding.weight == Weight::Fatal { "fatal  " } else { "warning" };
    let cites: Vec<String> = finding.cites.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "{weight} {} about {}: {} (by {})",
        escape(&finding.code, 80),
        escape(&finding.subject.to_string(), 120),
        escape(&finding.summary, WIDTH),
        cites.join(" ")
    );
    if let Some(error) = &finding.error {
        let _ = write!(text, "\n          error: {}", escape(error, WIDTH));
    }
    text
}

fn observation(observation: &Observation) -> String {
    let mut seen = observation.brief();
    if seen.is_empty() {
        seen = observation.value().to_string();
    }
    let cut = if observation.complete { "" } else { " (cut short)" };
    format!(
        "{:<4} +{:<9} {:<18} {}: {}{cut}",
        observation.id.to_string(),
        observation.at.to_string(),
        escape(observation.kind(), 60),
        escape(&observation.subject.to_string(), 120),
        escape(&seen, WIDTH)
    )
}

fn section(out: &mut String, title: &str, lines: impl ExactSizeIterator<Item = String>) {
    let count = lines.len();
    if count == 0 {
        return;
    }
    let _ = writeln!(out, "{title}");
    for line in lines.take(LINES) {
        let _ = writeln!(out, "  {line}");
    }
    if count > LINES {
        let _ = writeln!(out, "  … and {} more", count - LINES);
    }
}

//! The functions behind the macros.
#![allow(clippy::panic, reason = "an assertion fails by a panic")]

use reqpath_core::{At, Report, Verdict, Weight, escape};

use super::text::{place, text};

/// Fails unless the request reached its end, with this answer if one is given.
///
/// # Panics
///
/// When it did not; the message holds the report as text.
#[track_caller]
pub fn reached(report: &Report, answer: Option<&str>) {
    let holds = match &report.verdict {
        Some(Verdict::Reached { answer: found, .. }) => answer.is_none() || answer == found.as_deref(),
        _ => false,
    };
    let with = answer.map(|answer| format!(" with {answer}")).unwrap_or_default();
    expect(holds, report, &format!("reached{with}"));
}

/// Fails unless every sample died, at this hop and of this cause where they are given.
///
/// # Panics
///
/// When it did not; the message holds the report as text.
#[track_caller]
pub fn died(report: &Report, at: Option<&str>, of: Option<&str>) {
    let died = matches!(report.verdict, Some(Verdict::Died { .. }));
    expect(died && blames(report, at, of), report, &format!("died{}", wanted(at, of)));
}

/// Fails unless some samples died and some arrived, at this hop and of this cause where they are given.
///
/// # Panics
///
/// When it did not; the message holds the report as text.
#[track_caller]
pub fn degraded(report: &Report, at: Option<&str>, of: Option<&str>) {
    let degraded = matches!(report.verdict, Some(Verdict::Degraded { .. }));
    expect(degraded && blames(report, at, of), report, &format!("degraded{}", wanted(at, of)));
}

/// Fails unless the verdict is unknown, near this hop where one is given.
///
/// # Panics
///
/// When it is not; the message holds the report as text.
#[track_caller]
pub fn unknown(report: &Report, at: Option<&str>) {
    let unknown = matches!(report.verdict, Some(Verdict::Unknown { .. }));
    expect(unknown && blames(report, at, None), report, &format!("unknown{}", wanted(at, None)));
}

/// Fails unless there is a warning of this code.
///
/// # Panics
///
/// When there is none; the message holds the report as text.
#[track_caller]
pub fn warned(report: &Report, code: &str) {
    let warned =
        report.findings.iter().any(|finding| finding.code == code && finding.weight == Weight::Warning);
    expect(warned, report, &format!("a warning of {code}"));
}

/// Fails if a cause is named or a finding is fatal.
///
/// # Panics
///
/// When somebody is blamed; the message holds the report as text.
#[track_caller]
pub fn blames_nobody(report: &Report) {
    let named = report.verdict.as_ref().is_none_or(|verdict| verdict.cause().is_some());
    let fatal = report.findings.iter().any(|finding| finding.weight == Weight::Fatal);
    expect(!named && !fatal, report, "nobody blamed");
}

fn blames(report: &Report, at: Option<&str>, of: Option<&str>) -> bool {
    let Some(verdict) = &report.verdict else { return false };
    let hop = verdict.at().map(|at| at.hop.as_str());
    let code = verdict.cause().map(|cause| cause.code.as_str());
    (at.is_none() || at == hop) && (of.is_none() || of == code)
}

fn wanted(at: Option<&str>, of: Option<&str>) -> String {
    let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
    let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
    at + &of
}

/// The verdict in the words in which it is expected.
fn found(report: &Report) -> String {
    let Some(verdict) = &report.verdict else { return "no verdict: the report was not judged".to_owned() };
    let at = verdict.at().map(|at: &At| format!(" {}", place(at))).unwrap_or_default();
    let of = verdict.cause().map(|cause| format!(" of {}", escape(&cause.code, 80))).unwrap_or_default();
    let with = match verdict {
        Verdict::Reached { answer: Some(answer), .. } => format!(" with {}", escape(answer, 80)),
        _ => String::new(),
    };
    format!("{}{at}{of}{with}", verdict.kind())
}

#[track_caller]
fn expect(holds: bool, report: &Report, wanted: &str) {
    if !holds {
        panic!("expected: {}\n   found: {}\n\n{}", escape(wanted, 200), found(report), text(report));
    }
}

//! What a stage recorded, held to what evidence promises.

use reqpath_core::{Data, Observation, Report};
use serde_json::Value;

use super::stand_in::Mark;
use super::violations::Violations;

/// Evidence goes through storage unchanged, is called after its stage, and can be printed.
pub(super) fn check(scene: &str, report: &Report, prefixes: &[&str], violations: &mut Violations) {
    let first = report.observations.iter().position(|observation| observation.get::<Mark>().is_some());
    let recorded = report.observations.iter().skip(first.unwrap_or(usize::MAX));
    for observation in recorded.filter(|observation| observation.get::<Mark>().is_none()) {
        let kind = observation.kind();
        let word = kind.split('.').next().unwrap_or_default();
        violations.unless(
            word == "request" || prefixes.contains(&word) && kind.len() > word.len() + 1,
            || {
                format!(
                    "{scene}: evidence `{kind}` is not called after its stage, as `{}.…` \
                 (`.also_records(…)` where it belongs to another)",
                    prefixes.first().copied().unwrap_or_default()
                )
            },
        );
        round_trip(scene, observation, violations);
        one_line(scene, &format!("the brief of {kind}"), &observation.brief(), violations);
        one_line(scene, &format!("the source of {kind}"), &observation.source(), violations);
    }
    for finding in &report.findings {
        let code = &finding.code;
        one_line(scene, &format!("the summary of {code}"), &finding.summary, violations);
        for command in &finding.next {
            one_line(scene, &format!("a next command of {code}"), command, violations);
        }
    }
    whole(scene, report, violations);
}

/// Live → JSON → typed → JSON.
fn round_trip(scene: &str, observation: &Observation, violations: &mut Violations) {
    let kind = observation.kind();
    let Data::Live(live) = &observation.data else { return };
    let stored = live.to_value();
    if stored.is_null() {
        return violations.add(format!("{scene}: {kind} cannot be written as JSON"));
    }
    match live.round_trip(&stored) {
        Err(error) => {
            violations.add(format!("{scene}: {kind} cannot be read back: {error}\nit was {stored}"));
        }
        Ok(again) => violations.unless(again == stored, || {
            format!("{scene}: {kind} changes in storage\nit was {stored}\nand is  {again}")
        }),
    }
}

/// The report as a whole comes back as it was.
fn whole(scene: &str, report: &Report, violations: &mut Violations) {
    let json = serde_json::to_value(report).unwrap_or(Value::Null);
    let again = Report::load(json.to_string().as_bytes()).ok().map(serde_json::to_value);
    violations.unless(matches!(again, Some(Ok(again)) if again == json), || {
        format!("{scene}: the report is another after storage")
    });
}

fn one_line(scene: &str, what: &str, text: &str, violations: &mut Violations) {
    violations.unless(!text.chars().any(char::is_control), || {
        format!("{scene}: {what} holds control characters: `{}`", reqpath_core::escape(text, 200))
    });
}

//! Recognisers at work: on examples, and on what is left of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;
use reqpath_core::{Case, Catalogue, Cause, Report, SCHEMA, Subject, Verdict, Weight};
use serde_json::{Value, json};

use super::hostile;
use super::violations::{Violations, words};

/// How much of a spoilt report a message holds, in characters.
const SHOWN: usize = 600;
/// Every so many spoilt reports are judged by the whole catalogue too.
const JUDGED_EVERY: u32 = 8;

/// The example of a cause yields it, the same each time and after storage.
pub(super) fn example(cause: &Cause, catalogue: &Catalogue, violations: &mut Violations) -> Option<Value> {
    let code = cause.code;
    let Some(text) = cause.doc.example() else {
        violations.add(format!("{code}: the section `# Example` with a ```json report is missing"));
        return None;
    };
    let load = |text: &str| Report::load(text.as_bytes());
    let report = match load(&text) {
        Ok(report) => report.judged(catalogue),
        Err(error) => {
            let because = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            violations.add(format!("{code}: its example does not load: {error}: {because}"));
            return None;
        }
    };
    let named = report.verdict.as_ref().and_then(Verdict::cause).is_some_and(|cause| cause.code == code);
    let found = report.findings.iter().find(|finding| finding.code == code);
    match found {
        None => violations.add(format!(
            "{code}: its example does not yield it: the verdict is {}, the findings are [{}]",
            said(report.verdict.as_ref()),
            report.findings.iter().map(|finding| finding.code.as_ref()).collect::<Vec<_>>().join(", ")
        )),
        Some(finding) => {
            let warns = finding.weight == Weight::Warning;
            violations.unless(named || warns, || {
                format!("{code}: in its example the verdict is {}", said(report.verdict.as_ref()))
            });
            violations.unless(warns || !cause.only_warns, || {
                format!("{code}: it only warns, and its example dies of it")
            });
        }
    }
    for finding in &report.findings {
        for id in &finding.cites {
            let known = report.observations.iter().any(|observation| observation.id == *id);
            violations
                .unless(known, || format!("{code}: {} cites {id}, which is no observation", finding.code));
        }
    }
    let value = serde_json::to_value(&report).unwrap_or(Value::Null);
    let again = load(&value.to_string()).ok().map(|stored| serde_json::to_value(stored.judged(catalogue)));
    violations.unless(matches!(again, Some(Ok(again)) if again == value), || {
        format!("{code}: judged again after storage, its example gives another report")
    });
    serde_json::from_str(&text).ok()
}

/// Recognisers survive spoilt copies of a report, and arbitrary evidence of its kinds.
pub(super) fn survive(
    report: &Value,
    causes: &[&'static Cause],
    catalogue: &Catalogue,
    copies: u32,
    violations: &mut Violations,
) {
    let keys = hostile::keys(report);
    let kinds: Vec<Value> = report["observations"]
        .as_array()
        .map(|list| list.iter().map(|observation| observation["kind"].clone()).collect())
        .unwrap_or_default();
    for copy in 0..copies {
        let mut rng = Rng::with_seed(u64::from(copy));
        let spoilt = match copy % 4 {
            0 => {
                let mut spoilt = report.clone();
                spoilt["observations"] = hostile::spoilt(&report["observations"], &mut rng);
                spoilt
            }
            _ => made_up(report, &kinds, &keys, &mut rng),
        };
        // A report that does not load is survived already.
        let text = spoilt.to_string();
        let Ok(loaded) = Report::load(text.as_bytes()) else { continue };
        let trouble = |what: &str, said: &str| {
            let observations = reqpath_core::escape(&spoilt["observations"].to_string(), SHOWN);
            format!("{what} panics on spoilt evidence: {said}\nthe observations: {observations}")
        };
        let case = Case::new(loaded.target, loaded.path, loaded.observations);
        for cause in causes {
            for at in subjects(&case) {
                let recognised = catch_unwind(AssertUnwindSafe(|| drop((cause.recognise)(&case, &at))));
                if let Err(panic) = recognised {
                    let said = words(&*panic);
                    let known = format!("{} panics on spoilt evidence: {said}", cause.code);
                    if !violations.list().iter().any(|violation| violation.starts_with(&known)) {
                        violations.add(trouble(cause.code, &said));
                    }
                }
            }
        }
        if copy % JUDGED_EVERY == 0 {
            let judged =
                catch_unwind(AssertUnwindSafe(|| Report::load(text.as_bytes()).map(|r| r.judged(catalogue))));
            if let Err(panic) = judged {
                violations.add(trouble("judging", &words(&*panic)));
            }
        }
    }
}

/// Observations of the same kinds and subjects, with spoilt records or anything at all in them.
fn made_up(report: &Value, kinds: &[Value], keys: &[String], rng: &mut Rng) -> Value {
    let mut made_up = report.clone();
    let mut observations = report["observations"].as_array().cloned().unwrap_or_default();
    for (observation, kind) in observations.iter_mut().zip(kinds) {
        let data = match rng.u32(0..6) {
            0..2 => continue,
            2..5 => hostile::spoilt(&observation["data"], rng),
            _ => hostile::arbitrary(rng, 4, keys),
        };
        *observation = json!({"kind": kind, "subject": observation["subject"], "data": data});
    }
    made_up["observations"] = observations.into();
    if made_up.get("schema").is_none() {
        made_up["schema"] = json!(SCHEMA);
    }
    made_up
}

/// Every subject a recogniser could be asked about, and some that nobody spoke of.
fn subjects(case: &Case) -> Vec<Subject> {
    let mut subjects = vec![Subject::Path, Subject::Hop("nobody".into())];
    subjects.extend(case.path().hops.iter().map(|hop| Subject::Hop(hop.id.clone())));
    subjects.extend(case.legs());
    subjects.extend(case.samples());
    subjects.extend(case.addresses());
    subjects.extend(case.observations().iter().map(|observation| observation.subject.clone()));
    subjects.sort_by_cached_key(ToString::to_string);
    subjects.dedup();
    subjects
}

fn said(verdict: Option<&Verdict>) -> String {
    match verdict {
        Some(verdict) => match verdict.cause() {
            Some(cause) => format!("{} of {}", verdict.kind(), cause.code),
            None => verdict.kind().to_owned(),
        },
        None => "missing".to_owned(),
    }
}

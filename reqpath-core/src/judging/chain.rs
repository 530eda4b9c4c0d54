//! Which findings are fatal, and which of them explain which.

use crate::{Cause, Finding, Weight};

use super::deaths::Deaths;
use super::findings::Found;

/// Marks the findings that ended a sample or explain what did, and returns the roots:
/// fatal findings that no other fatal finding explains, the verdict's cause first.
pub(super) fn weigh(found: &mut Found, deaths: &Deaths) -> Vec<usize> {
    for (cause, finding) in &mut found.list {
        let fatal = !cause.only_warns && ended_a_sample(cause, finding, deaths);
        finding.weight = if fatal { Weight::Fatal } else { Weight::Warning };
    }
    // What explains a fatal finding on the same flow is fatal too; so is what explains that.
    loop {
        let next = (0..found.list.len()).find(|&i| {
            let (cause, finding) = &found.list[i];
            !cause.only_warns
                && finding.weight == Weight::Warning
                && (0..found.list.len())
                    .any(|j| found.list[j].1.weight == Weight::Fatal && explains(found, i, j))
        });
        match next {
            Some(i) => found.list[i].1.weight = Weight::Fatal,
            None => break,
        }
    }
    roots(found, deaths)
}

/// Codes from the symptom that was met first down to this cause.
pub(super) fn chain(found: &Found, root: usize) -> Vec<String> {
    let mut chain = vec![root];
    let mut at = root;
    // Each step goes to a symptom not yet in the chain, so this ends.
    while let Some(next) = (0..found.list.len())
        .find(|&j| !chain.contains(&j) && found.list[j].1.weight == Weight::Fatal && explains(found, at, j))
    {
        chain.push(next);
        at = next;
    }
    let mut codes: Vec<String> = Vec::new();
    for &i in chain.iter().rev() {
        let code = &found.list[i].1.code;
        if !codes.iter().any(|known| known == code) {
            codes.push(code.clone().into_owned());
        }
    }
    codes
}

/// Whether finding `i` explains finding `j`: its catalogue entry says so, and both are of one flow.
fn explains(found: &Found, i: usize, j: usize) -> bool {
    let ((cause, finding), (_, symptom)) = (&found.list[i], &found.list[j]);
    i != j
        && cause.explains_code(&symptom.code)
        && finding.code != symptom.code
        && finding.subject.meets(&symptom.subject)
}

fn ended_a_sample(cause: &Cause, finding: &Finding, deaths: &Deaths) -> bool {
    deaths.dead().any(|(sample, end)| {
        let same_flow = match finding.subject.as_leg() {
            Some(_) => {
                finding.subject.meets(&end.leg) && finding.subject.sample().is_none_or(|s| s == sample)
            }
            None => true,
        };
        same_flow && (finding.ends_sample || cause.kills(&end.stage))
    })
}

/// The roots, the one that accounts for most deaths first; among equals, the one nearest the symptom's start.
fn roots(found: &Found, deaths: &Deaths) -> Vec<usize> {
    let fatal: Vec<usize> =
        (0..found.list.len()).filter(|&i| found.list[i].1.weight == Weight::Fatal).collect();
    let mut roots: Vec<usize> =
        fatal.iter().copied().filter(|&i| !fatal.iter().any(|&j| explains(found, j, i))).collect();
    if roots.is_empty() {
        // Two findings that explain each other: a fault of the catalogue, not of the road. Name the first.
        roots.extend(fatal.first());
    }
    let killed = |code: &str| {
        let samples = deaths.dead().filter(|(sample, end)| {
            found.list.iter().any(|(cause, finding)| {
                finding.code == code
                    && finding.weight == Weight::Fatal
                    && finding.subject.sample().is_none_or(|s| s == *sample)
                    && finding.subject.meets(&end.leg.at_sample(*sample))
                    && (finding.ends_sample || cause.kills(&end.stage) || !cause.explains.is_empty())
            })
        });
        samples.count()
    };
    // A stable sort: the order of the catalogue, which is that of the road, decides among equals.
    roots.sort_by_cached_key(|&i| std::cmp::Reverse(killed(&found.list[i].1.code)));
    roots
}

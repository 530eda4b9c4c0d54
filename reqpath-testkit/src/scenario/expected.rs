//! What a scenario expects, and how a report differs from it.

use std::fmt;

use reqpath_core::{Report, Verdict, Weight, escape};
use serde::Deserialize;
use toml::Spanned;

use super::requires::Needed;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedText {
    pub(super) kind: Spanned<Kind>,
    pub(super) code: Option<Spanned<String>>,
    pub(super) at: Option<String>,
    pub(super) answer: Option<String>,
    pub(super) chain: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) also: Vec<Spanned<String>>,
    pub(super) warnings: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) not_blamed: Vec<Spanned<String>>,
    pub(super) without: Option<Spanned<String>>,
}

/// The word of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Reached,
    Died,
    Degraded,
    Unknown,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Died => "died",
            Self::Degraded => "degraded",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn names_a_cause(self) -> bool {
        matches!(self, Self::Died | Self::Degraded)
    }
}

/// One thing that is otherwise than expected.
///
/// ```
/// use reqpath_testkit::scenario::{RunError, Scenario};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let healthy = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/healthy_http.toml");
/// # let refused = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_refused.toml");
/// let (healthy, refused) = (Scenario::load(healthy)?, Scenario::load(refused)?);
/// let (alive, dead) = (healthy.run_on_fakes().await?, refused.run_on_fakes().await?);
/// let Err(RunError::Disagreement { differences, .. }) = healthy.agree(&alive, &dead) else {
///     panic!("they agree")
/// };
/// assert_eq!(differences[0].to_string(), "kind: expected reached, found died");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Of what: `kind`, `code`, `chain`.
    pub of: &'static str,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.of, self.expected, self.found)
    }
}

impl ExpectedText {
    /// Every code that a pipeline must know for this to be expected of it.
    pub(super) fn codes(&self) -> impl Iterator<Item = &Spanned<String>> {
        let warnings = self.warnings.iter().flatten();
        self.not_blamed.iter().chain(warnings).chain(&self.without)
    }

    /// Those that it must know unless a stage is missing.
    pub(super) fn deciding_codes(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.code.iter().chain(self.chain.iter().flatten()).chain(&self.also)
    }

    /// How a report differs from what is expected, with these stages missing that the cause needs.
    pub(super) fn differences(&self, report: &Report, missing: &[Needed]) -> Vec<Difference> {
        let Some(verdict) = &report.verdict else {
            return vec![difference("verdict", "one", "none")];
        };
        let mut found = Vec::new();
        if missing.is_empty() {
            self.with_all(verdict, &mut found);
        } else {
            self.with_less(verdict, missing, &mut found);
        }
        if let Some(expected) = &self.warnings {
            compare("warnings", &sorted(codes(expected)), &sorted(warnings(report)), &mut found);
        }
        for code in codes(&self.not_blamed) {
            let blamed = report.findings.iter().any(|finding| finding.code == code)
                || verdict.cause().is_some_and(|cause| cause.code == code);
            if blamed {
                found.push(difference("not_blamed", &format!("no word of {code}"), "a finding of it"));
            }
        }
        found
    }

    fn with_all(&self, verdict: &Verdict, found: &mut Vec<Difference>) {
        let kind = self.kind.as_ref().word();
        compare("kind", kind, verdict.kind(), found);
        compare(
            "code",
            &or_none(self.code.as_ref().map(|code| code.as_ref().as_str())),
            &code(verdict),
            found,
        );
        if let Some(at) = &self.at {
            compare("at", at, &hop(verdict), found);
        }
        if let Some(answer) = &self.answer {
            compare("answer", answer, &answered(verdict), found);
        }
        if let Some(expected) = &self.chain {
            compare("chain", &codes(expected).join(" ← "), &chain(verdict).join(" ← "), found);
        }
        compare("also", &sorted(codes(&self.also)), &sorted(also(verdict)), found);
    }

    /// The leg's own code, or `unknown` with the look that is missing.
    fn with_less(&self, verdict: &Verdict, missing: &[Needed], found: &mut Vec<Difference>) {
        if let Verdict::Unknown { what_would_tell, .. } = verdict {
            if what_would_tell.is_empty() {
                let names: Vec<&str> = missing.iter().map(|needed| needed.stage()).collect();
                let wanted = format!("the look that is missing without {}", names.join(", "));
                found.push(difference("what_would_tell", &wanted, "nothing"));
            }
            return;
        }
        match &self.without {
            Some(without) => {
                compare("kind", self.kind.as_ref().word(), verdict.kind(), found);
                compare("code (without)", without.as_ref(), &code(verdict), found);
            }
            None => compare("kind", "unknown", verdict.kind(), found),
        }
    }
}

/// How two reports of one scenario differ in their verdicts.
pub(super) fn disagreements(one: &Report, other: &Report) -> Vec<Difference> {
    let (Some(one), Some(other)) = (&one.verdict, &other.verdict) else {
        return vec![difference("verdict", "one in both", "none")];
    };
    let mut found = Vec::new();
    compare("kind", one.kind(), other.kind(), &mut found);
    compare("code", &code(one), &code(other), &mut found);
    compare("at", &hop(one), &hop(other), &mut found);
    compare("answer", &answered(one), &answered(other), &mut found);
    compare("chain", &chain(one).join(" ← "), &chain(other).join(" ← "), &mut found);
    compare("also", &sorted(also(one)), &sorted(also(other)), &mut found);
    found
}

fn compare(of: &'static str, expected: &str, found: &str, differences: &mut Vec<Difference>) {
    if expected != found {
        differences.push(difference(of, expected, found));
    }
}

fn difference(of: &'static str, expected: &str, found: &str) -> Difference {
    let say = |text: &str| if text.is_empty() { "none".to_owned() } else { escape(text, 400) };
    Difference { of, expected: say(expected), found: say(found) }
}

fn codes(spanned: &[Spanned<String>]) -> Vec<&str> {
    spanned.iter().map(|code| code.as_ref().as_str()).collect()
}

fn sorted(mut codes: Vec<&str>) -> String {
    codes.sort_unstable();
    codes.dedup();
    codes.join(", ")
}

fn warnings(report: &Report) -> Vec<&str> {
    let warnings = report.findings.iter().filter(|finding| finding.weight == Weight::Warning);
    warnings.map(|finding| finding.code.as_ref()).collect()
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn code(verdict: &Verdict) -> String {
    or_none(verdict.cause().map(|cause| cause.code.as_str()))
}

fn hop(verdict: &Verdict) -> String {
    or_none(verdict.at().map(|at| at.hop.as_str()))
}

fn answered(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Reached { answer, .. } => or_none(answer.as_deref()),
        _ => String::new(),
    }
}

fn chain(verdict: &Verdict) -> Vec<&str> {
    match verdict {
        Verdict::Died { chain, .. } | Verdict::Degraded { chain, .. } => {
            chain.iter().map(String::as_str).collect()
        }
        _ => Vec::new(),
    }
}

fn also(verdict: &Verdict) -> Vec<&str> {
    match verdict {
        Verdict::Died { also, .. } | Verdict::Degraded { also, .. } => {
            also.iter().map(String::as_str).collect()
        }
        _ => Vec::new(),
    }
}

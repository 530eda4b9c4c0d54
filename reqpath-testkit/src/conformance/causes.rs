//! The check of causes.

use reqpath_core::{Catalogue, Cause};

use super::violations::Violations;
use super::{documented, recognised};

/// How many spoilt copies of each example are tried.
const COPIES: u32 = 300;

/// Holds causes to the rules: codes, documentation, examples, recognisers.
///
/// ```
/// use reqpath_core::{Case, Decline, Finding, Subject, Trial, cause};
/// use reqpath_testkit::conformance;
///
/// cause! {
///     /// The stand-in died.
///     ///
///     /// It has no other way to end: every trial that it ends is this.
///     ///
///     /// # What to do
///     ///
///     /// Ask the real one.
///     ///
///     /// # Example
///     ///
///     /// ```json
///     /// {"schema": "reqpath.report/1", "observations": [
///     ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
///     ///    "data": {"role": "fresh", "left": "dead", "stage": "standin"}}]}
///     /// ```
///     static DIED: "standin.died" = died {}
/// }
///
/// fn died(case: &Case, at: &Subject) -> Result<Finding, Decline> {
///     let trial = case.first::<Trial>(at)?;
///     Ok(Finding::new(at, &trial, format!("died in {}", trial.stage)))
/// }
///
/// conformance::causes(&[&DIED]).check();
/// ```
pub fn causes(causes: &[&'static Cause]) -> CausesCheck {
    CausesCheck { causes: causes.to_vec(), beside: Vec::new(), complete: false, copies: COPIES }
}

/// A check of causes to come; made by [`causes`].
///
/// ```
/// use reqpath_testkit::conformance;
///
/// // A catalogue of one's own stands behind that of the ready-made stages; here both are from there.
/// let all: Vec<_> = reqpath_stages::causes().collect();
/// let (theirs, ours) = all.split_at(all.len() - 2);
/// let check = conformance::causes(ours).beside(theirs.iter().copied()).complete().copies(3);
/// if let Err(broken) = check.violations() {
///     panic!("{broken}");
/// }
/// ```
#[derive(Debug)]
#[must_use = "nothing is checked until `check`"]
pub struct CausesCheck {
    causes: Vec<&'static Cause>,
    beside: Vec<&'static Cause>,
    complete: bool,
    copies: u32,
}

impl CausesCheck {
    /// Causes of others that stand in the same catalogue, before these: those of `reqpath_stages`, mostly.
    pub fn beside(mut self, others: impl IntoIterator<Item = &'static Cause>) -> Self {
        self.beside.extend(others);
        self
    }

    /// There are no others: twins and symptoms must be among these and those beside.
    ///
    /// Without this they may name any code, of stages that are not given here.
    pub fn complete(mut self) -> Self {
        self.complete = true;
        self
    }

    /// How many spoilt copies of each example the recognisers must survive; 300 unless said.
    pub fn copies(mut self, copies: u32) -> Self {
        self.copies = copies;
        self
    }

    /// Every rule that is broken.
    ///
    /// # Errors
    ///
    /// When any is.
    pub fn violations(self) -> Result<(), Violations> {
        let codes: Vec<&str> = self.causes.iter().take(4).map(|cause| cause.code).collect();
        let more = if self.causes.len() > codes.len() { ", …" } else { "" };
        let mut violations = Violations::new(format!("the catalogue ({}{more})", codes.join(", ")));
        let all = self.beside.iter().chain(&self.causes).copied();
        let catalogue = match Catalogue::new(all) {
            Ok(catalogue) => catalogue,
            Err(error) => {
                violations.add(error.to_string());
                return violations.into_result();
            }
        };
        let known: Vec<&'static str> = catalogue.iter().map(|cause| cause.code).collect();
        for cause in &self.causes {
            documented::check(cause, self.complete.then_some(&known[..]), &mut violations);
            if let Some(example) = recognised::example(cause, &catalogue, &mut violations) {
                recognised::survive(&example, &[cause], &catalogue, self.copies, &mut violations);
            }
        }
        violations.into_result()
    }

    /// Checks everything.
    ///
    /// # Panics
    ///
    /// When a rule is broken, with a list of all that are.
    #[track_caller]
    #[allow(clippy::panic, reason = "a check fails its test by a panic")]
    pub fn check(self) {
        if let Err(violations) = self.violations() {
            panic!("{violations}");
        }
    }
}

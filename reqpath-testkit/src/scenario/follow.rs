//! Playing a scenario, wherever it is set up: see the fault, trace, count, compare.

use std::fmt;
use std::sync::Arc;

use reqpath_core::{Pipeline, Report, Vantage};

use super::Script;
use super::certificates::Certificates;
use super::error::{Mistake, Place, RunError};
use super::requires::Needed;
use super::witness::{Eyes, Witness};
use crate::assertions;

/// A scenario that was played and ended as expected.
///
/// ```
/// use reqpath_testkit::scenario::{Place, Scenario};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_refused.toml");
/// let ran = Scenario::load(file)?.run_on_fakes().await?;
/// assert_eq!(ran.place, Place::Fakes);
/// assert_eq!(ran.observed.len(), 1, "its only fault was there");
/// assert!(ran.missing.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Ran {
    /// Where.
    pub place: Place,
    /// What the trace reported.
    pub report: Report,
    /// Every fault, as it was seen by a check that knows nothing of the diagnosis.
    pub observed: Vec<Observed>,
    /// The stages that the expected cause needs and the pipeline does not have.
    pub missing: Vec<Needed>,
}

/// A fault that was there.
///
/// ```
/// use reqpath_testkit::scenario::Scenario;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_refused.toml");
/// let ran = Scenario::load(file)?.run_on_fakes().await?;
/// let observed = &ran.observed[0];
/// assert_eq!(observed.seen, "192.0.2.10:80: connection refused");
/// assert!(observed.met.is_some_and(|met| met > 0), "the trace came to it");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// The fault.
    pub fault: String,
    /// What a plain look saw of it before the trace.
    pub seen: String,
    /// How often the trace came to where it is; nothing where that leaves no mark.
    pub met: Option<u64>,
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault, self.seen)?;
        match self.met {
            Some(met) => write!(f, "; met {met} times"),
            None => Ok(()),
        }
    }
}

/// Counts how often anybody came to where a fault is.
pub(super) trait Meter: Sync {
    /// The count so far; nothing where coming there leaves no mark.
    fn count(&self, fault: usize, script: &Script) -> Result<Option<u64>, RunError>;
}

/// The place where a scenario is set up.
pub(super) struct Stand<'a, E, M> {
    pub(super) place: Place,
    pub(super) eyes: &'a E,
    pub(super) meter: &'a M,
    pub(super) vantage: Arc<dyn Vantage>,
    pub(super) certificates: &'a Certificates,
    pub(super) pipeline: &'a Pipeline,
}

impl<E: Eyes, M: Meter> Stand<'_, E, M> {
    /// Plays it to its end.
    pub(super) async fn follow(&self, script: &Script) -> Result<Ran, RunError> {
        let missing = self.missing(script);
        self.codes_are_known(script, &missing)?;
        let mut observed = self.observe(script).await?;
        let before = self.counts(script)?;
        let report = self.pipeline.trace(script.request.trace(Arc::clone(&self.vantage))).await;
        for (number, after) in self.counts(script)?.into_iter().enumerate() {
            observed[number].met =
                after.zip(before[number]).map(|(after, before)| after.saturating_sub(before));
            self.met_as_said(script, number, &observed[number])?;
        }
        let differences = script.expected.differences(&report, &missing);
        if differences.is_empty() {
            return Ok(Ran { place: self.place, report, observed, missing });
        }
        let (scenario, report) = (script.name.clone(), assertions::text(&report));
        Err(RunError::NotAsExpected { scenario, place: self.place, differences, report })
    }

    fn missing(&self, script: &Script) -> Vec<Needed> {
        let has = |needed: &Needed| self.pipeline.stage_names().any(|name| name == needed.stage());
        script.requires.iter().copied().filter(|needed| !has(needed)).collect()
    }

    /// A code that is misspelt would be expected in vain, or not blamed with ease.
    fn codes_are_known(&self, script: &Script, missing: &[Needed]) -> Result<(), Mistake> {
        let catalogue = self.pipeline.catalogue();
        let deciding = script.expected.deciding_codes().filter(|_| missing.is_empty());
        for code in script.expected.codes().chain(deciding) {
            if catalogue.find(code.as_ref()).is_none() {
                let problem = format!("no stage of this pipeline has a cause `{}`", code.as_ref());
                let mistake = Mistake::new(&script.file, &script.text, &code.span(), problem);
                return Err(mistake.suggest(code.as_ref(), catalogue.iter().map(|cause| cause.code)));
            }
        }
        Ok(())
    }

    async fn observe(&self, script: &Script) -> Result<Vec<Observed>, RunError> {
        let witness = Witness { eyes: self.eyes, script, certificates: self.certificates };
        let mut observed = Vec::new();
        for fault in &script.faults {
            let seen = witness.see(fault).await.map_err(|seen| RunError::FaultNotThere {
                scenario: script.name.clone(),
                place: self.place,
                fault: fault.to_string(),
                seen,
            })?;
            observed.push(Observed { fault: fault.to_string(), seen, met: None });
        }
        Ok(observed)
    }

    fn counts(&self, script: &Script) -> Result<Vec<Option<u64>>, RunError> {
        (0..script.faults.len()).map(|fault| self.meter.count(fault, script)).collect()
    }

    fn met_as_said(&self, script: &Script, number: usize, observed: &Observed) -> Result<(), RunError> {
        let wanted = script.faults[number].met;
        let seen = match observed.met {
            Some(0) if wanted => "the trace never came to it".to_owned(),
            Some(met) if met > 0 && !wanted => {
                format!("the trace came to it {met} times, and was not to (`met = false`)")
            }
            _ => return Ok(()),
        };
        let (scenario, fault) = (script.name.clone(), observed.fault.clone());
        Err(RunError::FaultNotMet { scenario, place: self.place, fault, seen })
    }
}

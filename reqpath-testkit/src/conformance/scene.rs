//! One trace in one scripted world.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use reqpath_core::{Left, Pipeline, Report, Role, Stage, Target, Trace, Trial};

use super::stand_in::Shared;
use super::violations::{Violations, words};
use crate::vantage::FakeVantage;

/// The time a trace has, on a clock that is paused.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// How the pipeline holds one of its stages.
#[derive(Debug)]
pub(super) enum Place {
    /// As it is.
    Before(Arc<dyn Stage>),
    /// The one under test.
    Tested(Arc<dyn Stage>),
    /// The one under test, its plan withheld.
    Unannounced(Arc<dyn Stage>),
}

/// A trace to be played.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    /// What a message calls it.
    pub(super) name: String,
    pub(super) stages: Vec<Place>,
    pub(super) target: &'a Target,
    pub(super) vantage: Arc<FakeVantage>,
    /// One request and no more; else several, with controls.
    pub(super) once: bool,
    pub(super) deadline: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Played {
    /// Absent after a panic.
    pub(super) report: Option<Report>,
    pub(super) contacts: usize,
}

impl Scene<'_> {
    /// Plays it; a panic is a violation.
    pub(super) async fn play(self, violations: &mut Violations) -> Played {
        let panics = Arc::<Mutex<Vec<String>>>::default();
        let mut builder = Pipeline::builder();
        for place in self.stages {
            let panics = panics.clone();
            builder = builder.stage(match place {
                Place::Before(stage) => Shared { stage, announced: true, marked: false, panics },
                Place::Tested(stage) => Shared { stage, announced: true, marked: true, panics },
                Place::Unannounced(stage) => Shared { stage, announced: false, marked: true, panics },
            });
        }
        let contacts = || self.vantage.contacts().len();
        let pipeline = match builder.build() {
            Ok(pipeline) => pipeline,
            Err(error) => {
                violations.add(error.to_string());
                return Played { report: None, contacts: contacts() };
            }
        };
        let mut trace = Trace::new(self.target.clone(), self.vantage.clone()).deadline(self.deadline);
        trace = match self.once {
            true => trace.without_last_try(),
            false => trace.samples(2).control(Role::Patient).control(Role::Direct),
        };
        let report = match AssertUnwindSafe(pipeline.trace(trace)).catch_unwind().await {
            Ok(report) => Some(report),
            Err(panic) => {
                violations.add(format!("{}: it panics: {}", self.name, words(&*panic)));
                None
            }
        };
        let panics = panics.lock().unwrap_or_else(PoisonError::into_inner);
        for said in panics.iter() {
            violations.add(format!("{}: it panics: {said}", self.name));
        }
        for error in report.iter().flat_map(|report| &report.errors) {
            let untold = error.message.contains("panicked") && panics.is_empty();
            violations.unless(!untold, || format!("{}: {}", self.name, error.message));
        }
        Played { report, contacts: contacts() }
    }
}

impl Played {
    /// How the first request left the stage of this name; `None` where it never came there.
    pub(super) fn left(&self, stage: &str) -> Option<Left> {
        let trial =
            self.report.as_ref()?.observations.iter().find_map(|observation| observation.get::<Trial>())?;
        (trial.stage == stage).then_some(trial.left)
    }

    /// Whether this stage was refused a permit.
    pub(super) fn refused_to(&self, stage: &str) -> Option<&str> {
        let errors = self.report.iter().flat_map(|report| &report.errors);
        let refused = |message: &str| message.contains("the plan announces no further");
        errors
            .filter(|error| error.stage == stage)
            .map(|error| error.message.as_str())
            .find(|message| refused(message))
    }
}

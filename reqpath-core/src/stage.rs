//! One kind of looking.

use std::fmt::Debug;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cause, Contact, Context, Error, Path, Subject, Target};

/// Whether the request left a stage alive.
///
/// This is a fact, not a judgement: a handshake was completed or was not.
/// What a status code means is for the judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Left {
    /// It may go on to the next stage.
    Alive,
    /// It ended here.
    Dead,
    /// The probe could not tell.
    Unknown,
}

/// One kind of looking: it makes contact through the vantage and records evidence.
///
/// A stage is run once for each sample of a leg, in the order of the pipeline.
/// It hands what the next stage needs on through the [`Context`]: addresses, a connection, a session.
/// It does not judge; its [causes](Stage::causes) do, later, from the evidence alone.
///
/// # Errors
///
/// [`run`](Stage::run) fails only where the probe is at fault: no permission, no budget, no tool.
/// What the path does wrong is evidence, and the answer is [`Left::Dead`].
#[async_trait]
pub trait Stage: Debug + Send + Sync {
    /// One lower-case word, the first part of its evidence kinds.
    fn name(&self) -> &'static str;

    /// The causes that this stage's evidence decides.
    fn causes(&self) -> &[&'static Cause];

    /// What one run at this subject may contact, at most.
    ///
    /// Printed by a dry run and enforced by the permits: contact that is not announced is refused.
    fn plan(&self, at: &Subject, path: &Path, target: &Target) -> Vec<Contact>;

    /// Looks once, for one sample of a leg.
    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error>;

    /// Whether it also looks at hops as a whole, once each, when all requests have ended.
    fn visits(&self) -> bool {
        false
    }

    /// What one visit to this hop may contact, at most.
    fn plan_visit(&self, hop: &Subject, path: &Path, target: &Target) -> Vec<Contact> {
        let _ = (hop, path, target);
        Vec::new()
    }

    /// Looks at a hop from its own vantage, when all requests have ended: its log, its configuration.
    ///
    /// Asked of the hops of the path that have a vantage, all at the same time, where it [visits](Stage::visits).
    async fn visit(&self, hop: &Subject, cx: &Context) -> Result<(), Error> {
        let _ = (hop, cx);
        Ok(())
    }
}

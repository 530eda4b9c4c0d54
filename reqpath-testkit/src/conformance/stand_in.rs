//! Stages that stand before or around the one under test.

use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::FutureExt;
use reqpath_core::{
    Cause, Contact, ContactKind, Context, Error, Evidence, Left, Path, Stage, Subject, Target,
};
use serde::{Deserialize, Serialize};

use super::violations::words;

/// Every kind of permit there is.
const KINDS: [ContactKind; 7] = [
    ContactKind::Connection,
    ContactKind::Request,
    ContactKind::Query,
    ContactKind::SystemLookup,
    ContactKind::Kernel,
    ContactKind::File,
    ContactKind::Command,
];

/// How many permits of each kind.
pub(super) type Counts = [u32; KINDS.len()];

/// Closures that hand on what an earlier stage would have.
pub(super) type Hand = dyn Fn(&Subject, &Context) + Send + Sync;

/// A stage shared by several pipelines, its announcement perhaps withheld.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) stage: Arc<dyn Stage>,
    pub(super) announced: bool,
    /// Whether a mark is recorded when it begins, so that what it records is told from what was before.
    pub(super) marked: bool,
    /// What panics of it said; the pipeline tells only that there was one.
    pub(super) panics: Arc<Mutex<Vec<String>>>,
}

/// The beginning of the stage under test.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mark {}

impl Evidence for Mark {
    const KIND: &'static str = "conformance.mark";
}

#[async_trait]
impl Stage for Shared {
    fn name(&self) -> &'static str {
        self.stage.name()
    }

    fn causes(&self) -> &[&'static Cause] {
        self.stage.causes()
    }

    fn plan(&self, at: &Subject, path: &Path, target: &Target) -> Vec<Contact> {
        if self.announced { self.stage.plan(at, path, target) } else { Vec::new() }
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        if self.marked {
            cx.record(at, Mark {});
        }
        match AssertUnwindSafe(self.stage.run(at, cx)).catch_unwind().await {
            Ok(left) => left,
            Err(panic) => {
                self.panics.lock().unwrap_or_else(PoisonError::into_inner).push(words(&*panic));
                resume_unwind(panic)
            }
        }
    }
}

/// Hands on what a closure says, and touches nothing.
pub(super) struct Given(pub(super) Box<Hand>);

#[async_trait]
impl Stage for Given {
    fn name(&self) -> &'static str {
        "given"
    }

    fn causes(&self) -> &[&'static Cause] {
        &[]
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        (self.0)(at, cx);
        Ok(Left::Alive)
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

/// Takes permits away: so many of each kind, or all there are.
#[derive(Debug)]
pub(super) struct Taker {
    most: Counts,
    taken: Arc<Mutex<Counts>>,
}

impl Taker {
    /// Takes all that is left, and tells afterwards how many that were.
    pub(super) fn of_all() -> (Self, Arc<Mutex<Counts>>) {
        let taken = Arc::<Mutex<Counts>>::default();
        (Self { most: [u32::MAX; KINDS.len()], taken: taken.clone() }, taken)
    }

    /// Takes so many.
    pub(super) fn of(most: Counts) -> Self {
        Self { most, taken: Arc::default() }
    }
}

#[async_trait]
impl Stage for Taker {
    fn name(&self) -> &'static str {
        "taker"
    }

    fn causes(&self) -> &[&'static Cause] {
        &[]
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }

    async fn run(&self, _: &Subject, cx: &Context) -> Result<Left, Error> {
        let mut taken = Counts::default();
        for ((kind, most), taken) in KINDS.into_iter().zip(self.most).zip(&mut taken) {
            while *taken < most && cx.permit(kind).is_ok() {
                *taken += 1;
            }
        }
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = taken;
        Ok(Left::Alive)
    }
}

//! Writing down what the path declares.

use async_trait::async_trait;
use reqpath_core::{Cause, Contact, Context, Error, Left, Path, Role, Stage, Subject, Target};

use crate::evidence::Declared;

/// The stage `road`: writes down, once a trace, what the path declares of its hops and of the caller.
///
/// It belongs first in a pipeline that has a path. Where nothing is declared it does nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Declarations;

impl Declarations {
    /// The stage.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Stage for Declarations {
    fn name(&self) -> &'static str {
        "road"
    }

    /// None: they rest on what later stages see, and stand behind those in the catalogue.
    /// See [`CAUSES`](crate::CAUSES).
    fn causes(&self) -> &[&'static Cause] {
        &[]
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }

    async fn run(&self, _: &Subject, cx: &Context) -> Result<Left, Error> {
        // Requests that enter further in have a first of their own, and a redirect is the same request still.
        if cx.is_first()
            && cx.role() == Role::Fresh
            && cx.target().redirected_from().is_empty()
            && let Some(declared) = Declared::of(cx.path())
        {
            cx.record(&Subject::Path, declared);
        }
        Ok(Left::Alive)
    }
}

//! Evidence under way.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::{Evidence, Micros, Observation, ObservationId, Subject};

use super::Context;

/// Evidence being filled in; kept whatever happens to the look.
///
/// Reads and writes like the evidence itself.
pub struct Recording<E: Evidence> {
    pub(super) cx: Context,
    pub(super) subject: Subject,
    pub(super) id: ObservationId,
    pub(super) since: Micros,
    pub(super) complete: bool,
    /// Present until dropped, and held by nobody else: it is filled in where it will stay.
    pub(super) evidence: Option<Arc<E>>,
}

impl<E: Evidence> Recording<E> {
    /// The look has ended by itself: the record is complete.
    pub fn finish(mut self) -> ObservationId {
        self.complete();
        self.id
    }

    /// The look has ended by itself, though more of what it saw may still be filled in.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// The number the observation will have.
    #[must_use]
    pub fn id(&self) -> ObservationId {
        self.id
    }

    /// Narrows the subject, once more is known: the address, for one.
    pub fn about(&mut self, subject: Subject) {
        self.subject = subject;
    }
}

impl<E: Evidence> Drop for Recording<E> {
    fn drop(&mut self) {
        if let Some(data) = self.evidence.take() {
            let vantage = self.cx.trial.vantage.name();
            let subject = std::mem::replace(&mut self.subject, Subject::Path);
            let observation = Observation::live(self.id, subject, vantage, self.since, self.complete, data);
            self.cx.log().keep(observation, self.cx.shared.watch.as_ref());
        }
    }
}

impl<E: Evidence> Deref for Recording<E> {
    type Target = E;

    #[expect(clippy::expect_used, reason = "only drop takes it")]
    fn deref(&self) -> &E {
        // Only `drop` takes the evidence, and nothing can be borrowed after that.
        self.evidence.as_ref().expect("present until dropped")
    }
}

impl<E: Evidence> DerefMut for Recording<E> {
    #[expect(clippy::expect_used, reason = "only drop takes it, and only drop shares it")]
    fn deref_mut(&mut self) -> &mut E {
        // Only `drop` takes the evidence, and only the log it goes to then can share it.
        self.evidence.as_mut().and_then(Arc::get_mut).expect("present and unshared until dropped")
    }
}

impl<E: Evidence> fmt::Debug for Recording<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("id", &self.id)
            .field("evidence", &self.evidence)
            .finish_non_exhaustive()
    }
}

//! Traces of one pipeline under way at the same time, and how they take turns.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// From so many on, taking turns costs less than it saves.
const MANY: usize = 16;

/// The traces of one pipeline that are under way.
///
/// A trace runs a long stretch of code once, longer than what a processor's cache of instructions holds.
/// Where many traces are ready at once and each ran through in one go, every one of them would fetch all of it
/// again. Taking turns, they run one part after another, each while the others have just made it warm:
/// what a trace costs beside its system calls falls by a quarter with 200 at once.
#[derive(Debug, Default)]
pub(super) struct Crowd(AtomicUsize);

/// One trace among those under way, until it is dropped.
pub(super) struct Member<'a>(&'a Crowd);

impl Crowd {
    pub(super) fn join(&self) -> Member<'_> {
        self.0.fetch_add(1, Relaxed);
        Member(self)
    }
}

impl Member<'_> {
    /// Lets those who are ready for the same part of the work do it first, where there are many.
    pub(super) async fn take_turns(&self) {
        if self.0.0.load(Relaxed) >= MANY {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn few_go_through_at_once_and_many_take_turns() {
        let crowd = Crowd::default();
        let few: Vec<_> = (1..MANY).map(|_| crowd.join()).collect();
        assert!(few[0].take_turns().now_or_never().is_some());

        let last = crowd.join();
        assert!(few[0].take_turns().now_or_never().is_none());
        few[0].take_turns().await;

        drop(last);
        assert!(few[0].take_turns().now_or_never().is_some());
        drop(few);
        assert_eq!(crowd.0.into_inner(), 0);
    }
}

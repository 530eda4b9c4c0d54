//! Questions asked at the same time, of which one may settle how long the others are waited for.

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Questions asked at the same time: once one of them has what the client needs, the others may be hurried.
#[derive(Debug)]
pub(super) struct Together(watch::Sender<Option<Instant>>);

impl Together {
    /// The others are waited for until this moment at most; the first who says so counts.
    pub(super) fn hurry(&self, end: Instant) {
        self.0.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(end);
            first
        });
    }

    /// Waits until the others have been hurried and that time is over; for ever, where they never are.
    pub(super) async fn over(&self) {
        let end = self.0.subscribe().wait_for(Option::is_some).await.ok().and_then(|end| *end);
        match end {
            Some(end) => sleep_until(end).await,
            None => std::future::pending().await,
        }
    }
}

impl Default for Together {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

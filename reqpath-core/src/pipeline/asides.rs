//! The walk and the looks beside the road, driven together.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::sleep_until;

use crate::ProbeError;
use crate::context::{Shared, lock};

/// Drives the walk and the looks beside the road together, until all have ended or the time is up.
///
/// All of it is one future, so that dropping it ends every look at once.
/// Most traces of a prober have no looks beside the road, and pay for none.
pub(super) async fn with_asides(mut walk: Pin<&mut impl Future<Output = ()>>, shared: &Shared) {
    let mut walking = true;
    let mut asides = None;
    let mut time_is_up = pin!(None);
    poll_fn(|cx| {
        loop {
            if walking && walk.as_mut().poll(cx).is_ready() {
                walking = false;
            }
            let new = std::mem::take(&mut *lock(&shared.asides));
            if !new.is_empty() {
                let looks = asides.get_or_insert_with(FuturesUnordered::new);
                looks.extend(new.into_iter().map(|look| AssertUnwindSafe(look).catch_unwind()));
            }
            let Some(looks) = &mut asides else { break };
            while let Poll::Ready(Some(done)) = looks.poll_next_unpin(cx) {
                if done.is_err() {
                    lock(&shared.log)
                        .errors
                        .push(ProbeError::new("aside", "a look beside the road panicked"));
                }
            }
            if lock(&shared.asides).is_empty() {
                break;
            }
        }
        if walking {
            // Each attempt has a timer of its own, which rings no later than the trace's would.
            return Poll::Pending;
        }
        if asides.as_ref().is_none_or(FuturesUnordered::is_empty) {
            return Poll::Ready(());
        }
        // The stragglers beside the road get what is left of the time.
        if time_is_up.is_none() {
            time_is_up.set(Some(sleep_until(shared.deadline)));
        }
        time_is_up.as_mut().as_pin_mut().map_or(Poll::Ready(()), |timer| timer.poll(cx))
    })
    .await;
}

//! Where a look is made: in the calling thread, or in one that has entered another place.

use std::future::{Future, ready};
use std::io;

/// Where sockets are opened, programs started and files read.
///
/// A socket belongs to the network namespace of the thread that opens it, for good: only that one step has
/// to be made there, and whoever asked then speaks over it as over any of its own, in its own time.
pub(crate) trait Place: Sync {
    /// Makes a look there. It must not wait for the network.
    ///
    /// # Errors
    ///
    /// When the place is gone.
    fn here<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send;
}

/// The calling thread.
pub(crate) struct Here;

impl Place for Here {
    fn here<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send {
        ready(Ok(look()))
    }
}

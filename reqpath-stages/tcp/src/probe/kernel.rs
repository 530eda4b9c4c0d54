//! The kernel's figures when the last stage is done with a connection.

use reqpath_core::{Connection, Context, Subject};

use crate::evidence::Figures;

use super::narrowed;

/// Records the kernel's figures of a connection: segments sent again, round-trip times, the path's MTU.
///
/// For the stage that is done with it, where side looks are made.
/// Nothing is recorded where the kernel tells nothing.
pub fn record_kernel(cx: &Context, at: &Subject, connection: &dyn Connection) {
    if let Some(figures) = connection.kernel() {
        cx.record(&narrowed(at, connection.peer()), Figures(figures));
    }
}

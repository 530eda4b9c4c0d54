//! A descriptor kept in reserve, for looking when the process has no other left.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use reqpath_core::Unavailable;

/// A descriptor kept in reserve.
#[derive(Debug)]
pub(crate) struct Spare(Mutex<Option<File>>);

impl Spare {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(reserve()))
    }

    /// Looks, and looks again with the reserve let go where no descriptor was left.
    pub(crate) fn look<T>(&self, look: impl Fn() -> io::Result<T>) -> Result<T, Unavailable> {
        match look() {
            Err(error) if none_left(&error) => self.without(look),
            seen => seen.map_err(unavailable),
        }
    }

    /// Looks with the reserve let go.
    pub(crate) fn without<T>(&self, look: impl Fn() -> io::Result<T>) -> Result<T, Unavailable> {
        self.instead(|_| look())
    }

    /// Looks with the reserve let go, and is told how many descriptors that were: one, or none
    /// where there was no room for a reserve either.
    pub(crate) fn instead<T>(&self, look: impl FnOnce(u64) -> io::Result<T>) -> Result<T, Unavailable> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = u64::from(spare.take().is_some());
        let seen = look(held);
        *spare = reserve();
        seen.map_err(unavailable)
    }
}

/// Costs nothing to hold, and exists everywhere.
fn reserve() -> Option<File> {
    File::open(if cfg!(windows) { "NUL" } else { "/dev/null" }).ok()
}

/// Too many open files: `EMFILE` of this process, or `ENFILE` of the whole system.
fn none_left(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

/// Why there was no look.
pub(crate) fn unavailable(error: io::Error) -> Unavailable {
    match error.kind() {
        io::ErrorKind::Unsupported => Unavailable::NotHere,
        _ => Unavailable::from(error),
    }
}

//! The root directory that a process of another place sees.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::file::refuse_irregular;

/// The root directory that a process of another place sees.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

impl Root {
    pub(crate) fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }

    /// Opens a regular file of that place.
    ///
    /// Links are followed as that place follows them: none leads out of it, to a file of this machine.
    pub(crate) fn open(&self, path: &str) -> io::Result<File> {
        // A look first, that opens nothing: a pipe might block, a device might change.
        let seen = File::from(openat2(&self.0, path, how(OFlag::O_PATH))?);
        refuse_irregular(&seen.metadata()?)?;
        let file = File::from(openat2(&self.0, path, how(OFlag::O_NONBLOCK | OFlag::O_NOCTTY))?);
        refuse_irregular(&file.metadata()?)?;
        Ok(file)
    }
}

fn how(flags: OFlag) -> OpenHow {
    OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT)
}

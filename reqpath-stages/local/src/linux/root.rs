//! The root directory that a process of another place sees.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::file::refuse_irregular;

/// How often a path is resolved anew; once takes some microseconds.
const MOST_TRIES: u32 = 1000;

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
        let seen = self.resolve(path, OFlag::O_PATH)?;
        refuse_irregular(&seen.metadata()?)?;
        let file = self.resolve(path, OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
        refuse_irregular(&file.metadata()?)?;
        Ok(file)
    }

    fn resolve(&self, path: &str, flags: OFlag) -> io::Result<File> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        let mut tries = 0;
        loop {
            match openat2(&self.0, path, how) {
                // Somewhere on this machine a directory was renamed or a file system mounted at that moment,
                // so the kernel cannot be sure of a `..`.
                Err(Errno::EAGAIN) if tries < MOST_TRIES => tries += 1,
                opened => return Ok(File::from(opened?)),
            }
        }
    }
}

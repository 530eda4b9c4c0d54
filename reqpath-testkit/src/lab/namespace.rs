//! The kernel side of a host: a network and a mount namespace, kept alive by open files alone.

use std::{env, fs::File, io, os::fd::AsFd, panic, thread};

use nix::{
    errno::Errno,
    sched::{CloneFlags, setns, unshare},
};

use super::error::Error;

/// A network namespace, and a mount namespace that goes with it.
///
/// Nothing names them: when the last process and the last open file are gone, the kernel removes them,
/// however this process ended.
#[derive(Debug)]
pub(super) struct Namespaces {
    net: File,
    mount: File,
}

impl Namespaces {
    /// Makes both; `furnish` runs inside, before anyone else can enter.
    pub(super) fn create(
        name: &str,
        furnish: impl FnOnce() -> Result<(), Error> + Send,
    ) -> Result<Self, Error> {
        aside(name, || {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|errno| Error::kernel("make a network namespace", errno))?;
            unshare(CloneFlags::CLONE_NEWNS)
                .map_err(|errno| Error::kernel("make a mount namespace", errno))?;
            furnish()?;
            Ok(Self { net: own("net")?, mount: own("mnt")? })
        })?
    }

    pub(super) fn net(&self) -> &File {
        &self.net
    }

    /// Moves the calling thread into both, for good: call it only in a thread made for this.
    pub(super) fn enter(&self) -> Result<(), Error> {
        let refused = |errno: Errno| Error::kernel("enter the namespaces of a host", errno);
        let before = env::current_dir();
        // The kernel moves only threads that share no working directory with others, and puts them at the root.
        unshare(CloneFlags::CLONE_FS).map_err(refused)?;
        setns(self.mount.as_fd(), CloneFlags::CLONE_NEWNS).map_err(refused)?;
        self.enter_net()?;
        if let Ok(before) = before {
            env::set_current_dir(before).map_err(|source| Error::io("keep the working directory", source))?;
        }
        Ok(())
    }

    /// Moves the calling thread into the network namespace only.
    pub(super) fn enter_net(&self) -> Result<(), Error> {
        setns(self.net.as_fd(), CloneFlags::CLONE_NEWNET)
            .map_err(|errno| Error::kernel("enter the network of a host", errno))
    }

    /// Runs a function inside both, in a thread of its own.
    pub(super) fn within<T: Send>(&self, name: &str, run: impl FnOnce() -> T + Send) -> Result<T, Error> {
        aside(name, || self.enter().map(|()| run()))?
    }
}

/// Runs a function in a thread of its own and passes its panic on.
pub(super) fn aside<T: Send>(name: &str, run: impl FnOnce() -> T + Send) -> Result<T, Error> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name(format!("lab-{name}"))
            .spawn_scoped(scope, run)
            .map_err(|source| Error::io("start a thread", source))?;
        thread.join().map_err(|panicked| panic::resume_unwind(panicked))
    })
}

fn own(kind: &str) -> Result<File, Error> {
    let path = format!("/proc/thread-self/ns/{kind}");
    File::open(&path).map_err(|source: io::Error| Error::io(format!("open {path}"), source))
}

//! The processes of a host: all in one process namespace, whose first process dies when ours does.

use std::{
    fs::File,
    io,
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::{
    errno::Errno,
    sched::{CloneFlags, setns, unshare},
    sys::{
        signal::{Signal, kill, killpg},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};

use super::{
    error::Error,
    namespace::{Namespaces, aside},
};

/// Keeps the processes of one host together.
///
/// The first process of the namespace is a shell that waits for the end of its standard input, whose other
/// end only we hold. When it goes, because we say so or because we are killed, the kernel kills all others
/// of the namespace, daemons and orphans too.
#[derive(Debug)]
pub(super) struct Keeper {
    first: Child,
    leash: Option<ChildStdin>,
    pids: File,
    // Of their own, so that shared memory of a server that was killed goes too.
    shared: File,
    children: Vec<Arc<Tracked>>,
}

impl Keeper {
    pub(super) fn start(host: &str, namespaces: &Namespaces) -> Result<Self, Error> {
        let mut first = aside(host, || {
            namespaces.enter()?;
            unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC)
                .map_err(|errno| Error::kernel("make a process namespace", errno))?;
            Command::new("sh")
                .args(["-c", "read -r gone"])
                .current_dir("/")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()
                .map_err(|source| Error::io("start the first process of a host", source))
        })??;
        let leash = first.stdin.take();
        let open = |kind| File::open(format!("/proc/{}/ns/{kind}", first.id()));
        match (open("pid"), open("ipc")) {
            (Ok(pids), Ok(shared)) => Ok(Self { first, leash, pids, shared, children: Vec::new() }),
            (Err(source), _) | (_, Err(source)) => {
                drop(leash);
                let _ = first.wait();
                Err(Error::io("open the process namespace of a host", source))
            }
        }
    }

    pub(super) fn spawn(
        &mut self,
        host: &str,
        namespaces: &Namespaces,
        command: &mut Command,
    ) -> Result<Arc<Tracked>, Error> {
        self.children.retain(|child| !child.has_ended());
        let spawned = aside(host, || {
            namespaces.enter()?;
            setns(self.pids.as_fd(), CloneFlags::CLONE_NEWPID)
                .and_then(|()| setns(self.shared.as_fd(), CloneFlags::CLONE_NEWIPC))
                .map_err(|errno| Error::kernel("enter the process namespace of a host", errno))?;
            Ok::<_, Error>(command.process_group(0).spawn())
        })??;
        let child = spawned.map_err(|source| {
            Error::io(format!("start `{}` in `{host}`", command.get_program().to_string_lossy()), source)
        })?;
        let child = Arc::new(Tracked::new(child));
        self.children.push(Arc::clone(&child));
        Ok(child)
    }

    /// Kills everything, without waiting for it to be gone.
    pub(super) fn kill(&mut self) {
        let _ = self.first.kill();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.kill();
        drop(self.leash.take());
        // The kernel keeps the first process until all others are reaped, and ours only we can reap.
        for child in &self.children {
            let _ = child.wait();
        }
        let _ = self.first.wait();
    }
}

/// A child that several may wait for, kill and reap.
#[derive(Debug)]
pub(super) struct Tracked {
    pid: Pid,
    child: Mutex<Child>,
}

impl Tracked {
    fn new(child: Child) -> Self {
        // Process ids fit: the kernel's own type is signed.
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        Self { pid, child: Mutex::new(child) }
    }

    pub(super) fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.child().try_wait(), Ok(None))
    }

    pub(super) fn wait(&self) -> io::Result<ExitStatus> {
        // Waits without reaping and without the lock, so that others can kill it meanwhile.
        while let Err(Errno::EINTR) = waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
        }
        self.child().wait()
    }

    /// Kills it and the processes it started, except those that left its process group.
    pub(super) fn kill(&self) {
        self.if_alive(|pid| killpg(pid, Signal::SIGKILL));
    }

    pub(super) fn terminate(&self) {
        self.if_alive(|pid| kill(pid, Signal::SIGTERM));
    }

    fn if_alive(&self, act: impl FnOnce(Pid) -> nix::Result<()>) {
        // Under the lock nobody reaps it, so its number cannot be another's by now.
        let mut child = self.child();
        if matches!(child.try_wait(), Ok(None)) {
            // It may end between the two: then there is nothing left to do.
            let _ = act(self.pid);
        }
    }
}

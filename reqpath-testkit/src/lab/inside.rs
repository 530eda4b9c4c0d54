//! Which host the calling thread is inside of, and what that means for the programs it starts.

use std::{
    cell::RefCell,
    ffi::OsString,
    io,
    path::PathBuf,
    process::Command,
    rc::Rc,
    sync::{Arc, Weak},
};

use super::{
    host::{Host, Inner},
    keeper::Tracked,
};
use crate::real::home::{self, Home, Process, Started};

thread_local! {
    static INSIDE: RefCell<Weak<Inner>> = const { RefCell::new(Weak::new()) };
}

/// Notes that the calling thread, made for this, is inside a host from now on.
///
/// Only weakly: a thread must not keep the host up that keeps the thread running.
pub(super) fn settle(host: &Weak<Inner>) {
    INSIDE.with(|inside| host.clone_into(&mut inside.borrow_mut()));
    home::move_into(Rc::new(HostHome(host.clone())));
}

/// Whether the calling thread is inside this host.
pub(super) fn is_inside(host: &Arc<Inner>) -> bool {
    INSIDE.with(|inside| std::ptr::eq(inside.borrow().as_ptr(), Arc::as_ptr(host)))
}

/// A host as the home of real parts: they are among the host's own processes, and end with them.
#[derive(Debug)]
struct HostHome(Weak<Inner>);

impl HostHome {
    fn host(&self) -> io::Result<Host> {
        self.0.upgrade().map(Host::from_inner).ok_or_else(|| io::Error::other("the lab has been taken down"))
    }
}

impl Home for HostHome {
    fn rooms(&self) -> io::Result<PathBuf> {
        self.host().map(|host| host.rooms())
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        self.host().map(|host| host.surroundings()).unwrap_or_default()
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Started> {
        let tracked = self.host()?.start_process(command).map_err(io::Error::other)?;
        let (stdin, stdout) = {
            let mut child = tracked.child();
            (child.stdin.take(), child.stdout.take())
        };
        Ok(Started { id: tracked.id(), process: Box::new(tracked), stdin, stdout })
    }
}

impl Process for Arc<Tracked> {
    fn has_ended(&mut self) -> bool {
        Tracked::has_ended(self)
    }

    fn end(&mut self) {
        self.kill();
        // It has been killed: how it ended is no news.
        let _ = self.wait();
    }
}

//! Where the programs of real parts live: in the surroundings of this process, unless the calling
//! thread has moved into others, such as those of a host of a lab.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command};
use std::rc::Rc;

/// Surroundings other than this process's own.
pub(crate) trait Home: Debug {
    /// The directory in which private directories are made; it goes with these surroundings.
    fn rooms(&self) -> io::Result<PathBuf>;

    /// All of the environment that a program starts with.
    fn environment(&self) -> Vec<(OsString, OsString)>;

    /// Starts a program, in a process group of its own.
    fn spawn(&self, command: &mut Command) -> io::Result<Started>;
}

/// A program that was started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) process: Box<dyn Process>,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
    /// Its process id, as this process counts.
    pub(crate) id: u32,
}

/// A process that only its starter can wait for.
pub(crate) trait Process: Debug + Send + Sync {
    /// Whether it has ended.
    fn has_ended(&mut self) -> bool;

    /// Kills it and waits until it is gone.
    fn end(&mut self);
}

thread_local! {
    static HOME: RefCell<Option<Rc<dyn Home>>> = const { RefCell::new(None) };
}

/// Moves the calling thread, for as long as it runs.
#[cfg(all(target_os = "linux", feature = "lab"))]
pub(crate) fn move_into(home: Rc<dyn Home>) {
    HOME.with(|here| *here.borrow_mut() = Some(home));
}

/// Where the calling thread is, if not in this process's own surroundings.
pub(super) fn here() -> Option<Rc<dyn Home>> {
    HOME.with(|here| here.borrow().clone())
}

/// Starts a program where the calling thread is.
pub(super) fn spawn(command: &mut Command) -> io::Result<Started> {
    if let Some(home) = here() {
        return home.spawn(command);
    }
    let mut child = command.spawn()?;
    let (stdin, stdout, id) = (child.stdin.take(), child.stdout.take(), child.id());
    Ok(Started { process: Box::new(child), stdin, stdout, id })
}

/// Exchanges the environment that a program would inherit for that of where the calling thread is.
pub(super) fn furnish(command: &mut Command) {
    if let Some(home) = here() {
        command.env_clear().envs(home.environment());
    }
}

impl Process for Child {
    fn has_ended(&mut self) -> bool {
        !matches!(self.try_wait(), Ok(None))
    }

    fn end(&mut self) {
        // It may have ended by itself: then there is nothing left to do.
        let _ = self.kill();
        let _ = self.wait();
    }
}

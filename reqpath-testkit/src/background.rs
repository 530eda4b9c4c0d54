//! A thread with its own small runtime, stopped when its handle goes.

use std::future::Future;
use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Runs one future, and whatever it spawns, until dropped.
///
/// The thread is its own, so a server works the same under a blocking test, an async one,
/// and when the thread that started it ends first.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts the thread; `make` is called on it, inside the runtime.
    pub(crate) fn start<F, T>(name: &str, make: F) -> io::Result<Self>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = ()>,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = async { make().await } => {}
                    _ = stopped => {}
                }
            });
            // Dropping the runtime drops every spawned task at its await point, and with it every socket.
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Stops and waits until every socket is closed.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return };
        // A script closure may hold the last handle; a thread cannot wait for itself.
        if thread.thread().id() != thread::current().id() {
            // A panic of the thread has been printed by its own hook.
            drop(thread.join());
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

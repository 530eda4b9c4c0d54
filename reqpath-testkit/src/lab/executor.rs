//! A tokio runtime whose only thread lives inside a host.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, task::JoinHandle};

use super::{error::Error, namespace::Namespaces};

/// How long a task that does not yield may hold up the end of a lab.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Runs the tasks of one host until it is dropped.
///
/// One thread, so that every socket and every blocking call made by its tasks is made inside the host.
#[derive(Debug)]
pub(super) struct Executor {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    ended: mpsc::Receiver<()>,
}

impl Executor {
    /// Starts it; `settle` is called by its thread, inside.
    pub(super) fn start(
        host: &str,
        namespaces: Arc<Namespaces>,
        settle: impl FnOnce() + Send + 'static,
    ) -> Result<Self, Error> {
        let (stop, stopped) = oneshot::channel();
        let (say_ready, ready) = mpsc::channel();
        let (say_ended, ended) = mpsc::channel();
        thread::Builder::new()
            .name(format!("lab-{host}-tasks"))
            .spawn(move || {
                let built = namespaces.enter().and_then(|()| {
                    settle();
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    runtime.map_err(|source| Error::io("start a runtime", source))
                });
                match built {
                    Ok(runtime) => {
                        let _ = say_ready.send(Ok(runtime.handle().clone()));
                        // An error means that the executor was dropped: the same thing.
                        let _ = runtime.block_on(stopped);
                        runtime.shutdown_background();
                    }
                    Err(error) => drop(say_ready.send(Err(error))),
                }
                drop(say_ended);
            })
            .map_err(|source| Error::io("start a thread", source))?;
        let died = |_| Error::io("start a runtime", std::io::ErrorKind::BrokenPipe.into());
        let handle = ready.recv().map_err(died)??;
        Ok(Self { handle, stop: Some(stop), ended })
    }

    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.ended.recv_timeout(END_WITHIN);
    }
}

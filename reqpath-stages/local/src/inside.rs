//! A thread that has entered another place, and makes looks there.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use crate::place::Place;

type Look = Box<dyn FnOnce() + Send>;

/// A thread that has entered another place; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Inside {
    looks: mpsc::Sender<Look>,
}

impl Inside {
    /// Starts the thread, which enters before it makes any look; the inner error is why it could not.
    pub(crate) fn start<E: Send + 'static>(
        name: &str,
        enter: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> io::Result<Result<Self, E>> {
        let (looks, asked) = mpsc::channel::<Look>();
        let (say, entered) = mpsc::channel();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let inside = enter();
            let failed = inside.is_err();
            // Whoever starts it waits for this.
            let _ = say.send(inside);
            if failed {
                return;
            }
            while let Ok(look) = asked.recv() {
                // One that panics has nobody to tell it to: who asked hears that no answer came.
                let _ = catch_unwind(AssertUnwindSafe(look));
            }
        })?;
        Ok(entered.recv().map_err(|_| gone())?.map(|()| Self { looks }))
    }
}

impl Place for Inside {
    fn here<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send {
        let (say, heard) = oneshot::channel();
        let look: Look = Box::new(move || {
            // Nobody listens any more when the time was up.
            let _ = say.send(look());
        });
        let asked = self.looks.send(look);
        async move {
            asked.map_err(|_| gone())?;
            heard.await.map_err(|_| gone())
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that looks from this place has gone")
}

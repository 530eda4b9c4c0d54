//! Slow cables: frames carried from one TAP device to another, each held back for a while.

use std::{io, sync::Arc, thread, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_tun::Tun;

use super::{error::Error, namespace::Namespaces};

/// As many frames as a device queues by default; what comes on top is lost, as on a real cable.
const UNDER_WAY_AT_MOST: usize = 1000;
/// The largest MTU of a TAP device, and room for its frame header.
const FRAME_AT_MOST: usize = 65_535 + 18;

/// One slow cable to be.
#[derive(Debug)]
pub(super) struct SlowCable {
    pub(super) ends: [(Arc<Namespaces>, String); 2],
    pub(super) delay: Duration,
}

/// The thread that carries the frames of all slow cables of a lab.
#[derive(Debug)]
pub(super) struct Relay {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Relay {
    /// Makes the devices, and carries frames from then on.
    pub(super) fn start(cables: Vec<SlowCable>) -> Result<Self, Error> {
        let (stop, stopped) = oneshot::channel();
        let (say_ready, ready) = std::sync::mpsc::channel();
        let thread = thread::Builder::new()
            .name("lab-relay".to_owned())
            .spawn(move || {
                let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(source) => {
                        let _ = say_ready.send(Err(Error::io("start a runtime", source)));
                        return;
                    }
                };
                runtime.block_on(async {
                    let mut carriers = JoinSet::new();
                    let laid = cables.iter().try_for_each(|cable| lay(cable, &mut carriers));
                    let failed = laid.is_err();
                    let _ = say_ready.send(laid);
                    if !failed {
                        // Either way the cables end here: with the lab, or with a lab that was not built.
                        let _ = stopped.await;
                    }
                });
            })
            .map_err(|source| Error::io("start a thread", source))?;
        let relay = Self { stop: Some(stop), thread: Some(thread) };
        let gone = |_| Error::io("start the relay", io::ErrorKind::BrokenPipe.into());
        ready.recv().map_err(gone)??;
        Ok(relay)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lay(cable: &SlowCable, carriers: &mut JoinSet<()>) -> Result<(), Error> {
    let mut taps = Vec::new();
    for (namespaces, name) in &cable.ends {
        namespaces.enter_net()?;
        let made = Tun::builder().name(name).tap().close_on_exec().build();
        let made = made.map_err(|error| refused(name, error))?;
        taps.extend(made.into_iter().take(1).map(Arc::new));
    }
    if let [one, other] = taps.as_slice() {
        carry(one, other, cable.delay, carriers);
        carry(other, one, cable.delay, carriers);
    }
    Ok(())
}

fn refused(name: &str, error: tokio_tun::Error) -> Error {
    let source = match error {
        tokio_tun::Error::NixError(errno) => io::Error::from(errno),
        tokio_tun::Error::IoError(source) => source,
    };
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            Error::NoDevice { path: "/dev/net/tun".into(), source }
        }
        _ => Error::io(format!("make the TAP device {name}"), source),
    }
}

fn carry(from: &Arc<Tun>, to: &Arc<Tun>, delay: Duration, carriers: &mut JoinSet<()>) {
    let (from, to) = (Arc::clone(from), Arc::clone(to));
    let (put, mut take) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY_AT_MOST);
    carriers.spawn(async move {
        let mut frame = vec![0; FRAME_AT_MOST];
        loop {
            match from.recv(&mut frame).await {
                // A full cable loses the frame.
                Ok(length) => drop(put.try_send((Instant::now() + delay, frame[..length].to_vec()))),
                // The device is down for now; it says so by this error, and only then.
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EIO as i32) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(_) => return,
            }
        }
    });
    carriers.spawn(async move {
        while let Some((due, frame)) = take.recv().await {
            sleep_until(due).await;
            // A device that is down loses what arrives.
            let _ = to.send(&frame).await;
        }
    });
}

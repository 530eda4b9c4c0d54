//! Sending many probes, some at once, and counting what they cost.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::{Error, Meter};

/// What a number of probes cost.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Cost {
    /// Processor time of the probing process, for each probe.
    pub cpu: Duration,
    /// From the start of a probe to its end, the middle one.
    pub wall: Duration,
    /// Probes in each second, as they were sent.
    pub per_second: f64,
}

/// How long the server is left alone between two probes that are sent one at a time.
///
/// Without it the end of one connection would meet the begin of the next, and whichever client ends its own
/// a little later would profit: a server that is awake need not be woken.
const REST: Duration = Duration::from_micros(100);

/// Sends `count` probes, `at_once` of them at the same time, and says what each cost.
///
/// # Errors
///
/// The first probe's that fails: a benchmark of failing probes means nothing.
pub async fn drive<P>(
    count: usize,
    at_once: usize,
    meter: Meter,
    probe: impl Fn(usize) -> P + Send + Sync + 'static,
) -> Result<Cost, Error>
where
    P: Future<Output = Result<(), Error>> + Send + 'static,
{
    let (mut walls, used, elapsed) = if at_once <= 1 {
        one_by_one(count, meter, probe).await?
    } else {
        at_the_same_time(count, at_once, meter, probe).await?
    };
    let probes = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    walls.sort_unstable();
    Ok(Cost {
        cpu: used / probes,
        wall: walls.get(count / 2).copied().unwrap_or_default(),
        per_second: f64::from(probes) / elapsed.as_secs_f64(),
    })
}

/// The time of each probe, the processor time of all, and how long all took.
type Measured = (Vec<Duration>, Duration, Duration);

/// One probe after another, and the server is left alone after each.
async fn one_by_one<P>(count: usize, meter: Meter, probe: impl Fn(usize) -> P) -> Result<Measured, Error>
where
    P: Future<Output = Result<(), Error>>,
{
    let (mut walls, mut used, mut elapsed) = (Vec::with_capacity(count), Duration::ZERO, Duration::ZERO);
    let first = meter.read()?;
    for number in 0..count {
        let (started, before) = (Instant::now(), meter.read()?);
        probe(number).await?;
        let wall = started.elapsed();
        used += meter.read()?.since(before);
        elapsed += wall;
        walls.push(wall);
        // Awake: whoever sleeps here finds the processor's caches to be somebody else's.
        let ended = Instant::now();
        while ended.elapsed() < REST {
            std::hint::spin_loop();
        }
    }
    if let Meter::Of(_) = meter {
        // What another process does after its answer is its cost too; that this one waited is not.
        used = meter.read()?.since(first);
    }
    Ok((walls, used, elapsed))
}

/// As many tasks as there are to be probes at once, each of which sends one after another, as a prober's workers
/// do. In one task together they would share its budget of cooperation, and be polled for nothing.
async fn at_the_same_time<P>(
    count: usize,
    at_once: usize,
    meter: Meter,
    probe: impl Fn(usize) -> P + Send + Sync + 'static,
) -> Result<Measured, Error>
where
    P: Future<Output = Result<(), Error>> + Send + 'static,
{
    let (started, before) = (Instant::now(), meter.read()?);
    let next = Arc::new(AtomicUsize::new(0));
    let probe = Arc::new(probe);
    let workers: Vec<_> = (0..at_once.min(count))
        .map(|_| {
            let (probe, next) = (Arc::clone(&probe), Arc::clone(&next));
            tokio::spawn(async move {
                let mut walls = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, Error>(walls);
                    }
                    let started = Instant::now();
                    probe(number).await?;
                    walls.push(started.elapsed());
                }
            })
        })
        .collect();
    let mut walls = Vec::with_capacity(count);
    for worker in workers {
        walls.extend(worker.await.map_err(|e| Error::part("worker", e))??);
    }
    Ok((walls, meter.read()?.since(before), started.elapsed()))
}

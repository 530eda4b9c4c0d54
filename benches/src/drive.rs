//! Sending many probes, some at once, and counting what they cost.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::{CpuTime, Error};

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

/// Sends `count` probes, `at_once` of them at the same time, and says what each cost.
///
/// Many at once are sent by as many tasks, each of which sends one after another, as a prober's workers
/// do. In one task together they would share its budget of cooperation, and be polled for nothing.
///
/// # Errors
///
/// The first probe's that fails: a benchmark of failing probes means nothing.
pub async fn drive<P>(
    count: usize,
    at_once: usize,
    cpu: impl Fn() -> Result<CpuTime, Error>,
    probe: impl Fn(usize) -> P + Send + Sync + 'static,
) -> Result<Cost, Error>
where
    P: Future<Output = Result<(), Error>> + Send + 'static,
{
    let (started, cpu_before) = (Instant::now(), cpu()?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut walls = Vec::with_capacity(count);
    if at_once <= 1 {
        work(&probe, &next, count, &mut walls).await?;
    } else {
        let probe = Arc::new(probe);
        let workers: Vec<_> = (0..at_once.min(count))
            .map(|_| {
                let (probe, next) = (Arc::clone(&probe), Arc::clone(&next));
                tokio::spawn(async move {
                    let mut walls = Vec::new();
                    work(&*probe, &next, count, &mut walls).await.map(|()| walls)
                })
            })
            .collect();
        for worker in workers {
            walls.extend(worker.await.map_err(|e| Error::part("worker", e))??);
        }
    }
    let (elapsed, used) = (started.elapsed(), cpu()?.since(cpu_before));
    let probes = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    walls.sort_unstable();
    Ok(Cost {
        cpu: used / probes,
        wall: walls.get(count / 2).copied().unwrap_or_default(),
        per_second: f64::from(probes) / elapsed.as_secs_f64(),
    })
}

/// Sends one probe after another until all numbers are taken.
async fn work<P>(
    probe: &impl Fn(usize) -> P,
    next: &AtomicUsize,
    count: usize,
    walls: &mut Vec<Duration>,
) -> Result<(), Error>
where
    P: Future<Output = Result<(), Error>>,
{
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(());
        }
        let started = Instant::now();
        probe(number).await?;
        walls.push(started.elapsed());
    }
}

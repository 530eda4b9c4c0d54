//! Sending many probes, some at once, and counting what they cost.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

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
/// # Errors
///
/// The first probe's that fails: a benchmark of failing probes means nothing.
pub async fn drive<P>(
    count: usize,
    at_once: usize,
    cpu: impl Fn() -> Result<CpuTime, Error>,
    probe: impl Fn(usize) -> P,
) -> Result<Cost, Error>
where
    P: Future<Output = Result<(), Error>>,
{
    let timed = |number: usize| {
        let probe = probe(number);
        async move {
            let started = Instant::now();
            probe.await.map(|()| started.elapsed())
        }
    };
    let mut walls = Vec::with_capacity(count);
    let (started, cpu_before) = (Instant::now(), cpu()?);
    if at_once <= 1 {
        for number in 0..count {
            walls.push(timed(number).await?);
        }
    } else {
        let mut numbers = 0..count;
        let mut running: FuturesUnordered<_> = numbers.by_ref().take(at_once).map(timed).collect();
        while let Some(wall) = running.next().await {
            walls.push(wall?);
            running.extend(numbers.next().map(timed));
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

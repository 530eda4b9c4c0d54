//! What a trace costs, beside its peers: parts for the benchmarks in `benches/`.
//!
//! The server being probed runs in a [process of its own](Server), so that the processor time of the
//! client is the client's alone. Peers are a [bare client](Bare) that records nothing, and
//! [`prometheus-blackbox-exporter`](Blackbox) as it is packaged. Every round measures all of them, one
//! after the other, so that whatever else the machine does meets them alike.

mod bare;
mod blackbox;
mod cpu;
mod drive;
mod figures;
mod ours;
mod results;
mod server;

pub use bare::Bare;
pub use blackbox::Blackbox;
pub use cpu::{CpuTime, Meter};
pub use drive::{Cost, drive};
pub use figures::Spread;
pub use ours::Ours;
pub use results::{machine, write_section};
pub use server::{Server, serve_if_asked};

/// Why a benchmark cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused something.
    #[error("cannot {what}")]
    Io {
        /// What was tried, as a verb phrase.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A program that is to be measured is not installed.
    #[error("{program} is not installed ({install})")]
    Missing {
        /// The program.
        program: &'static str,
        /// How it is installed.
        install: &'static str,
    },
    /// A part did not do what it is there for.
    #[error("{part}: {what}")]
    Part {
        /// The part.
        part: &'static str,
        /// What it did.
        what: String,
    },
}

impl Error {
    fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    fn part(part: &'static str, what: impl std::fmt::Display) -> Self {
        Self::Part { part, what: what.to_string() }
    }
}

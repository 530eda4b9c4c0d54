//! What a trace costs in processor time, beside a client that records nothing and beside
//! `prometheus-blackbox-exporter`.
//!
//! `cargo bench -p reqpath-benches` writes `docs/results.md`; with `-- --quick` it measures a little and
//! writes nothing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use reqpath_benches::{
    Bare, Blackbox, Cost, CpuTime, Error, Server, Spread, drive, machine, serve_if_asked, write_section,
};

/// How much is measured.
#[derive(Clone, Copy)]
struct Size {
    rounds: usize,
    /// Probes of each client in each round, one at a time and many at once.
    probes: usize,
    /// Probes of the exporter, which takes longer for each.
    exporter_probes: usize,
    /// How many at once, where it is many.
    at_once: usize,
}

const FULL: Size = Size { rounds: 9, probes: 2000, exporter_probes: 600, at_once: 200 };
const QUICK: Size = Size { rounds: 1, probes: 40, exporter_probes: 20, at_once: 20 };

/// What is asked of a ratio.
struct Aim {
    tls: bool,
    /// The client's processor time over that of the bare one, at most.
    over_bare: f64,
    /// Probes for each second of processor time over the exporter's, at least.
    over_exporter: f64,
}

const AIMS: [Aim; 2] = [
    Aim { tls: false, over_bare: 1.25, over_exporter: 12.0 },
    Aim { tls: true, over_bare: 1.10, over_exporter: 3.8 },
];

fn main() -> ExitCode {
    serve_if_asked();
    // `cargo bench` says --bench; anything else wants to know only whether it runs.
    let quick = std::env::args().any(|argument| argument == "--quick")
        || !std::env::args().any(|argument| argument == "--bench");
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(quick)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(quick: bool) -> Result<(), Error> {
    let size = if quick { QUICK } else { FULL };
    let server = Server::start()?;
    let peers = Peers {
        bare: Bare::new(server.issuer())?,
        exporter: match Blackbox::start(&server.issuer_file()).await {
            Ok(exporter) => Some(exporter),
            Err(missing @ Error::Missing { .. }) if std::env::var_os("REQPATH_REQUIRE_REAL").is_none() => {
                eprintln!("SKIPPED the comparison with the exporter: {missing}");
                None
            }
            Err(error) => return Err(error),
        },
        server,
    };
    let mut table = Table::new();
    for aim in &AIMS {
        for at_once in [1, size.at_once] {
            let rounds = peers.measure(aim.tls, at_once, size).await?;
            let rows = table.add(aim, at_once, &rounds);
            println!("{rows}");
        }
    }
    if !quick {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results.md");
        write_section(&results, "trace_cost", &table.section(size, peers.exporter.is_some()))?;
    }
    Ok(())
}

/// Everything that is measured.
struct Peers {
    server: Server,
    bare: Bare,
    exporter: Option<Blackbox>,
}

/// What each cost in one round.
struct Round {
    bare: Cost,
    exporter: Option<Cost>,
}

impl Peers {
    async fn measure(&self, tls: bool, at_once: usize, size: Size) -> Result<Vec<Round>, Error> {
        // Once beforehand, so that nobody pays for what is only paid once.
        self.round(tls, at_once, size.probes / 10, size.exporter_probes / 10).await?;
        let mut rounds = Vec::with_capacity(size.rounds);
        for _ in 0..size.rounds {
            rounds.push(self.round(tls, at_once, size.probes, size.exporter_probes).await?);
        }
        Ok(rounds)
    }

    async fn round(
        &self,
        tls: bool,
        at_once: usize,
        probes: usize,
        exporter_probes: usize,
    ) -> Result<Round, Error> {
        let bare = drive(probes, at_once, CpuTime::of_self, |number| {
            self.bare.probe(tls, self.server.address(tls, number))
        });
        let bare = bare.await?;
        let exporter = match &self.exporter {
            Some(exporter) => {
                let probe = |number| async move { exporter.probe(&self.server.url(tls, number)).await };
                Some(drive(exporter_probes, at_once, || exporter.cpu(), probe).await?)
            }
            None => None,
        };
        Ok(Round { bare, exporter })
    }
}

/// The figures as Markdown.
struct Table {
    rows: String,
}

impl Table {
    fn new() -> Self {
        Self { rows: String::new() }
    }

    fn add(&mut self, aim: &Aim, at_once: usize, rounds: &[Round]) -> String {
        let mut rows = String::new();
        let what = if aim.tls { "HTTPS" } else { "HTTP" };
        let mut row = |client: &str, costs: Vec<Cost>| {
            let micros = |f: fn(&Cost) -> f64| {
                Spread::of(costs.iter().map(f)).map(|s| s.to_string()).unwrap_or_default()
            };
            let _ = writeln!(
                rows,
                "| {what} | {at_once} | {client} | {} | {} | {} |",
                micros(|cost| cost.cpu.as_secs_f64() * 1e6),
                micros(|cost| cost.wall.as_secs_f64() * 1e6),
                micros(|cost| cost.per_second),
            );
        };
        row("bare", rounds.iter().map(|round| round.bare).collect());
        row("exporter", rounds.iter().filter_map(|round| round.exporter).collect());
        self.rows.push_str(&rows);
        rows
    }

    fn section(&self, _: Size, _: bool) -> String {
        format!("{}\n{}", machine(), self.rows)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        let _ = write!(text, ": {reason}");
        source = reason.source();
    }
    text
}

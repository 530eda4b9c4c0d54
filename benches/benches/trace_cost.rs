//! What a trace costs in processor time, beside a client that records nothing and beside
//! `prometheus-blackbox-exporter`.
//!
//! `cargo bench -p reqpath-benches` writes `docs/results.md`; with `-- --quick` it measures a little and
//! writes nothing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use reqpath_benches::{
    Bare, Blackbox, Cost, Error, Meter, Ours, Server, Spread, drive, machine, serve_if_asked, write_section,
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

const FULL: Size = Size { rounds: 25, probes: 2000, exporter_probes: 600, at_once: 200 };
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

/// The allocator of the program, for the bare client as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let contenders = Contenders {
        ours: Arc::new(Ours::new(&server)?),
        bare: Arc::new(Bare::new(server.issuer())?),
        exporter: match Blackbox::start(&server.issuer_file()).await {
            Ok(exporter) => Some(Arc::new(exporter)),
            Err(missing @ Error::Missing { .. }) if std::env::var_os("REQPATH_REQUIRE_REAL").is_none() => {
                eprintln!("SKIPPED the comparison with the exporter: {missing}");
                None
            }
            Err(error) => return Err(error),
        },
        server: Arc::new(server),
    };
    let mut table = Table::new();
    for aim in &AIMS {
        for at_once in [1, size.at_once] {
            let rounds = contenders.measure(aim.tls, at_once, size).await?;
            table.add(aim, at_once, &rounds);
        }
    }
    let section = table.section(size);
    println!("{section}");
    if !quick {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results.md");
        write_section(&results, "trace_cost", &section)?;
    }
    Ok(())
}

/// Everything that is measured.
struct Contenders {
    server: Arc<Server>,
    ours: Arc<Ours>,
    bare: Arc<Bare>,
    exporter: Option<Arc<Blackbox>>,
}

/// What each cost in one round.
struct Round {
    ours: Cost,
    bare: Cost,
    exporter: Option<Cost>,
}

impl Contenders {
    async fn measure(&self, tls: bool, at_once: usize, size: Size) -> Result<Vec<Round>, Error> {
        // Once beforehand, so that nobody pays for what is only paid once.
        let warm = Size { probes: size.probes / 4, exporter_probes: size.exporter_probes / 4, ..size };
        self.round(tls, at_once, warm, true).await?;
        let mut rounds = Vec::with_capacity(size.rounds);
        for number in 0..size.rounds {
            // Each goes first as often as the other.
            rounds.push(self.round(tls, at_once, size, number % 2 == 0).await?);
        }
        Ok(rounds)
    }

    async fn round(&self, tls: bool, at_once: usize, size: Size, ours_first: bool) -> Result<Round, Error> {
        let ours = || {
            let client = Arc::clone(&self.ours);
            let probe = move |number| Arc::clone(&client).probe(tls, number);
            drive(size.probes, at_once, Meter::Own, probe)
        };
        let bare = || {
            let (client, server) = (Arc::clone(&self.bare), Arc::clone(&self.server));
            let probe = move |number| Arc::clone(&client).probe(tls, server.address(tls, number));
            drive(size.probes, at_once, Meter::Own, probe)
        };
        let (ours, bare) = if ours_first {
            let ours = ours().await?;
            (ours, bare().await?)
        } else {
            let bare = bare().await?;
            (ours().await?, bare)
        };
        let exporter = match &self.exporter {
            Some(exporter) => {
                let (client, server) = (Arc::clone(exporter), Arc::clone(&self.server));
                let probe = move |number| Arc::clone(&client).probe(server.url(tls, number));
                Some(drive(size.exporter_probes, at_once, exporter.meter()?, probe).await?)
            }
            None => None,
        };
        Ok(Round { ours, bare, exporter })
    }
}

/// The figures as Markdown.
struct Table {
    figures: String,
    ratios: String,
}

impl Table {
    fn new() -> Self {
        Self { figures: String::new(), ratios: String::new() }
    }

    fn add(&mut self, aim: &Aim, at_once: usize, rounds: &[Round]) {
        let scheme = if aim.tls { "HTTPS" } else { "HTTP" };
        let mut row = |client: &str, costs: Vec<Cost>| {
            let micros = |f: fn(&Cost) -> f64| shown(Spread::of(costs.iter().map(f)), 0);
            let _ = writeln!(
                self.figures,
                "| {scheme} | {at_once} | {client} | {} | {} | {} |",
                micros(|cost| cost.cpu.as_secs_f64() * 1e6),
                micros(|cost| cost.wall.as_secs_f64() * 1e6),
                micros(|cost| cost.per_second),
            );
        };
        row("reqpath", rounds.iter().map(|round| round.ours).collect());
        row("bare hyper + rustls", rounds.iter().map(|round| round.bare).collect());
        row("blackbox-exporter", rounds.iter().filter_map(|round| round.exporter).collect());

        let over_bare = Spread::of(rounds.iter().map(|round| ratio(round.ours, round.bare)));
        let over_exporter =
            Spread::of(rounds.iter().filter_map(|round| Some(ratio(round.exporter?, round.ours))));
        let _ = writeln!(
            self.ratios,
            "| {scheme} | {at_once} | {} | ≤ {:.2}{} | {} | ≥ {:.1}{} |",
            shown(over_bare, 2),
            aim.over_bare,
            met(over_bare.map(|spread| spread.median <= aim.over_bare)),
            shown(over_exporter, 1),
            aim.over_exporter,
            met(over_exporter.map(|spread| spread.median >= aim.over_exporter)),
        );
    }

    fn section(&self, size: Size) -> String {
        format!(
            "## What a trace costs\n\n\
             Written by `cargo bench -p reqpath-benches`: {} rounds, in each of which every client in turn sends \
             {} probes (the exporter {}) to a small server in another process on loopback, \
             which works 20 µs on each answer.\n\
             One probe is one new connection, one GET, its answer, and the connection's end; HTTPS is a full TLS 1.3 handshake with an \
             EC P-256 leaf and issuer.\n\
             reqpath runs every stage of the road, records, judges and reports, without looks beside the road; \
             the bare client records nothing; the exporter is the packaged `prometheus-blackbox-exporter`, asked \
             over its `/probe` as Prometheus asks: over connections kept open, for a compressed page.\n\
             One at a time, the server is left alone for 100 µs after each probe, which is not counted.\n\
             Many at once are sent by as many tasks, each one probe after another; reqpath and the bare client share \
             one process, whose allocator is mimalloc.\n\
             Processor time is user and system time of the client's process alone.\n\
             Each figure is the median of the rounds, with the smallest and the largest.\n\n\
             Machine: {}, {}.\n\n\
             | | at once | client | processor time, µs a probe | wall time, µs a probe | probes a second |\n\
             |---|---:|---|---:|---:|---:|\n{}\n\
             Ratios are taken within a round, so that whatever else the machine did meets both sides.\n\n\
             | | at once | reqpath's processor time over the bare client's | aim | reqpath's probes for a second \
             of processor time over the exporter's | aim |\n\
             |---|---:|---:|---|---:|---|\n{}",
            size.rounds,
            size.probes,
            size.exporter_probes,
            machine(),
            jiff::Timestamp::now().strftime("%Y-%m-%d"),
            self.figures,
            self.ratios,
        )
    }
}

/// Processor time of one over that of another.
fn ratio(one: Cost, other: Cost) -> f64 {
    one.cpu.as_secs_f64() / other.cpu.as_secs_f64()
}

fn shown(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(|| "not measured".to_owned(), |spread| format!("{spread:.digits$}"))
}

fn met(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => " met",
        Some(false) => " **not met**",
        None => "",
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

//! One client alone, a fixed number of probes, and nothing else: for a profiler to watch.
//!
//! `cargo run --release -p reqpath-benches --example alone -- ours http 1000 1`; the last number is how
//! many probes are under way at once. What a probe costs is the difference between two such numbers.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program says what it found")]

use std::process::ExitCode;
use std::sync::Arc;

use reqpath_benches::{Bare, Error, Meter, Ours, Server, drive, serve_if_asked};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    serve_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (ours, tls, numbers) = match words[..] {
        [client @ ("ours" | "bare"), scheme @ ("http" | "https"), count, at_once] => {
            (client == "ours", scheme == "https", count.parse().ok().zip(at_once.parse().ok()))
        }
        _ => (false, false, None),
    };
    let Some((count, at_once)) = numbers else {
        eprintln!("usage: alone ours|bare http|https COUNT AT-ONCE");
        return ExitCode::from(2);
    };
    match run(ours, tls, count, at_once) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(ours: bool, tls: bool, count: usize, at_once: usize) -> Result<(), Error> {
    let server = Server::start()?;
    let client = Arc::new(Ours::new(&server)?);
    let bare = Arc::new(Bare::new(server.issuer())?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::Io { what: "start a runtime", source })?;
    let addresses: Vec<_> = (0..server.ports()).map(|number| server.address(tls, number)).collect();
    let cost = runtime.block_on(async {
        if ours {
            let probe = move |number| Arc::clone(&client).probe(tls, number);
            drive(count, at_once, Meter::Own, probe).await
        } else {
            let probe =
                move |number: usize| Arc::clone(&bare).probe(tls, addresses[number % addresses.len()]);
            drive(count, at_once, Meter::Own, probe).await
        }
    })?;
    println!("{:.1} µs of processor time a probe", cost.cpu.as_secs_f64() * 1e6);
    Ok(())
}

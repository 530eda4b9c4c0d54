//! For those who embed it: the verdict on one request, as data.
//!
//! `cargo run -p reqpath-examples --bin embed -- https://example.com/`
//! Without a URL it asks a server of its own, which breaks its promise half-way through the body.
#![allow(clippy::print_stdout, reason = "an example speaks")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqpath_core::{Target, Trace, Verdict};
use reqpath_stages::Road;
use reqpath_stages::local::LocalVantage;
use reqpath_testkit::mock::{MockUpstream, Reply};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let broken = MockUpstream::start(Reply::ok("half of a greeting").truncate_after(4))?;
    let url = std::env::args().nth(1).unwrap_or_else(|| broken.url("/greeting"));

    // A pipeline can be built once and used for any number of traces.
    let pipeline = Road::new().pipeline()?;
    let trace =
        Trace::new(Target::get(&url)?, Arc::new(LocalVantage::new())).deadline(Duration::from_secs(10));
    let report = pipeline.trace(trace).await;

    match &report.verdict {
        Some(Verdict::Reached { answer, .. }) => {
            println!("fine: {}", answer.as_deref().unwrap_or("an answer"));
        }
        Some(Verdict::Died { at, cause, .. }) => {
            println!("page whoever owns {}: {} ({})", at.hop, cause.summary, cause.code);
        }
        Some(other) => println!("{}: look at the report", other.kind()),
        None => println!("not judged"),
    }
    // The whole report is plain data: store it, send it, judge it again next month.
    println!("{} bytes of evidence", serde_json::to_vec(&report)?.len());
    Ok(())
}

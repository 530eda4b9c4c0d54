//! For those who check many targets: one pipeline, many traces at once, only the client's own road.
//!
//! `cargo run -p reqpath-examples --bin health_checker -- https://a.example/ https://b.example/`
//! Without arguments it checks three servers of its own, one healthy, one broken, one gone.
#![allow(clippy::print_stdout, reason = "an example speaks")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqpath_core::{Target, Trace, Vantage};
use reqpath_stages::Road;
use reqpath_stages::local::LocalVantage;
use reqpath_testkit::mock::{ClosedPort, MockUpstream, Reply};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let healthy = MockUpstream::start(Reply::ok("fine"))?;
    let broken = MockUpstream::start(Reply::status(503))?;
    let gone = ClosedPort::reserve()?;
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        urls =
            vec![healthy.url("/health"), broken.url("/health"), format!("http://{}/health", gone.address())];
    }

    // One connection and one request a target: what the client itself would do, and nothing besides.
    let pipeline = Road::new().road_only().pipeline()?;
    let vantage: Arc<dyn Vantage> = Arc::new(LocalVantage::new());
    let (pipeline, vantage) = (&pipeline, &vantage);
    let checks = urls.iter().map(|url| async move {
        let trace = Trace::new(Target::get(url)?, Arc::clone(vantage))
            .without_last_try()
            .deadline(Duration::from_secs(5));
        Ok::<_, reqpath_core::TargetError>((url, pipeline.trace(trace).await))
    });
    for check in join_all(checks).await {
        let (url, report) = check?;
        let Some(verdict) = &report.verdict else { continue };
        let why =
            verdict.cause().map(|cause| format!(": {} [{}]", cause.summary, cause.code)).unwrap_or_default();
        println!("{:<8} {url}{why}", verdict.kind());
    }
    Ok(())
}

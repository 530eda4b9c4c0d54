//! `reqpath trace`: the main job.

mod request;
mod road;

use std::process::ExitCode;
use std::sync::Arc;

use reqpath_core::{Role, Target, Trace};
use reqpath_stages::local::LocalVantage;

use crate::arguments::TraceArguments;
use crate::catalogue;
use crate::error::Mistake;
use crate::render::{self, Form};

pub(crate) fn run(arguments: &TraceArguments) -> Result<ExitCode, Mistake> {
    let target = request::target(arguments)?;
    let pipeline =
        road::road(arguments, &target)?.pipeline().map_err(|error| Mistake::flag("trust", error))?;
    let trace = describe(arguments, target.clone());
    let output = &arguments.output;
    if output.dry_run {
        return catalogue::print(&render::plan(&target, &pipeline.plan(&trace)));
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Mistake::Start)?;
    let (trace, live) = render::watched(trace);
    let report = runtime.block_on(pipeline.trace(trace.stop_when(interrupted())));
    drop(live);
    // A look-up that still hangs in the system resolver is not waited for.
    runtime.shutdown_background();
    render::report(&report, Form::of(output.json, output.markdown, output.verbose))?;
    Ok(render::exit_status(&report, output.fail_on))
}

fn describe(arguments: &TraceArguments, target: Target) -> Trace {
    let time = &arguments.time;
    let mut trace = Trace::new(target, Arc::new(LocalVantage::new())).samples(arguments.road.samples);
    if let Some(deadline) = time.deadline {
        trace = trace.deadline(deadline);
    }
    if let Some(timeout) = time.connect_timeout {
        trace = trace.connect_timeout(timeout);
    }
    if arguments.road.road_only {
        return trace.without_last_try();
    }
    trace = trace.control(Role::Direct);
    // A control with more time needs a deadline that allows it.
    let shortest = time.max_time.into_iter().chain(time.connect_timeout).min();
    if shortest.zip(time.deadline).is_some_and(|(shortest, deadline)| deadline > shortest) {
        trace = trace.control(Role::Patient);
    }
    trace
}

/// Ctrl-C: the report so far is better than none.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler, Ctrl-C ends the process as ever.
        std::future::pending::<()>().await;
    }
}

//! `reqpath trace`: the main job.

mod flags;
mod path;
mod request;
mod road;

use std::process::ExitCode;
use std::sync::Arc;

use reqpath_core::{Role, Trace};
use reqpath_stages::local::LocalVantage;
use reqpath_stages::path::PathFile;

use crate::arguments::TraceArguments;
use crate::catalogue;
use crate::error::Mistake;
use crate::render::{self, Ahead, Form};

pub(crate) fn run(arguments: &TraceArguments) -> Result<ExitCode, Mistake> {
    let file = arguments.path.as_ref().map(PathFile::open).transpose()?;
    let target = request::target(arguments, file.as_ref())?;
    let road = road::road(arguments, &target)?;
    let (pipeline, trace, ahead) = match &file {
        Some(file) => {
            let (front_only, dry_run) = (arguments.road.road_only, arguments.output.dry_run);
            path::walk(file, target.clone(), road, path::Flags { front_only, dry_run })?
        }
        None => {
            let pipeline = road.pipeline().map_err(|error| Mistake::flag("trust", error))?;
            let trace = Trace::new(target.clone(), Arc::new(LocalVantage::new()));
            (pipeline, trace, Ahead::default())
        }
    };
    let trace = describe(arguments, trace);
    let output = &arguments.output;
    if output.dry_run {
        let plan = render::Plan { target: &target, parts: pipeline.plan_by_subject(&trace), ahead: &ahead };
        return catalogue::print(&if output.json { plan.json()? } else { plan.text() });
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

fn describe(arguments: &TraceArguments, trace: Trace) -> Trace {
    let time = &arguments.time;
    let mut trace = trace.samples(arguments.road.samples);
    if let Some(deadline) = time.deadline {
        trace = trace.deadline(deadline);
    }
    if let Some(timeout) = time.connect_timeout() {
        trace = trace.connect_timeout(timeout);
    }
    if arguments.road.road_only {
        return trace.without_last_try();
    }
    trace = trace.control(Role::Direct);
    // A control with more time needs a deadline that allows it.
    let shortest = time.max_time().into_iter().chain(time.connect_timeout()).min();
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

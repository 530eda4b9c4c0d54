//! `reqpath demo`: broken roads on loopback, and their autopsies.

mod scenes;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use reqpath_core::{Report, Trace, Verdict};
use reqpath_stages::local::LocalVantage;

use crate::arguments::DemoArguments;
use crate::catalogue;
use crate::error::{Mistake, most_like};
use crate::render;

use self::scenes::{SCENES, Scene};

pub(crate) fn run(arguments: &DemoArguments) -> Result<ExitCode, Mistake> {
    if arguments.list {
        return catalogue::print(&names(|scene| scene.broken.to_owned()));
    }
    let Some(name) = &arguments.name else { return all() };
    let scene = SCENES.iter().find(|scene| scene.name == name).ok_or_else(|| Mistake::NoSuchDemo {
        name: reqpath_core::escape(name, 80),
        like: most_like(name, SCENES.iter().map(|scene| scene.name)),
    })?;
    play(scene)
}

/// All scenes, one after another; what went otherwise than it should is said at the end.
fn all() -> Result<ExitCode, Mistake> {
    let mut wrong = Vec::new();
    for scene in SCENES {
        if play(scene)? != ExitCode::SUCCESS {
            wrong.push(scene.name);
        }
        catalogue::print("\n")?;
    }
    if wrong.is_empty() {
        catalogue::print(&format!(
            "{} roads, each judged as it was broken:\n{}\nNow your own:  {} trace https://example.com/\n",
            SCENES.len(),
            names(|scene| format!("{:26}{}", scene.code, scene.broken)),
            program()
        ))
    } else {
        catalogue::print(&format!("judged otherwise than they were broken: {}\n", wrong.join(", ")))?;
        Ok(ExitCode::FAILURE)
    }
}

/// Sets a scene up, traces it, prints the autopsy. Succeeds when the verdict names what was broken.
fn play(scene: &Scene) -> Result<ExitCode, Mistake> {
    let stage = (scene.set)().map_err(Mistake::Demo)?;
    catalogue::print(&format!("─── demo {} ─── {}\n", scene.name, scene.broken))?;
    let pipeline = stage.road.pipeline().map_err(|error| Mistake::Demo(error.into()))?;
    let mut trace = Trace::new(stage.target, Arc::new(LocalVantage::new()))
        .samples(stage.samples)
        .deadline(stage.deadline);
    for role in stage.controls {
        trace = trace.control(role);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Mistake::Start)?;
    let report = runtime.block_on(pipeline.trace(trace));
    drop(stage.props);
    render::report(&report, render::Form::Text { verbose: false })?;
    Ok(if as_broken(&report, scene.code) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_broken(report: &Report, code: &str) -> bool {
    report.verdict.as_ref().and_then(Verdict::cause).is_some_and(|cause| cause.code == code)
}

/// How this program was called, for one that is not in the path.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if called.is_empty() { "reqpath".to_owned() } else { reqpath_core::escape(&called, 400) }
}

/// Each scene's name, and what is to be said of it.
fn names(say: impl Fn(&Scene) -> String) -> String {
    let width = SCENES.iter().map(|scene| scene.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for scene in SCENES {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:width$}  {}", scene.name, say(scene));
    }
    out
}

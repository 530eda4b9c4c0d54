//! The `reqpath` program: where a request died, and why.

mod arguments;
mod catalogue;
mod demo;
mod duration;
mod error;
mod judge;
mod render;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};

/// A trace makes some sixty small allocations, and a prober some thousand traces a second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return error::of_clap(&error),
    };
    let done = match arguments.command {
        Command::Trace(trace) => trace::run(&trace),
        Command::Judge(judge) => judge::run(&judge),
        Command::Explain(explain) => catalogue::explain(&explain.code),
        Command::Causes(causes) => catalogue::list(&causes),
        Command::Demo(demo) => demo::run(&demo),
        Command::Schema(schema) => catalogue::schema(&schema),
    };
    done.unwrap_or_else(|mistake| {
        anstream::eprintln!("reqpath: {mistake}");
        ExitCode::from(2)
    })
}

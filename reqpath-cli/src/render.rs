//! What the program prints, and how it exits.

mod hops;
mod live;
mod markdown;
mod paint;
mod plan;
mod text;
mod timeouts;

use std::process::ExitCode;

use reqpath_core::{Report, Verdict, Weight};

use crate::arguments::FailOn;
use crate::catalogue;
use crate::error::Mistake;

/// How much of a command is shown: one cut short cannot be run.
const COMMAND: usize = 3000;

pub(crate) use self::live::watched;
pub(crate) use self::plan::{Ahead, Plan};

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For a person at a terminal.
    Text {
        /// Whether every observation is shown.
        verbose: bool,
    },
    /// For the channel of an incident.
    Markdown,
    /// The whole of it, for programs.
    Json,
}

impl Form {
    /// As these flags ask for it.
    pub(crate) fn of(json: bool, markdown: bool, verbose: bool) -> Self {
        match (json, markdown) {
            (true, _) => Self::Json,
            (_, true) => Self::Markdown,
            _ => Self::Text { verbose },
        }
    }
}

/// Prints a report.
pub(crate) fn report(report: &Report, form: Form) -> Result<(), Mistake> {
    match form {
        Form::Json => {
            catalogue::print_json(report)?;
        }
        Form::Markdown => {
            catalogue::print(&markdown::report(report, &catalogue::catalogue()?))?;
        }
        Form::Text { verbose } => paint::print(&text::report(report, &catalogue::catalogue()?, verbose))?,
    }
    Ok(())
}

/// 0 reached, 1 died or degraded, 3 unknown; and 1 for warnings where the caller asked.
pub(crate) fn exit_status(report: &Report, fail_on: Option<FailOn>) -> ExitCode {
    let status = report.verdict.as_ref().map_or(3, Verdict::exit_status);
    let warned = report.findings.iter().any(|finding| finding.weight == Weight::Warning);
    let status = if status == 0 && fail_on == Some(FailOn::Warning) && warned { 1 } else { status };
    ExitCode::from(status)
}

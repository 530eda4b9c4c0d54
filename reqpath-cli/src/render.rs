//! What the program prints, and how it exits.

mod paint;
mod plan;
mod text;

use std::process::ExitCode;

use reqpath_core::{Report, Verdict, Weight};

use crate::arguments::FailOn;
use crate::catalogue;
use crate::error::Mistake;

pub(crate) use self::plan::plan;

/// Prints a report: JSON or text.
pub(crate) fn report(report: &Report, json: bool, verbose: bool) -> Result<(), Mistake> {
    if json {
        let mut out = serde_json::to_string_pretty(report)?;
        out.push('\n');
        catalogue::print(&out)?;
    } else {
        paint::print(&text::report(report, &catalogue::catalogue()?, verbose))?;
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

//! `reqpath judge`: stored evidence, judged again.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use reqpath_core::Report;

use crate::arguments::JudgeArguments;
use crate::catalogue::catalogue;
use crate::error::Mistake;
use crate::render::{self, Form};

/// The largest report that is read.
const LIMIT_MIB: u64 = 64;

pub(crate) fn run(arguments: &JudgeArguments) -> Result<ExitCode, Mistake> {
    let json = read(&arguments.report)?;
    let report = Report::load(&json).map_err(|error| error.in_file(&arguments.report))?;
    let report = report.judged(&catalogue()?);
    let output = &arguments.output;
    render::report(&report, Form::of(output.json, output.markdown, output.verbose))?;
    Ok(render::exit_status(&report, output.fail_on))
}

fn read(path: &Path) -> Result<Vec<u8>, Mistake> {
    let error = |source| Mistake::File { flag: "judge", file: path.to_owned(), source };
    let mut json = Vec::new();
    let limit = LIMIT_MIB << 20;
    let length = if path == Path::new("-") {
        io::stdin().lock().take(limit + 1).read_to_end(&mut json).map_err(error)?
    } else {
        File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut json)).map_err(error)?
    };
    if length as u64 > limit {
        return Err(Mistake::TooLarge { file: path.to_owned(), limit: LIMIT_MIB });
    }
    Ok(json)
}

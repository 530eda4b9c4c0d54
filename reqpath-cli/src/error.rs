//! The caller's mistakes: one clear line each, naming what and where.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use reqpath_core::{CatalogueError, LoadError, TargetError};
use reqpath_stages::WalkError;
use reqpath_stages::path::{NoUrl, PathFileError};

/// A mistake of the caller, or of the machine this runs on. Exit status 2, nothing half done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Mistake {
    #[error("{}", chain(.0))]
    Target(#[from] TargetError),
    #[error("{flag}: {}", chain(&**.source))]
    Flag { flag: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{flag}: cannot read {}: {source}", file.display())]
    File { flag: &'static str, file: PathBuf, source: io::Error },
    #[error("{} is larger than {limit} MiB", file.display())]
    TooLarge { file: PathBuf, limit: u64 },
    #[error(transparent)]
    PathFile(#[from] PathFileError),
    #[error("{}", chain(.0))]
    Walk(#[from] WalkError),
    #[error("{}", chain(.0))]
    Url(#[from] NoUrl),
    #[error("{}", chain(.0))]
    Load(#[from] LoadError),
    #[error("{}", chain(.0))]
    Catalogue(#[from] CatalogueError),
    #[error("`{code}` is no cause this program knows{}; `reqpath causes` lists them", nearest(.like.as_deref()))]
    NoSuchCause { code: String, like: Option<String> },
    #[error("`{name}` is no demo{}; `reqpath demo --list` lists them", nearest(.like.as_deref()))]
    NoSuchDemo { name: String, like: Option<String> },
    #[error("the demo could not be set up: {}", chain(&**.0))]
    Demo(Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot start: {0}")]
    Start(io::Error),
    #[error("cannot write: {0}")]
    Write(io::Error),
    #[error("cannot write the report: {0}")]
    Json(#[from] serde_json::Error),
}

impl Mistake {
    pub(crate) fn flag(
        flag: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Flag { flag, source: source.into() }
    }
}

/// What clap found: help and version are no mistakes.
pub(crate) fn of_clap(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        // Nothing is left to be done when even this cannot be printed.
        let _ = error.print();
        return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    anstream::eprintln!("reqpath: {}; see --help", one_line(&error.to_string()));
    ExitCode::from(2)
}

/// What clap says over several lines, without the usage it adds.
fn one_line(text: &str) -> String {
    let said = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let said = said.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let said = said.strip_prefix("error: ").unwrap_or(&said).replace(" tip: ", "; ");
    reqpath_core::escape(&said, 600)
}

/// An error with all its reasons, in one line, safe to print.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        text.push_str(": ");
        text.push_str(&reason.to_string());
        source = reason.source();
    }
    reqpath_core::escape(&text, 2000)
}

fn nearest(like: Option<&str>) -> String {
    like.map(|like| format!("; did you mean `{like}`?")).unwrap_or_default()
}

/// The name most like what was given, if any is like it at all.
pub(crate) fn most_like<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    reqpath_core::most_like(given, names).map(str::to_owned)
}

//! What can go wrong that is not the path's fault.

use std::path::PathBuf;

use crate::{ContactKind, Unavailable};

/// The probe's own trouble while looking. Never a verdict on the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plan did not announce this contact, or not so many.
    #[error("the plan announces no further {kind}")]
    BudgetSpent {
        /// The kind of contact that was refused.
        kind: ContactKind,
    },
    /// The vantage cannot do what was asked of it.
    #[error("{vantage} cannot {what}")]
    Vantage {
        /// The vantage's name.
        vantage: String,
        /// What was asked, as a verb phrase.
        what: &'static str,
        /// Why not.
        source: Unavailable,
    },
    /// Something an earlier stage should have handed on is missing.
    #[error("{stage} needs {what}, and no earlier stage handed it on")]
    NothingHandedOn {
        /// The stage that went without.
        stage: &'static str,
        /// What was missing.
        what: &'static str,
    },
    /// Nothing answered in the time this look may take.
    #[error("no time left to {what}")]
    OutOfTime {
        /// What was left undone, as a verb phrase.
        what: &'static str,
    },
    /// The options given to a stage do not work on this machine.
    #[error("{what}")]
    Setup {
        /// What does not work, as a sentence.
        what: String,
        /// The reason given by the layer below.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// The caller's mistake in describing the request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The URL does not parse.
    #[error("`{url}` is not a URL")]
    Url {
        /// What was given, with secrets removed.
        url: String,
        /// Where and how it fails.
        source: url::ParseError,
    },
    /// `http//host`, which would be a path of a host named `http`.
    #[error("`{url}` lacks a colon: write `{scheme}://`")]
    Colon {
        /// What was given, with secrets removed.
        url: String,
        /// The scheme that was meant.
        scheme: &'static str,
    },
    /// A scheme that no stage speaks.
    #[error("`{scheme}` in `{url}` is neither http nor https")]
    Scheme {
        /// What was given, with secrets removed.
        url: String,
        /// The scheme found.
        scheme: String,
    },
    /// A URL without a host.
    #[error("`{url}` names no host")]
    NoHost {
        /// What was given, with secrets removed.
        url: String,
    },
    /// A host that no resolver can be asked for.
    #[error("`{name}` is not a name: {why}")]
    Name {
        /// The host's beginning, safe to print.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A method that is not a token.
    #[error("`{method}` is not a method: letters, digits and !#$%&'*+-.^_`|~ only")]
    Method {
        /// What was given.
        method: String,
    },
    /// A header that does not parse.
    #[error("`{header}` is not a header: write it `Name: value`")]
    Header {
        /// The name as given; values may be secret and are not repeated.
        header: String,
    },
    /// A status range that does not parse.
    #[error("`{status}` is not a status: write 200, 2xx or 200-299")]
    Status {
        /// What was given.
        status: String,
    },
}

/// The caller's mistake in putting a catalogue together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatalogueError {
    /// Two causes carry one code.
    #[error("two causes are called `{code}`")]
    TwoOfOneCode {
        /// The code.
        code: &'static str,
    },
    /// A code that does not read `station.cause`.
    #[error("`{code}` is not a code: lower-case words joined by `_`, a station and at least one `.`")]
    NotACode {
        /// The code.
        code: &'static str,
    },
}

/// A report that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not JSON, or JSON of another shape.
    #[error("{}: not a report", place(file.as_ref()))]
    Json {
        /// The file, where there is one.
        file: Option<PathBuf>,
        /// Line, column and what is wrong.
        source: serde_json::Error,
    },
    /// A report of a schema this version does not read.
    #[error("{}: schema is `{found}`; this program reads `{}`", place(file.as_ref()), crate::SCHEMA)]
    Schema {
        /// The file, where there is one.
        file: Option<PathBuf>,
        /// What it says of itself.
        found: String,
    },
}

fn place(file: Option<&PathBuf>) -> String {
    file.map_or_else(|| "report".to_owned(), |file| file.display().to_string())
}

impl LoadError {
    /// The same error, naming the file it came from.
    #[must_use]
    pub fn in_file(self, path: impl Into<PathBuf>) -> Self {
        let file = Some(path.into());
        match self {
            Self::Json { source, .. } => Self::Json { file, source },
            Self::Schema { found, .. } => Self::Schema { file, found },
        }
    }
}

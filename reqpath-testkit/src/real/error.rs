use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a real part did not start, or did not do what it was told.
///
/// ```
/// use std::path::PathBuf;
/// use reqpath_testkit::real::{Flavour, Nginx, RealError, require};
///
/// let nowhere = Nginx::builder().flavour(Flavour::Named(PathBuf::from("/no/such/nginx"))).start().unwrap_err();
/// assert!(nowhere.is_missing() && nowhere.to_string().contains("looked for /no/such/nginx"));
///
/// // A mistake in a configuration is told in nginx's own words.
/// let Some(_) = require(Flavour::Debian.binary()) else { return };
/// match Nginx::builder().server("listen {listen}; proxy_pas http://shop;").start().unwrap_err() {
///     RealError::Refused { output, .. } => assert!(output.contains("unknown directive \"proxy_pas\"")),
///     other => panic!("{other}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RealError {
    /// The program is not on this machine.
    #[error("{part} is not installed (looked for {}); {install}", list(.looked_in))]
    #[non_exhaustive]
    Missing {
        /// The part, in the words of its users: `nginx (Debian)`.
        part: String,
        /// Every path that was tried.
        looked_in: Vec<PathBuf>,
        /// What would bring it here.
        install: String,
    },

    /// The text given by the test names a placeholder that was never given a meaning.
    #[error("the text of {part} has the placeholder {{{placeholder}}}, which is none of: {}", .known.join(", "))]
    #[non_exhaustive]
    Placeholder {
        /// The part whose configuration it is.
        part: String,
        /// The name between the braces.
        placeholder: String,
        /// The names that would have been understood.
        known: Vec<String>,
    },

    /// The part ended before it was ready.
    #[error("{part} ended before it was ready (exit status {}): {output}", status.map_or_else(|| "unknown".to_owned(), |s| s.to_string()))]
    #[non_exhaustive]
    EndedEarly {
        /// The part that ended.
        part: String,
        /// Its exit status as a shell counts it, 128 and more for a signal.
        status: Option<i32>,
        /// The end of what it wrote.
        output: String,
    },

    /// The part runs, but has not said that it is ready.
    #[error("{part} was not ready after {after:?}: {}", said(.output))]
    #[non_exhaustive]
    NotReady {
        /// The part that was waited for.
        part: String,
        /// How long it was waited for.
        after: Duration,
        /// The end of what it wrote.
        output: String,
    },

    /// The part runs, and did not answer what it was asked.
    #[error("{part} did not answer within {after:?}: {}", said(.output))]
    #[non_exhaustive]
    NoAnswer {
        /// The part that was asked.
        part: String,
        /// How long it was waited for.
        after: Duration,
        /// The end of what it wrote.
        output: String,
    },

    /// The part runs and refuses what it was given: a configuration, a zone.
    #[error("{part} refuses what it was given: {output}")]
    #[non_exhaustive]
    Refused {
        /// The part that refuses.
        part: String,
        /// Its own words.
        output: String,
    },

    /// The machine refused what starting a part needs: a directory, a port, a process.
    #[error("cannot {doing}")]
    #[non_exhaustive]
    Machine {
        /// What was being done.
        doing: String,
        /// What the system answered.
        source: io::Error,
    },
}

impl RealError {
    /// Whether the part is merely not installed, so that a test may skip.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    pub(crate) fn machine(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Machine { doing, source }
    }
}

fn said(output: &str) -> &str {
    if output.is_empty() { "it wrote nothing" } else { output }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

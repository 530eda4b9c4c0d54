//! What can go wrong with a scenario, told by who is to blame.

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::expected::Difference;
use super::position;

/// Why a file is no scenario.
///
/// ```
/// use reqpath_testkit::scenario::{Scenario, ScenarioError};
///
/// let nowhere = Scenario::load("no/such/file.toml").err().unwrap();
/// assert!(matches!(nowhere, ScenarioError::Unreadable { .. }));
/// assert_eq!(nowhere.to_string(), "no/such/file.toml cannot be read");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file, or the directory of files, cannot be read.
    #[error("{} cannot be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file says something that cannot be.
    #[error(transparent)]
    Mistake(#[from] Mistake),
}

/// Something in a file that cannot be: where it stands, what is wrong, what may have been meant.
///
/// ```
/// use reqpath_testkit::scenario::{Scenario, ScenarioError};
///
/// let text = "summary = 'x'\n[topology]\nserver = [{ name = 'web' }]\n[[fault]]\ntpc = 'refuse'\n";
/// let Err(ScenarioError::Mistake(mistake)) = Scenario::parse("shop.toml", text) else { panic!() };
/// assert_eq!((mistake.file.to_str(), mistake.line), (Some("shop.toml"), 5));
/// assert_eq!(mistake.suggestion.as_deref(), Some("did you mean `tcp`?"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The key with the tables around it: `fault.tcp`; empty where none is near.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl Mistake {
    pub(super) fn new(file: &Path, text: &str, span: &Range<usize>, problem: impl Into<String>) -> Self {
        let position::Position { line, field } = position::at(text, span);
        Self { file: file.to_owned(), line, field, problem: problem.into(), suggestion: None }
    }

    /// What the parser did not like.
    pub(super) fn parse(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let mut mistake = Self::new(file, text, &error.span().unwrap_or(0..0), error.message());
        let mut words = position::quoted(error.message());
        if error.message().starts_with("unknown ")
            && let Some(given) = words.next()
        {
            mistake = mistake.suggest(given, words);
        }
        mistake
    }

    /// Suggests the known word that is most like the given one.
    pub(super) fn suggest<'a>(mut self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.suggestion = position::nearest(given, known).map(|word| format!("did you mean `{word}`?"));
        self
    }

    /// Suggests this.
    pub(super) fn hint(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.problem)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

impl Error for Mistake {}

/// Where a scenario is played.
///
/// ```
/// use reqpath_testkit::scenario::{Place, RunError, Scenario};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_refused.toml");
/// let scenario = Scenario::load(file)?;
/// for place in [Place::Fakes, Place::Lab] {
///     match scenario.run_at(place).await {
///         Ok(ran) => assert_eq!(ran.place, place),
///         Err(RunError::NotPlayed { place, why, .. }) => println!("not {place}: {why}"),
///         Err(error) if error.is_missing() => println!("SKIPPED: {}", error.told()),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In memory, but for the servers, which are mocks on loopback.
    Fakes,
    /// In network namespaces, with real kernels and real servers.
    Lab,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fakes => "on fakes",
            Self::Lab => "on the lab",
        })
    }
}

/// Why a scenario was not played to its end, or ended otherwise than it was to.
///
/// ```
/// use reqpath_testkit::scenario::{RunError, Scenario};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_refused.toml");
/// // The right fault, and a verdict that does not follow from it.
/// let text = std::fs::read_to_string(file)?.replace("\"tcp.refused\"", "\"tcp.timed_out\"");
/// let text = text.replace("not_blamed = [\"tcp.timed_out\"]", "");
/// let error = Scenario::parse("wrong.toml", &text)?.run_on_fakes().await.err().unwrap();
/// assert!(matches!(error, RunError::NotAsExpected { .. }), "{}", error.told());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The file says that it cannot be played there, or this system has no such place.
    #[error("`{scenario}` is not played {place}: {why}")]
    NotPlayed {
        /// The scenario's name.
        scenario: String,
        /// The place.
        place: Place,
        /// The reason.
        why: String,
    },
    /// The file names what the pipeline does not have.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// The pipeline could not be built.
    #[error("the pipeline cannot be built")]
    Pipeline(#[source] Box<dyn Error + Send + Sync>),
    /// A piece of the place could not be had.
    #[error("could not {doing} {place}")]
    Setup {
        /// The place.
        place: Place,
        /// What was tried.
        doing: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The lab, or a real part in it, could not be had.
    #[cfg(target_os = "linux")]
    #[error("the lab cannot be had")]
    Lab(#[from] crate::lab::Error),
    /// A check that knows nothing of the diagnosis did not see the fault.
    #[error("`{scenario}` {place}: the fault was not there: {fault}, but {seen}")]
    FaultNotThere {
        /// The scenario's name.
        scenario: String,
        /// The place.
        place: Place,
        /// The fault.
        fault: String,
        /// What was seen instead.
        seen: String,
    },
    /// The fault was there, and the trace never came to it; or it did, and was not to.
    #[error("`{scenario}` {place}: {fault}: {seen}")]
    FaultNotMet {
        /// The scenario's name.
        scenario: String,
        /// The place.
        place: Place,
        /// The fault.
        fault: String,
        /// What was counted.
        seen: String,
    },
    /// The trace was judged otherwise than the file expects.
    #[error("`{scenario}` {place}: not as expected\n{}\n{report}", list(differences))]
    NotAsExpected {
        /// The scenario's name.
        scenario: String,
        /// The place.
        place: Place,
        /// What differs.
        differences: Vec<Difference>,
        /// The report as text.
        report: String,
    },
    /// The verdict depends on where the scenario is played.
    #[error(
        "`{scenario}`: fakes and lab do not agree\n{}\non fakes\n{on_fakes}\non the lab\n{on_lab}",
        list(differences)
    )]
    Disagreement {
        /// The scenario's name.
        scenario: String,
        /// What differs; what the fakes gave stands for what was expected.
        differences: Vec<Difference>,
        /// The report on fakes, as text.
        on_fakes: String,
        /// The report on the lab, as text.
        on_lab: String,
    },
}

impl RunError {
    /// Whether the machine lacks something, so that a test may be skipped.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Lab(error) => error.is_missing(),
            _ => false,
        }
    }

    /// The error with all that is behind it, in one text.
    #[must_use]
    pub fn told(&self) -> String {
        told(self)
    }
}

/// An error with all that is behind it.
pub(super) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("  {difference}")).collect::<Vec<_>>().join("\n")
}

//! What is wrong with a path file, and where.

use std::fmt;

use reqpath_core::escape;

/// A mistake in a path file: where it stands, which field it is, what is wrong and what to do.
///
/// ```
/// use reqpath_path::{Nothing, PathFile};
///
/// let text = "hops:\n- {name: client, kind: client}\n- {name: shop, adresses: ['10.0.0.7:80']}\n";
/// let error = PathFile::parse("road.yaml", text, &Nothing).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "road.yaml:3:16: hops[1].adresses: there is no such field: did you mean `addresses`?",
/// );
/// assert_eq!((error.line(), error.column(), error.field()), (3, 16, "hops[1].adresses"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFileError {
    file: String,
    place: Option<Place>,
    field: String,
    message: String,
}

/// Where something stands in the file, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl PathFileError {
    pub(crate) fn new(file: &str, place: Option<Place>, field: String, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place, field, message: message.into() }
    }

    /// The line, from 1; 0 where the file as a whole is at fault.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.place.map_or(0, |place| place.line)
    }

    /// The column in characters, from 1; 0 where the file as a whole is at fault.
    #[must_use]
    pub fn column(&self) -> u64 {
        self.place.map_or(0, |place| place.column)
    }

    /// The field, as it is reached from the top: `hops[1].timeouts.read`; empty for the file as a whole.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong, and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PathFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.file, 400))?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if !self.field.is_empty() {
            write!(f, "{}: ", escape(&self.field, 200))?;
        }
        f.write_str(&escape(&self.message, 1000))
    }
}

impl std::error::Error for PathFileError {}

/// One step from the top of the file to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    Place(usize),
}

impl From<&str> for Step {
    fn from(field: &str) -> Self {
        Self::Field(field.to_owned())
    }
}

impl From<usize> for Step {
    fn from(place: usize) -> Self {
        Self::Place(place)
    }
}

/// The steps as a person writes them.
pub(crate) fn field(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Field(name) if out.is_empty() => out.push_str(name),
            Step::Field(name) => {
                out.push('.');
                out.push_str(name);
            }
            Step::Place(place) => out.push_str(&format!("[{place}]")),
        }
    }
    out
}

/// Something wrong at a field that was read well: it does not fit the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// From the innermost field outwards, as it is found while returning.
    steps: Vec<Step>,
    pub(crate) message: String,
}

impl Wrong {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { steps: Vec::new(), message: message.into() }
    }

    /// The field in which it is.
    pub(crate) fn within(mut self, step: impl Into<Step>) -> Self {
        self.steps.push(step.into());
        self
    }

    /// The steps from the top.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.iter().rev().cloned().collect()
    }
}

//! The rules that were broken, all in one list.

use std::fmt;

/// How long one violation's text may be, in characters.
const WIDTH: usize = 1500;

/// The rules that a stage or a catalogue breaks; its text is a numbered list.
///
/// ```
/// use reqpath_core::{Contact, Context, Error, Left, Path, Stage, Subject, Target};
/// use reqpath_testkit::conformance;
///
/// #[derive(Debug)]
/// struct Loud;
///
/// #[async_trait::async_trait]
/// impl Stage for Loud {
///     fn name(&self) -> &'static str {
///         "LOUD"
///     }
/// #     fn causes(&self) -> &[&'static reqpath_core::Cause] {
/// #         &[]
/// #     }
/// #     fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
/// #         Vec::new()
/// #     }
/// #     async fn run(&self, _: &Subject, _: &Context) -> Result<Left, Error> {
/// #         Ok(Left::Alive)
/// #     }
///     // …
/// }
///
/// let broken = conformance::stage(Loud).violations().unwrap_err();
/// assert!(broken.list().iter().any(|rule| rule == "its name is one lower-case word, and is `LOUD`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations {
    of: String,
    list: Vec<String>,
}

impl Violations {
    pub(super) fn new(of: String) -> Self {
        Self { of, list: Vec::new() }
    }

    /// Adds one, unless it is known already.
    pub(super) fn add(&mut self, violation: impl Into<String>) {
        let violation = violation.into();
        if !self.list.contains(&violation) {
            self.list.push(violation);
        }
    }

    /// Adds one unless this holds.
    pub(super) fn unless(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        if !holds {
            self.add(violation());
        }
    }

    /// Adds those of another list.
    pub(super) fn extend(&mut self, other: Self) {
        for violation in other.list {
            self.add(violation);
        }
    }

    pub(super) fn into_result(self) -> Result<(), Self> {
        if self.list.is_empty() { Ok(()) } else { Err(self) }
    }

    /// What is broken, one sentence each.
    #[must_use]
    pub fn list(&self) -> &[String] {
        &self.list
    }
}

impl std::error::Error for Violations {}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} breaks {} rule(s)", self.of, self.list.len())?;
        for (number, violation) in (1..).zip(&self.list) {
            // Line breaks of ours stay; whatever else a terminal obeys does not.
            let lines: Vec<String> =
                violation.lines().map(|line| reqpath_core::escape(line, WIDTH)).collect();
            write!(f, "\n  {number}. {}", lines.join("\n     "))?;
        }
        Ok(())
    }
}

/// What a panic said.
pub(super) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

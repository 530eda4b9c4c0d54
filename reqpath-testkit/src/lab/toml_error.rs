//! What is wrong with a lab file, where, and what was perhaps meant.

use std::{fmt, ops::Range};

/// A mistake in a lab file: its line, its field, what is wrong, and what was perhaps meant.
///
/// ```
/// use reqpath_testkit::lab::Lab;
///
/// let wrong = "[hosts.client]\nnameserver = ['192.0.2.1']\n";
/// let error = Lab::from_toml(wrong).unwrap_err();
/// assert_eq!((error.line(), error.field()), (Some(2), "[hosts.client] nameserver"));
/// assert_eq!(error.suggestion(), Some("nameservers"));
/// ```
///
/// ```
/// use reqpath_testkit::lab::Lab;
///
/// let error = Lab::from_toml("[hosts.client]\n[[links]]\nbetween = 3\n").unwrap_err();
/// assert!(!error.message().is_empty());
/// assert!(error.to_string().contains(error.message()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    place: Option<(usize, usize)>,
    field: String,
    line: String,
    message: String,
    suggestion: Option<String>,
}

impl FileError {
    pub(super) fn new(text: &str, span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        let (mut message, mut suggestion) = (message.into(), None);
        if let Some((wrong, known)) = unknown(&message) {
            suggestion = nearest(&wrong, known.iter().map(String::as_str));
        }
        message = message.trim().replace('\n', ", ");
        let start = span.map(|span| floor(text, span.start));
        let before = start.map(|start| &text[..start]);
        let place = before.map(|before| {
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            (before.matches('\n').count() + 1, column)
        });
        let line = place.and_then(|(line, _)| text.lines().nth(line - 1)).unwrap_or_default();
        let field = before.map(|before| field(before, line)).unwrap_or_default();
        Self { place, field, line: line.to_owned(), message, suggestion }
    }

    /// Suggests the nearest of the names that there are.
    pub(super) fn among<'a>(mut self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.suggestion = nearest(wrong, known);
        self
    }

    /// The line, from 1; `None` where nothing in particular is wrong.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.place.map(|(line, _)| line)
    }

    /// The table and the key, as they are in the file: `[[links]] mtu`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What was perhaps meant.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}")?;
            if !self.field.is_empty() {
                write!(f, ", {}", self.field)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        match self.place {
            Some((line, _)) => write!(f, "\n  {line} | {}", self.line),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {}

/// The largest place not after `at` that is no place within a letter.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The table that a place is in and the key of its line, as far as that can be told from the text.
fn field(before: &str, line: &str) -> String {
    let is_header = |line: &&str| line.trim_start().starts_with('[') && line.trim_end().ends_with(']');
    let earlier = before.lines().rev().skip(usize::from(!before.ends_with('\n') && !before.is_empty()));
    let header = if is_header(&line) {
        Some(line)
    } else {
        earlier.filter(|line| !line.contains('=')).find(is_header)
    };
    let key = line.split_once('=').map(|(key, _)| key.trim());
    let parts = [header.map(str::trim), key.filter(|_| header != Some(line))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The wrong name and the right ones, from "unknown field `a`, expected one of `b`, `c`".
fn unknown(message: &str) -> Option<(String, Vec<String>)> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((names.next()?, names.collect()))
}

/// The name that takes the fewest changed letters, if it is not another word altogether.
fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let close = |name: &&str| distance(wrong, name);
    let name = known.into_iter().min_by_key(close)?;
    (distance(wrong, name) <= wrong.chars().count().max(3) / 3).then(|| name.to_owned())
}

/// How many letters have to be put in, left out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(nearest("mtv", ["mtu", "delay"]).as_deref(), Some("mtu"));
        assert_eq!(nearest("nameserver", ["nameservers", "hosts"]).as_deref(), Some("nameservers"));
        assert_eq!(nearest("banana", ["mtu", "delay"]), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn places_count_letters_and_survive_any_span() {
        let text = "a = 1\né = 'ü' # ß\n";
        let error = FileError::new(text, Some(12..13), "no");
        assert_eq!((error.line(), error.field()), (Some(2), "é"));
        for at in 0..40 {
            let _ = FileError::new(text, Some(at..at), "no").to_string();
        }
    }
}

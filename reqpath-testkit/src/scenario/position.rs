//! Where in a file something stands, and what may have been meant.

use std::ops::Range;

/// A place in a text, in the words of somebody who edits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The line, from 1.
    pub(super) line: usize,
    /// The key with the tables around it: `fault.tcp`.
    pub(super) field: String,
}

/// The place where a span begins.
pub(super) fn at(text: &str, span: &Range<usize>) -> Position {
    let line = text.bytes().take(span.start).filter(|byte| *byte == b'\n').count();
    let mut table = "";
    for earlier in text.lines().take(line + 1) {
        if let Some(header) = header(earlier) {
            table = header;
        }
    }
    let here = text.lines().nth(line).unwrap_or_default();
    let key = match here.split_once('=') {
        Some((key, _)) if header(here).is_none() => key.trim(),
        _ => "",
    };
    let field = match (table, key) {
        ("", key) => key.to_owned(),
        (table, "") => table.to_owned(),
        (table, key) => format!("{table}.{key}"),
    };
    Position { line: line + 1, field }
}

/// The table that a line opens.
fn header(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix('[')?.split(']').next()?;
    Some(name.trim_start_matches('[').trim())
}

/// The one of the known words that is most like the given one, if any is.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = given.chars().count().div_ceil(2).clamp(1, 4);
    let near = known.into_iter().map(|word| (distance(given, word), word));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, word)| word)
}

/// The words between backticks in a parser's message: the one it did not like, then those it knows.
pub(super) fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// How many characters must be added, dropped or exchanged to make one word the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, from) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in other.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_by_line_and_key() {
        let text = "summary = 'x'\n\n[trace]\nurl = 'http://x/'\n[[fault]]\n  tcp = 'refues'\n";
        let place = |of: &str| {
            let start = text.find(of).unwrap();
            at(text, &(start..start + 1))
        };
        assert_eq!(place("'x'"), Position { line: 1, field: "summary".into() });
        assert_eq!(place("'http"), Position { line: 4, field: "trace.url".into() });
        assert_eq!(place("'refues"), Position { line: 6, field: "fault.tcp".into() });
        assert_eq!(place("[[fault"), Position { line: 5, field: "fault".into() });
        assert_eq!(at("", &(0..0)), Position { line: 1, field: String::new() });
        assert_eq!(at("é", &(1..9)).line, 1);
    }

    #[test]
    fn what_was_meant_is_near() {
        assert_eq!(nearest("refues", ["drop", "refuse", "refused"]), Some("refuse"));
        assert_eq!(nearest("banana", ["drop", "refuse"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        let message = "unknown variant `a`, expected `b` or `c`";
        assert_eq!(quoted(message).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}

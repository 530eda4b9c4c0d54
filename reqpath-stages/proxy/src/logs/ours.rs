//! The lines of a log that carry the id of a request of ours.

use std::borrow::Cow;

use reqpath_core::Context;

/// A longer line is no line of a log that anybody reads.
pub const MOST_LINE: usize = 64 << 10;
/// So many lines of one log are kept; more than any trace of ours makes.
pub const MOST_LINES: usize = 20_000;

/// One line of a log that holds the id that all requests of a trace begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ours<'a> {
    /// The whole line.
    pub line: &'a str,
    /// The first id in it, from the trace's id up to where no id goes on.
    pub id: &'a str,
}

/// The lines that hold the trace's id, in order.
///
/// ```
/// use reqpath_proxy::logs::lines_with;
///
/// let log = "one\ntwo id=\"abcd-12\"\nthree (abcd)\nfour (abcd-3-further)\n";
/// let ids: Vec<&str> = lines_with(log, "abcd").map(|ours| ours.id).collect();
/// assert_eq!(ids, ["abcd-12", "abcd", "abcd-3-further"]);
/// ```
pub fn lines_with<'a>(log: &'a str, trace_id: &str) -> impl Iterator<Item = Ours<'a>> {
    let mut after = 0;
    let mut found = Vec::new();
    // Without an id every line would be ours.
    while trace_id.len() >= 4 && found.len() < MOST_LINES {
        let Some(place) = log.get(after..).and_then(|rest| rest.find(trace_id)).map(|place| after + place)
        else {
            break;
        };
        let start = log.get(..place).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let end =
            log.get(place..).and_then(|rest| rest.find('\n')).map_or(log.len(), |newline| place + newline);
        let line = log.get(start..end).unwrap_or_default();
        let begun = log.get(place..end).unwrap_or_default();
        let length = trace_id.len() + sample_length(begun.get(trace_id.len()..).unwrap_or_default());
        if line.len() <= MOST_LINE {
            found.push(Ours { line: line.trim_end_matches('\r'), id: begun.get(..length).unwrap_or(begun) });
        }
        after = end;
    }
    found.into_iter()
}

/// How long `-12` is, or `-12-further`.
fn sample_length(rest: &str) -> usize {
    let Some(number) = rest.strip_prefix('-') else { return 0 };
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    // A request made beside another has that one's number, and a word behind it.
    let further = number.get(digits..).is_some_and(|rest| rest.starts_with(Context::FURTHER));
    match (digits, further) {
        (0, _) => 0,
        (digits, true) => 1 + digits + Context::FURTHER.len(),
        (digits, false) => 1 + digits,
    }
}

/// The end of a log as text; the first line of it is left out where it was cut in the middle.
pub(crate) fn text(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    let whole = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(newline) if bytes.len() >= limit => bytes.get(newline + 1..).unwrap_or_default(),
        _ => bytes,
    };
    // A line that is still being written is not read yet.
    let whole = match whole.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => whole.get(..=last).unwrap_or_default(),
        None => &[],
    };
    String::from_utf8_lossy(whole)
}

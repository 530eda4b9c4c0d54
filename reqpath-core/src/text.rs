//! What a peer says, made safe to print.

use std::fmt::Write as _;

/// A peer's text with control characters, bidirectional overrides and other invisibles escaped.
///
/// At most `limit` characters of it are kept; `…` marks a cut.
///
/// ```
/// assert_eq!(reqpath_core::escape("ok\u{1b}[31mred", 100), "ok\\u{1b}[31mred");
/// assert_eq!(reqpath_core::escape("abcdef", 3), "abc…");
/// ```
#[must_use]
pub fn escape(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit) + 1);
    for (count, c) in text.chars().enumerate() {
        if count == limit {
            out.push('…');
            break;
        }
        push(&mut out, c);
    }
    out
}

/// A peer's bytes as text: UTF-8 where it is, `\xNN` where it is not, controls escaped.
///
/// ```
/// assert_eq!(reqpath_core::escape_bytes(b"HTTP\x16\xff", 100), "HTTP\\u{16}\\xff");
/// ```
#[must_use]
pub fn escape_bytes(bytes: &[u8], limit: usize) -> String {
    let mut out = String::with_capacity(bytes.len().min(limit) + 1);
    let mut count = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if count == limit {
                out.push('…');
                return out;
            }
            push(&mut out, c);
            count += 1;
        }
        for byte in chunk.invalid() {
            if count == limit {
                out.push('…');
                return out;
            }
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
            count += 1;
        }
    }
    out
}

/// The name most like what was given, if any is like it at all: for suggesting what was perhaps meant.
///
/// ```
/// let fields = ["connect", "read", "tries"];
/// assert_eq!(reqpath_core::most_like("reed", fields), Some("read"));
/// assert_eq!(reqpath_core::most_like("quux", fields), None);
/// ```
#[must_use]
pub fn most_like<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().map(|name| (distance(given, name), name)).min();
    let (distance, name) = near?;
    let like = distance <= (name.chars().count() / 3).max(1) && distance < given.chars().count();
    (like || name.contains(given) && !given.is_empty()).then_some(name)
}

/// How many letters must be changed, added, removed, or exchanged with their neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(200).collect();
    let b: Vec<char> = b.chars().take(200).collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (row[j] + usize::from(x != y)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(above[j - 1] + 1);
            }
            next.push(best);
        }
        above = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

fn push(out: &mut String, c: char) {
    if c.is_control() || invisible(c) {
        out.extend(c.escape_default());
    } else {
        out.push(c);
    }
}

/// Characters that change how their neighbours are shown without being seen themselves.
fn invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        let hostile = "\u{1b}]0;title\u{7}\r\n\u{202e}evil\u{9b}31m";
        assert!(escape(hostile, 1000).chars().all(|c| !c.is_control() && c != '\u{202e}'));
        assert!(escape_bytes(hostile.as_bytes(), 1000).chars().all(|c| !c.is_control()));
        assert_eq!(escape("a\u{61c}\u{e0041}\u{ad}b", 10), "a\\u{61c}\\u{e0041}\\u{ad}b");
    }

    #[test]
    fn suggests_what_was_probably_meant() {
        let codes = ["tls.cert.date_invalid", "tcp.refused"];
        assert_eq!(most_like("tls.cert.date_invlid", codes), Some("tls.cert.date_invalid"));
        assert_eq!(most_like("of", ["if"]), Some("if"));
        for (given, names) in [("quux", codes), ("", codes), ("x", ["y", "z"])] {
            assert_eq!(most_like(given, names), None, "{given}");
        }
    }
}

//! Undoing what nginx does to a value when it logs it.

use std::borrow::Cow;

/// How a log escapes what it writes: nginx's `escape=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escape {
    /// `\x22` for quotes, backslashes and everything that is not printable.
    #[default]
    Default,
    /// As in JSON strings.
    Json,
    /// Not at all.
    None,
}

impl Escape {
    /// The value as it was before it was logged.
    pub(super) fn undo(self, text: &str) -> Cow<'_, str> {
        if self == Self::None || !text.contains('\\') {
            return Cow::Borrowed(text);
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            let (byte, used) = match (first, self) {
                (b'\\', Self::Json) => json(after),
                (b'\\', _) => hex(after),
                _ => (None, 0),
            };
            match byte {
                Some(decoded) => bytes.extend_from_slice(decoded.as_bytes()),
                None => bytes.push(first),
            }
            rest = after.get(used..).unwrap_or_default();
        }
        Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// One byte, or the UTF-8 of one character.
struct Decoded([u8; 4], usize);

impl Decoded {
    fn byte(byte: u8) -> Self {
        Self([byte, 0, 0, 0], 1)
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }
}

/// What follows a backslash: `xHH`.
fn hex(after: &[u8]) -> (Option<Decoded>, usize) {
    let digits = after.strip_prefix(b"x").and_then(|digits| digits.get(..2));
    match digits.and_then(number) {
        // Two digits fit into a byte.
        Some(value) => (u8::try_from(value).ok().map(Decoded::byte), 3),
        None => (None, 0),
    }
}

/// What follows a backslash in JSON.
fn json(after: &[u8]) -> (Option<Decoded>, usize) {
    let plain = |byte| (Some(Decoded::byte(byte)), 1);
    match after.first() {
        Some(b'n') => plain(b'\n'),
        Some(b'r') => plain(b'\r'),
        Some(b't') => plain(b'\t'),
        Some(b'b') => plain(8),
        Some(b'f') => plain(12),
        Some(&byte @ (b'"' | b'\\' | b'/')) => plain(byte),
        Some(b'u') => match after.get(1..5).and_then(number).and_then(char::from_u32) {
            Some(character) => {
                let mut bytes = [0; 4];
                let length = character.encode_utf8(&mut bytes).len();
                (Some(Decoded(bytes, length)), 5)
            }
            None => (None, 0),
        },
        _ => (None, 0),
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        assert_eq!(Escape::Default.undo(r#"a\x22b\x5Cc"#), "a\"b\\c");
        assert_eq!(Escape::Default.undo(r"a\n\x2"), r"a\n\x2", "what nginx never writes stays");
        assert_eq!(Escape::Json.undo(r#"a\"b\u0007\\"#), "a\"b\u{7}\\");
        assert_eq!(Escape::None.undo(r"a\x22"), r"a\x22");
        assert_eq!(Escape::Default.undo(r"\xC3\xA9"), "é");
    }
}

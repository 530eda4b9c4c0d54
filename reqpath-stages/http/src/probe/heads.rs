//! Where the head of an HTTP/1 answer begins, behind interim answers.

/// How the head of an interim answer begins, the `?` being any byte.
const INTERIM: [u8; 10] = *b"HTTP/1.? 1";

/// The heads of one direction, walked as their bytes pass, as long as they are those of interim answers.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// How many bytes passed before the head at hand.
    before: u64,
    /// How many bytes of it passed.
    passed: u64,
    within: Within,
}

/// Where in a head the next byte stands.
#[derive(Clone, Copy, Debug)]
enum Within {
    /// In its first line, of which so many bytes fit that of an interim answer.
    First(usize),
    /// In the lines of an interim answer, and whether the line has nothing in it yet.
    Lines(bool),
    /// In the head of another answer, or in whatever else comes.
    Other,
}

impl Default for Within {
    fn default() -> Self {
        Self::First(0)
    }
}

impl Heads {
    /// How many bytes passed before the head at hand.
    pub(super) fn before(&self) -> u64 {
        self.before
    }

    /// These bytes passed. Says whether those to come matter as well.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            self.passed = self.passed.saturating_add(1);
            self.within = match (self.within, byte) {
                (Within::Other, _) => return false,
                // Empty lines before a head are skipped.
                (Within::First(0), b'\r' | b'\n') => Within::First(0),
                (Within::First(fit), byte) => match INTERIM.get(fit) {
                    Some(wanted) if wanted == byte || *wanted == b'?' => Within::First(fit + 1),
                    Some(_) => Within::Other,
                    None => Within::Lines(false),
                },
                (Within::Lines(true), b'\n') => {
                    self.before = self.before.saturating_add(self.passed);
                    self.passed = 0;
                    Within::First(0)
                }
                (Within::Lines(_), b'\n') => Within::Lines(true),
                (Within::Lines(empty), byte) => Within::Lines(empty && *byte == b'\r'),
            };
        }
        !matches!(self.within, Within::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(text: &str, step: usize) -> (u64, bool) {
        let mut heads = Heads::default();
        let mut more = true;
        for piece in text.as_bytes().chunks(step) {
            more = heads.pass(piece);
        }
        (heads.before(), more)
    }

    #[test]
    fn the_head_begins_behind_the_interim_answers_before_it() {
        let (early, bare) = ("HTTP/1.1 103 Early\r\nLink: </s>\r\n\r\n", "HTTP/1.0 100 C\nA: b\n\n");
        let ok = "HTTP/1.1 200 OK\r\nA: HTTP/1.1 100\r\n\r\nHTTP/1.1 100 C\r\n\r\n";
        for step in [1, 3, 10, 11, 1000] {
            for (text, at, more) in [
                (String::new(), 0, true),
                (ok.to_owned(), 0, false),
                (early.to_owned(), early.len(), true),
                (early[..early.len() - 1].to_owned(), 0, true),
                (format!("{early}{bare}\r\n{ok}"), early.len() + bare.len(), false),
                (format!("\r\n{early}{early}HTTP/1.1 2"), 2 + 2 * early.len(), false),
                ("x".repeat(99), 0, false),
            ] {
                assert_eq!(before(&text, step), (at as u64, more), "{text:?} by {step}");
            }
        }
    }
}

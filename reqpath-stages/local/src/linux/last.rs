//! The last so many bytes of a stream.

/// Keeps the last so many bytes of all that it is given, and never much more.
#[derive(Debug)]
pub(crate) struct Last {
    bytes: Vec<u8>,
    limit: usize,
}

impl Last {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    pub(crate) fn extend(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(&piece[piece.len().saturating_sub(self.limit)..]);
        // Moved only now and then, so that a long stream costs each byte one move.
        if self.bytes.len() > self.limit.saturating_mul(2) {
            self.cut();
        }
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.cut();
        self.bytes
    }

    fn cut(&mut self) {
        self.bytes.drain(..self.bytes.len().saturating_sub(self.limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_end_whatever_the_pieces() {
        let all: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for limit in [0, 1, 7, 256, 999, 1000, 2000] {
            for size in [1, 3, 100, 1000] {
                let mut last = Last::new(limit);
                for piece in all.chunks(size) {
                    last.extend(piece);
                    assert!(last.bytes.len() <= 2 * limit);
                }
                assert_eq!(last.into_bytes(), all[1000 - limit.min(1000)..]);
            }
        }
    }
}

//! Bytes to send, made as they are needed.

use bytes::{Bytes, BytesMut};

/// A body, or raw bytes: held, or repeated on demand so that a gigabyte costs no memory.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    Bytes(Bytes),
    Repeat {
        /// Sent once, before the repetition, and not counted in `left`.
        lead: Bytes,
        unit: Bytes,
        /// Where in `unit` the next piece begins.
        at: usize,
        /// How many bytes are still to come; `None` for no end.
        left: Option<u64>,
    },
}

impl Payload {
    /// How many bytes there are in all; `None` when they never end.
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Repeat { lead, left, .. } => left.map(|left| left + lead.len() as u64),
        }
    }

    /// The next piece of at most `most` bytes; `None` when all is sent.
    pub(super) fn next_piece(&mut self, most: usize) -> Option<Bytes> {
        match self {
            Self::Bytes(bytes) => take(bytes, most),
            Self::Repeat { lead, unit, at, left } => {
                if let Some(piece) = take(lead, most) {
                    return Some(piece);
                }
                let most = left.map_or(most, |left| most.min(usize::try_from(left).unwrap_or(usize::MAX)));
                if most == 0 || unit.is_empty() {
                    return None;
                }
                let mut piece = BytesMut::with_capacity(most);
                while piece.len() < most {
                    let rest = &unit[*at..];
                    let length = rest.len().min(most - piece.len());
                    piece.extend_from_slice(&rest[..length]);
                    *at = (*at + length) % unit.len();
                }
                if let Some(left) = left {
                    *left -= most as u64;
                }
                Some(piece.freeze())
            }
        }
    }

    /// `lead`, then `unit` again and again.
    pub(super) fn repeat(lead: &'static [u8], unit: Bytes, left: Option<u64>) -> Self {
        Self::Repeat { lead: Bytes::from_static(lead), unit, at: 0, left }
    }
}

fn take(bytes: &mut Bytes, most: usize) -> Option<Bytes> {
    if bytes.is_empty() {
        return None;
    }
    Some(bytes.split_to(bytes.len().min(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_to_the_exact_length() {
        let mut payload = Payload::repeat(b"", Bytes::from_static(b"abc"), Some(10));
        let mut all = Vec::new();
        while let Some(piece) = payload.next_piece(4) {
            all.extend_from_slice(&piece);
        }
        assert_eq!(all, b"abcabcabca");
    }

    #[test]
    fn endless_lines_stay_whole() {
        let mut payload = Payload::repeat(b">", Bytes::from_static(b"abc"), None);
        let all: Vec<u8> = (0..9).flat_map(|_| payload.next_piece(4).unwrap()).collect();
        let text = String::from_utf8(all).unwrap();
        assert!(format!(">{}", "abc".repeat(20)).starts_with(&text), "{text}");
    }
}

//! What the frames of HTTP/2 say that the library above them keeps to itself.

/// The bytes before a frame's payload (RFC 9113, 4.1).
const HEADER: usize = 9;
/// The connection preface of a client (RFC 9113, 3.4), which is no frame.
const PREFACE: u32 = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const PADDED: u8 = 8;

/// The frames of one direction, walked as their bytes pass; nothing of them is kept.
///
/// Of anything else than HTTP/2 it sees one frame that never ends, or a few that mean nothing.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The header of the frame that comes next, as far as it is there.
    header: [u8; HEADER],
    have: usize,
    /// How much of the frame at hand is still to come.
    left: u32,
    /// Whether its next byte is the length of its padding.
    pads: bool,
    /// How much of a body is still to come in it.
    body: u32,
    told: Told,
}

/// What they said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// Whether a frame came that is more than talk about the connection.
    pub(super) more_than_talk: bool,
    /// How many heads began.
    pub(super) heads: u32,
    /// Bytes of bodies that came, without their padding.
    pub(super) data: u64,
    /// Whether a stream was ended in order.
    pub(super) ended: bool,
    /// Whether a stream was reset.
    pub(super) reset: bool,
    /// Whether the connection is to end.
    pub(super) leaving: bool,
}

impl Frames {
    /// The frames that a client sends, behind its preface.
    pub(super) fn of_client() -> Self {
        Self { left: PREFACE, ..Self::default() }
    }

    /// What they said since the last request.
    pub(super) fn told(&self) -> Told {
        self.told
    }

    /// Another request begins. That the connection is to end stays true.
    pub(super) fn begin_again(&mut self) {
        self.told = Told { leaving: self.told.leaving, ..Told::default() };
    }

    /// These bytes passed. `begins` is told where in them a frame's header ends, and whether all before and
    /// with it is talk about the connection.
    pub(super) fn pass(&mut self, bytes: &[u8], mut begins: impl FnMut(&[u8; HEADER], usize, bool)) {
        let mut at = 0;
        while at < bytes.len() {
            if self.left > 0 {
                if self.pads {
                    self.pads = false;
                    self.left -= 1;
                    self.body = self.left.saturating_sub(bytes[at].into());
                    at += 1;
                    continue;
                }
                let step = u32::try_from(bytes.len() - at).unwrap_or(u32::MAX).min(self.left);
                let body = step.min(self.body);
                self.told.data = self.told.data.saturating_add(body.into());
                self.body -= body;
                self.left -= step;
                // No longer than what is there.
                at += step as usize;
                continue;
            }
            self.header[self.have] = bytes[at];
            self.have += 1;
            at += 1;
            if self.have == HEADER {
                self.have = 0;
                self.begin();
                begins(&self.header, at, !self.told.more_than_talk);
            }
        }
    }

    /// A frame begins.
    fn begin(&mut self) {
        let [a, b, c, kind, flags, s1, s2, s3, s4] = self.header;
        self.left = u32::from_be_bytes([0, a, b, c]);
        // The highest bit is reserved, and to be ignored.
        let stream = u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]);
        let told = &mut self.told;
        told.more_than_talk |= stream > 0 || !matches!(kind, SETTINGS | PING | WINDOW_UPDATE);
        match (kind, stream) {
            (GOAWAY, 0) => told.leaving = true,
            (DATA, 1..) => {
                self.pads = flags & PADDED > 0 && self.left > 0;
                self.body = if self.pads { 0 } else { self.left };
            }
            (HEADERS, 1..) => told.heads += 1,
            (RST_STREAM, 1..) => told.reset = true,
            _ => {}
        }
        told.ended |= matches!(kind, DATA | HEADERS) && stream > 0 && flags & END_STREAM > 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    fn told(bytes: &[u8], step: usize) -> Told {
        let mut frames = Frames::default();
        for piece in bytes.chunks(step) {
            frames.pass(piece, |_, _, _| ());
        }
        frames.told()
    }

    #[test]
    fn a_goaway_is_seen_wherever_it_stands_among_frames() {
        let goaway = frame(GOAWAY, 0, 0, &[0; 8]);
        let (answer, ping) = (frame(DATA, 0, 1, b"hello"), frame(PING, 0, 0, &[7; 8]));
        for step in [1, 7, 9, 10, 1000] {
            for bytes in [
                goaway.clone(),
                [answer.clone(), goaway.clone()].concat(),
                [goaway.clone(), ping.clone()].concat(),
            ] {
                assert!(told(&bytes, step).leaving, "{bytes:?} by {step}");
            }
            for bytes in [
                answer.clone(),
                frame(DATA, 0, 1, &goaway),
                b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
                goaway[..8].to_vec(),
                vec![0; 9000],
            ] {
                assert!(!told(&bytes, step).leaving, "{bytes:?} by {step}");
            }
        }
    }

    #[test]
    fn bodies_are_counted_without_their_padding() {
        let bytes = [
            frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 0]),
            frame(HEADERS, 4, 1, &[0x88]),
            frame(DATA, PADDED, 1, b"\x03hello\0\0\0"),
            frame(DATA, END_STREAM, 1, b"!"),
        ]
        .concat();
        for step in [1, 4, 9, 10, 19, 1000] {
            let told = told(&bytes, step);
            assert_eq!((told.data, told.heads), (6, 1), "by {step}");
            assert!(told.ended && told.more_than_talk && !told.reset && !told.leaving, "by {step}: {told:?}");
        }
        // Of one that is cut, what came counts; the padding comes last.
        let cut = [frame(DATA, 0, 1, b"hello"), frame(DATA, PADDED, 1, b"\x03hello\0\0\0")];
        for (frame, came, data) in [(0, 9, 0), (0, 11, 2), (1, 9, 0), (1, 10, 0), (1, 12, 2), (1, 16, 5)] {
            assert_eq!(told(&cut[frame][..came], 1).data, data, "{came} bytes of {frame}");
            assert_eq!(told(&cut[frame][..came], 1000).data, data, "{came} bytes of {frame}");
        }
        // Its padding is longer than the frame: it counts for nothing, and does no harm.
        assert_eq!(told(&frame(DATA, PADDED, 1, b"\xffx"), 1).data, 0);
        let talk = [
            frame(SETTINGS, 0, 0, &[]),
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
            frame(SETTINGS, 1, 0, &[]),
        ];
        assert!(!told(&talk.concat(), 5).more_than_talk);
    }

    #[test]
    fn a_request_that_was_never_written_is_not_counted() {
        let mut frames = Frames::of_client();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        frames.pass(&[&preface[..], &frame(SETTINGS, 0, 0, &[])].concat(), |_, _, _| ());
        assert_eq!(frames.told().heads, 0);
        frames.pass(&frame(HEADERS, 5, 1, &[0x82]), |_, _, _| ());
        assert_eq!(frames.told().heads, 1);
        frames.begin_again();
        frames.pass(&frame(SETTINGS, 1, 0, &[]), |_, _, _| ());
        assert_eq!(frames.told().heads, 0);
    }
}

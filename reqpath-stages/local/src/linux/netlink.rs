//! Asking the kernel over netlink, in the namespace of the calling thread.

use std::io::{self, Read};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// A dump is sent in pieces of at most 32 KiB; a smaller buffer would lose the rest of a piece.
const BUFFER: usize = 64 * 1024;

/// The kernel answers at once; it is waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

/// A host has fewer sockets than this; past it, counting on would only take time.
const MOST_MESSAGES: usize = 1_000_000;

const HEADER: usize = 16;

/// Sends one question and hands the body of each answer to `each`, with its message type.
///
/// The body is the family's own request header and attributes; `dump` asks for all there is.
/// An error of the kernel comes back as that error.
pub(super) fn ask(
    protocol: i32,
    kind: u16,
    dump: bool,
    body: &[u8],
    mut each: impl FnMut(u16, &[u8]),
) -> io::Result<()> {
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(protocol)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&request(kind, dump, body))?;
    let mut buffer = vec![0; BUFFER];
    let mut count = 0;
    while count < MOST_MESSAGES {
        let length = (&socket).read(&mut buffer)?;
        let mut rest = &buffer[..length];
        while let Some((kind, body, after)) = split(rest) {
            rest = after;
            count += 1;
            match i32::from(kind) {
                libc::NLMSG_DONE => return Ok(()),
                libc::NLMSG_ERROR => return error(body),
                _ => each(kind, body),
            }
        }
        if !dump {
            break;
        }
    }
    Ok(())
}

/// The attributes in the rest of a message: type and value.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]));
        let kind = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        // The upper two bits are flags.
        Some((kind & 0x3fff, value))
    })
}

/// An attribute, padded.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(value.len() + 8);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(aligned(bytes.len()), 0);
    bytes
}

/// The number at an offset, in the byte order of this machine.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn request(kind: u16, dump: bool, body: &[u8]) -> Vec<u8> {
    let flags = libc::NLM_F_REQUEST | if dump { libc::NLM_F_DUMP } else { 0 };
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((flags as u16).to_ne_bytes());
    // One question a socket: neither a sequence number nor a port is needed to match its answer.
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

/// The first message: its type, its body, and what comes after it.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32_at(bytes, 0)? as usize;
    let kind = u16::from_ne_bytes([*bytes.get(4)?, *bytes.get(5)?]);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(aligned(length)..).unwrap_or_default()))
}

fn error(body: &[u8]) -> io::Result<()> {
    match u32_at(body, 0).map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_any_bytes() {
        let mut bytes = attribute(5, &[1, 2, 3]);
        bytes.extend(attribute(7, &[]));
        let found: Vec<_> = attributes(&bytes).collect();
        assert_eq!(found, [(5, &[1u8, 2, 3][..]), (7, &[][..])]);
        for length in 0..=255 {
            for kind in [0, 255] {
                let hostile = [length, 0, kind, kind, 9, 9];
                assert!(attributes(&hostile).count() <= 2);
            }
        }
        assert_eq!(split(&[0; 16]), None);
        assert_eq!(split(&[255; 16]), None);
    }
}

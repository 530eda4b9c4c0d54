//! What a broken connection says of how the exchange ended.

use std::error::Error as StdError;
use std::io;

use reqpath_core::{escape, escape_bytes};

use super::progress::BODY_START;
use super::wire::{Ended, Wire};
use crate::evidence::{Closed, End, Exchange, Protocol, scrubber};

/// How many characters of any error's words are kept.
const WORDS: usize = 300;

/// What is known when a connection breaks, besides the error.
pub(super) struct How<'a> {
    pub(super) spoken: Protocol,
    /// Whether the head of the answer was complete.
    pub(super) head: bool,
    /// Whether whole interim answers are all that came.
    pub(super) only_interim: bool,
    /// Whether less of the body came than was promised.
    pub(super) short: bool,
    pub(super) wire: &'a Wire,
}

/// What it means.
pub(super) struct Told {
    pub(super) end: End,
    pub(super) closed: Option<Closed>,
    pub(super) h2_code: Option<String>,
}

impl How<'_> {
    /// Tells the ways apart by what the wire saw and by the kind of the error, never by its words.
    pub(super) fn classify(&self, error: Option<&hyper::Error>) -> Told {
        let h2 = error.and_then(|error| find::<h2::Error>(error));
        let received = self.wire.received();
        let closed = match h2 {
            Some(error) if error.is_go_away() && error.is_remote() => Some(Closed::Goaway),
            Some(error) if error.is_reset() && error.is_remote() => Some(Closed::StreamReset),
            _ => match self.wire.ended() {
                Ended::Not => None,
                Ended::Fin => Some(Closed::Fin),
                Ended::Rst => Some(Closed::Rst),
                Ended::Failed => Some(Closed::Failed),
            },
        };
        let too_large = error.is_some_and(hyper::Error::is_parse_too_large) || oversized_h2(h2, received);
        let malformed = error.is_some_and(hyper::Error::is_parse) || h2.is_some_and(h2::Error::is_library);
        let wants_1 = matches!(closed, Some(Closed::StreamReset | Closed::Goaway))
            && h2.and_then(h2::Error::reason) == Some(h2::Reason::HTTP_1_1_REQUIRED);
        let end = match (self.head, closed) {
            (false, _) if wants_1 => End::VersionRequired,
            (false, _) if too_large => End::TooLarge,
            (false, _) if malformed && received > 0 => End::Invalid,
            (false, Some(Closed::Rst | Closed::StreamReset)) => End::Reset,
            (false, Some(Closed::Goaway)) => End::Empty,
            (false, Some(Closed::Fin))
                if received == 0 || self.spoken == Protocol::Http2 || self.only_interim =>
            {
                End::Empty
            }
            (false, Some(Closed::Fin)) => End::Truncated,
            // It spoke before it was spoken to.
            (false, None) if received > 0 => End::Invalid,
            (false, _) => End::Failed,
            (true, Some(Closed::Rst | Closed::StreamReset)) => End::ResetMidBody,
            // More than was promised: that the connection ended then as well is no loss.
            (true, _) if malformed && !self.short => End::Invalid,
            (true, Some(_)) => End::Truncated,
            // A length that does not add up, or chunks that are none.
            (true, None) if self.short => End::Truncated,
            (true, None) => End::Invalid,
        };
        // Its Debug form is the name the RFC gives it.
        let h2_code = h2.and_then(h2::Error::reason).map(|reason| format!("{reason:?}"));
        Told { end, closed, h2_code }
    }
}

/// More on the wire than h2 reads at once: what comes with a malformed head does not add up to this.
const MORE_THAN_A_MISTAKE: u64 = 32 << 10;

/// Whether h2 itself refused a head that is far too large ([`LEAST_HEAD_OF_TWO`](super::line::LEAST_HEAD_OF_TWO)).
///
/// It refuses a malformed one with the same code; but to send so much takes more than a mistake.
fn oversized_h2(error: Option<&h2::Error>, received: u64) -> bool {
    error.filter(|error| error.is_library()).is_some_and(|error| match error.reason() {
        Some(h2::Reason::ENHANCE_YOUR_CALM | h2::Reason::COMPRESSION_ERROR) => true,
        Some(h2::Reason::PROTOCOL_ERROR) => error.is_reset() && received > MORE_THAN_A_MISTAKE,
        _ => false,
    })
}

/// The version and the status of an HTTP/1 answer whose head is not fit to be read, as far as its first bytes
/// tell. Interim answers before it are left out.
pub(super) fn status_line(bytes: &[u8]) -> Option<(Protocol, u16)> {
    let mut rest = bytes;
    loop {
        rest = rest.trim_ascii_start();
        let (version, after) = match rest.split_first_chunk::<9>()? {
            (b"HTTP/1.1 ", after) => (Protocol::Http11, after),
            (b"HTTP/1.0 ", after) => (Protocol::Http10, after),
            _ => return None,
        };
        let (digits, after) = after.split_first_chunk::<3>()?;
        let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        match (status, after.first()?) {
            (200..=999, b' ' | b'\r' | b'\n') => return Some((version, status)),
            (100..=199, b' ' | b'\r' | b'\n') => {}
            _ => return None,
        }
        let end = after.windows(4).position(|four| four == b"\r\n\r\n")?;
        rest = &after[end + 4..];
    }
}

/// Bytes of the peer's, without what is ours to keep secret.
pub(super) fn scrubbed(exchange: &Exchange, bytes: &[u8]) -> String {
    let text = escape_bytes(bytes, BODY_START);
    match exchange.request.target() {
        Some(target) => scrubber(target).scrub(&text).into_owned(),
        None => text,
    }
}

/// An error with its reasons, the system's own words last.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        let words = reason.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = reason.source();
    }
    text
}

/// The same for a report, escaped and without our secrets.
pub(super) fn words(error: &hyper::Error, exchange: &Exchange) -> String {
    let text = escape(&chain(error), WORDS);
    match exchange.request.target() {
        Some(target) => scrubber(target).scrub(&text).into_owned(),
        None => text,
    }
}

/// The first error of a type among the reasons.
pub(crate) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An I/O error may hold the one looked for, without calling it its source.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = inner.downcast_ref::<E>()
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

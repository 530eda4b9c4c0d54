//! What goes wrong with an answer.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::zone::{Loaded, Zone, ZoneError};

/// A wrong answer, a late one, or none.
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::dns::Fault;
///
/// let bogus = Fault::servfail_unless_cd().extended(6, "DNSSEC Bogus");
/// let slow = Fault::nothing().delayed(Duration::from_millis(200));
/// # let _ = (bogus, slow);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until it is given to a server"]
pub struct Fault {
    pub(super) kind: Kind,
    pub(super) delay: Duration,
    pub(super) extended: Option<(u16, String)>,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// The honest answer; for delays alone.
    Nothing,
    Code(u16),
    /// NXDOMAIN with the SOA of the zone.
    NoName,
    /// NOERROR, the SOA of the zone, and no answer.
    NoData,
    /// SERVFAIL, but the honest answer when checking is disabled.
    ServfailUnlessCd,
    Drop,
    /// TCP: closes without an answer.
    Close,
    Truncate,
    WrongId,
    /// From another port, or another address.
    WrongSource(Option<IpAddr>),
    WrongQuestion,
    CnameLoop,
    ControlCharacters,
    PointerLoop,
    Garbage,
    Raw(Bytes),
    Zone(Box<Zone>),
}

impl Fault {
    /// The honest answer; useful with [`Fault::delayed`].
    pub fn nothing() -> Self {
        Self::of(Kind::Nothing)
    }

    /// NXDOMAIN, with the SOA of the zone.
    pub fn nxdomain() -> Self {
        Self::of(Kind::NoName)
    }

    /// NOERROR without an answer, with the SOA of the zone.
    pub fn no_data() -> Self {
        Self::of(Kind::NoData)
    }

    /// SERVFAIL.
    pub fn servfail() -> Self {
        Self::rcode(2)
    }

    /// SERVFAIL, unless the query says CD=1: what a validating resolver does with bogus data.
    pub fn servfail_unless_cd() -> Self {
        Self::of(Kind::ServfailUnlessCd)
    }

    /// REFUSED.
    pub fn refused() -> Self {
        Self::rcode(5)
    }

    /// Any response code, and nothing else; those above 15 need a query with EDNS.
    pub fn rcode(code: u16) -> Self {
        Self::of(Kind::Code(code))
    }

    /// No answer. Over TCP the connection stays open and silent.
    pub fn drop() -> Self {
        Self::of(Kind::Drop)
    }

    /// TCP: closes the connection instead of answering. Over UDP, no answer.
    pub fn close() -> Self {
        Self::of(Kind::Close)
    }

    /// UDP: an empty answer with TC=1. Over TCP, the honest answer.
    pub fn truncate() -> Self {
        Self::of(Kind::Truncate)
    }

    /// The honest answer under another id.
    pub fn wrong_id() -> Self {
        Self::of(Kind::WrongId)
    }

    /// UDP: the honest answer, sent from another port.
    pub fn wrong_source() -> Self {
        Self::of(Kind::WrongSource(None))
    }

    /// UDP: the honest answer, sent from another (loopback) address.
    pub fn wrong_address(address: impl Into<IpAddr>) -> Self {
        Self::of(Kind::WrongSource(Some(address.into())))
    }

    /// An answer to another question.
    pub fn wrong_question() -> Self {
        Self::of(Kind::WrongQuestion)
    }

    /// Two aliases that point at each other.
    pub fn cname_loop() -> Self {
        Self::of(Kind::CnameLoop)
    }

    /// An alias whose name holds escape sequences, and text that does.
    pub fn control_characters() -> Self {
        Self::of(Kind::ControlCharacters)
    }

    /// A malformed answer: a compressed name that points at itself.
    pub fn pointer_loop() -> Self {
        Self::of(Kind::PointerLoop)
    }

    /// The right id, then bytes that are no message.
    pub fn garbage() -> Self {
        Self::of(Kind::Garbage)
    }

    /// These bytes as they are.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::of(Kind::Raw(bytes.into()))
    }

    /// The honest answer of another zone; with [`On::after`](super::On::after), an answer that changes.
    pub fn answers_from(zone: Zone) -> Self {
        Self::of(Kind::Zone(Box::new(zone)))
    }

    /// Waits before answering.
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Adds an Extended DNS Error (RFC 8914) where the query has EDNS and the fault sends a response code.
    pub fn extended(mut self, code: u16, text: &str) -> Self {
        self.extended = Some((code, text.to_owned()));
        self
    }

    pub(super) fn other_zone(&self) -> Result<Option<Loaded>, ZoneError> {
        match &self.kind {
            Kind::Zone(zone) => zone.load().map(Some),
            _ => Ok(None),
        }
    }

    fn of(kind: Kind) -> Self {
        Self { kind, delay: Duration::ZERO, extended: None }
    }
}

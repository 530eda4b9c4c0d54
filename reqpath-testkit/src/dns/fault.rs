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
///
/// Every fault is what a client then sees:
///
/// ```
/// use std::net::UdpSocket;
/// use std::time::Duration;
/// use hickory_resolver::proto::op::{Message, Query, ResponseCode};
/// use reqpath_testkit::dns::{FakeDns, Fault, On, RecordType, Zone};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dns = FakeDns::builder()
///     .zone(Zone::new("test").a("www", [192, 0, 2, 1]))
///     .fault(On::name("gone.test"), Fault::nxdomain())
///     .fault(On::name("empty.test"), Fault::no_data())
///     .fault(On::name("broken.test"), Fault::servfail())
///     .fault(On::name("forbidden.test"), Fault::refused())
///     .fault(On::name("odd.test"), Fault::rcode(4))
///     .fault(On::name("www.test").after(1), Fault::answers_from(Zone::new("test").a("www", [192, 0, 2, 99])))
///     .fault(On::name("loop.test"), Fault::cname_loop())
///     .start()?;
///
/// let ask = |name: &str| -> Result<Message, Box<dyn std::error::Error>> {
///     let socket = UdpSocket::bind("127.0.0.1:0")?;
///     socket.set_read_timeout(Some(Duration::from_secs(20)))?;
///     let mut query = Message::query();
///     query.add_query(Query::query(name.parse()?, RecordType::A));
///     socket.send_to(&query.to_vec()?, dns.address())?;
///     let mut answer = [0; 1500];
///     let length = socket.recv(&mut answer)?;
///     Ok(Message::from_vec(&answer[..length])?)
/// };
/// assert_eq!(ask("gone.test.")?.metadata.response_code, ResponseCode::NXDomain);
/// assert_eq!(ask("empty.test.")?.metadata.response_code, ResponseCode::NoError);
/// assert_eq!(ask("broken.test.")?.metadata.response_code, ResponseCode::ServFail);
/// assert_eq!(ask("forbidden.test.")?.metadata.response_code, ResponseCode::Refused);
/// assert_eq!(ask("odd.test.")?.metadata.response_code, ResponseCode::NotImp);
/// assert_ne!(ask("www.test.")?.answers, ask("www.test.")?.answers);      // the address moved
/// assert_eq!(ask("loop.test.")?.answers.len(), 2);                        // two aliases, no address
/// # Ok(())
/// # }
/// ```
///
/// What hostile and broken servers do, each for a name of its own:
///
/// ```
/// use reqpath_testkit::dns::{FakeDns, Fault, On, Zone};
///
/// let hostile = [
///     ("silent", Fault::drop()),
///     ("hangs-up", Fault::close()),                                       // over TCP
///     ("late-id", Fault::wrong_id()),
///     ("other-port", Fault::wrong_source()),
///     ("other-host", Fault::wrong_address([127, 0, 0, 2])),
///     ("other-question", Fault::wrong_question()),
///     ("escapes", Fault::control_characters()),
///     ("points-at-itself", Fault::pointer_loop()),
///     ("noise", Fault::garbage()),
///     ("one-byte", Fault::raw(vec![0])),
/// ];
/// let mut dns = FakeDns::builder().zone(Zone::new("test"));
/// for (name, fault) in hostile {
///     dns = dns.fault(On::name(&format!("{name}.test")), fault);
/// }
/// dns.start()?;
/// # Ok::<(), reqpath_testkit::dns::StartError>(())
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

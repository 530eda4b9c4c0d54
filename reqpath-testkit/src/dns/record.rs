//! What the server was asked.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::RecordType;

/// How many queries are kept; further ones are only counted.
const KEPT: usize = 10_000;

/// How a query came.
///
/// ```
/// use reqpath_testkit::dns::{FakeDns, Transport, Zone};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dns = FakeDns::start(Zone::new("test").a("www", [192, 0, 2, 1]))?;
/// let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03www\x04test\0\0\x01\0\x01";
/// std::net::UdpSocket::bind("127.0.0.1:0")?.send_to(query, dns.address())?;
/// assert!(dns.wait_until(Duration::from_secs(20), |queries| queries.len() == 1));
///
/// assert_eq!(dns.queries()[0].transport, Transport::Udp);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// One datagram.
    Udp,
    /// A stream, with lengths before messages.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// One query as it arrived.
///
/// ```
/// use reqpath_testkit::dns::{FakeDns, Zone};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dns = FakeDns::start(Zone::new("test").a("www", [192, 0, 2, 1]))?;
/// let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03www\x04test\0\0\x01\0\x01";
/// std::net::UdpSocket::bind("127.0.0.1:0")?.send_to(query, dns.address())?;
/// assert!(dns.wait_until(Duration::from_secs(20), |queries| queries.len() == 1));
///
/// let seen = &dns.queries()[0];
/// assert_eq!((seen.name.as_str(), seen.id), ("www.test.", 7));
/// assert!(seen.recursion_desired && seen.edns.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QuerySeen {
    /// The name, in the asker's case, with its last dot; odd bytes escaped.
    pub name: String,
    /// The type asked for.
    pub record_type: RecordType,
    /// UDP or TCP.
    pub transport: Transport,
    /// Who asked.
    pub from: SocketAddr,
    /// When, counted from the start of the server.
    pub at: Duration,
    /// The id.
    pub id: u16,
    /// RD: please recurse.
    pub recursion_desired: bool,
    /// CD: please do not validate.
    pub checking_disabled: bool,
    /// AD: please say whether it was validated.
    pub authentic_data: bool,
    /// The EDNS part, where there is one.
    pub edns: Option<EdnsSeen>,
}

/// The EDNS part of a query.
///
/// ```
/// use reqpath_testkit::dns::{FakeDns, Zone};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dns = FakeDns::start(Zone::new("test").a("www", [192, 0, 2, 1]))?;
/// let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\x01\x03www\x04test\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\x80\0\0\0";
/// std::net::UdpSocket::bind("127.0.0.1:0")?.send_to(query, dns.address())?;
/// assert!(dns.wait_until(Duration::from_secs(20), |queries| queries.len() == 1));
///
/// let edns = dns.queries()[0].edns.clone().expect("the query ends in an OPT record");
/// assert_eq!((edns.payload, edns.dnssec_ok), (1232, true));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EdnsSeen {
    /// The largest datagram the asker takes.
    pub payload: u16,
    /// DO: please send signatures.
    pub dnssec_ok: bool,
    /// The codes of its options.
    pub options: Vec<u16>,
}

impl QuerySeen {
    /// `None` for messages without exactly one question.
    pub(super) fn of(
        message: &Message,
        transport: Transport,
        from: SocketAddr,
        at: Duration,
    ) -> Option<Self> {
        let [question] = message.queries.as_slice() else { return None };
        Some(Self {
            name: question.name().to_ascii(),
            record_type: question.query_type(),
            transport,
            from,
            at,
            id: message.metadata.id,
            recursion_desired: message.metadata.recursion_desired,
            checking_disabled: message.metadata.checking_disabled,
            authentic_data: message.metadata.authentic_data,
            edns: message.edns.as_ref().map(|edns| EdnsSeen {
                payload: edns.max_payload(),
                dnssec_ok: edns.flags().dnssec_ok,
                options: edns.options().options.iter().map(|(code, _)| u16::from(*code)).collect(),
            }),
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) queries: Vec<QuerySeen>,
    pub(super) query_count: u64,
    pub(super) malformed_count: u64,
}

/// The place where the server writes and tests read.
#[derive(Debug)]
pub(super) struct Record {
    started: Instant,
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), seen: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn asked(&self, query: QuerySeen) {
        {
            let mut seen = self.seen();
            seen.query_count += 1;
            if seen.queries.len() < KEPT {
                seen.queries.push(query);
            }
        }
        self.changed.notify_all();
    }

    pub(super) fn malformed(&self) {
        self.seen().malformed_count += 1;
        self.changed.notify_all();
    }

    pub(super) fn wait_until(&self, within: Duration, mut enough: impl FnMut(&[QuerySeen]) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.seen(), within, |seen| !enough(&seen.queries));
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        enough(&seen.queries)
    }
}

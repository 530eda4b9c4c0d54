//! What is broken in a scenario.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

/// One `[[fault]]` as it is written: one of the first five, and what belongs to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultText {
    pub(super) dns: Option<Dns>,
    pub(super) tcp: Option<Tcp>,
    pub(super) tls: Option<Tls>,
    pub(super) http: Option<Http>,
    pub(super) slow: Option<Spanned<String>>,
    pub(super) server: Option<Spanned<String>>,
    pub(super) name: Option<Spanned<String>>,
    pub(super) family: Option<Spanned<Family>>,
    pub(super) every: Option<Spanned<u32>>,
    pub(super) status: Option<Spanned<u16>>,
    #[serde(default = "yes")]
    pub(super) met: bool,
}

/// A fault: what it is, where it is, and whether the trace is to come to it.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) what: What,
    /// The server it is at, by its place in the topology; for DNS the one the name would lead to.
    pub(super) server: usize,
    /// The name that DNS fails for.
    pub(super) name: String,
    pub(super) family: Option<Family>,
    /// It befalls every so-many-th connection or request only.
    pub(super) every: Option<u32>,
    pub(super) met: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Dns(Dns),
    Tcp(Tcp),
    Tls(Tls),
    Http(Http),
    Status(u16),
    Slow(Duration),
}

/// What the nameserver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Dns {
    /// The name does not exist.
    Nxdomain,
    /// The name exists and has no address.
    NoData,
    /// The name is an alias of one that does not exist.
    DanglingCname,
    /// SERVFAIL.
    Servfail,
    /// SERVFAIL, unless asked not to check signatures.
    Bogus,
    /// REFUSED.
    Refused,
    /// No answer.
    Drop,
    /// Nobody at its port.
    Closed,
    /// The answer does not fit, and TCP is dropped.
    Truncate,
    /// Bytes that are no DNS message.
    Garbage,
}

/// What becomes of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Tcp {
    /// Nothing listens.
    Refuse,
    /// A router drops SYNs.
    Drop,
    /// A router rejects them as prohibited.
    RejectProhibited,
    /// A router rejects them as if the port were closed.
    RejectPort,
    /// A router says that the host cannot be reached.
    Unreachable,
    /// The client's own routes lead nowhere.
    NoRoute,
    /// The listener's accept queue is full.
    AcceptQueueFull,
    /// The server accepts and closes.
    Close,
    /// The server accepts and resets.
    Reset,
}

/// What becomes of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Tls {
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is for another name.
    WrongName,
    /// The certificate signs itself.
    SelfSigned,
    /// An authority signed it that the client does not know.
    UnknownAuthority,
    /// The intermediate is not served.
    MissingIntermediate,
    /// The intermediate has expired.
    ExpiredIntermediate,
    /// No ServerHello.
    Silent,
    /// The server wants a certificate of the client.
    ClientCertificate,
    /// The server speaks plain HTTP.
    Plaintext,
}

impl Tls {
    /// Whether it is a matter of the certificate alone.
    pub(super) fn is_certificate(self) -> bool {
        !matches!(self, Self::Silent | Self::ClientCertificate | Self::Plaintext)
    }
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Http {
    /// An answer with a status of its own.
    Status,
    /// The connection is closed without an answer.
    Empty,
    /// The connection is reset without an answer.
    Reset,
    /// No answer.
    Silent,
    /// The body ends before its length.
    Truncate,
    /// The body stops and nothing follows.
    Stall,
    /// Bytes that are no HTTP.
    Garbage,
    /// A redirect to itself.
    RedirectLoop,
}

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

impl Fault {
    /// Whether it befalls this address.
    pub(super) fn befalls(&self, ip: std::net::IpAddr) -> bool {
        match self.family {
            None => true,
            Some(Family::Ipv4) => ip.is_ipv4(),
            Some(Family::Ipv6) => ip.is_ipv6(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Dns(what) => write!(f, "dns {what:?} for {}", self.name)?,
            What::Tcp(what) => write!(f, "tcp {what:?}")?,
            What::Tls(what) => write!(f, "tls {what:?}")?,
            What::Http(what) => write!(f, "http {what:?}")?,
            What::Status(status) => write!(f, "http status {status}")?,
            What::Slow(by) => write!(f, "slow by {by:?}")?,
        }
        match self.every {
            Some(every) => write!(f, ", every {every}th time"),
            None => Ok(()),
        }
    }
}

fn yes() -> bool {
    true
}

//! What one nameserver answered to one question.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use reqpath_core::{Evidence, LocalAddr, Micros, PeerAddr, Subject};
use serde::{Deserialize, Serialize};

/// What one nameserver answered to one question: what `dig` would have shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Answer {
    /// The nameserver, as asked.
    pub server: PeerAddr,
    /// The name asked for, absolute, with its final dot.
    pub name: String,
    /// The type asked for: `A`, `AAAA`, `NS`.
    #[serde(default = "a")]
    pub record_type: Cow<'static, str>,
    /// Why this server was asked.
    #[serde(default)]
    pub asked: Asked,
    /// Whether the client's own road went through this question, and not only a look beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_road: bool,
    /// How it was asked.
    #[serde(default)]
    pub transport: Transport,
    /// Whether the question carried CD=1: give the data even if it does not validate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checking_disabled: bool,
    /// Whether this is the same question once more, to see the TTL count down.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// How often the question was sent.
    #[serde(default = "one")]
    pub tries: u32,
    /// The time from the first question sent to the answer or to the end of waiting.
    #[serde(default)]
    pub time_us: Micros,
    /// The response code by its name, from the header and EDNS: `NOERROR`, `NXDOMAIN`, `SERVFAIL`.
    /// Absent where nothing readable came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rcode: Option<Cow<'static, str>>,
    /// The header's flags.
    #[serde(default, skip_serializing_if = "Flags::is_empty")]
    pub flags: Flags,
    /// The aliases that were followed, in order, from the answer section.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Alias>,
    /// The addresses at the end of the chain, from the answer section.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressRecord>,
    /// Names of nameservers, from the answer section of a question for `NS`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The zone's SOA, from the authority section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authority>,
    /// Extended DNS errors (RFC 8914), from EDNS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended_errors: Vec<ExtendedError>,
    /// The largest datagram the server takes, in bytes, from EDNS; absent without EDNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edns_payload: Option<u16>,
    /// Aliases that were followed and are not kept: those before the last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub aliases_left_out: u32,
    /// Addresses at the end of the chain beyond those kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub addresses_left_out: u32,
    /// Whether the aliases lead back to one of themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alias_loop: bool,
    /// Records of other types, or that belong to other names, from the answer section.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_records: u32,
    /// Our end of the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalAddr>,
    /// The size of the question, in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub query_bytes: u32,
    /// The size of the answer, in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub response_bytes: u32,
    /// Whether the answer was to an earlier try than the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Further answers to the same question that had arrived by then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicates: u32,
    /// Datagrams whose id or question was not ours.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mismatched: u32,
    /// Why the answer could not be read, with its first bytes in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
    /// Whether the time ran out with nothing heard.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// Whether the network said that nobody is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreachable: bool,
    /// The system's own words for what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Why a nameserver was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Asked {
    /// It stands in the resolver's configuration.
    #[default]
    Configured,
    /// The caller gave it, in place of the configured ones.
    Given,
    /// It is one of the zone's own servers.
    Authority,
}

/// How a question was carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transport {
    /// One datagram each way.
    #[default]
    Udp,
    /// A connection.
    Tcp,
}

/// The flags of an answer's header, by their names in RFC 1035 and RFC 4035.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Flags {
    /// The server is an authority for the name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub aa: bool,
    /// The answer did not fit and was cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tc: bool,
    /// Recursion was desired.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rd: bool,
    /// Recursion is available.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ra: bool,
    /// The server says that it validated the data.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ad: bool,
    /// Checking was disabled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cd: bool,
}

impl Flags {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One alias of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alias {
    /// The name that is an alias.
    pub name: String,
    /// The name it stands for.
    pub target: String,
    /// The time this may still be kept, in seconds.
    #[serde(default)]
    pub ttl_s: u32,
}

/// One address of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressRecord {
    /// The address.
    pub address: IpAddr,
    /// The time this may still be kept, in seconds: from a cache it counts down, from an authority
    /// it is the zone's own figure.
    #[serde(default)]
    pub ttl_s: u32,
}

/// The zone that denies: the SOA of an answer's authority section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Authority {
    /// The zone's name.
    pub zone: String,
    /// Its primary server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub primary: String,
    /// Its serial number.
    #[serde(default)]
    pub serial: u32,
    /// The time the denial may be kept, in seconds: the smaller of the SOA's TTL and its minimum.
    #[serde(default)]
    pub negative_ttl_s: u32,
}

/// An extended DNS error (RFC 8914).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExtendedError {
    /// Its number: 6 is DNSSEC Bogus.
    pub code: u16,
    /// The server's own text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What an answer comes to, for a question for addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It has addresses.
    Addresses,
    /// The name exists, and has no record of this type.
    NoData,
    /// The name, or what it is an alias of, does not exist.
    NoSuchName,
    /// The server failed to find out.
    ServerFailure,
    /// The server does not want to say.
    Refused,
    /// Unreadable, a loop of aliases, or a response code of another kind.
    Failed,
    /// The answer was cut: what counts is the same question over TCP.
    Truncated,
    /// No answer.
    TimedOut,
    /// Nobody there.
    Unreachable,
    /// The look was cut short before anything was known.
    Unfinished,
}

impl Answer {
    /// A question not yet answered.
    #[must_use]
    pub fn to(server: PeerAddr, name: impl Into<String>, record_type: impl Into<Cow<'static, str>>) -> Self {
        Self {
            server,
            name: name.into(),
            record_type: record_type.into(),
            asked: Asked::default(),
            on_road: false,
            transport: Transport::default(),
            checking_disabled: false,
            again: false,
            tries: 0,
            time_us: Micros::default(),
            rcode: None,
            flags: Flags::default(),
            chain: Vec::new(),
            addresses: Vec::new(),
            nameservers: Vec::new(),
            authority: None,
            extended_errors: Vec::new(),
            edns_payload: None,
            aliases_left_out: 0,
            addresses_left_out: 0,
            alias_loop: false,
            other_records: 0,
            local: None,
            query_bytes: 0,
            response_bytes: 0,
            late: false,
            duplicates: 0,
            mismatched: 0,
            malformed: None,
            timed_out: false,
            unreachable: false,
            error: None,
        }
    }

    /// What it comes to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.malformed.is_some() || self.alias_loop {
            return Outcome::Failed;
        }
        match self.rcode.as_deref() {
            Some(_) if self.flags.tc && self.transport == Transport::Udp => Outcome::Truncated,
            Some("NOERROR") if !self.addresses.is_empty() => Outcome::Addresses,
            Some("NOERROR") => Outcome::NoData,
            Some("NXDOMAIN") => Outcome::NoSuchName,
            Some("SERVFAIL") => Outcome::ServerFailure,
            Some("REFUSED") => Outcome::Refused,
            Some(_) => Outcome::Failed,
            None if self.unreachable => Outcome::Unreachable,
            None if self.timed_out => Outcome::TimedOut,
            None if self.error.is_some() => Outcome::Failed,
            None => Outcome::Unfinished,
        }
    }

    /// Whether anything at all came back from the server.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.rcode.is_some() || self.malformed.is_some()
    }

    /// The name the chain of aliases ends in: the name itself where there is no alias.
    #[must_use]
    pub fn end_of_chain(&self) -> &str {
        self.chain.last().map_or(self.name.as_str(), |alias| alias.target.as_str())
    }

    /// How many aliases there are.
    #[must_use]
    pub fn aliases(&self) -> usize {
        self.chain.len().saturating_add(self.aliases_left_out as usize)
    }

    /// How many addresses there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.addresses.len().saturating_add(self.addresses_left_out as usize)
    }

    /// Whether it says that there is no record of this type, and does not merely hold none.
    ///
    /// With an alias the zone's SOA tells the one from the other: without it, the end of the chain was left out.
    #[must_use]
    pub fn denies(&self) -> bool {
        self.authority.is_some() || (self.chain.is_empty() && self.other_records == 0)
    }

    /// The shortest time any of its addresses, or an alias before them, may still be kept, in seconds.
    #[must_use]
    pub fn ttl_left_s(&self) -> Option<u32> {
        let addresses = self.addresses.iter().map(|record| record.ttl_s);
        let shortest = addresses.min()?;
        Some(self.chain.iter().map(|alias| alias.ttl_s).fold(shortest, u32::min))
    }
}

impl Evidence for Answer {
    const KIND: &'static str = "dns.answer";

    fn source(&self, _: &Subject) -> String {
        let mut command = format!("dig @{}", self.server.ip());
        if self.server.port() != 53 {
            // Writing to a String cannot fail.
            let _ = write!(command, " -p {}", self.server.port());
        }
        if self.transport == Transport::Tcp {
            command.push_str(" +tcp");
        } else {
            command.push_str(" +ignore");
        }
        if self.checking_disabled {
            command.push_str(" +cd");
        }
        if self.asked == Asked::Authority {
            command.push_str(" +norecurse");
        }
        let _ = write!(command, " {} {}", self.name, self.record_type);
        command
    }

    fn brief(&self) -> String {
        let mut words = format!("{} {}: ", self.name, self.record_type);
        match self.outcome() {
            Outcome::Addresses => {
                let addresses: Vec<String> =
                    self.addresses.iter().take(4).map(|record| record.address.to_string()).collect();
                words.push_str(&addresses.join(", "));
                if self.count() > addresses.len() {
                    let _ = write!(words, " and {} more", self.count() - addresses.len());
                }
                if let Some(ttl) = self.ttl_left_s() {
                    let _ = write!(words, ", TTL {ttl} s");
                }
            }
            Outcome::NoData if self.record_type == "NS" && !self.nameservers.is_empty() => {
                words.push_str(&self.nameservers.join(", "));
            }
            Outcome::NoData if self.denies() => words.push_str("no such record"),
            Outcome::NoData if self.chain.is_empty() => {
                let _ = write!(words, "no such record, and {} of other names or types", self.other_records);
            }
            Outcome::NoData => {
                let _ = write!(words, "an alias of {}, and no record of it", self.end_of_chain());
            }
            Outcome::TimedOut => words.push_str("no answer"),
            Outcome::Unreachable => words.push_str(self.error.as_deref().unwrap_or("unreachable")),
            Outcome::Unfinished => words.push_str("not waited for"),
            Outcome::Truncated => words.push_str("cut (TC)"),
            Outcome::Failed if self.alias_loop => words.push_str("a loop of aliases"),
            Outcome::Failed if self.malformed.is_some() => words.push_str("unreadable"),
            _ => {
                let said = self.rcode.as_deref().or(self.error.as_deref());
                words.push_str(said.unwrap_or("unusable"));
            }
        }
        let _ = write!(words, " ({}, {})", self.server, self.time_us);
        words
    }
}

fn a() -> Cow<'static, str> {
    Cow::Borrowed("A")
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

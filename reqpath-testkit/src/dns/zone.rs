//! Zones: what the server knows when nothing goes wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, SOA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::proto::serialize::txt::{ParseError, Parser};

/// Names and records under one origin, written in Rust or as zone-file text.
///
/// Mistakes in names or text are told when the server starts.
///
/// ```
/// use reqpath_testkit::dns::Zone;
///
/// let zone = Zone::new("example.test")
///     .ttl(30)
///     .a("www", [192, 0, 2, 1])
///     .a("www", [192, 0, 2, 2])
///     .cname("shop", "www")
///     .record("mail", "MX", "10 mx1")
///     .text("*.pods  5 IN A 10.0.0.1\n");
/// # let _ = zone;
/// ```
///
/// Both families, data that no zone file can hold, and the TTLs of a cache:
///
/// ```
/// use std::time::Duration;
/// use hickory_resolver::proto::rr::rdata::NS;
/// use reqpath_testkit::dns::{FakeDns, RData, Zone};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let zone = Zone::new("example.test")
///     .aaaa("www", [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])
///     .address("either", "192.0.2.7".parse()?)
///     .txt("@", b"v=\x1b[31mred")
///     .data("sub", RData::NS(NS("ns.elsewhere.test.".parse()?)))
///     .raw_name(&[b"bell\x07"], RData::A(std::net::Ipv4Addr::new(192, 0, 2, 8).into()))
///     .cached_for(Duration::from_secs(290));                              // of 300 seconds, 10 are left
/// FakeDns::start(zone)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a zone answers nothing until it is given to a server"]
pub struct Zone {
    origin: String,
    entries: Vec<Entry>,
    ttl: u32,
    cached_for: Option<Duration>,
}

#[derive(Debug, Clone)]
enum Entry {
    Data { name: String, ttl: u32, data: RData },
    Alias { name: String, ttl: u32, target: String },
    Raw { labels: Vec<Vec<u8>>, ttl: u32, data: RData },
    Text(String),
}

impl Zone {
    /// An empty zone; an SOA is made unless one is given. TTLs are 300 seconds until [`Zone::ttl`] says otherwise.
    pub fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), entries: Vec::new(), ttl: 300, cached_for: None }
    }

    /// Sets the TTL of the records that follow.
    pub fn ttl(mut self, seconds: u32) -> Self {
        self.ttl = seconds;
        self
    }

    /// Adds an IPv4 address; `@` is the origin itself, `*` every name not otherwise known.
    pub fn a(self, name: &str, address: impl Into<Ipv4Addr>) -> Self {
        let data = RData::A(A(address.into()));
        self.data(name, data)
    }

    /// Adds an IPv6 address.
    pub fn aaaa(self, name: &str, address: impl Into<Ipv6Addr>) -> Self {
        let data = RData::AAAA(AAAA(address.into()));
        self.data(name, data)
    }

    /// Adds an address of either family.
    pub fn address(self, name: &str, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.a(name, address),
            IpAddr::V6(address) => self.aaaa(name, address),
        }
    }

    /// Makes a name an alias; a target may lie outside the zone, dangle, or close a loop.
    pub fn cname(mut self, name: &str, target: &str) -> Self {
        self.entries.push(Entry::Alias { name: name.to_owned(), ttl: self.ttl, target: target.to_owned() });
        self
    }

    /// Adds a text record of any bytes.
    pub fn txt(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let data = RData::TXT(TXT::from_bytes(vec![text.as_ref()]));
        self.data(name, data)
    }

    /// Adds a record of any type, its data written as in a zone file.
    pub fn record(mut self, name: &str, record_type: &str, data: &str) -> Self {
        self.entries.push(Entry::Text(format!("{name} {} IN {record_type} {data}\n", self.ttl)));
        self
    }

    /// Adds typed record data.
    pub fn data(mut self, name: &str, data: RData) -> Self {
        self.entries.push(Entry::Data { name: name.to_owned(), ttl: self.ttl, data });
        self
    }

    /// Adds a record under a name of raw labels, control characters and all; the origin is appended.
    pub fn raw_name(mut self, labels: &[&[u8]], data: RData) -> Self {
        let labels = labels.iter().map(|label| label.to_vec()).collect();
        self.entries.push(Entry::Raw { labels, ttl: self.ttl, data });
        self
    }

    /// Adds the lines of a zone file; `$INCLUDE` is refused.
    pub fn text(mut self, lines: &str) -> Self {
        self.entries.push(Entry::Text(lines.to_owned()));
        self
    }

    /// Answers as a cache does whose records were fetched this long ago: TTLs count down,
    /// and start anew when they have run out.
    pub fn cached_for(mut self, age: Duration) -> Self {
        self.cached_for = Some(age);
        self
    }

    pub(super) fn load(&self) -> Result<Loaded, ZoneError> {
        let origin = absolute(&self.origin, None)?;
        let mut records = Vec::new();
        for entry in &self.entries {
            match entry {
                Entry::Data { name, ttl, data } => {
                    records.push(Record::from_rdata(absolute(name, Some(&origin))?, *ttl, data.clone()));
                }
                Entry::Alias { name, ttl, target } => {
                    let data = RData::CNAME(CNAME(absolute(target, Some(&origin))?));
                    records.push(Record::from_rdata(absolute(name, Some(&origin))?, *ttl, data));
                }
                Entry::Raw { labels, ttl, data } => {
                    let all = labels.iter().map(Vec::as_slice).chain(origin.iter());
                    let name = Name::from_labels(all).map_err(|source| ZoneError::Name {
                        name: format!("{labels:?}"),
                        reason: source.to_string(),
                    })?;
                    records.push(Record::from_rdata(name, *ttl, data.clone()));
                }
                Entry::Text(text) => records.extend(parse(text, &origin)?),
            }
        }
        let soa = records.iter().find(|record| record.record_type() == RecordType::SOA).cloned();
        let soa = match soa {
            Some(soa) => soa,
            None => {
                let soa = made_up_soa(&origin)?;
                records.push(soa.clone());
                soa
            }
        };
        Ok(Loaded { origin, records, soa, cached_for: self.cached_for })
    }
}

/// A zone whose names and text were understood.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) origin: Name,
    records: Vec<Record>,
    soa: Record,
    cached_for: Option<Duration>,
}

impl Loaded {
    /// Records of exactly this name, else of the wildcard that covers it; aged by `elapsed` in a cache.
    pub(super) fn named(&self, name: &Name, elapsed: Duration) -> Vec<Record> {
        let exact: Vec<Record> = self.matching(name).map(|record| self.aged(record, elapsed)).collect();
        if !exact.is_empty() || self.exists(name) {
            return exact;
        }
        let mut parent = name.base_name();
        while self.origin.zone_of(&parent) && !parent.is_root() {
            // A name that exists shields those below it from wildcards further up (RFC 4592).
            let wildcard = parent.prepend_label("*").ok();
            let found: Vec<Record> = wildcard
                .iter()
                .flat_map(|wildcard| self.matching(wildcard))
                .map(|record| {
                    let mut record = self.aged(record, elapsed);
                    record.name = name.clone();
                    record
                })
                .collect();
            if !found.is_empty() || self.exists(&parent) {
                return found;
            }
            parent = parent.base_name();
        }
        Vec::new()
    }

    /// Whether the name, or any below it, holds a record.
    pub(super) fn exists(&self, name: &Name) -> bool {
        self.records.iter().any(|record| name.zone_of(&record.name))
    }

    /// The SOA as it stands in negative answers, with the TTL such answers have (RFC 2308).
    pub(super) fn negative_soa(&self) -> Record {
        let mut soa = self.soa.clone();
        if let RData::SOA(data) = &soa.data {
            soa.ttl = soa.ttl.min(data.minimum);
        }
        soa
    }

    fn matching(&self, name: &Name) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.name == *name)
    }

    fn aged(&self, record: &Record, elapsed: Duration) -> Record {
        let mut record = record.clone();
        if let (Some(age), 1..) = (self.cached_for, record.ttl) {
            let age = age.saturating_add(elapsed).as_secs() % u64::from(record.ttl);
            record.ttl -= u32::try_from(age).unwrap_or(record.ttl);
        }
        record
    }
}

/// A zone cannot be served as written.
///
/// ```
/// use reqpath_testkit::dns::{FakeDns, Zone, ZoneError};
///
/// let curious = Zone::new("test").text("$INCLUDE /etc/passwd\n");
/// assert!(matches!(FakeDns::builder().zone(curious).offline(), Err(ZoneError::Include)));
///
/// let misspelt = FakeDns::builder().zone(Zone::new("two..dots")).offline().unwrap_err();
/// assert!(misspelt.to_string().starts_with("`two..dots` is no domain name"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// A name is not one.
    #[error("`{name}` is no domain name: {reason}")]
    Name {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Zone-file text was not understood.
    #[error("zone text was not understood: {reason}")]
    Text {
        /// What is wrong with it.
        reason: String,
    },
    /// Zone-file text wants to read another file.
    #[error("zone text may not read files ($INCLUDE)")]
    Include,
}

/// A name in zone-file notation, made absolute.
pub(super) fn absolute(name: &str, origin: Option<&Name>) -> Result<Name, ZoneError> {
    let wrong = |reason: String| ZoneError::Name { name: name.to_owned(), reason };
    if name == "@" {
        return origin.cloned().ok_or_else(|| wrong("there is no origin".to_owned()));
    }
    let mut parsed = match origin {
        Some(origin) => Name::parse(name, Some(origin)),
        None => Name::from_str(name),
    }
    .map_err(|error| wrong(error.to_string()))?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

fn parse(text: &str, origin: &Name) -> Result<Vec<Record>, ZoneError> {
    if text.lines().any(|line| line.trim_start().to_ascii_uppercase().starts_with("$INCLUDE")) {
        return Err(ZoneError::Include);
    }
    let parsed = Parser::new(text, None, Some(origin.clone())).parse();
    let (_, sets) = parsed.map_err(|error: ParseError| ZoneError::Text { reason: error.to_string() })?;
    Ok(sets.into_values().flat_map(|set| set.records_without_rrsigs().cloned().collect::<Vec<_>>()).collect())
}

fn made_up_soa(origin: &Name) -> Result<Record, ZoneError> {
    let (server, mailbox) = (absolute("ns1", Some(origin))?, absolute("hostmaster", Some(origin))?);
    Ok(Record::from_rdata(
        origin.clone(),
        300,
        RData::SOA(SOA::new(server, mailbox, 1, 3600, 600, 86_400, 60)),
    ))
}

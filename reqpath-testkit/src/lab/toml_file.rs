//! A lab written down in TOML: the builder's own words, as data.

use std::{ops::Range, time::Duration};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Lab,
    error::Error,
    filter::{Filter, Rejection},
    plan::Plan,
    program::{Program, Ready},
    spec::{HostSpec, LabBuilder, Link},
    toml_error::FileError,
    toml_shapes::{Ordered, Scalar, Several},
};

impl Lab {
    /// Reads the description of a lab from TOML: the words of [`LabBuilder`], [`HostSpec`], [`Link`],
    /// [`Filter`] and [`Program`], with the same meaning. What comes out can be added to, and built.
    ///
    /// ```
    /// use reqpath_testkit::lab::{self, Lab};
    ///
    /// let lab = Lab::from_toml(r#"
    ///     switches = ["lan"]                                  # optional, as nearly everything
    ///     ## ipv6 = false
    ///
    ///     [hosts.client]
    ///     nameservers = ["edge"]                              # a host or an address
    ///     resolv_conf = "search shop.test\noptions ndots:2"
    ///     knows = { "shop.test" = "server" }                  # its hosts file
    ///     environment = { LANG = "C" }
    ///     sysctls = { "net.ipv4.tcp_syn_retries" = 2 }
    ///     ## without_routes = true
    ///     routes = { "203.0.113.0/24" = "edge" }
    ///
    ///     [hosts.edge]
    ///     router = true
    ///
    ///     [hosts.server.programs.shop]
    ///     command = ["sh", "-c", "echo open; exec sleep 1000"]
    ///     environment = { CURRENCY = "EUR" }
    ///     ready = { says = "open" }                           # or { listens = 8080 }, "ends", "at_once"
    ///
    ///     [[links]]
    ///     between = ["client", "lan"]
    ///
    ///     [[links]]
    ///     between = ["edge", "lan"]
    ///     addresses = { edge = ["10.7.0.1/24", "fd00:7::1/64"] }
    ///
    ///     [[links]]
    ///     between = ["edge", "server"]
    ///     mtu = 1400
    ///     ## delay = "20ms"                                    # each way; needs /dev/net/tun
    ///     ## lose_percent = 5                                  # each way; needs nftables, as all of these:
    ///
    ///     ## [hosts.edge.filters.closed]
    ///     ## packets = "forwarded"                             # or "incoming", "outgoing"
    ///     ## tcp_port = 8080                                   # or udp_port, opening, from, to
    ///     ## action = { reject = "tcp-reset" }                 # or "drop", { lose_percent = 20 }
    ///     ## [hosts.edge]
    ///     ## rules = "table inet mine { … }"                   # as nft -f reads it
    /// "#).unwrap();
    /// let Some(lab) = lab::or_skip(lab.build()) else { return };
    /// assert_eq!(lab["edge"].ipv4().to_string(), "10.7.0.1");
    /// ```
    ///
    /// # Errors
    /// When it is no TOML, has a field that nobody knows, or describes a lab that cannot be: every mistake
    /// that can be told without building it, with its line, and what was perhaps meant.
    pub fn from_toml(text: &str) -> Result<LabBuilder, FileError> {
        let file: LabFile =
            toml::from_str(text).map_err(|error| FileError::new(text, error.span(), error.message()))?;
        file.builder(text)
    }
}

/// A lab as it is written in a file, to be a part of a larger file: a scenario has one as its `[lab]`.
///
/// ```
/// use reqpath_testkit::lab::{Lab, LabFile};
///
/// #[derive(serde::Deserialize)]
/// struct Case {
///     lab: LabFile,
/// }
///
/// let text = "[lab.hosts.client]\n[lab.hosts.edge]\nrouter = true\n";
/// let case: Case = toml::from_str(text).unwrap();
/// let same = Lab::builder().host("client").router("edge");
/// assert_eq!(case.lab.builder(text).unwrap(), same);
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabFile {
    #[serde(default = "yes")]
    ipv6: bool,
    #[serde(default)]
    switches: Vec<Spanned<String>>,
    #[serde(default)]
    hosts: Ordered<HostEntry>,
    #[serde(default)]
    links: Vec<LinkEntry>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HostEntry {
    router: bool,
    without_routes: bool,
    routes: Ordered<Spanned<String>>,
    sysctls: Ordered<Scalar>,
    rules: Several,
    environment: Ordered<Scalar>,
    nameservers: Vec<Spanned<String>>,
    resolv_conf: String,
    knows: Ordered<Spanned<String>>,
    filters: Ordered<FilterEntry>,
    programs: Ordered<ProgramEntry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkEntry {
    between: [Spanned<String>; 2],
    mtu: Option<u32>,
    delay: Option<Spanned<String>>,
    lose_percent: Option<u8>,
    #[serde(default)]
    addresses: Ordered<Spanned<Several>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterEntry {
    packets: Packets,
    tcp_port: Option<u16>,
    udp_port: Option<u16>,
    #[serde(default)]
    opening: bool,
    from: Option<Spanned<String>>,
    to: Option<Spanned<String>>,
    action: ActionEntry,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Packets {
    Incoming,
    Outgoing,
    Forwarded,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionEntry {
    Drop,
    Reject(RejectionEntry),
    LosePercent(u8),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RejectionEntry {
    TcpReset,
    PortUnreachable,
    HostUnreachable,
    AdminProhibited,
    NetUnreachable,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramEntry {
    command: Vec<String>,
    #[serde(default)]
    environment: Ordered<Scalar>,
    #[serde(default)]
    ready: ReadyEntry,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReadyEntry {
    #[default]
    AtOnce,
    Listens(u16),
    Says(String),
    Ends,
}

impl LabFile {
    /// What it describes; `text` is the whole file that it was read from, so that mistakes have a line.
    ///
    /// # Errors
    /// When it describes a lab that cannot be.
    pub fn builder(&self, text: &str) -> Result<LabBuilder, FileError> {
        let mut reader = Reader { text, mentions: Vec::new() };
        let lab = reader.lab(self)?;
        match Plan::of(&lab) {
            Ok(_) => Ok(lab),
            Err(error) => Err(reader.place(&error)),
        }
    }
}

/// Remembers where every name and address is written.
struct Reader<'a> {
    text: &'a str,
    mentions: Vec<(Range<usize>, String)>,
}

impl Reader<'_> {
    fn lab(&mut self, file: &LabFile) -> Result<LabBuilder, FileError> {
        let mut lab = Lab::builder();
        if !file.ipv6 {
            lab = lab.without_ipv6();
        }
        for (name, host) in &file.hosts.0 {
            lab = lab.host(self.host(name, host));
        }
        for switch in &file.switches {
            lab = lab.switch(self.said(switch));
        }
        for link in &file.links {
            lab = lab.connect(self.link(link)?);
        }
        Ok(lab)
    }

    fn host(&mut self, name: &Spanned<String>, entry: &HostEntry) -> HostSpec {
        let mut host = HostSpec::new(self.said(name));
        if entry.router {
            host = host.router();
        }
        if entry.without_routes {
            host = host.without_routes();
        }
        for (network, via) in &entry.routes.0 {
            host = host.route(self.said(network), self.said(via));
        }
        for (key, value) in &entry.sysctls.0 {
            host = host.sysctl(self.said(key), &value.0);
        }
        for script in &entry.rules.0 {
            host = host.rules(script);
        }
        for (name, value) in &entry.environment.0 {
            host = host.env(self.said(name), &value.0);
        }
        for server in &entry.nameservers {
            host = host.nameserver(self.said(server));
        }
        if !entry.resolv_conf.is_empty() {
            host = host.resolv_conf(&entry.resolv_conf);
        }
        for (name, whose) in &entry.knows.0 {
            host = host.knows(name.get_ref(), self.said(whose));
        }
        for (name, filter) in &entry.filters.0 {
            host = host.filter(self.said(name), self.filter(filter));
        }
        for (name, entry) in &entry.programs.0 {
            let mut program = Program::new(self.said(name), &entry.command).ready(match &entry.ready {
                ReadyEntry::AtOnce => Ready::AtOnce,
                ReadyEntry::Listens(port) => Ready::Listens(*port),
                ReadyEntry::Says(text) => Ready::Says(text.clone()),
                ReadyEntry::Ends => Ready::Ends,
            });
            for (name, value) in &entry.environment.0 {
                program = program.env(name.get_ref(), &value.0);
            }
            host = host.program(program);
        }
        host
    }

    fn filter(&mut self, entry: &FilterEntry) -> Filter {
        let mut filter = match entry.packets {
            Packets::Incoming => Filter::incoming(),
            Packets::Outgoing => Filter::outgoing(),
            Packets::Forwarded => Filter::forwarded(),
        };
        if let Some(port) = entry.tcp_port {
            filter = filter.tcp_port(port);
        }
        if let Some(port) = entry.udp_port {
            filter = filter.udp_port(port);
        }
        if entry.opening {
            filter = filter.opening();
        }
        if let Some(network) = &entry.from {
            filter = filter.from(self.said(network));
        }
        if let Some(network) = &entry.to {
            filter = filter.to(self.said(network));
        }
        match entry.action {
            ActionEntry::Drop => filter.drop(),
            ActionEntry::LosePercent(percent) => filter.lose_percent(percent),
            ActionEntry::Reject(with) => filter.reject(match with {
                RejectionEntry::TcpReset => Rejection::TcpReset,
                RejectionEntry::PortUnreachable => Rejection::PortUnreachable,
                RejectionEntry::HostUnreachable => Rejection::HostUnreachable,
                RejectionEntry::AdminProhibited => Rejection::AdminProhibited,
                RejectionEntry::NetUnreachable => Rejection::NetUnreachable,
            }),
        }
    }

    fn link(&mut self, entry: &LinkEntry) -> Result<Link, FileError> {
        let [one, other] = &entry.between;
        if one.get_ref() == other.get_ref() {
            let error = Error::SelfLink { name: one.get_ref().clone() };
            return Err(FileError::new(self.text, Some(one.span()), error.to_string()));
        }
        let mut link = Link::between(self.said(one), self.said(other));
        // A loss that cannot be is told of by this name.
        let name = format!("loss-{}-{}", one.get_ref(), other.get_ref());
        self.mentions.push((one.span(), name));
        if let Some(bytes) = entry.mtu {
            link = link.mtu(bytes);
        }
        if let Some(delay) = &entry.delay {
            let wrong = "a delay is a number with its unit, as in \"20ms\", \"500us\" or \"1.5s\"";
            let each_way = duration(delay.get_ref())
                .ok_or_else(|| FileError::new(self.text, Some(delay.span()), wrong))?;
            link = link.delay(each_way);
        }
        if let Some(percent) = entry.lose_percent {
            link = link.lose_percent(percent);
        }
        for (end, addresses) in &entry.addresses.0 {
            let end = self.said(end);
            for address in &addresses.get_ref().0 {
                self.mentions.push((addresses.span(), address.clone()));
                link = link.address(end.as_str(), address);
            }
        }
        Ok(link)
    }

    fn said(&mut self, word: &Spanned<String>) -> String {
        self.mentions.push((word.span(), word.get_ref().clone()));
        word.get_ref().clone()
    }

    /// The mistake, where the file mentions what the error names.
    fn place(&self, error: &Error) -> FileError {
        let (named, last) = match error {
            Error::Unknown { name, .. } | Error::BadName { name } => (name, false),
            Error::Duplicate { name } => (name, true),
            Error::BadPart { name, .. } => (name, true),
            Error::MisplacedAddress { address, .. } => (address, false),
            Error::BadAddress { text, .. } => (text, false),
            Error::NotASysctl { key } => (key, false),
            Error::NoWay { target, .. } => (target, true),
            _ => return FileError::new(self.text, None, error.to_string()),
        };
        let mut mentions = self.mentions.iter().filter(|(_, text)| text == named);
        let mention = if last { mentions.next_back() } else { mentions.next() };
        let span = mention.map(|(span, _)| span.clone());
        let placed = FileError::new(self.text, span, error.to_string());
        match error {
            Error::Unknown { name, known } => placed.among(name, known.split(", ")),
            _ => placed,
        }
    }
}

fn yes() -> bool {
    true
}

/// `20ms`, `500us`, `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let second = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    let number: f64 = number.trim_end().parse().ok()?;
    Duration::try_from_secs_f64(number * second).ok()
}

#[cfg(test)]
mod tests;

//! Packet filters that a host can be given and relieved of, and that count what they met.

use std::fmt::{self, Write as _};

use super::{cidr::Cidr, error::Error, host::Host, nft};

/// How a packet is refused.
///
/// ```
/// use std::net::TcpStream;
/// use reqpath_testkit::lab::{self, Filter, Lab, Rejection};
///
/// let lab = Lab::builder().host("client").host("server").link("client", "server").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// let Some(_) = lab::or_skip(lab["server"].rules()) else { return };
/// lab["server"].impose(&Filter::incoming().tcp_port(80).reject(Rejection::AdminProhibited)).unwrap();
/// let refused = lab["client"].run(|| TcpStream::connect((lab["server"].ipv4(), 80))).unwrap().unwrap_err();
/// assert_eq!(refused.kind(), std::io::ErrorKind::HostUnreachable);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// A TCP reset, as a closed port sends: the caller sees `ECONNREFUSED`.
    TcpReset,
    /// ICMP "port unreachable": `ECONNREFUSED`.
    PortUnreachable,
    /// ICMP "host unreachable" (IPv6: "address unreachable"): `EHOSTUNREACH`.
    HostUnreachable,
    /// ICMP "communication administratively prohibited": `EHOSTUNREACH`, over IPv6 `EACCES`.
    AdminProhibited,
    /// ICMP "network unreachable" (IPv6: "no route"): `ENETUNREACH`.
    NetUnreachable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Drop,
    Reject(Rejection),
    Lose(u8),
}

/// What a host does to packets: which ones, and what becomes of them.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use reqpath_testkit::lab::{Filter, Rejection};
///
/// let silent_port = Filter::incoming().tcp_port(8080).opening().drop();
/// let refused = Filter::forwarded().to("10.0.9.0/24").reject(Rejection::AdminProhibited);
/// let lossy = Filter::incoming().lose_percent(20);
/// # let _ = (silent_port, refused, lossy);
/// # }
/// ```
///
/// By address, by protocol and by direction:
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use reqpath_testkit::lab::Filter;
///
/// let no_dns = Filter::outgoing().udp_port(53).drop();
/// let banned = Filter::incoming().from("198.51.100.0/24").tcp_port(443).drop();
/// # let _ = (no_dns, banned);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Filter {
    hook: &'static str,
    /// `iifname` or `oifname`, and which.
    interface: Option<(&'static str, String)>,
    tcp: Option<u16>,
    udp: Option<u16>,
    opening: bool,
    from: Option<String>,
    to: Option<String>,
    action: Action,
}

impl Filter {
    /// Packets for the host itself.
    pub fn incoming() -> Self {
        Self::at("input")
    }

    /// Packets that the host itself sends.
    pub fn outgoing() -> Self {
        Self::at("output")
    }

    /// Packets that the host passes on as a router.
    pub fn forwarded() -> Self {
        Self::at("forward")
    }

    /// Only TCP towards this port.
    pub fn tcp_port(mut self, port: u16) -> Self {
        self.tcp = Some(port);
        self
    }

    /// Only UDP towards this port.
    pub fn udp_port(mut self, port: u16) -> Self {
        self.udp = Some(port);
        self
    }

    /// Only the packet that opens a TCP connection (SYN without ACK): connections that exist live on.
    pub fn opening(mut self) -> Self {
        self.opening = true;
        self
    }

    /// Only packets from this network, as in `10.0.1.0/24`.
    pub fn from(mut self, network: impl Into<String>) -> Self {
        self.from = Some(network.into());
        self
    }

    /// Only packets to this network, as in `10.0.1.0/24`.
    pub fn to(mut self, network: impl Into<String>) -> Self {
        self.to = Some(network.into());
        self
    }

    /// Drops them without a word: the caller waits until it gives up.
    pub fn drop(mut self) -> Self {
        self.action = Action::Drop;
        self
    }

    /// Refuses them with an answer.
    pub fn reject(mut self, with: Rejection) -> Self {
        self.action = Action::Reject(with);
        self
    }

    /// Drops this share of them at random: 1 to 100 percent.
    pub fn lose_percent(mut self, percent: u8) -> Self {
        self.action = Action::Lose(percent);
        self
    }

    /// What arrives by an interface, whomever it is for.
    pub(super) fn arriving_by(interface: &str) -> Self {
        Self { interface: Some(("iifname", interface.to_owned())), ..Self::at("prerouting") }
    }

    /// What leaves by an interface, whoever sent it.
    pub(super) fn leaving_by(interface: &str) -> Self {
        Self { interface: Some(("oifname", interface.to_owned())), ..Self::at("postrouting") }
    }

    fn at(hook: &'static str) -> Self {
        let (interface, tcp, udp, opening, from, to) = (None, None, None, false, None, None);
        Self { hook, interface, tcp, udp, opening, from, to, action: Action::Drop }
    }

    pub(super) fn script(&self, table: &str) -> Result<String, Error> {
        let mut rule = String::new();
        if let Some((side, name)) = &self.interface {
            // Writing to a String cannot fail.
            let _ = write!(rule, "{side} {name} ");
        }
        for (side, network) in [("saddr", &self.from), ("daddr", &self.to)] {
            if let Some(network) = network {
                let network: Cidr = network.parse()?;
                let family = if network.ip().is_ipv4() { "ip" } else { "ip6" };
                let _ = write!(rule, "{family} {side} {} ", network.network());
            }
        }
        match (self.tcp, self.udp) {
            (Some(_), Some(_)) => return Err(Error::BadFilter { why: "no packet is both TCP and UDP" }),
            (Some(port), None) => {
                let _ = write!(rule, "tcp dport {port} ");
            }
            (None, Some(port)) => {
                let _ = write!(rule, "udp dport {port} ");
            }
            (None, None) => {}
        }
        if self.opening {
            if self.udp.is_some() {
                return Err(Error::BadFilter { why: "only TCP has opening packets" });
            }
            rule.push_str("tcp flags & (fin | syn | rst | ack) == syn ");
        }
        match self.action {
            Action::Drop => rule.push_str("counter name met drop"),
            Action::Lose(100) => rule.push_str("counter name met drop"),
            Action::Lose(percent @ 1..100) => {
                let _ = write!(rule, "numgen random mod 100 < {percent} counter name met drop");
            }
            Action::Lose(_) => return Err(Error::BadFilter { why: "a share is 1 to 100 percent" }),
            Action::Reject(Rejection::TcpReset) => {
                if self.udp.is_some() {
                    return Err(Error::BadFilter { why: "UDP cannot be reset" });
                }
                let tcp = if rule.contains("tcp ") { "" } else { "meta l4proto tcp " };
                let _ = write!(rule, "{tcp}counter name met reject with tcp reset");
            }
            Action::Reject(rejection) => {
                let kind = match rejection {
                    Rejection::HostUnreachable => "host-unreachable",
                    Rejection::AdminProhibited => "admin-prohibited",
                    Rejection::NetUnreachable => "no-route",
                    Rejection::PortUnreachable | Rejection::TcpReset => "port-unreachable",
                };
                let _ = write!(rule, "counter name met reject with icmpx type {kind}");
            }
        }
        Ok(format!(
            "table inet {table} {{\ncounter met {{ }}\n\
             chain fault {{ type filter hook {} priority -10; policy accept; {rule}; }}\n}}\n",
            self.hook
        ))
    }
}

/// A filter that is in force.
///
/// It stays in force when this is dropped, until the lab ends.
///
/// ```
/// use std::net::{TcpListener, TcpStream};
/// use reqpath_testkit::lab::{self, Filter, Lab, Rejection};
///
/// let lab = Lab::builder().host("client").host("server").link("client", "server").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// let Some(_) = lab::or_skip(lab["server"].rules()) else { return };
/// let address = (lab["server"].ipv4(), 80);
/// let _listener = lab["server"].run(|| TcpListener::bind(address)).unwrap().unwrap();
/// let dial = || lab["client"].run(|| TcpStream::connect(address)).unwrap();
///
/// let fault = lab["server"].impose(&Filter::incoming().tcp_port(80).reject(Rejection::TcpReset)).unwrap();
/// assert!(dial().is_err());
/// assert_eq!(fault.packets().unwrap(), 1);
/// fault.lift().unwrap();
/// assert!(dial().is_ok());
/// ```
#[derive(Debug)]
pub struct Fault {
    host: Host,
    table: String,
}

impl Fault {
    pub(super) fn impose(host: &Host, filter: &Filter, number: u32) -> Result<Self, Error> {
        let table = format!("reqpath_fault_{number}");
        host.load_rules(&filter.script(&table)?)?;
        Ok(Self { host: host.clone(), table })
    }

    /// The one that the description of the lab calls by this name.
    pub(super) fn described(host: &Host, name: &str) -> Self {
        Self { host: host.clone(), table: table(name) }
    }

    /// How many packets it has dropped or refused so far, counted by the kernel.
    ///
    /// # Errors
    /// When nft cannot be asked, or the filter is gone.
    pub fn packets(&self) -> Result<u64, Error> {
        nft::packets(&self.host, &self.table, "met")
    }

    /// Ends it.
    ///
    /// # Errors
    /// When nft refuses, or the filter is gone.
    pub fn lift(self) -> Result<(), Error> {
        self.host.load_rules(&format!("delete table inet {}\n", self.table))
    }
}

/// The table of a filter with a name; no other filter has this one.
pub(super) fn table(name: &str) -> String {
    format!("reqpath_filter_{}", name.replace('-', "_"))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.table, self.host.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_say_what_was_asked() {
        let script = Filter::incoming().tcp_port(80).opening().drop().script("t").unwrap();
        assert!(script.contains("hook input"), "{script}");
        assert!(
            script.contains("tcp dport 80 tcp flags & (fin | syn | rst | ack) == syn counter name met drop;"),
            "{script}"
        );
        let script = Filter::forwarded().to("10.0.1.9/24").reject(Rejection::TcpReset).script("t").unwrap();
        assert!(script.contains("ip daddr 10.0.1.0/24 meta l4proto tcp counter"), "{script}");
    }

    #[test]
    fn impossible_filters_are_refused() {
        assert!(Filter::incoming().tcp_port(1).udp_port(1).script("t").is_err());
        assert!(Filter::incoming().udp_port(1).opening().script("t").is_err());
        assert!(Filter::incoming().udp_port(1).reject(Rejection::TcpReset).script("t").is_err());
        assert!(Filter::incoming().lose_percent(101).script("t").is_err());
        assert!(Filter::incoming().to("10.0.0.1; flush ruleset").script("t").is_err());
    }
}

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::place::Place;
use super::super::shared::{held, placed};
use super::super::{Leash, RealError, Room, find, ports};
use super::Zone;

const PART: &str = "unbound";
const INSTALL: &str = "install it with `apt-get install unbound`, or run scripts/install-test-parts.sh";
const PATIENCE: Duration = Duration::from_secs(20);

/// The networks whose questions are answered or refused. Unbound has rules of its own for
/// loopback, which a rule for all networks would not replace.
const EVERYBODY: [&str; 4] = ["0.0.0.0/0", "::0/0", "127.0.0.0/8", "::1"];

/// A real resolver, Unbound, of the test's own, which validates what it has a trust anchor for.
///
/// It asks only the servers it was given, so no name leaves the machine: below an empty root of
/// its own, every other name does not exist. Its answers carry extended errors (RFC 8914).
///
/// ```
/// use reqpath_testkit::real::{Knot, Signing, Unbound, Zone, require};
///
/// let zone = Zone::new("shop.test", "www A 192.0.2.1").signed(Signing::Broken);
/// let Some(zone) = require(zone) else { return };
/// let Some(knot) = require(Knot::builder().zone(zone.clone()).start()) else { return };
/// let started = Unbound::builder().trust(&zone).ask("shop.test", knot.address()).start();
/// let Some(unbound) = require(started) else { return };
/// // www.shop.test is now SERVFAIL at unbound.address(), and NOERROR with checking disabled.
/// assert_ne!(unbound.address(), knot.address());
/// ```
#[derive(Debug)]
pub struct Unbound {
    // Fields drop in this order: the server goes before its directory.
    leash: Leash,
    address: SocketAddr,
    room: Room,
}

/// What an [`Unbound`] is to be.
///
/// ```
/// use std::net::TcpStream;
/// use reqpath_testkit::real::{Unbound, Zone, require};
///
/// let local = Unbound::builder().on([127, 0, 0, 1]).zone(Zone::new("shop.test", "www A 192.0.2.1")).without_tcp();
/// let Some(local) = require(local.start()) else { return };
/// assert!(TcpStream::connect(local.address()).is_err());
///
/// // One resolver that hands everything on, and one that wants nothing to do with us.
/// let office = Unbound::builder().forward(".", local.address()).option("qname-minimisation: no").start();
/// let hostile = Unbound::builder().refusing().start();
/// for one in [office, hostile] {
///     let Some(one) = require(one) else { return };
///     assert!(one.log().text().contains("start of service"));
/// }
/// ```
#[derive(Clone, Debug)]
pub struct UnboundBuilder {
    place: Place,
    asked: Vec<(String, SocketAddr)>,
    forwarded: Vec<(String, SocketAddr)>,
    zones: Vec<Zone>,
    trust_anchors: Vec<String>,
    refuses: bool,
    without_tcp: bool,
    options: Vec<String>,
}

impl Unbound {
    /// Begins to describe one.
    #[must_use]
    pub const fn builder() -> UnboundBuilder {
        UnboundBuilder {
            place: Place::Free(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            asked: Vec::new(),
            forwarded: Vec::new(),
            zones: Vec::new(),
            trust_anchors: Vec::new(),
            refuses: false,
            without_tcp: false,
            options: Vec::new(),
        }
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    held!("What it logged: every query, every reply, why validation failed.");
}

impl UnboundBuilder {
    placed!("Listens on this address and port, such as port 53 in a namespace of the test's own.");

    /// Asks this authoritative server for `name` and all below it; more servers by more calls.
    #[must_use]
    pub fn ask(mut self, name: &str, server: SocketAddr) -> Self {
        self.asked.push((name.to_owned(), server));
        self
    }

    /// Hands questions for `name` and all below it to this resolver; `.` for all.
    #[must_use]
    pub fn forward(mut self, name: &str, resolver: SocketAddr) -> Self {
        self.forwarded.push((name.to_owned(), resolver));
        self
    }

    /// Answers for this zone by itself, as if it were authoritative.
    ///
    /// With [`without_tcp`](Self::without_tcp) and records that fill more than a datagram, its
    /// clients are told to come back over TCP and find nobody there.
    #[must_use]
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zones.push(zone);
        self
    }

    /// Trusts the key of this zone, which must be signed, and refuses what it did not sign.
    #[must_use]
    pub fn trust(mut self, zone: &Zone) -> Self {
        self.trust_anchors.extend(zone.trust_anchor().map(str::to_owned));
        self
    }

    /// Answers REFUSED to everybody.
    #[must_use]
    pub const fn refusing(mut self) -> Self {
        self.refuses = true;
        self
    }

    /// Listens on UDP only, and asks over UDP only.
    #[must_use]
    pub const fn without_tcp(mut self) -> Self {
        self.without_tcp = true;
        self
    }

    /// Adds a line to the section `server:` of its configuration.
    #[must_use]
    pub fn option(mut self, line: &str) -> Self {
        self.options.push(line.to_owned());
        self
    }

    /// Starts it; it answers when this returns.
    ///
    /// # Errors
    ///
    /// When it is not installed, or refuses the configuration, in its own words.
    pub fn start(self) -> Result<Unbound, RealError> {
        let binary = find::system_program(PART, "unbound", INSTALL)?;
        let mut tries = ports::TRIES;
        loop {
            tries -= 1;
            let room = Room::new(PART)?;
            let address = match self.place {
                Place::Fixed(address) => address,
                // One that is free for UDP as well, which cannot be kept so.
                Place::Free(ip) => ports::free(ip)?,
            };
            let configuration = self.furnish(&room, address)?;
            let mut command = Command::new(&binary);
            command.arg("-d").arg("-c").arg(configuration);
            let mut leash = Leash::hold(PART, &command, "TERM", &room)?;
            let output = leash.output().clone();
            match leash.wait_ready(PATIENCE, || is_ready(&output.text())) {
                Ok(()) => return Ok(Unbound { leash, address, room }),
                Err(RealError::Refused { output, .. })
                    if output.contains("already in use") && self.place.may_move() && tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn furnish(&self, room: &Room, address: SocketAddr) -> Result<PathBuf, RealError> {
        let dir = room.path().display();
        let (ip, port) = (address.ip(), address.port());
        let access = if self.refuses { "refuse" } else { "allow" };
        let tcp = if self.without_tcp { "no" } else { "yes" };
        let mut text = format!(
            "server:
    directory: \"{dir}\"
    chroot: \"\"
    username: \"\"
    pidfile: \"{dir}/unbound.pid\"
    use-syslog: no
    verbosity: 1
    log-queries: yes
    log-replies: yes
    log-servfail: yes
    val-log-level: 2
    interface: {ip}@{port}
    port: {port}
    so-reuseport: no
    num-threads: 1
    do-tcp: {tcp}
    do-not-query-localhost: no
    ede: yes
    module-config: \"validator iterator\"
    local-zone: \"test.\" nodefault
    unblock-lan-zones: yes
    insecure-lan-zones: yes
"
        );
        // Writing to a String cannot fail.
        for network in EVERYBODY {
            let _ = writeln!(text, "    access-control: {network} {access}");
        }
        for anchor in &self.trust_anchors {
            let _ = writeln!(text, "    trust-anchor: \"{}\"", anchor.replace('\t', " "));
        }
        for option in &self.options {
            let _ = writeln!(text, "    {option}");
        }
        text.push_str("remote-control:\n    control-enable: no\n");
        grouped(&mut text, "stub", &self.asked);
        grouped(&mut text, "forward", &self.forwarded);
        let everything = |(name, _): &(String, SocketAddr)| name == ".";
        if !self.asked.iter().any(everything) && !self.forwarded.iter().any(everything) {
            let root = room.write("zone.root", Zone::new(".", "").text())?;
            served(&mut text, ".", &root, "no");
        }
        for (number, zone) in self.zones.iter().enumerate() {
            let file = room.write(&format!("zone.{number}"), zone.text())?;
            served(&mut text, zone.origin(), &file, "yes");
        }
        room.write("unbound.conf", text)
    }
}

/// A zone kept here; `downstream` says whether clients see it as authoritative.
fn served(text: &mut String, name: &str, file: &Path, downstream: &str) {
    let file = file.display();
    let _ = writeln!(
        text,
        "auth-zone:\n    name: \"{name}\"\n    zonefile: \"{file}\"\n    \
         for-downstream: {downstream}\n    for-upstream: yes\n    fallback-enabled: no"
    );
}

/// Unbound wants the servers of one name in one section.
fn grouped(text: &mut String, kind: &str, servers: &[(String, SocketAddr)]) {
    let mut names: Vec<_> = servers.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    for name in names {
        let _ = writeln!(text, "{kind}-zone:\n    name: \"{name}\"");
        for (_, server) in servers.iter().filter(|(of, _)| of == name) {
            let _ = writeln!(text, "    {kind}-addr: {}@{}", server.ip(), server.port());
        }
    }
}

fn is_ready(said: &str) -> Result<Option<()>, RealError> {
    let wrong = |line: &&str| line.contains("error:") || line.contains("fatal error");
    if let Some(line) = said.lines().find(wrong) {
        return Err(RealError::Refused { part: PART.to_owned(), output: line.to_owned() });
    }
    Ok(said.contains("start of service").then_some(()))
}

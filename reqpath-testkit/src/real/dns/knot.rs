use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use super::super::place::Place;
use super::super::shared::{held, placed};
use super::super::{Leash, RealError, Room, find, ports};
use super::Zone;

const PART: &str = "knot";
const INSTALL: &str = "install it with `apt-get install knot`, or run scripts/install-test-parts.sh";
const PATIENCE: Duration = Duration::from_secs(20);

/// A real authoritative DNS server, Knot, of the test's own.
///
/// It answers for its zones over UDP and TCP, with TC set over UDP where an answer does not fit,
/// and with REFUSED for every other name.
///
/// ```
/// use reqpath_testkit::real::{Knot, Zone, require};
///
/// let started = Knot::builder()
///     .zone(Zone::new("shop.test", "www CNAME edge\nedge A 192.0.2.1\nlost CNAME nowhere"))
///     .start();
/// let Some(knot) = require(started) else { return };
/// assert_ne!(knot.address().port(), 0);
/// ```
#[derive(Debug)]
pub struct Knot {
    // Fields drop in this order: the server goes before its directory.
    leash: Leash,
    address: SocketAddr,
    room: Room,
}

/// What a [`Knot`] is to be.
///
/// ```
/// use reqpath_testkit::real::{Knot, Zone, require};
///
/// // Answers of up to 1232 bytes fit into a datagram, on an address that nothing else of this test has.
/// let builder = Knot::builder().on([127, 0, 0, 53]).largest_datagram(1232);
/// let Some(knot) = require(builder.zone(Zone::new("shop.test", "www A 192.0.2.1")).start()) else { return };
/// assert_eq!(knot.address().ip().to_string(), "127.0.0.53");
/// assert!(knot.room().join("knot.conf").is_file());
/// ```
#[derive(Clone, Debug)]
pub struct KnotBuilder {
    zones: Vec<Zone>,
    place: Place,
    largest_datagram: Option<u16>,
}

impl Knot {
    /// Begins to describe one.
    #[must_use]
    pub const fn builder() -> KnotBuilder {
        KnotBuilder {
            zones: Vec::new(),
            place: Place::Free(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            largest_datagram: None,
        }
    }

    /// Where it answers, over UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    held!("What it logged.");
}

impl KnotBuilder {
    /// Answers for this zone too.
    #[must_use]
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zones.push(zone);
        self
    }

    placed!("Listens on this address and port, such as port 53 in a namespace of the test's own.");

    /// Sends UDP answers of up to this many bytes, 1232 or more; longer ones are truncated.
    #[must_use]
    pub const fn largest_datagram(mut self, bytes: u16) -> Self {
        self.largest_datagram = Some(bytes);
        self
    }

    /// Starts it; every zone is loaded when this returns.
    ///
    /// # Errors
    ///
    /// When it is not installed, or refuses a zone, in its own words.
    pub fn start(self) -> Result<Knot, RealError> {
        let binary = find::system_program(PART, "knotd", INSTALL)?;
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
            command.arg("-c").arg(configuration);
            let mut leash = Leash::hold(PART, &command, "TERM", &room)?;
            let output = leash.output().clone();
            match leash.wait_ready(PATIENCE, || self.is_ready(&output.text())) {
                Ok(()) => return Ok(Knot { leash, address, room }),
                Err(RealError::Refused { output, .. })
                    if output.contains("cannot bind") && self.place.may_move() && tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn is_ready(&self, said: &str) -> Result<Option<()>, RealError> {
        if let Some(line) =
            said.lines().find(|line| line.contains(" error: ") || line.contains(" critical: "))
        {
            return Err(RealError::Refused { part: PART.to_owned(), output: line.to_owned() });
        }
        let loaded = |zone: &Zone| said.contains(&format!("[{}] loaded, serial", zone.origin()));
        Ok((said.contains("server started") && self.zones.iter().all(loaded)).then_some(()))
    }

    fn furnish(&self, room: &Room, address: SocketAddr) -> Result<std::path::PathBuf, RealError> {
        let dir = room.path().display();
        let (ip, port) = (address.ip(), address.port());
        let mut text = format!(
            "server:\n    rundir: \"{dir}\"\n    listen: {ip}@{port}\n    \
             udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n"
        );
        // Writing to a String cannot fail.
        if let Some(bytes) = self.largest_datagram {
            let _ = writeln!(text, "    udp-max-payload: {bytes}");
        }
        let _ = write!(
            text,
            "database:\n    storage: \"{dir}/database\"\nlog:\n  - target: stderr\n    any: info\n\
             template:\n  - id: default\n    storage: \"{dir}\"\n    semantic-checks: off\n    \
             journal-content: none\n    zonefile-sync: -1\nzone:\n"
        );
        for (number, zone) in self.zones.iter().enumerate() {
            room.write(&format!("zone.{number}"), zone.text())?;
            let _ = writeln!(text, "  - domain: \"{}\"\n    file: \"zone.{number}\"", zone.origin());
        }
        room.write("knot.conf", text)
    }
}

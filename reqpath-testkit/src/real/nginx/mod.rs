//! A real nginx.

mod builder;
mod flavour;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub use self::builder::NginxBuilder;
pub use self::flavour::Flavour;
use super::{Leash, Log, RealError, Room, ports};

/// How long nginx may take to listen or to take a new configuration, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A real nginx of the test's own.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use reqpath_testkit::real::{Nginx, require};
///
/// let started = Nginx::builder()
///     .server("listen {listen}; location /shop { return 200 'open'; }")
///     .start();
/// let Some(nginx) = require(started) else { return Ok(()) };
///
/// let mut answer = String::new();
/// let mut stream = TcpStream::connect(nginx.address())?;
/// stream.write_all(b"GET /shop HTTP/1.0\r\n\r\n")?;
/// stream.read_to_string(&mut answer)?;
/// assert!(answer.ends_with("open"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// It can be given another configuration while it runs, as an administrator does:
///
/// ```
/// use reqpath_testkit::real::{Nginx, require};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let before = Nginx::builder().server("listen {listen}; return 503;");
/// let Some(mut nginx) = require(before.start()) else { return Ok(()) };
/// let (address, pid) = (nginx.address(), nginx.pid());
///
/// nginx.reconfigure(&Nginx::builder().server("listen {listen}; return 204;"))?;
/// assert_eq!((nginx.address(), nginx.pid()), (address, pid));
/// assert!(std::fs::read_to_string(nginx.configuration())?.contains("return 204;"));
///
/// // What stands in the file counts, so this is refused and the one before stays.
/// nginx.room().write("nginx.conf", "nonsense")?;
/// assert!(nginx.reload().is_err());
/// assert!(nginx.error_log().text().contains("[emerg]"));
/// assert!(nginx.leash().is_running());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Nginx {
    // Fields drop in this order: the server goes before its directory.
    leash: Leash,
    flavour: Flavour,
    listening: BTreeMap<String, SocketAddr>,
    room: Room,
}

impl Nginx {
    /// Begins to describe one.
    #[must_use]
    pub fn builder() -> NginxBuilder {
        NginxBuilder::default()
    }

    /// The address of `{listen}`, or of the only named one when there is none without a name.
    ///
    /// # Panics
    ///
    /// When its configuration has no `{listen}` and no `{port}` at all, or several named ones.
    #[must_use]
    #[track_caller]
    #[allow(clippy::panic, reason = "a test that asks for what it did not configure is wrong, and is told")]
    pub fn address(&self) -> SocketAddr {
        let only = (self.listening.len() == 1).then(|| self.listening.values().next()).flatten();
        match self.listening.get("").or(only) {
            Some(address) => *address,
            None => panic!("no {{listen}} without a name in this nginx, only {:?}", self.names()),
        }
    }

    /// The address of `{listen:NAME}`.
    ///
    /// # Panics
    ///
    /// When its configuration has no such placeholder.
    #[must_use]
    #[track_caller]
    #[allow(clippy::panic, reason = "a test that asks for what it did not configure is wrong, and is told")]
    pub fn address_of(&self, name: &str) -> SocketAddr {
        match self.listening.get(name) {
            Some(address) => *address,
            None => panic!("no {{listen:{name}}} in this nginx, only {:?}", self.names()),
        }
    }

    /// What it logged of requests; the last request's line may be yet to come.
    #[must_use]
    pub fn access_log(&self) -> Log {
        Log::at(self.room.join("access.log"))
    }

    /// What it logged of errors and of itself.
    #[must_use]
    pub fn error_log(&self) -> Log {
        Log::at(self.room.join("error.log"))
    }

    /// The file it was configured with.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.room.join("nginx.conf")
    }

    /// Its private directory.
    #[must_use]
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// Its version as it says it: `1.22.1`.
    ///
    /// # Errors
    ///
    /// When the binary went away meanwhile.
    pub fn version(&self) -> Result<String, RealError> {
        self.flavour.version()
    }

    /// The process id of its master.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.leash.pid()
    }

    /// The program behind it, to signal it or to see whether it still runs.
    #[must_use]
    pub const fn leash(&mut self) -> &mut Leash {
        &mut self.leash
    }

    /// Makes it read its configuration and files again; new connections meet the new ones when
    /// this returns, while requests under way end as they began.
    ///
    /// # Errors
    ///
    /// [`RealError::Refused`] when nginx finds the new configuration wrong; it keeps the old one.
    pub fn reload(&mut self) -> Result<(), RealError> {
        let log = self.error_log();
        let from = log.length();
        self.leash.signal("HUP")?;
        let part = self.flavour.to_string();
        self.leash.wait_ready(PATIENCE, || {
            let said = log.text_since(from);
            if let Some(line) = said.lines().find(|line| line.contains("[emerg]")) {
                return Err(RealError::Refused { part: part.clone(), output: line.to_owned() });
            }
            // The old worker says so right before it stops accepting.
            Ok(said.contains("gracefully shutting down").then_some(()))
        })
    }

    /// Gives it another configuration and makes it read that.
    ///
    /// Names that have an address keep it; the flavour stays.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload), and when a placeholder has no meaning.
    pub fn reconfigure(&mut self, to: &NginxBuilder) -> Result<(), RealError> {
        to.furnish(&self.room, &mut self.listening)?;
        self.reload()
    }

    fn start(wanted: NginxBuilder) -> Result<Self, RealError> {
        let binary = wanted.flavour.binary()?;
        let mut tries = ports::TRIES;
        loop {
            tries -= 1;
            let room = Room::new("nginx")?;
            let mut listening = BTreeMap::new();
            wanted.furnish(&room, &mut listening)?;
            let mut command = Command::new(&binary);
            command
                .arg("-p")
                .arg(room.path())
                .arg("-e")
                .arg(room.join("error.log"))
                .arg("-c")
                .arg(room.join("nginx.conf"));
            let part = wanted.flavour.to_string();
            let mut leash = Leash::hold(&part, &command, "TERM", &room)?;
            match listens(&part, &mut leash, &room) {
                Ok(()) => return Ok(Self { leash, flavour: wanted.flavour, listening, room }),
                Err(Trouble::PortTaken(_)) if tries > 0 && wanted.may_move(&listening) => {}
                Err(Trouble::PortTaken(error) | Trouble::Other(error)) => return Err(error),
            }
        }
    }

    fn names(&self) -> Vec<&String> {
        self.listening.keys().collect()
    }
}

enum Trouble {
    PortTaken(RealError),
    Other(RealError),
}

/// Waits for the pid file, which nginx writes once every socket listens and not before.
///
/// A connection would prove less: another program's listener on a stolen port accepts as well.
fn listens(part: &str, leash: &mut Leash, room: &Room) -> Result<(), Trouble> {
    let errors = Log::at(room.join("error.log"));
    let pid_file = room.join("nginx.pid");
    let refused = |output: String| RealError::Refused { part: part.to_owned(), output };
    let waited = leash.wait_ready(PATIENCE, || {
        // nginx tries a taken port again for seconds; somebody who may choose another need not wait.
        if let Some(line) = errors.lines().into_iter().find(|line| line.contains("failed (98:")) {
            return Err(refused(line));
        }
        Ok(pid_file.metadata().is_ok_and(|metadata| metadata.len() > 0).then_some(()))
    });
    waited.map_err(|error| match error {
        RealError::Refused { .. } => Trouble::PortTaken(error),
        RealError::EndedEarly { ref output, .. } if output.contains("[emerg]") => {
            Trouble::Other(refused(output.clone()))
        }
        error => Trouble::Other(error),
    })
}

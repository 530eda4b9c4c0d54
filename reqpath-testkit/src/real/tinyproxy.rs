use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use super::{Leash, Log, RealError, Room, find, ports};

const PART: &str = "tinyproxy";
const INSTALL: &str = "install it with `apt-get install tinyproxy`, or run scripts/install-test-parts.sh";
const PATIENCE: Duration = Duration::from_secs(20);

/// A real forward proxy, tinyproxy, of the test's own: plain requests and CONNECT tunnels.
///
/// ```
/// use reqpath_testkit::real::{Tinyproxy, require};
///
/// let started = Tinyproxy::builder().password("me", "secret").start();
/// let Some(proxy) = require(started) else { return };
/// assert_eq!(proxy.url(), format!("http://{}", proxy.address()));
/// ```
#[derive(Debug)]
pub struct Tinyproxy {
    // Fields drop in this order: the server goes before its directory.
    leash: Leash,
    address: SocketAddr,
    _room: Room,
}

/// What a [`Tinyproxy`] is to be.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use reqpath_testkit::real::{Tinyproxy, require};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let started = Tinyproxy::builder().tunnels_to(443).option("ViaProxyName \"office\"").start();
/// let Some(proxy) = require(started) else { return Ok(()) };
/// let mut stream = TcpStream::connect(proxy.address())?;
/// stream.write_all(b"CONNECT shop.test:8443 HTTP/1.1\r\nhost: shop.test:8443\r\n\r\n")?;
/// let mut answer = String::new();
/// stream.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
/// assert!(proxy.log().text().contains("CONNECT shop.test:8443"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TinyproxyBuilder {
    lines: Vec<String>,
}

impl Tinyproxy {
    /// Begins to describe one: everybody on loopback may use it for everything.
    #[must_use]
    pub fn builder() -> TinyproxyBuilder {
        TinyproxyBuilder::default()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, as a proxy variable has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it logged: every connection and every request.
    #[must_use]
    pub const fn log(&self) -> &Log {
        self.leash.output()
    }
}

impl TinyproxyBuilder {
    /// Serves only those who give this name and password.
    #[must_use]
    pub fn password(self, user: &str, password: &str) -> Self {
        self.option(&format!("BasicAuth {user} {password}"))
    }

    /// Opens tunnels to this port and, unless said again, to no other.
    #[must_use]
    pub fn tunnels_to(self, port: u16) -> Self {
        self.option(&format!("ConnectPort {port}"))
    }

    /// Adds a line to its configuration.
    #[must_use]
    pub fn option(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts it; it accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// When it is not installed, or refuses the configuration, in its own words.
    pub fn start(self) -> Result<Tinyproxy, RealError> {
        let binary = find::system_program(PART, "tinyproxy", INSTALL)?;
        let mut tries = ports::TRIES;
        loop {
            tries -= 1;
            let room = Room::new(PART)?;
            let address = ports::free(Ipv4Addr::LOCALHOST.into())?;
            let (ip, port, lines) = (address.ip(), address.port(), self.lines.join("\n"));
            let text =
                format!("Listen {ip}\nPort {port}\nMaxClients 64\nTimeout 60\nLogLevel Info\n{lines}\n");
            let configuration = room.write("tinyproxy.conf", text)?;
            let mut command = Command::new(&binary);
            command.arg("-d").arg("-c").arg(configuration);
            let mut leash = Leash::hold(PART, &command, "TERM", &room)?;
            let output = leash.output().clone();
            match leash.wait_ready(PATIENCE, || Ok(is_ready(&output.text()))) {
                Ok(()) => return Ok(Tinyproxy { leash, address, _room: room }),
                Err(RealError::EndedEarly { output, .. }) if output.contains("in use") && tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_ready(said: &str) -> Option<()> {
    said.contains("Accepting connections").then_some(())
}

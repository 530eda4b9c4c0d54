use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::account::escaped;
use super::place::Place;
use super::shared::{held, placed};
use super::{Leash, RealError, Room, client, find, ports};

const PART: &str = "redis";
const INSTALL: &str = "install it with `apt-get install redis-server`, or run scripts/install-test-parts.sh";
const PATIENCE: Duration = Duration::from_secs(20);
const SOCKET: &str = "redis.sock";

/// A real Redis of the test's own, empty, and forgetting everything when it ends.
///
/// ```
/// use reqpath_testkit::real::{Redis, require};
///
/// let Some(redis) = require(Redis::builder().password("secret").start()) else { return Ok(()) };
/// redis.command(&["SET", "shop", "open"])?;
/// assert_eq!(redis.command(&["GET", "shop"])?, "open\n");
/// assert_eq!(redis.url(), format!("redis://:secret@{}", redis.address()));
/// # Ok::<(), reqpath_testkit::real::RealError>(())
/// ```
#[derive(Debug)]
pub struct Redis {
    // Fields drop in this order: the server goes before its directory.
    leash: Leash,
    address: SocketAddr,
    password: Option<String>,
    has_tls: bool,
    room: Room,
}

/// What a [`Redis`] is to be.
///
/// ```
/// use reqpath_testkit::pki::Authority;
/// use reqpath_testkit::real::{Redis, require};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let authority = Authority::new()?;
/// let leaf = authority.leaf("cache.test").issue()?;
/// let started = Redis::builder()
///     .on([127, 0, 0, 1])
///     .option("maxmemory 2mb")
///     .certificate(leaf.chain_pem(), leaf.key_pem())
///     .client_authority(authority.certificate_pem())
///     .start();
/// let Some(redis) = require(started) else { return Ok(()) };
/// assert!(redis.url().starts_with("rediss://127.0.0.1:"));
/// assert_eq!(redis.command(&["CONFIG", "GET", "maxmemory"])?, "maxmemory\n2097152\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct RedisBuilder {
    place: Place,
    password: Option<String>,
    certificate: Option<(Vec<u8>, Vec<u8>)>,
    clients: Option<Vec<u8>>,
    lines: Vec<String>,
}

impl Redis {
    /// Begins to describe one.
    #[must_use]
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// Where it listens: for TLS when it has a certificate, else for plain connections.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.has_tls { "rediss" } else { "redis" };
        let who = self.password.as_ref().map(|password| format!(":{}@", escaped(password)));
        format!("{scheme}://{}{}", who.unwrap_or_default(), self.address)
    }

    /// What it answers to a command, asked by `redis-cli` through its private socket.
    ///
    /// # Errors
    ///
    /// When it answers with an error, in its own words, and after two minutes without an answer.
    pub fn command(&self, words: &[&str]) -> Result<String, RealError> {
        let program = find::system_program("redis-cli", "redis-cli", INSTALL)?;
        let mut client = Command::new(program);
        client.env_clear().arg("-e").arg("-s").arg(self.room.join(SOCKET)).args(words);
        if let Some(password) = &self.password {
            client.env("REDISCLI_AUTH", password);
        }
        client::ask(PART, &mut client, "", self.log())
    }

    held!("What it logged.");
}

impl RedisBuilder {
    placed!("Listens on this address and port, such as port 6379 in a namespace of the test's own.");

    /// Serves only those who give this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Speaks TLS, and nothing else, with this certificate chain and its key, both PEM.
    #[must_use]
    pub fn certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificate = Some((chain.into(), key.into()));
        self
    }

    /// Speaks TLS only to clients with a certificate of this authority, PEM.
    #[must_use]
    pub fn client_authority(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.clients = Some(certificate.into());
        self
    }

    /// Adds a line to its configuration: `maxmemory 2mb`, `replicaof 127.0.0.1 7000`.
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
    pub fn start(self) -> Result<Redis, RealError> {
        let binary = find::system_program(PART, "redis-server", INSTALL)?;
        let mut tries = ports::TRIES;
        loop {
            tries -= 1;
            let room = Room::new(PART)?;
            let reserved = self.place.reserve()?;
            let address = reserved.address;
            let mut command = Command::new(&binary);
            command.arg(self.furnish(&room, address)?);
            let mut leash = Leash::hold(PART, &command, "TERM", &room)?;
            let output = leash.output().clone();
            let ready = leash.wait_ready(PATIENCE, || {
                // The last thing it says; its TCP port listens by then as well.
                Ok(output.text().contains("now ready to accept connections at").then_some(()))
            });
            match ready {
                Ok(()) => {
                    let (password, has_tls) = (self.password, self.certificate.is_some());
                    return Ok(Redis { leash, address, password, has_tls, room });
                }
                Err(RealError::EndedEarly { output, .. })
                    if output.contains("Address already in use") && self.place.may_move() && tries > 0 => {}
                Err(RealError::EndedEarly { part, output, .. }) => {
                    return Err(RealError::Refused { part, output });
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn furnish(&self, room: &Room, address: SocketAddr) -> Result<std::path::PathBuf, RealError> {
        let (ip, port, dir) = (address.ip(), address.port(), room.path().display());
        let mut lines = vec![
            format!("bind {ip}"),
            format!("dir \"{dir}\""),
            format!("unixsocket \"{dir}/{SOCKET}\""),
            // The address is private enough; the mode refuses others where no password is set.
            "protected-mode no\nsave \"\"\nappendonly no\ndaemonize no".to_owned(),
        ];
        match &self.certificate {
            None => lines.push(format!("port {port}")),
            Some((chain, key)) => {
                let (chain, key) = (room.write("server.pem", chain)?, room.write("server.key", key)?);
                let (chain, key) = (chain.display(), key.display());
                lines.push(format!(
                    "port 0\ntls-port {port}\ntls-cert-file \"{chain}\"\ntls-key-file \"{key}\""
                ));
                lines.push(match &self.clients {
                    None => "tls-auth-clients no".to_owned(),
                    Some(authority) => {
                        let authority = room.write("clients.pem", authority)?;
                        format!("tls-auth-clients yes\ntls-ca-cert-file \"{}\"", authority.display())
                    }
                });
            }
        }
        if let Some(password) = &self.password {
            let escaped = password.replace('\\', "\\\\").replace('"', "\\\"");
            lines.push(format!("requirepass \"{escaped}\""));
        }
        lines.extend(self.lines.iter().cloned());
        room.write("redis.conf", lines.join("\n") + "\n")
    }
}

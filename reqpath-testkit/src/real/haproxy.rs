use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::draft::{Draft, Listening};
use super::shared::{drafted, held};
use super::{Leash, RealError, Room, find, ports};

const PART: &str = "haproxy";
const INSTALL: &str = "install it with `apt-get install haproxy`, or run scripts/install-test-parts.sh";
const PATIENCE: Duration = Duration::from_secs(20);
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
const SOCKET: &str = "haproxy.sock";

/// A real `HAProxy` of the test's own.
///
/// ```
/// use std::io::{self, Read, Write};
/// use std::net::TcpStream;
/// use reqpath_testkit::real::{Haproxy, require};
///
/// let started = Haproxy::builder()
///     .config("frontend shop\n bind {listen}\n http-request return status 200 content-type text/plain string open")
///     .start();
/// let Some(haproxy) = require(started) else { return Ok(()) };
///
/// let mut answer = String::new();
/// let mut stream = TcpStream::connect(haproxy.address())?;
/// stream.write_all(b"GET /shop HTTP/1.0\r\n\r\n")?;
/// stream.read_to_string(&mut answer)?;
/// assert!(answer.ends_with("open"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Haproxy {
    // Fields drop in this order: the server goes before its directory.
    leash: Leash,
    listening: Listening,
    room: Room,
}

/// What a [`Haproxy`] is to be: its configuration, its addresses and its files.
///
/// Texts are `HAProxy`'s own language with placeholders in it:
///
/// | placeholder | becomes |
/// |---|---|
/// | `{listen}`, `{listen:NAME}` | an address and port of this `HAProxy`, free unless [`at`](Self::at) gives one |
/// | `{ip:NAME}`, `{port:NAME}` | its parts alone |
/// | `{upstream:NAME}` | an address and port given with [`upstream`](Self::upstream) |
/// | `{file:NAME}` | the path of a file given with [`file`](Self::file) |
/// | `{pem:NAME}` | the path of a chain with its key, as `crt` wants it, given with [`certificate`](Self::certificate) |
/// | `{dir}` | the private directory |
/// | `{anything}` | what [`value`](Self::value) was given for it |
///
/// The sections `global` and `defaults` are written here: one thread, requests logged in the
/// format `httplog` where [`Haproxy::log`] reads them, mode `http`, and timeouts of 5 s to connect
/// and 30 s otherwise. Later lines overrule them.
///
/// ```
/// use reqpath_testkit::mock::{ClosedPort, MockUpstream, Reply};
/// use reqpath_testkit::pki::Authority;
/// use reqpath_testkit::real::{Haproxy, require};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (shop, dead) = (MockUpstream::start(Reply::ok("open"))?, ClosedPort::reserve()?);
/// let leaf = Authority::new()?.leaf("shop.test").issue()?;
/// let started = Haproxy::builder()
///     .on([127, 0, 0, 1])
///     .global("maxconn 64")
///     .defaults("retries 1")
///     .certificate("shop", leaf.chain_pem(), leaf.key_pem())
///     .upstream("shop", shop.address())
///     .upstream("dead", dead.address())
///     .file("503.http", "HTTP/1.0 503 Closed\r\ncontent-length: 0\r\n\r\n")
///     .config("frontend edge\n bind {listen} ssl crt {pem:shop}\n default_backend shop")
///     .config("backend shop\n errorfile 503 {file:503.http}\n server a {upstream:shop}\n server b {upstream:dead}")
///     .start();
/// let Some(haproxy) = require(started) else { return Ok(()) };
/// haproxy.command("disable server shop/b")?;
/// assert!(haproxy.command("show servers state shop")?.contains("127.0.0.1"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HaproxyBuilder {
    draft: Draft,
    global: String,
    defaults: String,
    text: String,
}

impl Haproxy {
    /// Begins to describe one.
    #[must_use]
    pub fn builder() -> HaproxyBuilder {
        HaproxyBuilder {
            draft: Draft::new(PART, |address| address.to_string()),
            global: String::new(),
            defaults: String::new(),
            text: String::new(),
        }
    }

    /// The address of `{listen}`, or of the only named one when there is none without a name.
    ///
    /// # Panics
    ///
    /// When its configuration has no such placeholder at all, or several named ones.
    #[must_use]
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.listening.only()
    }

    /// The address of `{listen:NAME}`.
    ///
    /// # Panics
    ///
    /// When its configuration has no such placeholder.
    #[must_use]
    #[track_caller]
    pub fn address_of(&self, name: &str) -> SocketAddr {
        self.listening.named(name)
    }

    /// What it answers to a command on its own socket: `show stat`, `disable server shop/a`.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn command(&self, command: &str) -> Result<String, RealError> {
        say(&self.room.join(SOCKET), command).map_err(RealError::machine(format!("tell {PART} {command:?}")))
    }

    held!("What it logged, of requests and of itself; the last request's line may be yet to come.");
}

impl HaproxyBuilder {
    /// Adds whole sections: `frontend`, `backend`, `listen`.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        add(&mut self.text, text);
        self
    }

    /// Adds lines to the section `global`.
    #[must_use]
    pub fn global(mut self, text: &str) -> Self {
        add(&mut self.global, text);
        self
    }

    /// Adds lines to the section `defaults`.
    #[must_use]
    pub fn defaults(mut self, text: &str) -> Self {
        add(&mut self.defaults, text);
        self
    }

    drafted!("Gives `{upstream:NAME}` a meaning: the address of a `server`.");

    /// Starts it; it accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// When it is not installed, or refuses the configuration, in its own words.
    pub fn start(self) -> Result<Haproxy, RealError> {
        let binary = find::system_program(PART, "haproxy", INSTALL)?;
        let mut tries = ports::TRIES;
        loop {
            tries -= 1;
            let room = Room::new(PART)?;
            let filled = self.draft.fill(&self.skeleton(), &room)?;
            let mut command = Command::new(&binary);
            command.args(["-db", "-f"]).arg(room.write("haproxy.cfg", &filled.text)?);
            let mut leash = Leash::hold(PART, &command, "TERM", &room)?;
            let socket = room.join(SOCKET);
            // It answers from the loop that serves, which begins after every socket listens.
            let ready = leash.wait_ready(PATIENCE, || {
                Ok(say(&socket, "show info").is_ok_and(|said| said.contains("Uptime")).then_some(()))
            });
            let listening = filled.listening;
            match ready {
                Ok(()) => return Ok(Haproxy { leash, listening, room }),
                Err(RealError::EndedEarly { output, .. })
                    if output.contains("Address already in use") && listening.may_move() && tries > 0 => {}
                Err(RealError::EndedEarly { part, output, .. }) if output.contains("[ALERT]") => {
                    return Err(RealError::Refused { part, output });
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn skeleton(&self) -> String {
        let Self { global, defaults, text, .. } = self;
        format!(
            "global\n    log stdout format raw local0 info\n    nbthread 1\n    maxconn 512\n    \
             stats socket {{dir}}/{SOCKET} mode 600 level admin\n{global}\n\
             defaults\n    log global\n    mode http\n    option httplog\n    timeout connect 5s\n    \
             timeout client 30s\n    timeout server 30s\n{defaults}\n{text}\n"
        )
    }
}

fn add(section: &mut String, text: &str) {
    section.push_str(text);
    section.push('\n');
}

fn say(socket: &Path, command: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

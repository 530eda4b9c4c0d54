//! What the mock answers to one request.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::Request;
use super::date::http_date;
use super::payload::Payload;

/// The answer to one request: an honest one, or one that goes wrong at a chosen byte.
///
/// Made by a constructor, then bent by methods.
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::mock::Reply;
///
/// let slow = Reply::ok("hello").delay(Duration::from_millis(50));
/// let cut = Reply::ok(vec![b'x'; 1000]).truncate_after(100);    // promises 1000 bytes, sends 100, closes
/// let nothing = Reply::reset();                                 // reads the request, answers with RST
/// # let _ = (slow, cut, nothing);
/// ```
///
/// On HTTP/2, faults inside a body end the stream (`RST_STREAM`, or a premature end), while
/// [`Reply::close`] and [`Reply::reset`] end the connection under it; replies of raw bytes cannot be framed there,
/// and end the stream with `PROTOCOL_ERROR`.
///
/// How an honest answer may look:
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use std::time::{Duration, SystemTime};
/// use reqpath_testkit::mock::{MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// fn answer(reply: Reply) -> Result<String, Box<dyn std::error::Error>> {
///     let mock = MockUpstream::start(reply)?;
///     let mut stream = TcpStream::connect(mock.address())?;
///     stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n")?;
///     let mut text = String::new();
///     stream.read_to_string(&mut text)?;
///     Ok(text.to_ascii_lowercase())
/// }
/// assert!(answer(Reply::redirect(302, "/there"))?.contains("location: /there\r\n"));
/// assert!(answer(Reply::misdirected())?.starts_with("http/1.1 421 "));
/// assert!(answer(Reply::status(503).reason("Gone Fishing").body("later"))?.starts_with("http/1.1 503 gone fishing\r\n"));
/// assert!(answer(Reply::ok("hello").chunked())?.ends_with("5\r\nhello\r\n0\r\n\r\n"));
/// assert!(!answer(Reply::ok("hello").until_close())?.contains("content-length"));
/// assert!(answer(Reply::ok("hello").trickle(2, Duration::from_millis(1)))?.ends_with("\r\n\r\nhello"));
/// assert!(answer(Reply::ok("hello").then_close())?.contains("connection: close\r\n"));
/// assert!(answer(Reply::status(200).repeating("ab", Some(5)))?.ends_with("\r\n\r\nababa"));
/// assert!(answer(Reply::status(204).dated(SystemTime::UNIX_EPOCH))?.contains("date: thu, 01 jan 1970"));
/// assert!(!answer(Reply::status(204).without_date())?.contains("date:"));
/// assert!(answer(Reply::status(200).oversized_headers(20_000))?.len() > 20_000);
/// // What nginx says of certificates and of the wrong port, after it has shaken hands.
/// assert!(answer(Reply::no_client_certificate())?.contains("no required ssl certificate was sent"));
/// assert!(answer(Reply::client_certificate_error())?.contains("the ssl certificate error"));
/// assert!(answer(Reply::plain_http_on_tls_port())?.contains("plain http request was sent to https port"));
/// # Ok(())
/// # }
/// ```
///
/// How it may go wrong:
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use reqpath_testkit::mock::{MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// /// The first bytes of an answer, up to so many, and whether a reset ended them.
/// fn first(most: u64, reply: Reply) -> Result<(Vec<u8>, bool), Box<dyn std::error::Error>> {
///     let mock = MockUpstream::start(reply)?;
///     let mut stream = TcpStream::connect(mock.address())?;
///     stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n")?;
///     let mut bytes = Vec::new();
///     let read = stream.take(most).read_to_end(&mut bytes);
///     Ok((bytes, read.is_err()))
/// }
/// assert_eq!(first(9, Reply::close())?, (vec![], false));
/// assert_eq!(first(9, Reply::raw("+PONG\r\n"))?, (b"+PONG\r\n".to_vec(), false));
/// assert!(!first(99, Reply::garbage())?.0.starts_with(b"HTTP/"));
/// assert!(first(9_999, Reply::ok("hello").claims_length(6).then_close())?.0.ends_with(b"hello"));   // a byte short
/// assert!(first(9_999, Reply::ok("hello").reset_after(2))?.1);
/// let _stalled = Reply::ok("hello").stop_after(2);                         // two bytes, then nothing for ever
/// let _mute = Reply::hang();
///
/// // Without end: a client that does not count reads until it has no memory.
/// for endless in [Reply::endless(), Reply::endless_headers(), Reply::endless_header_line()] {
///     assert_eq!(first(100_000, endless)?.0.len(), 100_000);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a reply does nothing until it is given to a mock"]
pub struct Reply {
    pub(super) act: Act,
    pub(super) delay: Duration,
    pub(super) trickle: Option<Trickle>,
    pub(super) cut: Option<(u64, Cut)>,
    pub(super) close: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    /// An HTTP response.
    Http(Box<Response>),
    /// Bytes as they are, instead of a response.
    Raw(Payload),
    /// FIN without a byte.
    Close,
    /// RST without a byte.
    Reset,
    /// Nothing, for as long as the peer waits.
    Hang,
}

#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) reason: Option<String>,
    pub(super) headers: Vec<(Bytes, Bytes)>,
    pub(super) body: Payload,
    pub(super) framing: Framing,
    pub(super) dated: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Framing {
    /// `Content-Length` of the body as it is.
    Length,
    /// A `Content-Length` that may be a lie.
    Claimed(u64),
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Trickle {
    pub(super) bytes: usize,
    pub(super) every: Duration,
}

/// What happens at the byte where an answer goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut {
    Stop,
    Close,
    Reset,
}

impl Reply {
    /// `200 OK` with a body.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::status(200).body(body)
    }

    /// Any status, without a body.
    pub fn status(status: u16) -> Self {
        Self::of(Act::Http(Box::new(Response {
            status,
            reason: None,
            headers: Vec::new(),
            body: Payload::Bytes(Bytes::new()),
            framing: Framing::Length,
            dated: true,
        })))
    }

    /// A redirect: `status` and `Location`.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("location", location)
    }

    /// `421 Misdirected Request`: this connection does not serve that name.
    pub fn misdirected() -> Self {
        Self::status(421).body("this connection does not serve that name\n")
    }

    /// `200 OK` whose body never ends, made as it is read.
    pub fn endless() -> Self {
        Self::status(200).repeating("0123456789abcdef", None)
    }

    /// Reads the request, then closes (FIN) without a byte of answer.
    pub fn close() -> Self {
        Self::of(Act::Close)
    }

    /// Reads the request, then resets (RST) without a byte of answer.
    pub fn reset() -> Self {
        Self::of(Act::Reset)
    }

    /// Reads the request and never answers, holding the connection open.
    pub fn hang() -> Self {
        Self::of(Act::Hang)
    }

    /// Sends these bytes as they are instead of an HTTP response, then closes.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::of(Act::Raw(Payload::Bytes(bytes.into())))
    }

    /// Sends bytes that are no HTTP at all, then closes.
    pub fn garbage() -> Self {
        Self::raw(&b"\x00\x01\xfe\xff\x80garbage\x1b[31m\x07\xc3\x28\r\n\r\n"[..])
    }

    /// A status line, then header lines without end.
    pub fn endless_headers() -> Self {
        Self::of(Act::Raw(Payload::repeat(
            b"HTTP/1.1 200 OK\r\n",
            Bytes::from_static(b"x-filler: 0123456789abcdef0123456789abcdef\r\n"),
            None,
        )))
    }

    /// One header line that never ends.
    pub fn endless_header_line() -> Self {
        Self::of(Act::Raw(Payload::repeat(
            b"HTTP/1.1 200 OK\r\nx-endless: ",
            Bytes::from_static(b"0123456789abcdef0123456789abcdef"),
            None,
        )))
    }

    /// What nginx says over a completed handshake to a client without a certificate.
    pub fn no_client_certificate() -> Self {
        nginx_400("No required SSL certificate was sent")
    }

    /// What nginx says over a completed handshake to a client whose certificate it does not accept.
    pub fn client_certificate_error() -> Self {
        nginx_400("The SSL certificate error")
    }

    /// What nginx says in plain text to plain HTTP on a TLS port.
    pub fn plain_http_on_tls_port() -> Self {
        nginx_400("The plain HTTP request was sent to HTTPS port")
    }

    /// Replies in turn, the last one for ever.
    pub fn in_turn(replies: impl IntoIterator<Item = Self>) -> InTurn {
        InTurn { replies: replies.into_iter().collect(), next: AtomicUsize::new(0) }
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.response(|response| response.body = Payload::Bytes(body))
    }

    /// Sets a body of `total` bytes made of `unit` again and again (`None`: without end), never held in memory.
    pub fn repeating(self, unit: impl Into<Bytes>, total: Option<u64>) -> Self {
        let unit = unit.into();
        self.response(|response| {
            response.body = Payload::repeat(b"", unit, total);
        })
    }

    /// Adds a header; name and value go out as given, control characters and all.
    pub fn header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let pair = (Bytes::copy_from_slice(name.as_ref()), Bytes::copy_from_slice(value.as_ref()));
        self.response(|response| response.headers.push(pair))
    }

    /// Adds headers of this many bytes altogether.
    pub fn oversized_headers(self, bytes: usize) -> Self {
        let value = vec![b'a'; 1000];
        self.response(|response| {
            for _ in 0..bytes.div_ceil(1000) {
                response.headers.push((Bytes::from_static(b"x-oversized"), Bytes::from(value.clone())));
            }
        })
    }

    /// Sets the reason phrase of HTTP/1.1.
    pub fn reason(self, reason: &str) -> Self {
        let reason = reason.to_owned();
        self.response(|response| response.reason = Some(reason))
    }

    /// Sends the body in chunks (`Transfer-Encoding: chunked`).
    pub fn chunked(self) -> Self {
        self.response(|response| response.framing = Framing::Chunked)
    }

    /// Sends a body without a length, ended by closing.
    pub fn until_close(self) -> Self {
        let mut reply = self.response(|response| response.framing = Framing::UntilClose);
        reply.close = true;
        reply
    }

    /// Claims a `Content-Length`, whatever the body is.
    pub fn claims_length(self, length: u64) -> Self {
        self.response(|response| response.framing = Framing::Claimed(length))
    }

    /// Sets `Date` to another moment than now, as a host with a wrong clock does.
    pub fn dated(self, date: SystemTime) -> Self {
        self.without_date().header("date", http_date(date))
    }

    /// Sends no `Date`.
    pub fn without_date(self) -> Self {
        self.response(|response| response.dated = false)
    }

    /// Waits before the first byte.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends the body (or the raw bytes) so many bytes at a time, waiting after each piece.
    pub fn trickle(mut self, bytes: usize, every: Duration) -> Self {
        self.trickle = Some(Trickle { bytes: bytes.max(1), every });
        self
    }

    /// Sends this many bytes of the body (or of the raw bytes), then nothing for ever.
    pub fn stop_after(mut self, bytes: u64) -> Self {
        self.cut = Some((bytes, Cut::Stop));
        self
    }

    /// Sends this many bytes of the body (or of the raw bytes), then closes (FIN).
    pub fn truncate_after(mut self, bytes: u64) -> Self {
        self.cut = Some((bytes, Cut::Close));
        self
    }

    /// Sends this many bytes of the body (or of the raw bytes), then resets (RST).
    pub fn reset_after(mut self, bytes: u64) -> Self {
        self.cut = Some((bytes, Cut::Reset));
        self
    }

    /// Ends the connection after this answer, announced by `Connection: close`.
    pub fn then_close(mut self) -> Self {
        self.close = true;
        self
    }

    fn of(act: Act) -> Self {
        Self { act, delay: Duration::ZERO, trickle: None, cut: None, close: false }
    }

    /// A reply without HTTP has no part that could be changed; it stays as it is.
    fn response(mut self, change: impl FnOnce(&mut Response)) -> Self {
        if let Act::Http(response) = &mut self.act {
            change(response);
        }
        self
    }
}

/// Decides the answer to each request; a [`Reply`], or a closure from [`Request`] to [`Reply`].
///
/// ```
/// use reqpath_testkit::mock::{MockUpstream, Reply, Request};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let echo = MockUpstream::start(|request: &Request| Reply::ok(request.target.clone()))?;
/// let always = MockUpstream::start(Reply::status(503))?;
/// let first_fails = MockUpstream::start(Reply::in_turn([Reply::status(502), Reply::ok("up")]))?;
/// # let _ = (echo, always, first_fails);
/// # Ok(())
/// # }
/// ```
pub trait Respond: Send + Sync {
    /// The answer to this request.
    fn respond(&self, request: &Request) -> Reply;
}

impl Respond for Reply {
    fn respond(&self, _: &Request) -> Reply {
        self.clone()
    }
}

impl<F: Fn(&Request) -> Reply + Send + Sync> Respond for F {
    fn respond(&self, request: &Request) -> Reply {
        self(request)
    }
}

/// Replies in turn, made by [`Reply::in_turn`].
///
/// ```
/// use std::io::{Read, Write};
/// use reqpath_testkit::mock::{InTurn, MockUpstream, Reply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let recovering: InTurn = Reply::in_turn([Reply::status(503).then_close(), Reply::status(200).then_close()]);
/// let mock = MockUpstream::start(recovering)?;
/// let statuses = (0..3).map(|_| {
///     let mut stream = std::net::TcpStream::connect(mock.address())?;
///     stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n")?;
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer)?;
///     Ok(answer[9..12].to_owned())
/// });
/// assert_eq!(statuses.collect::<std::io::Result<Vec<_>>>()?, ["503", "200", "200"]);
/// # Ok(())
/// # }
/// ```
pub struct InTurn {
    replies: Vec<Reply>,
    next: AtomicUsize,
}

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> Reply {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let reply = self.replies.get(turn).or(self.replies.last());
        reply.cloned().unwrap_or_else(|| Reply::status(500).body("the mock was given no replies\n"))
    }
}

impl fmt::Debug for InTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTurn").field("replies", &self.replies.len()).field("next", &self.next).finish()
    }
}

fn nginx_400(what: &str) -> Reply {
    let page = format!(
        "<html>\r\n<head><title>400 {what}</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n\
         <center>{what}</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    Reply::status(400).header("server", "nginx").header("content-type", "text/html").body(page).then_close()
}

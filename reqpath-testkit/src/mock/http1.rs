//! HTTP/1.1 by hand, since a proper server would not let an answer go wrong.

use std::io;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::date::http_date;
use super::payload::Payload;
use super::record::Request;
use super::reply::{Act, Cut, Framing, Reply, Response};
use super::serve::{PATIENCE, Session, pause};
use super::wire::Wire;

const HEAD_MOST: usize = 64 * 1024;
const BODY_KEPT: usize = 1024 * 1024;
const PIECE: usize = 64 * 1024;
const READ: usize = 16 * 1024;
/// How long a whole body may take, however busily its sender sends.
pub(super) const BODY_PATIENCE: Duration = Duration::from_secs(300);

/// Serves requests until either side has had enough.
pub(super) async fn serve(wire: Wire, session: Session) {
    let mut reader = Reader { wire, buffer: BytesMut::new() };
    let mut index = 0;
    loop {
        let idle_since = Instant::now();
        match reader.head(session.plan.idle_close.filter(|_| index > 0)).await {
            Head::Gone => return,
            Head::Idle => return reader.wire.close().await,
            Head::Bad(status) => {
                drop(send(reader.wire, Reply::status(status).then_close(), &Asked::default()).await);
                return;
            }
            Head::Whole(head, parsed) => {
                let idle = idle_since.elapsed();
                if index > 0 && session.plan.dead_after_idle.is_some_and(|most| idle > most) {
                    return reader.wire.reset();
                }
                let request = reader.request(head, parsed, &session, index).await;
                let complete = request.complete;
                let mut asked = Asked::of(&request);
                index += 1;
                asked.last = session.plan.requests.is_some_and(|most| index >= most);
                asked.keep_alive = session.plan.announced.map(|timeout| timeout.as_secs());
                let mut reply = session.answer(request);
                if asked.last || asked.wants_close || !complete {
                    reply.close = true;
                }
                match send(reader.wire, reply, &asked).await {
                    Some(wire) => reader.wire = wire,
                    None => return,
                }
            }
        }
    }
}

/// Reads one request head, whatever it says, and answers it.
pub(super) async fn answer_once(wire: Wire, reply: Reply) {
    let mut reader = Reader { wire, buffer: BytesMut::new() };
    if !matches!(reader.head(None).await, Head::Gone) {
        drop(send(reader.wire, reply.then_close(), &Asked::default()).await);
    }
}

/// What of a request shapes the form of its answer.
#[derive(Debug, Default)]
struct Asked {
    head_only: bool,
    wants_close: bool,
    last: bool,
    keep_alive: Option<u64>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let connection = request.header("connection").unwrap_or_default().to_ascii_lowercase();
        let old = request.version == http::Version::HTTP_10;
        Self {
            head_only: request.method == "HEAD",
            wants_close: connection.contains("close") || (old && !connection.contains("keep-alive")),
            ..Self::default()
        }
    }
}

struct Parsed {
    method: String,
    target: String,
    version: http::Version,
    headers: Vec<(String, Vec<u8>)>,
}

enum Head {
    Whole(Bytes, Parsed),
    Bad(u16),
    Idle,
    Gone,
}

struct Reader {
    wire: Wire,
    buffer: BytesMut,
}

impl Reader {
    async fn head(&mut self, idle: Option<Duration>) -> Head {
        let mut searched = 0;
        loop {
            if let Some(end) = find(&self.buffer[searched..], b"\r\n\r\n") {
                let head = self.buffer.split_to(searched + end + 4).freeze();
                return match parse(&head) {
                    Some(parsed) => Head::Whole(head, parsed),
                    None => Head::Bad(400),
                };
            }
            if self.buffer.len() > HEAD_MOST {
                return Head::Bad(431);
            }
            // Bytes that begin no request line (a ClientHello, for one) would never end in an empty line.
            if self.buffer.first().is_some_and(|byte| !byte.is_ascii_graphic() && !b"\r\n".contains(byte)) {
                return Head::Bad(400);
            }
            searched = self.buffer.len().saturating_sub(3);
            self.buffer.reserve(READ);
            let patience = if self.buffer.is_empty() { idle } else { Some(PATIENCE) };
            let read = match patience {
                Some(patience) => timeout(patience, self.wire.read_buf(&mut self.buffer)).await,
                None => Ok(self.wire.read_buf(&mut self.buffer).await),
            };
            match read {
                Ok(Ok(1..)) => {}
                Ok(Ok(_) | Err(_)) => return Head::Gone,
                Err(_) => return Head::Idle,
            }
        }
    }

    async fn request(&mut self, head: Bytes, parsed: Parsed, session: &Session, index: u64) -> Request {
        let mut request = Request {
            connection: session.number,
            index,
            at: session.script.record.elapsed(),
            from: session.from,
            version: parsed.version,
            method: parsed.method,
            target: parsed.target,
            headers: parsed.headers,
            head,
            body: Bytes::new(),
            body_length: 0,
            complete: false,
            tls: session.tls.clone(),
            proxied: session.proxied.clone(),
        };
        if request.header("expect").is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue")) {
            // A client that is gone will be noticed at the body.
            drop(self.wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await);
        }
        let mut body = Body::default();
        let chunked = request.header("transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let length = request.header("content-length").and_then(|value| value.trim().parse::<u64>().ok());
        let read = async {
            match (chunked, length) {
                (true, _) => self.chunks(&mut body).await,
                (false, Some(length)) => self.exactly(length, &mut body).await,
                (false, None) => Ok(()),
            }
        };
        request.complete = matches!(timeout(BODY_PATIENCE, read).await, Ok(Ok(())));
        request.body = body.kept.freeze();
        request.body_length = body.length;
        request
    }

    async fn exactly(&mut self, mut left: u64, body: &mut Body) -> io::Result<()> {
        while left > 0 {
            self.fill().await?;
            let take = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            body.take(&self.buffer.split_to(take));
            left -= take as u64;
        }
        Ok(())
    }

    async fn chunks(&mut self, body: &mut Body) -> io::Result<()> {
        loop {
            let line = self.line().await?;
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let digits = std::str::from_utf8(digits).map_err(io::Error::other)?;
            let size = u64::from_str_radix(digits.trim(), 16).map_err(io::Error::other)?;
            self.exactly(size, body).await?;
            if size == 0 {
                // Trailers, then an empty line.
                while !self.line().await?.is_empty() {}
                return Ok(());
            }
            self.line().await?;
        }
    }

    async fn line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end + 2).freeze();
                return Ok(line.slice(..end));
            }
            if self.buffer.len() > HEAD_MOST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.read_more().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { self.read_more().await } else { Ok(()) }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ);
        match timeout(PATIENCE, self.wire.read_buf(&mut self.buffer)).await {
            Ok(Ok(1..)) => Ok(()),
            Ok(Ok(_)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[derive(Default)]
struct Body {
    kept: BytesMut,
    length: u64,
}

impl Body {
    fn take(&mut self, bytes: &[u8]) {
        let room = BODY_KEPT.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        self.length += bytes.len() as u64;
    }
}

/// Sends one answer; gives the connection back when it may carry another.
async fn send(mut wire: Wire, reply: Reply, asked: &Asked) -> Option<Wire> {
    pause(reply.delay).await;
    let (head, mut payload, chunked, close) = match reply.act {
        Act::Close => {
            wire.close().await;
            return None;
        }
        Act::Reset => {
            wire.reset();
            return None;
        }
        Act::Hang => {
            wire.discard().await;
            return None;
        }
        Act::Raw(payload) => (Bytes::new(), payload, false, true),
        Act::Http(response) => {
            let chunked = matches!(response.framing, Framing::Chunked);
            let head = head(&response, asked, reply.close);
            let bodiless = asked.head_only || matches!(response.status, 100..=199 | 204 | 304);
            let body = if bodiless { Payload::Bytes(Bytes::new()) } else { response.body };
            (head, body, chunked && !bodiless, reply.close)
        }
    };
    wire.write_all(&head).await.ok()?;

    let mut left = reply.cut.map(|(bytes, _)| bytes);
    loop {
        let most = reply.trickle.map_or(PIECE, |trickle| trickle.bytes);
        let most = left.map_or(most, |left| most.min(usize::try_from(left).unwrap_or(usize::MAX)));
        if most == 0 {
            break;
        }
        let Some(piece) = payload.next_piece(most) else { break };
        left = left.map(|left| left - piece.len() as u64);
        if chunked {
            wire.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.ok()?;
            wire.write_all(&piece).await.ok()?;
            wire.write_all(b"\r\n").await.ok()?;
        } else {
            wire.write_all(&piece).await.ok()?;
        }
        if let Some(trickle) = reply.trickle {
            wire.flush().await.ok()?;
            sleep(trickle.every).await;
        }
    }
    wire.flush().await.ok()?;
    match reply.cut {
        Some((_, Cut::Stop)) => {
            wire.discard().await;
            return None;
        }
        Some((_, Cut::Reset)) => {
            wire.reset();
            return None;
        }
        Some((_, Cut::Close)) => {
            wire.close().await;
            return None;
        }
        None => {}
    }
    if chunked {
        wire.write_all(b"0\r\n\r\n").await.ok()?;
        wire.flush().await.ok()?;
    }
    if close {
        wire.close().await;
        return None;
    }
    Some(wire)
}

fn head(response: &Response, asked: &Asked, close: bool) -> Bytes {
    let mut head = BytesMut::new();
    let known = http::StatusCode::from_u16(response.status).ok().and_then(|status| status.canonical_reason());
    let reason = response.reason.as_deref().or(known).unwrap_or_default();
    head.put_slice(format!("HTTP/1.1 {} {reason}\r\n", response.status).as_bytes());
    for (name, value) in &response.headers {
        head.put_slice(name);
        head.put_slice(b": ");
        head.put_slice(value);
        head.put_slice(b"\r\n");
    }
    if response.dated {
        head.put_slice(format!("date: {}\r\n", http_date(SystemTime::now())).as_bytes());
    }
    let bodiless = matches!(response.status, 100..=199 | 204 | 304);
    let length = match response.framing {
        Framing::Claimed(length) => Some(length),
        Framing::Length => response.body.length().filter(|_| !bodiless),
        Framing::Chunked | Framing::UntilClose => None,
    };
    if let Some(length) = length {
        head.put_slice(format!("content-length: {length}\r\n").as_bytes());
    }
    if matches!(response.framing, Framing::Chunked) {
        head.put_slice(b"transfer-encoding: chunked\r\n");
    }
    if close {
        head.put_slice(b"connection: close\r\n");
    } else if let Some(seconds) = asked.keep_alive {
        head.put_slice(format!("connection: keep-alive\r\nkeep-alive: timeout={seconds}\r\n").as_bytes());
    }
    head.put_slice(b"\r\n");
    head.freeze()
}

/// Lenient on purpose: a mock shows what came, it does not judge it.
fn parse(head: &[u8]) -> Option<Parsed> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut words = lines.by_ref().find(|line| !line.is_empty())?.split(|byte| *byte == b' ');
    let method = std::str::from_utf8(words.next()?).ok()?.to_owned();
    let target = String::from_utf8_lossy(words.next()?).into_owned();
    let version = match words.next()? {
        b"HTTP/1.1" => http::Version::HTTP_11,
        b"HTTP/1.0" => http::Version::HTTP_10,
        _ => return None,
    };
    let headers = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            Some((name, line[colon + 1..].trim_ascii().to_vec()))
        })
        .collect();
    Some(Parsed { method, target, version, headers })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

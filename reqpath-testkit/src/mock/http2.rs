//! HTTP/2 on the frame library itself, so that GOAWAY and stream resets come when the script says.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderName, HeaderValue};
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::date::http_date;
use super::http1::BODY_PATIENCE;
use super::record::Request;
use super::reply::{Act, Cut, Framing, Reply, Response};
use super::serve::{PATIENCE, Session, pause};
use super::wire::Wire;

const BODY_KEPT: usize = 1024 * 1024;
const PIECE: usize = 16 * 1024;
const HEAD_MOST: u32 = 64 * 1024;

/// A reply's wish that concerns the whole connection.
enum Kill {
    Close,
    Reset,
}

/// Serves streams until either side has had enough.
pub(super) async fn serve(wire: Wire, session: Session) {
    // A second handle on the socket, as the frame library keeps the first.
    let Ok(socket) = SockRef::from(wire.tcp()).try_clone() else { return };
    let mut builder = h2::server::Builder::new();
    builder.max_header_list_size(HEAD_MOST);
    let Ok(Ok(mut connection)) = timeout(PATIENCE, builder.handshake::<_, Bytes>(wire)).await else { return };
    let session = Arc::new(session);
    let index = Arc::new(AtomicU64::new(0));
    let (kill, mut killed) = mpsc::unbounded_channel();
    let mut accepted = 0;
    if session.plan.goaway == Some(0) {
        connection.abrupt_shutdown(Reason::NO_ERROR);
    }
    loop {
        tokio::select! {
            biased;
            Some(wish) = killed.recv() => {
                drop(connection);
                return end(socket, wish).await;
            }
            next = connection.accept() => {
                let Some(Ok((request, respond))) = next else {
                    drop(connection);
                    return end(socket, Kill::Close).await;
                };
                accepted += 1;
                if session.plan.goaway.is_some_and(|most| accepted == most) {
                    connection.graceful_shutdown();
                }
                let (session, index, kill) = (session.clone(), index.clone(), kill.clone());
                tokio::spawn(async move {
                    // An error here is the peer's going away, which the connection notices itself.
                    drop(stream(request, respond, &session, &index, &kill).await);
                });
            }
        }
    }
}

/// The frame library has let go of the socket; ends it as a connection of HTTP/1.1 would be.
async fn end(socket: Socket, wish: Kill) {
    let Ok(tcp) = TcpStream::from_std(socket.into()) else { return };
    match wish {
        Kill::Close => Wire::plain(tcp).close().await,
        Kill::Reset => Wire::plain(tcp).reset(),
    }
}

async fn stream(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    session: &Session,
    index: &AtomicU64,
    kill: &mpsc::UnboundedSender<Kill>,
) -> Result<(), h2::Error> {
    let request = receive(request, session, index.fetch_add(1, Ordering::Relaxed)).await;
    let head_only = request.method == "HEAD";
    let reply = session.answer(request);
    pause(reply.delay).await;
    let response = match reply.act {
        Act::Http(ref response) => response,
        Act::Close | Act::Reset => {
            let wish = if matches!(reply.act, Act::Close) { Kill::Close } else { Kill::Reset };
            // Nobody listens only when the connection is over already.
            drop(kill.send(wish));
            return Ok(());
        }
        Act::Hang => {
            poll_fn(|cx| respond.poll_reset(cx)).await?;
            return Ok(());
        }
        Act::Raw(_) => {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return Ok(());
        }
    };
    let Some(head) = head(response) else {
        respond.send_reset(Reason::INTERNAL_ERROR);
        return Ok(());
    };
    let empty = head_only || response.body.length() == Some(0);
    let mut out = respond.send_response(head, empty && reply.cut.is_none())?;
    if empty && reply.cut.is_none() {
        return Ok(());
    }
    send_body(&mut out, &reply, response).await
}

async fn receive(request: http::Request<RecvStream>, session: &Session, index: u64) -> Request {
    let (parts, mut stream) = request.into_parts();
    let mut headers = Vec::new();
    if let Some(authority) = parts.uri.authority() {
        headers.push(("host".to_owned(), authority.as_str().as_bytes().to_vec()));
    }
    headers.extend(parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())));
    let mut received = Request {
        connection: session.number,
        index,
        at: session.script.record.elapsed(),
        from: session.from,
        version: http::Version::HTTP_2,
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map_or_else(|| "*".to_owned(), ToString::to_string),
        headers,
        head: Bytes::new(),
        body: Bytes::new(),
        body_length: 0,
        complete: false,
        tls: session.tls.clone(),
        proxied: session.proxied.clone(),
    };
    let mut kept = BytesMut::new();
    let read = async {
        while let Some(piece) = stream.data().await {
            let Ok(piece) = piece else { return false };
            let room = BODY_KEPT.saturating_sub(kept.len()).min(piece.len());
            kept.extend_from_slice(&piece[..room]);
            received.body_length += piece.len() as u64;
            // Fails only when the stream is gone, which the next read says.
            drop(stream.flow_control().release_capacity(piece.len()));
        }
        true
    };
    let complete = timeout(BODY_PATIENCE, read).await.unwrap_or(false);
    received.complete = complete;
    received.body = kept.freeze();
    received
}

/// `None` for a status or header that the frame library cannot carry.
fn head(response: &Response) -> Option<http::Response<()>> {
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(response.status).ok()?;
    for (name, value) in &response.headers {
        let name = HeaderName::from_bytes(name).ok()?;
        // These speak of one HTTP/1.1 connection and have no meaning here.
        if !matches!(name.as_str(), "connection" | "keep-alive" | "transfer-encoding" | "upgrade") {
            head.headers_mut().append(name, HeaderValue::from_bytes(value).ok()?);
        }
    }
    if response.dated {
        head.headers_mut().insert("date", HeaderValue::from_str(&http_date(SystemTime::now())).ok()?);
    }
    let length = match response.framing {
        Framing::Claimed(length) => Some(length),
        Framing::Length => response.body.length(),
        Framing::Chunked | Framing::UntilClose => None,
    };
    if let Some(length) = length {
        head.headers_mut().insert("content-length", HeaderValue::from(length));
    }
    Some(head)
}

async fn send_body(out: &mut SendStream<Bytes>, reply: &Reply, response: &Response) -> Result<(), h2::Error> {
    let mut payload = response.body.clone();
    let mut left = reply.cut.map(|(bytes, _)| bytes);
    loop {
        let most = reply.trickle.map_or(PIECE, |trickle| trickle.bytes.min(PIECE));
        let most = left.map_or(most, |left| most.min(usize::try_from(left).unwrap_or(usize::MAX)));
        if most == 0 {
            break;
        }
        out.reserve_capacity(most);
        let granted = loop {
            match poll_fn(|cx| out.poll_capacity(cx)).await {
                Some(Ok(0)) => {}
                Some(Ok(granted)) => break granted.min(most),
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        };
        let Some(piece) = payload.next_piece(granted) else { break };
        left = left.map(|left| left - piece.len() as u64);
        out.send_data(piece, false)?;
        if let Some(trickle) = reply.trickle {
            sleep(trickle.every).await;
        }
    }
    match reply.cut {
        Some((_, Cut::Stop)) => {
            poll_fn(|cx| out.poll_reset(cx)).await?;
        }
        Some((_, Cut::Reset)) => out.send_reset(Reason::INTERNAL_ERROR),
        Some((_, Cut::Close)) | None => out.send_data(Bytes::new(), true)?,
    }
    Ok(())
}

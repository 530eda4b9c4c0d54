//! Accepting connections and following their scripts up to HTTP.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::connection::{Act, Connection, Connections, Then};
use super::proxy_protocol::{self, ProxyHeader};
use super::record::{Record, Request, TlsSeen};
use super::reply::{Reply, Respond};
use super::tls::Ready;
use super::wire::Wire;
use super::{http1, http2};

/// How long any single step of a peer may take before the mock gives the connection up.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// All that a mock was told.
pub(super) struct Script {
    pub(super) tls: Option<Ready>,
    pub(super) connections: Box<dyn Connections>,
    pub(super) respond: Box<dyn Respond>,
    pub(super) record: Arc<Record>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Script {
    fn connection(&self, number: u64) -> Connection {
        catch_unwind(AssertUnwindSafe(|| self.connections.connection(number))).unwrap_or_else(|_| {
            self.record.script_failed(format!("the closure for connection {number} panicked"));
            Connection::reset_at_accept()
        })
    }
}

/// One connection that has reached HTTP.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) script: Arc<Script>,
    pub(super) plan: Connection,
    pub(super) number: u64,
    pub(super) from: SocketAddr,
    pub(super) tls: Option<TlsSeen>,
    pub(super) proxied: Option<ProxyHeader>,
    pub(super) refusal: Option<Reply>,
}

impl Session {
    /// Records the request and decides its answer.
    pub(super) fn answer(&self, request: Request) -> Reply {
        self.script.record.received(request.clone());
        if let Some(refusal) = &self.refusal {
            return refusal.clone();
        }
        catch_unwind(AssertUnwindSafe(|| self.script.respond.respond(&request))).unwrap_or_else(|_| {
            let target = request.target.escape_debug();
            self.script.record.script_failed(format!("the closure for request {target} panicked"));
            Reply::reset()
        })
    }
}

/// Accepts for ever.
pub(super) async fn serve(listener: TcpListener, script: Arc<Script>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        script.record.script_failed("the listener could not be watched".to_owned());
        return;
    };
    let mut next = 0;
    loop {
        let plan = script.connection(next);
        pause(plan.accept_after).await;
        let Ok((tcp, from)) = listener.accept().await else {
            // Out of descriptors, most likely: give others the time to close some.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let number = script.record.accepted(from);
        next = number + 1;
        // A mock must not measure its own Nagle delay; a socket that is already dead needs no option.
        drop(tcp.set_nodelay(true));
        let script = script.clone();
        tokio::spawn(async move {
            follow(tcp, from, number, plan, script.clone()).await;
            let at = script.record.elapsed();
            script.record.on_connection(number, |connection| connection.ended = Some(at));
        });
    }
}

pub(super) async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

async fn follow(
    mut tcp: tokio::net::TcpStream,
    from: SocketAddr,
    number: u64,
    plan: Connection,
    script: Arc<Script>,
) {
    let record = script.record.clone();
    pause(plan.begin_after).await;
    let mut proxied = None;
    if plan.expects_proxy {
        match timeout(PATIENCE, proxy_protocol::read(&mut tcp)).await {
            Ok(Ok(header)) => proxied = Some(header),
            Ok(Err(_)) | Err(_) => return Wire::plain(tcp).close().await,
        }
        let header = proxied.clone();
        record.on_connection(number, |connection| connection.proxied = header);
    }
    match &plan.act {
        Act::Serve => {}
        Act::AtAccept(then) => return end(Wire::plain(tcp), *then).await,
        Act::AfterFirstBytes(then) => {
            let mut wire = Wire::plain(tcp);
            first_bytes(&mut wire, &record, number).await;
            return end(wire, *then).await;
        }
        Act::Silent => {
            let mut wire = Wire::plain(tcp);
            first_bytes(&mut wire, &record, number).await;
            return wire.discard().await;
        }
        Act::Greet(bytes) => {
            let mut wire = Wire::plain(tcp);
            if wire.write_all(bytes).await.is_ok() {
                first_bytes(&mut wire, &record, number).await;
                wire.discard().await;
            }
            return;
        }
        Act::Answer(bytes) => {
            let mut wire = Wire::plain(tcp);
            first_bytes(&mut wire, &record, number).await;
            // A peer that is gone hears no answer.
            drop(wire.write_all(bytes).await);
            return wire.close().await;
        }
    }

    let mut session =
        Session { script: script.clone(), plan, number, from, tls: None, proxied, refusal: None };
    let wire = match &script.tls {
        None => Wire::plain(tcp),
        Some(ready) => {
            let note = |seen: &TlsSeen| {
                record.on_connection(number, |connection| connection.tls = Some(seen.clone()));
            };
            let Ok(Some(secured)) = timeout(PATIENCE, ready.accept(tcp, note)).await else { return };
            session.tls = Some(secured.seen);
            session.refusal = secured.refusal;
            Wire::tls(secured.stream, session.plan.close_notify)
        }
    };
    converse(wire, session).await;
}

/// Speaks the protocol agreed by ALPN, else the one the client begins with.
async fn converse(mut wire: Wire, session: Session) {
    let agreed = session.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
    if !session.plan.http1_only {
        match agreed {
            Some("h2") => return http2::serve(wire, session).await,
            Some(_) => {}
            None => {
                if begins_http2(&mut wire).await {
                    return http2::serve(wire, session).await;
                }
            }
        }
    }
    http1::serve(wire, session).await;
}

async fn begins_http2(wire: &mut Wire) -> bool {
    let mut start = BytesMut::with_capacity(HTTP2_PREFACE.len());
    while start.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&start) {
        match timeout(PATIENCE, wire.read_buf(&mut start)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(_) | Err(_)) | Err(_) => break,
        }
    }
    let preface = start.starts_with(HTTP2_PREFACE);
    wire.put_back(start);
    preface
}

async fn first_bytes(wire: &mut Wire, record: &Record, number: u64) {
    if let Ok(bytes) = wire.read_some().await {
        record.on_connection(number, |connection| connection.first_bytes = bytes);
    }
}

async fn end(wire: Wire, then: Then) {
    match then {
        Then::Close => wire.close().await,
        Then::Reset => wire.reset(),
    }
}

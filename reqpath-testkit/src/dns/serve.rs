//! Taking queries from both sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use hickory_resolver::proto::op::{Message, MessageType, OpCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

use super::fault::Fault;
use super::on::Condition;
use super::record::{QuerySeen, Record, Transport};
use super::sockets::{Sockets, Tcp};
use super::spoil::{Circumstances, Deed, decide, reject};
use super::zone::Loaded;

/// How long a TCP connection may rest between two queries.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A fault with its condition, and its zone where it answers from another.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) condition: Condition,
    pub(super) fault: Fault,
    pub(super) other_zone: Option<Loaded>,
}

/// All that a server was told.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) zones: RwLock<Vec<Loaded>>,
    pub(super) rules: Vec<Rule>,
    pub(super) authoritative: bool,
    pub(super) record: Arc<Record>,
}

impl Script {
    /// Records a message and decides on it: how long to wait, and what to do then.
    pub(super) fn answer(&self, bytes: &[u8], transport: Transport, from: SocketAddr) -> (Duration, Deed) {
        let at = self.record.elapsed();
        let message = Message::from_vec(bytes).ok();
        let query = message.as_ref().and_then(|message| QuerySeen::of(message, transport, from, at));
        let (Some(message), Some(seen)) = (&message, query) else {
            self.record.malformed();
            return (Duration::ZERO, reject(bytes, message.as_ref()));
        };
        if message.metadata.message_type != MessageType::Query || message.metadata.op_code != OpCode::Query {
            self.record.malformed();
            return (Duration::ZERO, reject(bytes, Some(message)));
        }
        self.record.asked(seen);
        // `QuerySeen` exists only for exactly one question.
        let Some(question) = message.queries.first() else { return (Duration::ZERO, Deed::Nothing) };
        let mut name = question.name().clone();
        name.set_fqdn(true);
        let rule =
            self.rules.iter().find(|rule| rule.condition.meets(&name, question.query_type(), transport, at));
        let zones = self.zones.read().unwrap_or_else(PoisonError::into_inner);
        let circumstances = Circumstances {
            zones: &zones,
            other_zone: rule.and_then(|rule| rule.other_zone.as_ref()),
            fault: rule.map(|rule| &rule.fault),
            transport,
            elapsed: at,
            authoritative: self.authoritative,
        };
        let delay = rule.map_or(Duration::ZERO, |rule| rule.fault.delay);
        (delay, decide(message, question, circumstances))
    }
}

/// Serves both sockets for ever.
pub(super) async fn serve(sockets: Sockets, script: Arc<Script>) {
    let Sockets { address, udp, tcp } = sockets;
    let Ok(udp) = UdpSocket::from_std(udp) else { return };
    match tcp {
        Tcp::Listening(listener) => {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            tokio::join!(datagrams(Arc::new(udp), address.ip(), script.clone()), streams(listener, script));
        }
        Tcp::Refusing(_port) => datagrams(Arc::new(udp), address.ip(), script).await,
    }
}

async fn datagrams(socket: Arc<UdpSocket>, own: IpAddr, script: Arc<Script>) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            // Some systems tell here that an earlier answer was refused; only a dead socket would say it for ever.
            sleep(Duration::from_millis(1)).await;
            continue;
        };
        let (delay, deed) = script.answer(&buffer[..length], Transport::Udp, from);
        let socket = socket.clone();
        tokio::spawn(async move {
            pause(delay).await;
            // An answer that cannot be sent is an answer that was lost.
            match deed {
                Deed::Send(bytes) if !bytes.is_empty() => drop(socket.send_to(&bytes, from).await),
                Deed::SendFrom(address, bytes) => send_from(address.unwrap_or(own), &bytes, from).await,
                Deed::Send(_) | Deed::Nothing | Deed::Close => {}
            }
        });
    }
}

async fn send_from(address: IpAddr, bytes: &Bytes, to: SocketAddr) {
    if let Ok(socket) = UdpSocket::bind((address, 0)).await {
        drop(socket.send_to(bytes, to).await);
    }
}

async fn streams(listener: TcpListener, script: Arc<Script>) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                drop(stream.set_nodelay(true));
                tokio::spawn(stream_queries(stream, from, script.clone()));
            }
            // Out of descriptors, most likely: give others the time to close some.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn stream_queries(mut stream: TcpStream, from: SocketAddr, script: Arc<Script>) {
    loop {
        let read = async {
            let length = stream.read_u16().await?;
            let mut bytes = vec![0; usize::from(length)];
            stream.read_exact(&mut bytes).await.map(|_| bytes)
        };
        let Ok(Ok(bytes)) = timeout(PATIENCE, read).await else { return };
        let (delay, deed) = script.answer(&bytes, Transport::Tcp, from);
        pause(delay).await;
        match deed {
            Deed::Send(answer) | Deed::SendFrom(_, answer) => {
                let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
                let framed = [&length.to_be_bytes()[..], &answer[..usize::from(length)]].concat();
                if stream.write_all(&framed).await.is_err() {
                    return;
                }
            }
            Deed::Nothing => {}
            Deed::Close => return,
        }
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

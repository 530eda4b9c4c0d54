//! Opening a TCP connection, and learning all there is to learn when it fails.

use std::borrow::Cow;
use std::convert::identity;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use reqpath_core::{ConnectFailure, ConnectOptions, Connection, LocalAddr, PeerAddr};
use socket2::{Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connection::Stream;
use crate::place::Place;
use crate::system;

/// Opens a connection from a place, within the limit.
pub(crate) async fn connect(
    place: &impl Place,
    to: PeerAddr,
    how: ConnectOptions,
) -> Result<Box<dyn Connection>, ConnectFailure> {
    let opened = place.here(move || open(to)).await;
    let socket = opened.and_then(identity).map_err(|error| of_system(&error))?;
    let waiting = match socket.connect(&to.0.into()) {
        Ok(()) => false,
        Err(error) if in_progress(&error) => true,
        Err(error) => return Err(located(place, failed(&socket, to, &error), to).await),
    };
    let stream = TcpStream::from_std(socket.into()).map_err(|error| of_system(&error))?;
    // To an address of this very host the handshake is over before connect() returns, and needs no timer.
    if waiting && stream.peer_addr().is_err() {
        let failure = match timeout(how.limit, established(&stream)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(failed(&SockRef::from(&stream), to, &error)),
            Err(_) => Some(unanswered(&SockRef::from(&stream), to, how.limit)),
        };
        if let Some(failure) = failure {
            return Err(located(place, failure, to).await);
        }
    }
    system::forget_icmp(&stream, to);
    Ok(Box::new(Stream::new(stream, to)))
}

/// A socket that keeps ICMP errors for us to read.
fn open(to: PeerAddr) -> io::Result<Socket> {
    let socket = system::socket(to, Type::STREAM, Protocol::TCP)?;
    system::keep_icmp(&socket, to);
    Ok(socket)
}

fn in_progress(error: &io::Error) -> bool {
    match error.raw_os_error() {
        // Only this number: EAGAIN of connect() is a failure of its own.
        Some(errno) if cfg!(unix) => errno == system::IN_PROGRESS,
        _ => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Waits until the handshake has ended, one way or the other.
async fn established(stream: &TcpStream) -> io::Result<()> {
    loop {
        stream.writable().await?;
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        // An ICMP message that did not end the attempt wakes us too; only a peer makes it established.
        match stream.peer_addr() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                let not_yet = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                // Only forgets the wake-up: the answer is ours.
                let _ = stream.try_io(Interest::WRITABLE, not_yet);
            }
            Err(error) => return Err(error),
            Ok(_) => return Ok(()),
        }
    }
}

fn failed(socket: &Socket, to: PeerAddr, error: &io::Error) -> ConnectFailure {
    with_figures(of_system(error), socket, to)
}

fn unanswered(socket: &Socket, to: PeerAddr, limit: Duration) -> ConnectFailure {
    let mut failure = ConnectFailure::new(format!("no answer within {}", reqpath_core::Micros::from(limit)));
    failure.timed_out = true;
    with_figures(failure, socket, to)
}

fn with_figures(mut failure: ConnectFailure, socket: &Socket, to: PeerAddr) -> ConnectFailure {
    failure.local = local(socket);
    failure.icmp = system::icmp(socket, to);
    failure.kernel = system::tcp_info(socket);
    failure
}

/// The error as the system names it.
fn of_system(error: &io::Error) -> ConnectFailure {
    let mut failure = ConnectFailure::new(words(error));
    failure.errno = error.raw_os_error();
    let by_number = failure.errno.and_then(system::symbol).map(Cow::Owned);
    failure.symbol = by_number.or_else(|| by_kind(error.kind()).map(Cow::Borrowed));
    failure
}

/// The POSIX symbol where the system numbers its errors another way.
fn by_kind(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::ConnectionAborted => "ECONNABORTED",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::NetworkDown => "ENETDOWN",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        io::ErrorKind::PermissionDenied => "EACCES",
        _ => return None,
    })
}

/// The system's own words, without the number that `std` appends.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Our end of a socket whose attempt failed; where the kernel took its address back, only the port is known.
fn local(socket: &Socket) -> Option<LocalAddr> {
    let local = socket.local_addr().ok()?.as_socket()?;
    (local.port() != 0).then_some(LocalAddr(local))
}

/// The failure with the address we spoke from.
async fn located(place: &impl Place, mut failure: ConnectFailure, to: PeerAddr) -> ConnectFailure {
    if let Some(local) = failure.local.filter(|local| local.ip().is_unspecified()) {
        // A refusal within connect() has already cost the socket its address; the kernel would choose the same.
        let source = place.here(move || source_towards(to)).await.ok().flatten();
        failure.local = source.map(|source| LocalAddr(SocketAddr::new(source.ip(), local.port())));
    }
    failure
}

/// The address the kernel speaks from towards a peer. Sends nothing.
fn source_towards(to: PeerAddr) -> Option<SocketAddr> {
    let any: SocketAddr = if to.0.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(to.0).ok()?;
    socket.local_addr().ok()
}

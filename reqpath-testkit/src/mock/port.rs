//! Faults below a connection: ports that refuse, and ports that do not answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// How long a SYN on loopback may stay unanswered before it counts as dropped; an answered one takes microseconds.
const UNANSWERED: Duration = Duration::from_millis(300);
/// More connections than any queue of length zero holds.
const FILLERS_MOST: usize = 64;

/// A loopback port where nothing listens and nothing else can begin to: connecting is refused by RST.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let port = reqpath_testkit::mock::ClosedPort::reserve()?;
/// let refused = std::net::TcpStream::connect(port.address()).unwrap_err();
/// assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
/// # Ok(())
/// # }
/// ```
///
/// A host of its own, for the dead one of two addresses:
///
/// ```
/// # #[cfg(target_os = "linux")]
/// # fn main() -> std::io::Result<()> {
/// let dead = reqpath_testkit::mock::ClosedPort::reserve_at([127, 0, 0, 2])?;
/// assert_eq!(dead.address().ip().to_string(), "127.0.0.2");
/// # Ok(())
/// # }
/// # #[cfg(not(target_os = "linux"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct ClosedPort {
    address: SocketAddr,
    /// Bound and not listening, so the port stays ours.
    _socket: Socket,
}

impl ClosedPort {
    /// Reserves a port of 127.0.0.1.
    pub fn reserve() -> io::Result<Self> {
        Self::reserve_at(Ipv4Addr::LOCALHOST)
    }

    /// Reserves a port of this address.
    pub fn reserve_at(address: impl Into<IpAddr>) -> io::Result<Self> {
        let (socket, address) = bound(address.into())?;
        Ok(Self { address, _socket: socket })
    }

    /// Where connecting is refused.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A listener whose accept queue is full and stays so: a SYN is dropped, not refused, and connecting times out.
///
/// It listens with the shortest queue, accepts nothing, and connects to itself
/// until a SYN stays unanswered, so it is in that state when the call returns.
/// Other systems than Linux answer a full queue in other ways.
///
/// ```
/// use std::net::TcpStream;
/// use std::time::Duration;
/// # fn main() -> std::io::Result<()> {
/// let full = reqpath_testkit::mock::FullAcceptQueue::start()?;
/// let outcome = TcpStream::connect_timeout(&full.address(), Duration::from_millis(200));
/// # #[cfg(target_os = "linux")]
/// assert_eq!(outcome.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
/// # Ok(())
/// # }
/// ```
///
/// The server may come back to life:
///
/// ```
/// # #[cfg(target_os = "linux")]
/// # fn main() -> std::io::Result<()> {
/// let mut full = reqpath_testkit::mock::FullAcceptQueue::start()?;
/// assert!(full.waiting() > 0);
/// full.make_room()?;
/// std::net::TcpStream::connect(full.address())?;
/// # Ok(())
/// # }
/// # #[cfg(not(target_os = "linux"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct FullAcceptQueue {
    address: SocketAddr,
    listener: Socket,
    fillers: Vec<TcpStream>,
}

impl FullAcceptQueue {
    /// Fills the queue of a free port of 127.0.0.1.
    pub fn start() -> io::Result<Self> {
        let (listener, address) = bound(Ipv4Addr::LOCALHOST.into())?;
        listener.listen(0)?;
        let mut fillers = Vec::new();
        while fillers.len() < FILLERS_MOST {
            match TcpStream::connect_timeout(&address, UNANSWERED) {
                Ok(filler) => fillers.push(filler),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Ok(Self { address, listener, fillers });
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("this system accepts connections into a queue of length zero without end"))
    }

    /// Where a SYN is not answered.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections wait in the queue.
    pub fn waiting(&self) -> usize {
        self.fillers.len()
    }

    /// Accepts one of the waiting connections, so that there is room for one more.
    pub fn make_room(&mut self) -> io::Result<()> {
        self.listener.accept().map(drop)
    }
}

fn bound(address: IpAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket =
        Socket::new(Domain::for_address(SocketAddr::new(address, 0)), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(address, 0).into())?;
    let bound = socket.local_addr()?.as_socket();
    bound
        .map(|at| (socket, at))
        .ok_or_else(|| io::Error::other("bound to something that is no internet address"))
}

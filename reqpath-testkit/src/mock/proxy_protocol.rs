//! The PROXY protocol header, versions 1 and 2, as HAProxy defined it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, by its definition.
const V1_LONGEST: usize = 107;

/// The addresses a proxy says it stands between.
///
/// ```
/// use std::io::{Read, Write};
/// use reqpath_testkit::mock::{Connection, MockUpstream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = MockUpstream::builder().connections(Connection::serve().expects_proxy_protocol()).start()?;
/// let mut client = std::net::TcpStream::connect(mock.address())?;
/// client.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.7 40000 80\r\n")?;
/// client.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n")?;
/// client.read_to_string(&mut String::new())?;
///
/// let header = mock.requests()[0].proxied.clone().expect("a header came");
/// assert_eq!((header.version, header.source), (1, Some(([192, 0, 2, 1], 40000).into())));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyHeader {
    /// 1 or 2.
    pub version: u8,
    /// The client, as the proxy saw it; `None` for `UNKNOWN` and `LOCAL`.
    pub source: Option<SocketAddr>,
    /// Where the client connected to.
    pub destination: Option<SocketAddr>,
}

/// Reads exactly one header, byte for byte, so that what follows it stays unread.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<ProxyHeader> {
    let mut start = [0; 12];
    // Six bytes decide the version, and the shortest header of version 1 is longer than twelve.
    stream.read_exact(&mut start).await?;
    if &start == V2_SIGNATURE { read_v2(stream).await } else { read_v1(stream, &start).await }
}

async fn read_v1(stream: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<ProxyHeader> {
    if !start.starts_with(b"PROXY ") {
        return Err(malformed("no PROXY protocol header"));
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= V1_LONGEST {
            return Err(malformed("PROXY line without end"));
        }
        line.push(stream.read_u8().await?);
    }
    let text = std::str::from_utf8(&line).map_err(|_| malformed("PROXY line is not text"))?;
    let words: Vec<&str> = text.trim_end().split(' ').collect();
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(ProxyHeader { version: 1, source: None, destination: None }),
        ["PROXY", "TCP4" | "TCP6", source, destination, source_port, destination_port] => Ok(ProxyHeader {
            version: 1,
            source: Some(address(source, source_port)?),
            destination: Some(address(destination, destination_port)?),
        }),
        _ => Err(malformed("PROXY line of unknown form")),
    }
}

async fn read_v2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<ProxyHeader> {
    let command = stream.read_u8().await?;
    let family = stream.read_u8().await?;
    let mut rest = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut rest).await?;
    if command >> 4 != 2 {
        return Err(malformed("PROXY header of unknown version"));
    }
    let local = command & 0x0f == 0;
    let (source, destination) = match (family >> 4, local) {
        (1, false) => pair::<4>(&rest, |bytes| Ipv4Addr::from(bytes).into())?,
        (2, false) => pair::<16>(&rest, |bytes| Ipv6Addr::from(bytes).into())?,
        _ => return Ok(ProxyHeader { version: 2, source: None, destination: None }),
    };
    Ok(ProxyHeader { version: 2, source: Some(source), destination: Some(destination) })
}

/// Two addresses of `N` bytes, then two ports.
fn pair<const N: usize>(mut bytes: &[u8], ip: fn([u8; N]) -> IpAddr) -> io::Result<(SocketAddr, SocketAddr)> {
    let mut address = || {
        let (head, tail) = bytes.split_first_chunk::<N>()?;
        bytes = tail;
        Some(ip(*head))
    };
    let (source, destination) =
        address().zip(address()).ok_or_else(|| malformed("PROXY header too short"))?;
    let mut port = || {
        let (head, tail) = bytes.split_first_chunk::<2>()?;
        bytes = tail;
        Some(u16::from_be_bytes(*head))
    };
    let (from, to) = port().zip(port()).ok_or_else(|| malformed("PROXY header too short"))?;
    Ok((SocketAddr::new(source, from), SocketAddr::new(destination, to)))
}

fn address(ip: &str, port: &str) -> io::Result<SocketAddr> {
    let ip = ip.parse().map_err(|_| malformed("PROXY line with a bad address"))?;
    let port = port.parse().map_err(|_| malformed("PROXY line with a bad port"))?;
    Ok(SocketAddr::new(ip, port))
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

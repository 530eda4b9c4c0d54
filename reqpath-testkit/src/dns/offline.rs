//! The same answers without a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::record::{QuerySeen, Transport};
use super::serve::{PATIENCE, Script};
use super::spoil::Deed;
use crate::vantage::{Datagrams, Dial, Dials, Exchange, Packets};

/// A DNS server in memory: the zones and faults of a [`FakeDns`](super::FakeDns), for a
/// [`FakeVantage`](crate::FakeVantage). Made by [`Builder::offline`](super::Builder::offline).
///
/// Clones are one server. TTLs count down with the real clock, delays run with tokio's.
///
/// ```
/// use reqpath_testkit::FakeVantage;
/// use reqpath_testkit::dns::{FakeDns, Fault, On, Zone};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dns = FakeDns::builder()
///     .zone(Zone::new("example.test").a("www", [192, 0, 2, 1]))
///     .fault(On::any().udp(), Fault::truncate())
///     .offline()?;
/// let server = ([192, 0, 2, 53], 53);
/// let vantage = FakeVantage::builder().udp(server, dns.clone()).tcp(server, dns.clone()).build();
/// # drop(vantage);
/// assert!(dns.queries().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OfflineDns(Arc<Script>);

impl OfflineDns {
    pub(super) fn new(script: Script) -> Self {
        Self(Arc::new(script))
    }

    /// The queries received so far, in order.
    pub fn queries(&self) -> Vec<QuerySeen> {
        self.0.record.seen().queries.clone()
    }
}

impl Datagrams for OfflineDns {
    fn answer(&self, datagram: &[u8]) -> Packets {
        self.answer_from(([0, 0, 0, 0], 0).into(), datagram)
    }

    fn answer_from(&self, from: SocketAddr, datagram: &[u8]) -> Packets {
        let (delay, deed) = self.0.answer(datagram, Transport::Udp, from);
        match deed {
            Deed::Send(bytes) if !bytes.is_empty() => Packets::reply(bytes).delayed(delay),
            // A socket that speaks with one peer does not see what another sends.
            Deed::Send(_) | Deed::SendFrom(..) | Deed::Nothing | Deed::Close => Packets::none(),
        }
    }
}

impl Dials for OfflineDns {
    fn dial(&self, _: u64) -> Dial {
        let script = self.0.clone();
        Dial::serve(move |exchange| queries(exchange, script.clone()))
    }
}

/// Answers the queries of one connection, each behind its length.
async fn queries(mut exchange: Exchange, script: Arc<Script>) -> std::io::Result<()> {
    let from = exchange.from();
    loop {
        let read = async {
            let length = exchange.read_u16().await?;
            let mut bytes = vec![0; usize::from(length)];
            exchange.read_exact(&mut bytes).await.map(|_| bytes)
        };
        let bytes = timeout(PATIENCE, read).await??;
        let (delay, deed) = script.answer(&bytes, Transport::Tcp, from);
        if !delay.is_zero() {
            sleep(delay).await;
        }
        match deed {
            Deed::Send(answer) | Deed::SendFrom(_, answer) => {
                let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
                exchange
                    .write_all(&[&length.to_be_bytes()[..], &answer[..usize::from(length)]].concat())
                    .await?;
            }
            Deed::Nothing => {}
            Deed::Close => return Ok(()),
        }
    }
}

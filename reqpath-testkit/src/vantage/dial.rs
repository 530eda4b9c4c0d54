//! What becomes of an attempt to connect.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqpath_core::{ConnectFailure, IcmpError, KernelInfo};
use tokio::io::AsyncWriteExt;

use super::errno;
use super::exchange::Exchange;

/// What becomes of one attempt to connect: it is served, refused, unanswered, or rejected by the network.
///
/// The errors are those of Linux, on every system.
///
/// ```
/// use std::time::Duration;
/// use reqpath_core::KernelInfo;
/// use reqpath_testkit::vantage::{Dial, Exchange, FakeVantage};
///
/// let mut lossy = KernelInfo::default();
/// lossy.total_retrans = 3;
/// let vantage = FakeVantage::builder()
///     .tcp(([192, 0, 2, 1], 80), Dial::refused())
///     .tcp(([192, 0, 2, 2], 80), Dial::silent())
///     .tcp(([192, 0, 2, 3], 80), Dial::prohibited([192, 0, 2, 254]))
///     .tcp(([192, 0, 2, 4], 80), Dial::answers("HTTP/1.1 204 No Content\r\n\r\n").after(Duration::from_millis(80)))
///     .tcp(([192, 0, 2, 5], 80), Dial::serve(|exchange: Exchange| exchange.hold()).kernel(lossy))
///     .tcp(([192, 0, 2, 6], 80), Dial::in_turn([Dial::refused(), Dial::answers("220 ready\r\n")]))
///     .build();
/// # drop(vantage);
/// ```
///
/// Failures of the network and of this very host:
///
/// ```
/// use reqpath_core::{Budget, ConnectOptions, Contact, ContactKind, PeerAddr, Vantage};
/// use reqpath_testkit::vantage::{Dial, FakeVantage};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// for (dial, symbol) in [
///     (Dial::unreachable([192, 0, 2, 254]), "EHOSTUNREACH"),
///     (Dial::no_route(), "ENETUNREACH"),
///     (Dial::errno("EMFILE"), "EMFILE"),
/// ] {
///     let shop = PeerAddr(([192, 0, 2, 7], 80).into());
///     let vantage = FakeVantage::builder().tcp(shop.0, dial).build();
///     let budget = Budget::of(&[Contact::new(ContactKind::Connection, "the shop", 1, "to see")]);
///     let permit = budget.permit(ContactKind::Connection)?;
///     let options = ConnectOptions::within(Duration::from_secs(1));
///     let failure = vantage.connect(permit, shop, options).await.unwrap_err();
///     assert_eq!(failure.symbol.as_deref(), Some(symbol));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until an address is given it"]
pub struct Dial {
    pub(super) outcome: Outcome,
    pub(super) after: Duration,
    pub(super) kernel: Option<KernelInfo>,
}

/// Serves the far end of a connection.
pub(super) type Serving = dyn Fn(Exchange) -> BoxFuture<'static, io::Result<()>> + Send + Sync;

#[derive(Clone)]
pub(super) enum Outcome {
    Serve(Arc<Serving>),
    /// The failure, and whether the socket had come to have an address by then.
    Fail(Box<ConnectFailure>, bool),
    Silent,
}

impl Dial {
    /// Connects, and this closure serves the other end.
    pub fn serve<F, R>(serve: F) -> Self
    where
        F: Fn(Exchange) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::of(Outcome::Serve(Arc::new(move |exchange| Box::pin(serve(exchange)))))
    }

    /// Connects, reads the head of one request, answers with these bytes, and closes.
    pub fn answers(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::serve(move |mut exchange| {
            let bytes = bytes.clone();
            async move {
                exchange.read_head().await?;
                exchange.write_all(&bytes).await
            }
        })
    }

    /// Nothing listens there: RST, `ECONNREFUSED`.
    pub fn refused() -> Self {
        Self::errno("ECONNREFUSED")
    }

    /// No answer at all, until the caller's own limit.
    pub fn silent() -> Self {
        Self::of(Outcome::Silent)
    }

    /// A router says that the host is not to be reached (ICMP 3/1, ICMPv6 1/3): `EHOSTUNREACH`.
    pub fn unreachable(router: impl Into<IpAddr>) -> Self {
        let router = router.into();
        let (kind, code) = if router.is_ipv6() { (1, 3) } else { (3, 1) };
        Self::icmp("EHOSTUNREACH", kind, code, router)
    }

    /// A firewall says that it is prohibited (ICMP 3/13, ICMPv6 1/1): `EHOSTUNREACH`, or `EACCES` in IPv6.
    pub fn prohibited(firewall: impl Into<IpAddr>) -> Self {
        let firewall = firewall.into();
        match firewall.is_ipv6() {
            true => Self::icmp("EACCES", 1, 1, firewall),
            false => Self::icmp("EHOSTUNREACH", 3, 13, firewall),
        }
    }

    /// This host has no route there: `ENETUNREACH`, at once.
    pub fn no_route() -> Self {
        let failure = failure("ENETUNREACH");
        Self::of(Outcome::Fail(Box::new(failure), false))
    }

    /// Any other error, by the symbol Linux has for it: `ECONNRESET`, `EADDRNOTAVAIL`, `EMFILE`.
    pub fn errno(symbol: &'static str) -> Self {
        let had_address = !matches!(symbol, "EADDRNOTAVAIL" | "EMFILE" | "ENFILE" | "ENETUNREACH");
        Self::of(Outcome::Fail(Box::new(failure(symbol)), had_address))
    }

    /// Exactly this failure.
    pub fn fails(failure: ConnectFailure) -> Self {
        Self::of(Outcome::Fail(Box::new(failure), false))
    }

    /// One after the other, the last one for ever.
    pub fn in_turn(dials: impl IntoIterator<Item = Self>) -> DialsInTurn {
        DialsInTurn(dials.into_iter().collect())
    }

    /// The outcome comes this much later; later than the caller waits, it is a timeout.
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    /// What the kernel knows of the connection, or of the attempt when it has failed.
    ///
    /// Bytes that go over the connection are added to its counters. Without this the kernel is not asked:
    /// nothing is invented.
    pub fn kernel(mut self, kernel: KernelInfo) -> Self {
        self.kernel = Some(kernel);
        self
    }

    fn icmp(symbol: &'static str, kind: u8, code: u8, from: IpAddr) -> Self {
        let mut failure = failure(symbol);
        failure.icmp = Some(IcmpError::new(kind, code, Some(from), from.is_ipv6()));
        Self::of(Outcome::Fail(Box::new(failure), true))
    }

    fn of(outcome: Outcome) -> Self {
        Self { outcome, after: Duration::ZERO, kernel: None }
    }
}

/// The failure Linux gives for a symbol.
pub(super) fn failure(symbol: &'static str) -> ConnectFailure {
    let known = errno::of(symbol);
    let mut failure = ConnectFailure::new(known.map_or(symbol, |(_, words)| words));
    failure.errno = known.map(|(number, _)| number);
    failure.symbol = Some(symbol.into());
    failure
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match &self.outcome {
            Outcome::Serve(_) => "serve".to_owned(),
            Outcome::Fail(failure, _) => failure.to_string(),
            Outcome::Silent => "silent".to_owned(),
        };
        f.debug_struct("Dial").field("outcome", &outcome).field("after", &self.after).finish_non_exhaustive()
    }
}

/// Decides what becomes of each attempt: a [`Dial`], several [in turn](Dial::in_turn), or a closure
/// that serves every connection.
///
/// ```
/// use reqpath_testkit::vantage::{Dial, Dials, FakeVantage};
///
/// /// Down for the first attempts, as a server is that restarts.
/// struct Restarts {
///     refuses: u64,
/// }
///
/// impl Dials for Restarts {
///     fn dial(&self, number: u64) -> Dial {
///         if number < self.refuses { Dial::refused() } else { Dial::answers("HTTP/1.1 204 No Content\r\n\r\n") }
///     }
/// }
///
/// let vantage = FakeVantage::builder().tcp(([192, 0, 2, 7], 80), Restarts { refuses: 3 }).build();
/// # drop(vantage);
/// ```
pub trait Dials: Send + Sync {
    /// What becomes of this attempt, numbered from 0.
    fn dial(&self, number: u64) -> Dial;
}

impl Dials for Dial {
    fn dial(&self, _: u64) -> Dial {
        self.clone()
    }
}

impl<F, R> Dials for F
where
    F: Fn(Exchange) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = io::Result<()>> + Send + 'static,
{
    fn dial(&self, _: u64) -> Dial {
        Dial::serve(self.clone())
    }
}

/// Attempts in turn, made by [`Dial::in_turn`].
///
/// ```
/// use reqpath_testkit::vantage::{Dial, Dials, DialsInTurn};
///
/// let turns: DialsInTurn = Dial::in_turn([Dial::silent(), Dial::refused()]);
/// assert!(format!("{:?}", turns.dial(0)).contains("silent"));
/// assert!(format!("{:?}", turns.dial(9)).contains("refused"));      // the last one for ever
/// ```
#[derive(Debug)]
pub struct DialsInTurn(Vec<Dial>);

impl Dials for DialsInTurn {
    fn dial(&self, number: u64) -> Dial {
        let turn = usize::try_from(number).unwrap_or(usize::MAX);
        self.0.get(turn).or(self.0.last()).cloned().unwrap_or_else(Dial::refused)
    }
}

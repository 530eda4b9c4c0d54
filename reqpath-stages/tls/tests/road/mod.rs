//! A road of two stages: one that dials what it is told, and the one under test.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqpath_core::{
    Again, Catalogue, Cause, ConnectFailure, ConnectOptions, Connection, Contact, ContactKind, Context,
    Datagram, Dialled, Error, Left, Listener, Path, PeerAddr, Permit, Pipeline, PortUse, Redial, Report,
    Route, Stage, Subject, SystemAnswer, SystemLookupError, Target, Trace, Unavailable, Vantage, Verdict,
};
use reqpath_local::LocalVantage;
use reqpath_testkit::pki::Authority;
use reqpath_tls::{Bundle, Handshake, Purpose, Tls, TlsOptions, Trust};

/// Dials one address, whatever the target is called.
#[derive(Debug)]
struct Dial(PeerAddr);

#[async_trait]
impl Stage for Dial {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn causes(&self) -> &[&'static Cause] {
        &[]
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        vec![Contact::new(ContactKind::Connection, "the server", 3, "the road and its silence")]
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let again = Straight(self.0);
        let dialled = again.redial(at, cx).await?.expect("the server is up");
        cx.hand_on(at, dialled);
        cx.hand_on(at, Again(Arc::new(again)));
        Ok(Left::Alive)
    }
}

#[derive(Debug)]
struct Straight(PeerAddr);

#[async_trait]
impl Redial for Straight {
    async fn redial(&self, _: &Subject, cx: &Context) -> Result<Option<Dialled>, Error> {
        let permit = cx.permit(ContactKind::Connection)?;
        let how = ConnectOptions::within(cx.limit(Duration::from_secs(5)));
        let connection = cx.vantage().connect(permit, self.0, how).await;
        Ok(connection.ok().map(|connection| Dialled::plain(connection, self.0)))
    }
}

/// Options that trust this authority alone.
pub fn trusting(authority: &Authority) -> TlsOptions {
    let bundle = Bundle::from_pem("ca.pem", authority.certificate_pem().as_bytes()).unwrap();
    let mut options = TlsOptions::default();
    options.trust = Trust::Bundle(bundle);
    options
}

/// Follows a request for this host to this address, in at most ten seconds.
pub fn trace(options: TlsOptions, host: &str, to: SocketAddr) -> Report {
    trace_within(Duration::from_secs(10), options, host, to)
}

pub fn trace_within(deadline: Duration, options: TlsOptions, host: &str, to: SocketAddr) -> Report {
    trace_from(Arc::new(LocalVantage::new()), deadline, options, host, to)
}

pub fn trace_from(
    vantage: Arc<dyn Vantage>,
    deadline: Duration,
    options: TlsOptions,
    host: &str,
    to: SocketAddr,
) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pipeline = Pipeline::builder()
        .stage(Dial(PeerAddr(to)))
        .stage(Tls::new(options).unwrap())
        .causes(reqpath_tcp::CAUSES.iter().copied())
        .build()
        .unwrap();
    let target = Target::get(&format!("https://{host}:{}/", to.port())).unwrap();
    let report =
        runtime.block_on(pipeline.trace(Trace::new(target, vantage).deadline(deadline).without_last_try()));
    stored_says_the_same(&report);
    report
}

/// The report, written, read and judged again, gives the same verdict and findings.
fn stored_says_the_same(report: &Report) {
    let json = reqpath_core::serde_json::to_vec(report).unwrap();
    let causes = reqpath_tls::CAUSES.iter().chain(reqpath_tcp::CAUSES).copied();
    let again = Report::load(&json).unwrap().judged(&Catalogue::new(causes).unwrap());
    let value = |report: &Report| {
        let json = reqpath_core::serde_json::to_value(report).unwrap();
        (
            json["verdict"].clone(),
            json["findings"].clone(),
            json["ruled_out"].clone(),
            json["observations"].clone(),
        )
    };
    assert_eq!(value(&again), value(report));
}

pub fn code(report: &Report) -> &str {
    match report.verdict.as_ref().unwrap() {
        Verdict::Died { cause, .. } => &cause.code,
        other => other.kind(),
    }
}

#[track_caller]
pub fn assert_died(report: &Report, of: &str) {
    assert_eq!(code(report), of, "{:#?}\n{:#?}", report.verdict, report.observations);
    let Some(Verdict::Died { also, .. }) = &report.verdict else { panic!() };
    assert!(also.is_empty(), "also {also:?}");
}

#[track_caller]
pub fn assert_reached(report: &Report) {
    assert_eq!(code(report), "reached", "{:#?}\n{:#?}", report.verdict, report.observations);
}

pub fn handshakes(report: &Report) -> Vec<&Handshake> {
    report.observations.iter().filter_map(|observation| observation.get::<Handshake>()).collect()
}

#[track_caller]
pub fn handshake(report: &Report, purpose: Purpose) -> &Handshake {
    let found = handshakes(report).into_iter().find(|handshake| handshake.purpose == purpose);
    found.unwrap_or_else(|| panic!("no handshake {purpose:?} in {:#?}", report.observations))
}

/// This process, with a clock that is wrong.
#[derive(Debug)]
pub struct AnotherTime(pub LocalVantage, pub SystemTime);

#[async_trait]
impl Vantage for AnotherTime {
    fn name(&self) -> Cow<'static, str> {
        self.0.name()
    }

    async fn connect(
        &self,
        permit: Permit,
        to: PeerAddr,
        how: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectFailure> {
        self.0.connect(permit, to, how).await
    }

    async fn datagram(&self, permit: Permit, to: PeerAddr) -> io::Result<Box<dyn Datagram>> {
        self.0.datagram(permit, to).await
    }

    async fn resolve(&self, permit: Permit, name: &str) -> Result<SystemAnswer, SystemLookupError> {
        self.0.resolve(permit, name).await
    }

    async fn route(&self, permit: Permit, to: IpAddr) -> Result<Route, Unavailable> {
        self.0.route(permit, to).await
    }

    async fn listener(&self, permit: Permit, at: PeerAddr) -> Result<Option<Listener>, Unavailable> {
        self.0.listener(permit, at).await
    }

    async fn ports(&self, permit: Permit, to: PeerAddr) -> Result<PortUse, Unavailable> {
        self.0.ports(permit, to).await
    }

    async fn descriptors(&self, permit: Permit) -> Result<(u64, u64), Unavailable> {
        self.0.descriptors(permit).await
    }

    async fn read(&self, permit: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        self.0.read(permit, path, limit).await
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.0.environment(name)
    }

    fn now(&self) -> SystemTime {
        self.1
    }
}

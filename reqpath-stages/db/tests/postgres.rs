//! A real PostgreSQL behind an application that fails, and every way not to reach it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use common::{asked, front, of_database, told, trace};
use reqpath_core::{Report, Vantage};
use reqpath_db::{Answer, DbOptions, SslMode};
use reqpath_local::LocalVantage;
use reqpath_testkit::MockUpstream;
use reqpath_testkit::mock::{ClosedPort, Reply};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{Postgres, PostgresBuilder, require};
use reqpath_tls::{Bundle, Handshake, Trust};

fn with(mode: SslMode) -> DbOptions {
    let mut options = DbOptions::default();
    options.mode = mode;
    options
}

fn verifying(authority: &Authority) -> DbOptions {
    let mut options = with(SslMode::VerifyFull);
    let bundle = Bundle::from_pem("root.crt", authority.certificate_pem().as_bytes()).unwrap();
    options.tls.trust = Trust::Bundle(bundle);
    options
}

fn secured(authority: &Authority, name: &str) -> PostgresBuilder {
    let leaf = authority.leaf(name).issue().unwrap();
    Postgres::builder().certificate(leaf.chain_pem(), leaf.key_pem())
}

/// The report on an application that answers 500 and has its database there.
fn look(at: SocketAddr, options: &DbOptions) -> Report {
    let app = MockUpstream::builder().reply(Reply::status(500)).start().unwrap();
    let local: Arc<dyn Vantage> = Arc::new(LocalVantage::new());
    let url = format!("http://{}/", app.address());
    let trace = trace(&url, Arc::clone(&local), "shop", local, &at.to_string(), options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(front().trace(trace))
}

/// Nobody tried to log in.
fn assert_left_alone(postgres: &Postgres) {
    let log = postgres.log().text();
    assert!(!log.contains("connection authorized") && !log.contains("FATAL"), "{log}");
}

#[test]
fn a_server_in_the_clear() {
    let Some(postgres) = require(Postgres::builder().start()) else { return };
    for mode in [SslMode::Disable, SslMode::Prefer] {
        let report = look(postgres.address(), &with(mode));
        assert_eq!(told(&report), "died shop http.error", "{mode}");
        assert!(of_database(&report).is_empty());
    }
    for mode in [SslMode::Require, SslMode::VerifyFull] {
        let report = look(postgres.address(), &with(mode));
        assert_eq!(told(&report), "died prices http.error<db.tls_required", "{mode}");
        assert_eq!(asked(&report).unwrap().answer, Some(Answer::Refused));
        let ruled_out: Vec<_> = report.ruled_out.iter().map(|twin| twin.code.as_str()).collect();
        assert_eq!(ruled_out, ["db.unreachable", "db.tls_failed"]);
    }
    assert_left_alone(&postgres);
}

#[test]
fn a_server_with_tls() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let Some(postgres) = require(secured(&authority, "prices.test").start()) else { return };
    // Nobody verifies, or who verifies is content.
    for options in [with(SslMode::Prefer), with(SslMode::Require), verifying(&authority)] {
        let report = look(postgres.address(), &options);
        assert_eq!(told(&report), "died shop http.error", "{}", options.mode);
        assert!(of_database(&report).is_empty());
        let shaken = report.observations.iter().find_map(|seen| seen.get::<Handshake>()).unwrap();
        assert!(shaken.completed() && shaken.chain.leaf().is_some());
    }
    let report = look(postgres.address(), &verifying(&other));
    assert_eq!(told(&report), "died prices http.error<tls.cert.authority_invalid<db.tls_failed");
    assert_left_alone(&postgres);
}

#[test]
fn a_certificate_for_another_name() {
    let authority = Authority::new().unwrap();
    let Some(postgres) = require(secured(&authority, "elsewhere.test").start()) else { return };
    let report = look(postgres.address(), &verifying(&authority));
    assert_eq!(told(&report), "died prices http.error<tls.cert.name_invalid<db.tls_failed");
    assert_eq!(told(&look(postgres.address(), &with(SslMode::Require))), "died shop http.error");
}

#[test]
fn nobody_listens() {
    let closed = ClosedPort::reserve().unwrap();
    let report = look(closed.address(), &with(SslMode::Prefer));
    assert_eq!(told(&report), "died prices http.error<tcp.refused<db.unreachable");
    let finding = of_database(&report)[0];
    assert_eq!(
        finding.summary,
        format!(
            "the database `prices` cannot be reached from `shop`: {} refused the connection",
            closed.address()
        )
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_firewall_before_the_database() {
    use reqpath_testkit::lab::{self, Filter, Lab};

    let lab = Lab::builder().host("client").host("shop").host("prices");
    let lab = lab.link("client", "shop").link("shop", "prices").without_ipv6().build();
    let Some(lab) = lab::or_skip(lab) else { return };
    let (client, shop, prices) = (&lab["client"], &lab["shop"], &lab["prices"]);
    let address = SocketAddr::from((prices.ipv4(), 5432));
    let started = prices.start(|| Postgres::builder().at((Ipv4Addr::UNSPECIFIED, 5432).into()).start());
    let Some(_postgres) = lab::or_skip(started) else { return };
    let app = (shop.ipv4(), 80).into();
    let app = MockUpstream::builder().bind_exactly(app).reply(Reply::status(500));
    let _app = shop.run(|| app.start()).unwrap().unwrap();
    let look = |from: &str, vantage| {
        let url = format!("http://{}/", shop.ipv4());
        let options = with(SslMode::Prefer);
        let trace = trace(&url, client.vantage(), from, vantage, &address.to_string(), &options);
        client.trace(&front(), trace).unwrap()
    };
    assert_eq!(told(&look("shop", shop.vantage())), "died shop http.error");
    // The client has no way there, and that is no news.
    let report = look("client", client.vantage());
    assert!(of_database(&report).is_empty(), "{:#?}", report.findings);
    assert!(!told(&report).contains("prices"), "{}", told(&report));

    let Some(_) = lab::or_skip(prices.rules()) else { return };
    prices.impose(&Filter::incoming().tcp_port(5432).drop()).unwrap();
    let report = look("shop", shop.vantage());
    assert_eq!(told(&report), "died prices http.error<tcp.timed_out<db.unreachable");
    assert!(of_database(&report)[0].summary.contains("left it unanswered for"));
}

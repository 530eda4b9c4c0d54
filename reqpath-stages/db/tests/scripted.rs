//! Every answer a server can give, scripted to the byte.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{asked, database, of_database, path, told, trace};
use reqpath_core::{ContactKind, Target, Trace};
use reqpath_db::{Answer, DbOptions, SslMode};
use reqpath_testkit::vantage::{Dial, Exchange, FakeVantage, FakeVantageBuilder, Lookup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const APP: ([u8; 4], u16) = ([192, 0, 2, 7], 80);
const PRICES: ([u8; 4], u16) = ([10, 0, 0, 5], 5432);

fn with(mode: SslMode) -> DbOptions {
    let mut options = DbOptions::default();
    options.mode = mode;
    options
}

/// An application that answers 500, and its database.
fn shop() -> FakeVantageBuilder {
    FakeVantage::builder().tcp(APP, Dial::answers("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"))
}

/// A server that gets the question, and nothing else, and answers this.
fn answering(answer: &'static [u8]) -> Arc<FakeVantage> {
    let serve = move |mut exchange: Exchange| async move {
        let mut question = [0; 8];
        exchange.read_exact(&mut question).await?;
        assert_eq!(question, [0, 0, 0, 8, 4, 210, 22, 47]);
        exchange.write_all(answer).await?;
        let mut more = Vec::new();
        exchange.read_to_end(&mut more).await?;
        assert!(more.is_empty(), "nobody logs in: {more:?}");
        Ok(())
    };
    shop().tcp(PRICES, serve).expect(1).rest_absent().build()
}

async fn look(vantage: &Arc<FakeVantage>, mode: SslMode) -> reqpath_core::Report {
    let (client, shop) = (Arc::clone(vantage) as _, Arc::clone(vantage) as _);
    let trace = trace("http://192.0.2.7/", client, "shop", shop, "10.0.0.5:5432", &with(mode));
    let pipeline = common::front();
    let announced = pipeline.announced_requests(&trace);
    let report = pipeline.trace(trace).await;
    assert!(vantage.count(ContactKind::Request) <= u64::from(announced));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    vantage.verify().unwrap();
    report
}

#[tokio::test(start_paused = true)]
async fn a_server_without_tls_is_enough_for_some() {
    let report = look(&answering(b"N"), SslMode::Prefer).await;
    assert_eq!(told(&report), "died shop http.error");
    assert_eq!(asked(&report).unwrap().answer, Some(Answer::Refused));
    assert!(of_database(&report).is_empty());

    let report = look(&answering(b"N"), SslMode::Require).await;
    assert_eq!(told(&report), "died prices http.error<db.tls_required");
    let report = look(&answering(b"N"), SslMode::VerifyFull).await;
    assert_eq!(told(&report), "died prices http.error<db.tls_required");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_database_is_none() {
    for (answer, words) in [
        (&b""[..], "closed the connection without an answer"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP, not PostgreSQL"),
        // It begins with the letter that agrees to TLS.
        (b"SSH-2.0-OpenSSH_9.6\r\n", "speaks SSH, not PostgreSQL"),
        (b"N\x1b[31m", "speaks something else, not PostgreSQL: `N\\u{1b}[31m`"),
        (b"Ecould not fork new process for connection: Out of memory\n\0", "Out of memory"),
        (b"E\0\0\0\x30SFATAL\0C57P03\0Mthe database is starting up\0\0", "starting up (SQLSTATE 57P03)"),
    ] {
        let vantage = shop()
            .tcp(PRICES, move |mut exchange: Exchange| async move {
                let mut question = [0; 8];
                exchange.read_exact(&mut question).await?;
                exchange.write_all(answer).await
            })
            .rest_absent()
            .build();
        let report = look(&vantage, SslMode::Prefer).await;
        assert_eq!(told(&report), "died prices http.error<db.unreachable");
        let summary = &of_database(&report)[0].summary;
        assert!(summary.contains(words), "{summary}");
        assert!(!summary.contains('\u{1b}'));
    }
}

#[tokio::test(start_paused = true)]
async fn who_keeps_silent_is_waited_for_as_long_as_may_be() {
    let report = look(&answering_never(), SslMode::Prefer).await;
    assert_eq!(told(&report), "died prices http.error<db.unreachable");
    assert_eq!(asked(&report).unwrap().answer, Some(Answer::Silent));
}

fn answering_never() -> Arc<FakeVantage> {
    let silent = |mut exchange: Exchange| async move {
        let mut all = Vec::new();
        exchange.read_to_end(&mut all).await.map(drop)
    };
    shop().tcp(PRICES, silent).rest_absent().build()
}

#[tokio::test(start_paused = true)]
async fn an_endless_error_is_cut() {
    let vantage = shop()
        .tcp(PRICES, |mut exchange: Exchange| async move {
            let _ = exchange.write_all(b"E").await;
            while exchange.write_all(&[b'x'; 4096]).await.is_ok() {}
            Ok(())
        })
        .rest_absent()
        .build();
    let report = look(&vantage, SslMode::Prefer).await;
    assert_eq!(told(&report), "died prices http.error<db.unreachable");
    assert!(of_database(&report)[0].summary.len() < 1000);
}

#[tokio::test(start_paused = true)]
async fn a_name_and_a_closed_port_stand_in_the_chain() {
    let vantage = shop().tcp(PRICES, Dial::refused()).rest_absent().build();
    let report = look(&vantage, SslMode::Prefer).await;
    assert_eq!(told(&report), "died prices http.error<tcp.refused<db.unreachable");

    let vantage = shop().name("db.shop.test", Lookup::no_name()).rest_absent().build();
    let (client, shop) = (Arc::clone(&vantage) as _, Arc::clone(&vantage) as _);
    let options = DbOptions::default();
    let trace = trace("http://192.0.2.7/", client, "shop", shop, "db.shop.test:5432", &options);
    let report = common::front().trace(trace).await;
    let told = told(&report);
    assert!(told.starts_with("died prices http.error<dns.") && told.ends_with("<db.unreachable"), "{told}");
    assert!(of_database(&report)[0].summary.contains("`db.shop.test`"));
}

#[tokio::test(start_paused = true)]
async fn other_databases_and_other_hops_are_told_nothing() {
    let quiet = |mut exchange: Exchange| async move {
        let mut all = Vec::new();
        exchange.read_to_end(&mut all).await?;
        assert!(all.is_empty(), "{all:?}");
        Ok(())
    };
    let mysql = ([10, 0, 0, 5], 3306);
    let vantage = shop().tcp(mysql, quiet).expect(1).rest_absent().build();
    let (client, from) = (Arc::clone(&vantage) as _, Arc::clone(&vantage) as _);
    let trace = trace("http://192.0.2.7/", client, "shop", from, "10.0.0.5:3306", &with(SslMode::Require));
    let report = common::front().trace(trace).await;
    assert!(asked(&report).is_none() && of_database(&report).is_empty());
    vantage.verify().unwrap();

    // The same stages on a leg to something else.
    let vantage = FakeVantage::builder().tcp(APP, quiet).expect(1).rest_absent().build();
    let target = Target::get("http://192.0.2.7/").unwrap();
    let trace = Trace::new(target, Arc::clone(&vantage) as _).path(path());
    assert_eq!(database(&with(SslMode::Require)).announced_requests(&trace), 0);
    let report = database(&with(SslMode::Require)).trace(trace).await;
    assert_eq!(report.verdict.unwrap().kind(), "reached");
    vantage.verify().unwrap();

    // And who wants no TLS does not ask for it.
    let vantage = shop().tcp(PRICES, quiet).expect(1).rest_absent().build();
    let report = look(&vantage, SslMode::Disable).await;
    assert!(asked(&report).is_none() && of_database(&report).is_empty());
}

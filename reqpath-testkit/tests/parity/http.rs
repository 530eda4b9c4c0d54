//! Faults of a connection and of an answer in plain HTTP.

use reqpath_core::Report;
use reqpath_testkit::FakeVantage;
use reqpath_testkit::mock::{ClosedPort, Connection, MockUpstream, Reply};
use reqpath_testkit::vantage::{Dial, Exchange};
use tokio::io::AsyncWriteExt;

use crate::body::{OK, Real, compare, figures, one, road};

/// A plain HTTP server that says these bytes, on sockets and in memory.
#[track_caller]
fn says(bytes: &'static str) -> Report {
    let real = MockUpstream::start(Reply::raw(bytes)).unwrap();
    compare("http://ADDRESS/x", road(), Real::mock(real), |address| one(address, Dial::answers(bytes)))
}

#[test]
fn a_whole_answer() {
    reqpath_testkit::assert_reached!(says(OK), with "HTTP/1.1 200");
}

#[test]
fn a_failure_by_status() {
    says("HTTP/1.1 503 Service Unavailable\r\nserver: toy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

#[test]
fn bytes_that_are_no_http() {
    says("\u{1}\u{2}\u{1b}[31mwhatever\r\n\r\n");
}

#[test]
fn an_answer_cut_short() {
    says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this");
}

#[test]
fn a_closed_port() {
    let port = ClosedPort::reserve().unwrap();
    compare("http://ADDRESS/x", road(), Real::of(port.address(), port), |address| {
        one(address, Dial::refused())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_that_does_not_answer() {
    let full = reqpath_testkit::mock::FullAcceptQueue::start().unwrap();
    compare("http://ADDRESS/x", road(), Real::of(full.address(), full), |address| {
        one(address, Dial::silent())
    });
}

/// A plain HTTP server that treats the request so, on sockets and in memory.
#[track_caller]
fn treats<F, R>(reply: Reply, serve: F) -> Report
where
    F: Fn(Exchange) -> R + Send + Sync + 'static,
    R: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let real = MockUpstream::start(reply).unwrap();
    compare("http://ADDRESS/x", road(), Real::mock(real), |address| one(address, Dial::serve(serve)))
}

#[test]
fn a_request_that_is_read_and_not_answered() {
    treats(Reply::hang(), Exchange::hold);
}

#[test]
fn a_connection_closed_after_the_request() {
    treats(Reply::close(), |mut exchange| async move { exchange.read_head().await.map(drop) });
}

#[test]
fn a_connection_reset_after_the_request() {
    treats(Reply::reset(), |mut exchange| async move {
        exchange.read_head().await?;
        exchange.reset();
        Ok(())
    });
}

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it";

#[test]
fn a_body_that_stops() {
    treats(Reply::raw(HALF).stop_after(HALF.len() as u64), |mut exchange| async move {
        exchange.read_head().await?;
        exchange.write_all(HALF.as_bytes()).await?;
        exchange.hold().await
    });
}

#[test]
fn a_body_that_is_reset() {
    treats(Reply::raw(HALF).reset_after(HALF.len() as u64), |mut exchange| async move {
        exchange.read_head().await?;
        exchange.write_all(HALF.as_bytes()).await?;
        exchange.reset();
        Ok(())
    });
}

#[test]
fn a_server_of_another_protocol() {
    // It waits for the first bytes: a greeting sent at once meets the request now before, now after it is sent.
    let ssh = "SSH-2.0-OpenSSH_9.2p1\r\n";
    let real = MockUpstream::builder().connections(Connection::answers(ssh)).start().unwrap();
    compare("http://ADDRESS/x", road(), Real::mock(real), |address| one(address, Dial::answers(ssh)));
}

#[test]
fn one_dead_address_of_two() {
    let real = MockUpstream::start(Reply::raw(OK)).unwrap();
    let port = real.address().port();
    let mut road = road();
    // The dead one comes first, so that the road meets it.
    road.client.resolve = vec![format!("shop.test:{port}:127.0.0.2,127.0.0.1").parse().unwrap()];
    let report = compare("http://shop.test:PORT/x", road, Real::mock(real), |address| {
        let dead = ([127, 0, 0, 2], address.port());
        FakeVantage::builder()
            .tcp(dead, Dial::refused().kernel(figures()))
            .expect(1)
            .tcp(address, Dial::answers(OK).kernel(figures()))
            .expect(1)
            .build()
    });
    reqpath_testkit::assert_reached!(report);
    reqpath_testkit::assert_warned!(report, "dns.dead_address");
}

//! A proxy from the environment and the server behind it, told apart: real proxies, real faults.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Run, reqpath};
use reqpath_testkit::mock::{ClosedPort, MockUpstream, Reply};
use reqpath_testkit::real::{Tinyproxy, require};
use serde_json::Value;

/// `reqpath trace --json` with the proxy for every scheme.
fn through(proxy: &str, arguments: &[&str]) -> Run {
    let mut command = reqpath();
    command.args(["trace", "--json", "--max-time", "5"]).args(arguments).env("all_proxy", proxy);
    common::run(command)
}

fn server(run: &Run, asked: &str) -> Value {
    run.report["hops"][1][asked].clone()
}

/// It died at neither end of its own accord, but between them, and whether it arrived is not known.
fn assert_between(run: &Run) {
    let at = &run.report["verdict"]["at"];
    assert_eq!(at["leg"]["to"], "server", "{}", run.told());
    assert_eq!(server(run, "arrived"), "unknown", "{}", run.told());
}

fn summary(run: &Run) -> String {
    run.report["verdict"]["cause"]["summary"].to_string()
}

fn says(run: &Run, words: &str) {
    assert!(summary(run).contains(words), "no {words} in {}", run.told());
}

#[test]
fn a_dead_target_behind_a_proxy_that_lives_is_no_second_address_of_it() {
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    let gone = ClosedPort::reserve().unwrap();
    for more in [&[][..], &["-n", "12"], &["-X", "DELETE"]] {
        let url = format!("http://{}/", gone.address());
        let run = through(&proxy.url(), &[more, &[&url]].concat());
        run.assert_died("client.proxy_failed").assert_not_blamed("dns.dead_address");
        assert!(!run.stdout.contains("2 addresses"), "{}", run.told());
        assert_between(&run);
        says(&run, &proxy.url());
        says(&run, "its own error page");
        // The control past the proxy tells what is the matter behind it; nothing that changes things is sent twice.
        let past = run.report["findings"].to_string().contains(&format!("{} refused", gone.address()));
        assert_eq!(past, !more.contains(&"DELETE"), "{}", run.told());
        let said = summary(&run).contains("past the proxy the request dies as well, in tcp");
        assert_eq!(said, past, "{}", run.told());
    }
}

#[test]
fn a_dead_proxy_before_a_dead_target_is_named_and_neither_is_taken_for_the_other() {
    let (proxy, target) = (ClosedPort::reserve().unwrap(), ClosedPort::reserve().unwrap());
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{}/", target.address());
        let run = through(&format!("http://{}", proxy.address()), &[&url]);
        run.assert_died("client.proxy_unreachable").assert_not_blamed("dns.dead_address");
        assert!(!run.stdout.contains("2 addresses"), "{}", run.told());
        assert_eq!(run.report["verdict"]["at"]["hop"], "client", "{}", run.told());
        says(&run, "past the proxy the request dies as well, in tcp");
        assert!(run.ruled_out().contains(&"client.proxy_env"), "{}", run.told());
        assert_eq!(server(&run, "arrived"), "no", "{}", run.told());
    }
}

#[test]
fn a_dead_proxy_is_named_also_where_no_second_request_may_be_sent() {
    let gone = ClosedPort::reserve().unwrap();
    let live = MockUpstream::start(Reply::ok("open")).unwrap();
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{}/", live.address());
        for more in [&[][..], &["-n", "12"]] {
            let run =
                through(&format!("http://{}", gone.address()), &[more, &["-X", "DELETE", &url]].concat());
            run.assert_died("client.proxy_unreachable");
            assert_eq!(run.report["verdict"]["at"]["hop"], "client", "{}", run.told());
            says(&run, &format!("the proxy http://{}", gone.address()));
            says(&run, &format!("{} was not asked", live.address()));
            assert_eq!(server(&run, "arrived"), "no", "{}", run.told());
        }
    }
    assert_eq!(live.request_count(), 0);
}

#[test]
fn a_refused_connection_without_a_proxy_is_the_server_s_as_ever() {
    let gone = ClosedPort::reserve().unwrap();
    let run = through("", &["-X", "DELETE", &format!("http://{}/", gone.address())]);
    run.assert_died("tcp.refused").assert_not_blamed("client.proxy_unreachable");
    let at = &run.report["verdict"]["at"];
    assert_eq!((&at["hop"], at["leg"].is_null()), (&Value::from("server"), true), "{}", run.told());
}

#[test]
fn a_proxy_that_wants_credentials_kills_plain_requests_too() {
    let Some(proxy) = require(Tinyproxy::builder().password("me", "hush").start()) else { return };
    let live = MockUpstream::start(Reply::ok("open")).unwrap();
    let url = live.url("/");
    for more in [&[][..], &["-n", "12"]] {
        let run = through(&proxy.url(), &[more, &[&url]].concat());
        run.assert_died("client.proxy_env");
        assert_eq!(run.report["verdict"]["at"]["hop"], "client", "{}", run.told());
        assert!(run.report["verdict"]["chain"].to_string().contains("client.proxy_failed"), "{}", run.told());
        assert_eq!(server(&run, "arrived"), "unknown", "{}", run.told());
    }

    let before = live.request_count();
    let run = through(&proxy.url(), &["-X", "DELETE", &url]);
    run.assert_died("client.proxy_failed");
    says(&run, "407");
    assert_between(&run);
    assert_eq!(live.request_count(), before, "the server never saw it");

    // Who asks for it, gets it.
    through(&proxy.url(), &["--expect-status", "407", &url]).assert_reached();
}

#[test]
fn a_proxy_whose_error_pages_are_written_by_its_owner_is_known_too() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    std::fs::write(&page, "<h1>Not from here.</h1>").unwrap();
    let line = format!("DefaultErrorFile \"{}\"", page.display());
    let Some(proxy) = require(Tinyproxy::builder().option(&line).start()) else { return };
    let gone = ClosedPort::reserve().unwrap();
    let run = through(&proxy.url(), &[&format!("http://{}/", gone.address())]);
    run.assert_died("client.proxy_failed");
    assert_between(&run);
    says(&run, "Server: tinyproxy/");
}

#[test]
fn a_407_of_the_server_itself_is_no_proxy_s() {
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    let odd = MockUpstream::start(Reply::status(407)).unwrap();
    for by in ["", &proxy.url()] {
        let run = through(by, &[&odd.url("/")]);
        run.assert_reached().assert_not_blamed("client.proxy_failed").assert_not_blamed("client.proxy_env");
        assert_eq!(server(&run, "arrived"), "yes", "{}", run.told());
    }
}

#[test]
fn an_error_that_the_server_gives_past_the_proxy_too_is_not_the_proxy_s() {
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    let broken = MockUpstream::start(Reply::status(500).body("oops")).unwrap();
    let run = through(&proxy.url(), &[&broken.url("/")]);
    run.assert_died("http.error")
        .assert_not_blamed("client.proxy_failed")
        .assert_not_blamed("client.proxy_env");
    says(&run, &format!("the proxy {}", proxy.url()));
    assert_between(&run);

    let run = through("", &[&broken.url("/")]);
    run.assert_died("http.error");
    assert!(run.report["verdict"]["at"]["leg"].is_null(), "{}", run.told());
    assert_eq!(server(&run, "arrived"), "yes", "{}", run.told());
}

#[test]
fn an_error_by_a_hand_that_shows_past_the_proxy_too_is_not_the_proxy_s() {
    let squid = |status: u16| Reply::status(status).header("X-Squid-Error", "ERR_CONNECT_FAIL 111");
    for status in [503, 403, 407] {
        // Whether a proxy relays it or says it by itself, nothing in it tells.
        let proxy = MockUpstream::start(squid(status)).unwrap();
        let by = format!("http://{}", proxy.address());
        let front = MockUpstream::start(squid(status)).unwrap();
        through(&by, &[&front.url("/")]).assert_not_blamed("client.proxy_failed");

        // Of another hand, or of another status, it is another answer.
        let other = if status == 503 { 500 } else { 503 };
        for reply in [Reply::status(status), squid(other)] {
            let front = MockUpstream::start(reply).unwrap();
            let run = through(&by, &[&front.url("/")]);
            let found = run.report["findings"].to_string().contains("client.proxy_failed");
            assert!(found, "{status}: {}", run.told());
        }
    }
}

#[test]
fn an_error_that_only_comes_through_the_proxy_is_the_proxy_s_whoever_wrote_it() {
    let live = MockUpstream::start(Reply::ok("open")).unwrap();
    let squid = Reply::status(403).header("X-Squid-Error", "ERR_ACCESS_DENIED 0").body("<html>");
    let status = Reply::status(502).header("Proxy-Status", "edge.example; error=connection_timeout");
    for (reply, chain) in [
        (squid, "client.proxy_failed"),
        (status, "http.error"),
        (Reply::status(503).body("not now"), "http.error"),
        (Reply::status(504).header("Via", "1.1 edge"), "http.error"),
    ] {
        let proxy = MockUpstream::start(reply).unwrap();
        let run = through(&format!("http://{}", proxy.address()), &[&live.url("/")]);
        run.assert_died("client.proxy_env");
        assert_eq!(run.report["verdict"]["at"]["hop"], "client", "{}", run.told());
        assert!(run.report["verdict"]["chain"].to_string().contains(chain), "{}", run.told());
    }
}

#[test]
fn a_proxy_that_hangs_up_is_not_the_server_hanging_up() {
    for reply in [Reply::close(), Reply::reset()] {
        let proxy = MockUpstream::start(reply).unwrap();
        let gone = ClosedPort::reserve().unwrap();
        let run = through(&format!("http://{}", proxy.address()), &[&format!("http://{}/", gone.address())]);
        assert_eq!(run.kind(), "died", "{}", run.told());
        assert_between(&run);
    }
}

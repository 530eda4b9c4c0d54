//! The client's own side, as real faults: a proxy from the environment, a deadline too short, flags.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Run, name, reqpath, trace};
use reqpath_testkit::mock::{ClosedPort, FullAcceptQueue, MockUpstream, Reply};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{Nginx, Tinyproxy, require};

/// `reqpath trace --json` in an environment of these variables besides a clean one.
fn trace_with(variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = reqpath();
    command.arg("trace").arg("--json").args(arguments);
    if !arguments.contains(&"--max-time") {
        command.args(["--max-time", "5"]);
    }
    command.envs(variables.iter().copied());
    common::run(command)
}

/// A server for a name of its own, with the flag that leads to it.
struct Shop {
    mock: MockUpstream,
    name: String,
    scheme: &'static str,
    folder: tempfile::TempDir,
}

impl Shop {
    fn plain() -> Self {
        let mock = MockUpstream::start(Reply::ok("open")).unwrap();
        Self { mock, name: name(), scheme: "http", folder: tempfile::tempdir().unwrap() }
    }

    /// Also valid by its address, which is what a proxy's client may have to use.
    fn secured() -> Self {
        let (authority, name) = (Authority::new().unwrap(), name());
        let leaf = authority.leaf(&name).also_for("127.0.0.1").issue().unwrap();
        let mock = MockUpstream::builder().tls(&leaf).reply(Reply::ok("open")).start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), authority.certificate_pem()).unwrap();
        Self { mock, name, scheme: "https", folder }
    }

    fn port(&self) -> u16 {
        self.mock.address().port()
    }

    fn url(&self) -> String {
        format!("{}://{}:{}/", self.scheme, self.name, self.port())
    }

    fn url_by_address(&self) -> String {
        format!("{}://{}/", self.scheme, self.mock.address())
    }

    /// Flags that resolve its name and trust its certificate.
    fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--resolve".to_owned(), format!("{}:{}:127.0.0.1", self.name, self.port())];
        let file = self.folder.path().join("ca.pem");
        if file.exists() {
            flags.extend(["--cacert".to_owned(), file.display().to_string()]);
        }
        flags
    }

    fn trace(&self, variables: &[(&str, &str)], more: &[&str]) -> Run {
        let (flags, url) = (self.flags(), self.url());
        let mut arguments: Vec<&str> = flags.iter().map(String::as_str).collect();
        arguments.extend(more);
        arguments.push(&url);
        trace_with(variables, &arguments)
    }
}

#[test]
fn a_proxy_that_is_gone_is_blamed_when_the_target_answers_without_it() {
    let gone = ClosedPort::reserve().unwrap();
    let proxy = format!("http://{}", gone.address());
    for (shop, variable) in [
        (Shop::plain(), "http_proxy"),
        (Shop::plain(), "ALL_PROXY"),
        (Shop::secured(), "https_proxy"),
        (Shop::secured(), "HTTPS_PROXY"),
    ] {
        let run = shop.trace(&[(variable, &proxy)], &[]);
        run.assert_died("client.proxy_env");
        assert_eq!(run.report["verdict"]["at"]["hop"], "client", "{}", run.told());
        let chain = run.report["verdict"]["chain"].to_string();
        assert!(chain.contains("tcp.refused"), "{chain}");
        let environment = run.seen("client.environment");
        assert_eq!(environment[0]["proxy"]["variable"], variable, "{}", run.told());
        assert!(shop.mock.request_count() >= 1, "the control came through");
    }
}

#[test]
fn a_proxy_whose_name_does_not_resolve_is_blamed() {
    let shop = Shop::plain();
    // A name that is resolved by nothing here: the nameserver is a closed port.
    let nowhere = ClosedPort::reserve().unwrap();
    let server = nowhere.address().to_string();
    let proxy = format!("{}:3128", name());
    let run = shop.trace(&[("http_proxy", &proxy)], &["--dns-server", &server, "--max-time", "2"]);
    run.assert_died("client.proxy_env");
}

#[test]
fn a_proxy_that_refuses_the_tunnel_is_blamed() {
    let Some(proxy) = require(Tinyproxy::builder().tunnels_to(1).start()) else { return };
    let shop = Shop::secured();
    let run = shop.trace(&[("https_proxy", &proxy.url())], &[]);
    run.assert_died("client.proxy_env");
}

#[test]
fn no_proxy_that_fails_to_exempt_is_explained_and_one_that_does_is_obeyed() {
    let shop = Shop::plain();
    let gone = ClosedPort::reserve().unwrap();
    let proxy = format!("http://{}", gone.address());
    let run = shop.trace(&[("http_proxy", &proxy), ("NO_PROXY", "localhost,*.example.test")], &[]);
    run.assert_died("client.proxy_env");
    let summary = run.report["verdict"]["cause"]["summary"].to_string();
    assert!(summary.contains("*.example.test"), "{summary}");

    for list in [".example.test", "localhost, example.test", "*", shop.name.as_str()] {
        let run = shop.trace(&[("http_proxy", &proxy), ("no_proxy", list)], &[]);
        run.assert_reached().assert_not_blamed("client.proxy_env");
    }
}

#[test]
fn a_working_proxy_carries_plain_requests_and_tunnels() {
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    for (shop, variable) in [(Shop::plain(), "http_proxy"), (Shop::secured(), "https_proxy")] {
        // The proxy resolves names by itself, so the target is named by its address.
        let (flags, url) = (shop.flags(), shop.url_by_address());
        let mut arguments: Vec<&str> = flags.iter().map(String::as_str).collect();
        arguments.push(&url);
        let run = trace_with(&[(variable, &proxy.url())], &arguments);
        run.assert_reached().assert_not_blamed("client.proxy_env");
        assert!(shop.mock.request_count() >= 1, "{}", run.told());
        let said = proxy.log().text();
        assert!(said.contains(&shop.port().to_string()), "it went through the proxy: {said}");
    }
}

#[test]
fn nginx_as_a_forward_proxy_is_given_whole_urls() {
    let shop = Shop::plain();
    let server = "listen {listen};\nlocation / { proxy_pass http://$http_host$request_uri; }";
    let Some(nginx) = require(Nginx::builder().server(server).start()) else { return };
    let proxy = format!("http://{}", nginx.address());
    let run = trace_with(&[("http_proxy", &proxy)], &[&shop.url_by_address()]);
    run.assert_reached();
    assert_eq!(shop.mock.request_count(), 1, "{}", run.told());
}

#[test]
fn credentials_reach_the_proxy_and_nothing_else() {
    let password = format!("p{:08x}", fastrand::u32(..));
    let Some(proxy) = require(Tinyproxy::builder().password("me", &password).start()) else { return };
    let with = |password: &str| format!("http://me:{password}@{}", proxy.address());
    for (shop, variable) in [(Shop::plain(), "http_proxy"), (Shop::secured(), "https_proxy")] {
        let (flags, url) = (shop.flags(), shop.url_by_address());
        let mut arguments: Vec<&str> = flags.iter().map(String::as_str).collect();
        arguments.push(&url);
        let run = trace_with(&[(variable, &with(&password))], &arguments);
        run.assert_reached();
        assert!(!run.stdout.contains(&password), "{}", run.stdout);
        for request in shop.mock.requests() {
            assert_eq!(request.header("proxy-authorization"), None);
        }
    }

    let shop = Shop::secured();
    let (flags, url) = (shop.flags(), shop.url_by_address());
    let mut arguments: Vec<&str> = flags.iter().map(String::as_str).collect();
    arguments.push(&url);
    let wrong = format!("w{:08x}", fastrand::u32(..));
    let run = trace_with(&[("https_proxy", &with(&wrong))], &arguments);
    run.assert_died("client.proxy_env");
    assert!(!run.stdout.contains(&wrong), "{}", run.stdout);
}

#[test]
fn a_target_that_is_down_for_everybody_is_not_the_proxy_s_fault() {
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    let deaf = FullAcceptQueue::start().unwrap();
    let url = format!("http://{}/", deaf.address());
    let run = trace_with(&[("http_proxy", &proxy.url())], &["--max-time", "1", "--deadline", "3.5", &url]);
    assert_eq!(run.kind(), "died", "{}", run.told());
    run.assert_not_blamed("client.proxy_env");

    // Without a proxy the same target is what it is.
    let run = trace_with(&[], &["--connect-timeout", "1", &url]);
    assert!(run.code().starts_with("tcp."), "{}", run.told());
    run.assert_not_blamed("client.proxy_env");
}

#[test]
fn the_upper_case_http_proxy_is_not_obeyed() {
    let shop = Shop::plain();
    let gone = ClosedPort::reserve().unwrap();
    let run = shop.trace(&[("HTTP_PROXY", &format!("http://{}", gone.address()))], &[]);
    run.assert_reached();
    assert_eq!(run.seen("client.environment")[0]["variables"][0]["name"], "HTTP_PROXY", "{}", run.told());
}

#[test]
fn a_proxy_of_another_kind_is_the_probe_s_trouble_and_not_the_path_s() {
    let shop = Shop::plain();
    for scheme in ["socks5", "socks5h", "https"] {
        let run = shop.trace(&[("all_proxy", &format!("{scheme}://me:hush@127.0.0.1:1"))], &[]);
        assert_eq!((run.kind(), run.status), ("unknown", 3), "{}", run.told());
        let errors = run.report["errors"].to_string();
        assert!(errors.contains("`all_proxy`") && errors.contains(scheme), "{errors}");
        assert!(!run.stdout.contains("hush"), "{}", run.stdout);
    }
}

#[test]
fn a_deadline_shorter_than_the_answer_takes_is_too_short() {
    let delay = Duration::from_millis(fastrand::u64(700..1000));
    let slow = MockUpstream::start(Reply::ok("at last").delay(delay)).unwrap();
    let run = trace(["--max-time", "0.3", "--deadline", "8", &slow.url("/")]);
    run.assert_died("client.deadline_too_short");
    assert_eq!(run.report["verdict"]["at"]["hop"], "client", "{}", run.told());
    let chain = run.report["verdict"]["chain"].to_string();
    assert!(chain.contains("http.response.timed_out"), "{chain}");

    // With time enough, there is nothing to say.
    let run = trace(["--max-time", "5", &slow.url("/")]);
    run.assert_reached().assert_not_blamed("client.deadline_too_short");
}

#[test]
fn a_server_that_never_answers_is_not_a_deadline_too_short() {
    let silent = MockUpstream::start(Reply::hang()).unwrap();
    let began = Instant::now();
    let run = trace(["--max-time", "0.3", "--deadline", "2", &silent.url("/")]);
    run.assert_died("http.response.timed_out").assert_not_blamed("client.deadline_too_short");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(run.ruled_out().contains(&"client.deadline_too_short"), "{}", run.told());
}

#[test]
fn connect_to_moves_the_connection_and_nothing_else() {
    let shop = Shop::secured();
    let (flags, rule) = (shop.flags(), format!("{}:443:{}", shop.name, shop.mock.address()));
    let url = format!("https://{}/", shop.name);
    let run = trace_with(&[], &["--connect-to", &rule, &flags[2], &flags[3], &url]);
    run.assert_reached();
    assert_eq!(shop.mock.requests()[0].host(), Some(shop.name.as_str()));
}

#[test]
fn flags_that_do_not_parse_are_the_caller_s_mistake() {
    for (flag, value) in [
        ("--connect-to", "a.example"),
        ("--connect-to", "a:b:c:d"),
        ("--resolve", "a.example:80"),
        ("--resolve", "a.example:80:here"),
    ] {
        trace([flag, value, "http://a.example/"]).assert_mistake(value);
    }
}

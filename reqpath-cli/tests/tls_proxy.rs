//! Handshakes through a proxy's tunnel: what is printed to be typed goes through it too. Real parts, really typed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
mod tls_front;

use std::process::{Command, Stdio};

use common::{Run, clean, reqpath, run};
use reqpath_testkit::mock::{Connection, MockUpstream, Tls};
use reqpath_testkit::pki::{Authority, Leaf};
use reqpath_testkit::real::{Flavour, Tinyproxy, require};
use tls_front::{Front, Plan};

const HOST: &str = "127.0.0.1";

/// A front known by its address, because a proxy looks names up for itself.
fn front(leaf: impl Fn(&Authority) -> Leaf, directives: &str) -> Option<(Front, Leaf)> {
    let mut plan = Plan::new();
    plan.name = HOST.to_owned();
    let leaf = leaf(&plan.root);
    let front = plan.shows(&leaf, directives).start(Flavour::Debian)?;
    Some((front, leaf))
}

fn expired(root: &Authority) -> Leaf {
    root.leaf(HOST).expired(3).issue().unwrap()
}

/// `reqpath trace --json` with this proxy for https, or none.
fn through(proxy: Option<&str>, arguments: &[String]) -> Run {
    let mut command = reqpath();
    command.args(["trace", "--json", "--max-time", "5"]).args(arguments);
    command.envs(proxy.map(|proxy| ("https_proxy", proxy)));
    run(command)
}

fn trace(front: &Front, proxy: Option<&str>) -> Run {
    let mut arguments = front.flags();
    arguments.push(front.url());
    through(proxy, &arguments)
}

/// What typing this in a shell prints.
fn typed(command: &str) -> String {
    let mut shell = Command::new("timeout");
    shell.args(["5", "sh", "-c", command]).env("PROXY_PASSWORD", "secret").stdin(Stdio::null());
    clean(&mut shell);
    let output = shell.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The command that each handshake is the same as: those of the control past the proxy last.
fn sources(run: &Run) -> [Vec<String>; 2] {
    let all = run.report["observations"].as_array().unwrap();
    let past = all.iter().find(|one| one["kind"] == "request.trial" && one["data"]["role"] == "direct");
    let past = past.map(|one| &one["subject"]["leg"]["sample"]);
    let shaken = all.iter().filter(|one| one["kind"] == "tls.handshake");
    let (past, road): (Vec<_>, _) = shaken.partition(|one| Some(&one["subject"]["leg"]["sample"]) == past);
    [road, past]
        .map(|these: Vec<_>| these.iter().map(|one| one["source"].as_str().unwrap().to_owned()).collect())
}

fn next(run: &Run, start: &str) -> Vec<String> {
    let all = run.report["next"].as_array().unwrap().iter().map(|one| one.as_str().unwrap());
    all.filter(|one| one.starts_with(start)).map(str::to_owned).collect()
}

#[test]
fn what_is_typed_sees_the_certificate_behind_the_proxy() {
    let Some((front, leaf)) = front(expired, "") else { return };
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    let (dialled, url) = (proxy.address(), proxy.url());
    let by_proxy = format!("-proxy {dialled} -connect {HOST}:{} ", front.port());
    let straight = format!("openssl s_client -connect {HOST}:{} ", front.port());
    for (proxy, how) in [(Some(&*url), by_proxy), (None, straight.clone())] {
        let run = trace(&front, proxy);
        run.assert_died("tls.cert.date_invalid");
        let [sources, past] = sources(&run);
        // That of the road, of the look whatever the certificate, and of the last try.
        assert!(sources.len() >= 3, "{}", run.told());
        assert_eq!(past.is_empty(), proxy.is_none(), "{}", run.told());
        assert!(past.iter().all(|command| command.contains(&straight)), "{past:?}");
        let typed_next = next(&run, "openssl s_client");
        for command in sources.iter().chain(&typed_next) {
            assert!(command.contains(&how), "{command}");
            assert_eq!(command.contains("-proxy"), proxy.is_some(), "{command}");
        }
        let seen = typed(&sources[0]);
        let lines: Vec<_> = leaf.certificate_pem().split_whitespace().collect();
        assert!(lines.iter().all(|line| seen.contains(line)), "{}: {seen}", sources[0]);
        let seen = typed(&typed_next[0]);
        assert!(seen.contains("notAfter="), "{}: {seen}", typed_next[0]);
        // A stored report says the same, without the proxy's answer beside it.
        assert_eq!(next(&common::judge_again(&run.stdout), "openssl s_client"), typed_next);
    }
}

#[test]
fn a_healthy_handshake_behind_a_proxy_that_wants_credentials() {
    let Some((front, leaf)) = front(|root| root.leaf(HOST).issue().unwrap(), "") else { return };
    let Some(proxy) = require(Tinyproxy::builder().password("me", "secret").start()) else { return };
    let run = trace(&front, Some(&proxy.url().replace("://", "://me:secret@")));
    run.assert_reached();
    assert!(!run.stdout.contains("me:secret"), "{}", run.stdout);
    let source = &sources(&run)[0][0];
    assert!(source.contains("-proxy_user USER"), "{source}");
    let seen = typed(&source.replace("USER", "me"));
    assert!(leaf.certificate_pem().split_whitespace().all(|line| seen.contains(line)), "{source}: {seen}");
}

#[test]
fn a_version_that_is_not_in_common_behind_a_proxy() {
    let old = "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;";
    let Some((front, _)) = front(|root| root.leaf(HOST).issue().unwrap(), old) else { return };
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    let how = format!("-proxy {} -connect {HOST}:{} ", proxy.address(), front.port());
    let run = trace(&front, Some(&proxy.url()));
    run.assert_died("tls.version_or_cipher_mismatch");
    let commands = next(&run, "");
    assert!(commands.iter().any(|command| command.contains("-tls1_1")), "{commands:?}");
    assert!(commands.iter().all(|command| command.contains(&how)), "{commands:?}");
    let wider = run.report["observations"].as_array().unwrap().iter();
    let wider: Vec<_> = wider.filter(|one| one["kind"] == "tls.wider_offer").collect();
    assert!(!wider.is_empty(), "{}", run.told());
    assert!(wider.iter().all(|one| one["source"].as_str().unwrap().contains(&how)), "{wider:?}");
    // Without the proxy, its port is the server's.
    let run = trace(&front, None);
    run.assert_died("tls.version_or_cipher_mismatch");
    assert!(!next(&run, "nmap").is_empty(), "{}", run.told());
}

#[test]
fn a_peer_behind_a_proxy_that_speaks_something_else() {
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    for (speaks, says) in [(Connection::ssh(), "SSH-2.0"), (Connection::plain_http_400(), "400 Bad Request")]
    {
        let mock = MockUpstream::builder().connections(speaks).start().unwrap();
        let url = format!("https://{}/", mock.address());
        for through_proxy in [true, false] {
            let set = proxy.url();
            let run = through(through_proxy.then_some(&*set), std::slice::from_ref(&url));
            run.assert_died("tls.plaintext_peer");
            let command = &next(&run, "")[0];
            assert_eq!(command.contains(&set), through_proxy, "{command}");
            if through_proxy {
                // Into a pipe it writes when it ends, and some peers wait to be spoken to.
                let seen = typed(&command.replace("curl ", "curl -N "));
                assert!(seen.contains("CONNECT") && seen.contains(says), "{command}: {seen}");
            }
        }
    }
}

#[test]
fn what_is_heard_after_the_handshake_was_heard_through_the_proxy_too() {
    let Some(proxy) = require(Tinyproxy::builder().start()) else { return };
    let leaf = Authority::new().unwrap().leaf(HOST).issue().unwrap();
    let wants = Tls::new(&leaf).require_client(&Authority::named("Robots").unwrap());
    let liar = Connection::serve().speaks_http1_only();
    for (tls, connection, kind, code) in [
        (wants, Connection::serve(), "tls.alert", "tls.client_cert_required"),
        (Tls::new(&leaf), liar, "tls.spoken", "tls.alpn_mismatch"),
    ] {
        let mock = MockUpstream::builder().tls(tls).connections(connection).start().unwrap();
        let arguments = ["-k".to_owned(), format!("https://{}/", mock.address())];
        let by_proxy = format!("-proxy {} -connect {} ", proxy.address(), mock.address());
        let straight = format!("openssl s_client -connect {} ", mock.address());
        for (set, how) in [(Some(&*proxy.url()), by_proxy), (None, straight)] {
            let run = through(set, &arguments);
            run.assert_died(code);
            let heard = run.report["observations"].as_array().unwrap();
            let heard = heard.iter().find(|one| one["kind"] == kind).unwrap();
            assert!(heard["source"].as_str().unwrap().contains(&how), "{heard}");
            let typed = next(&run, "openssl s_client");
            assert!(typed.iter().all(|command| command.contains(&how)), "{typed:?}");
        }
    }
}

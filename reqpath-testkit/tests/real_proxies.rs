//! Envoy and HAProxy on a leash, asked by a client that is neither ours nor theirs.
#![cfg(unix)]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{
    Envoy, EnvoyBuilder, Haproxy, HaproxyBuilder, Nginx, REQUIRE_REAL, RealError, require,
};

const SOON: Duration = Duration::from_secs(10);

/// What curl gets, status last; `None` where there is no curl and the test may skip.
#[allow(clippy::print_stderr, reason = "a skipped test says why")]
fn curl(arguments: &[&str]) -> Option<String> {
    let asked = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--noproxy",
            "*",
            "--write-out",
            " %{http_code}",
        ])
        .args(arguments)
        .output();
    match asked {
        Ok(output) => Some(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(missing) => {
            assert!(std::env::var_os(REQUIRE_REAL).is_none_or(|value| value != "1"), "curl: {missing}");
            eprintln!("SKIPPED: curl: {missing}");
            None
        }
    }
}

/// An Envoy with one listener, on which `route` is what happens to every request.
fn envoy(listener: &str, route: &str, rest: &str) -> EnvoyBuilder {
    let extensions = "type.googleapis.com/envoy.extensions";
    Envoy::builder().config(&format!(
        r#"
static_resources:
  listeners:
  - name: front
    address: {{listen}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": {extensions}.access_loggers.file.v3.FileAccessLog
              path: "{{dir}}/access.log"
              log_format:
                text_format_source:
                  inline_string: "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST%\n"
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /}}
                {route}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": {extensions}.filters.http.router.v3.Router}}
{listener}
{rest}
"#
    ))
}

fn saying(word: &str) -> EnvoyBuilder {
    envoy("", &format!("direct_response: {{status: 200, body: {{inline_string: {word}}}}}"), "")
}

fn cluster() -> &'static str {
    "  clusters:
  - name: shop
    connect_timeout: 1s
    load_assignment:
      cluster_name: shop
      endpoints: [{lb_endpoints: [{endpoint: {address: {upstream:shop}}}]}]"
}

fn haproxy(word: &str) -> HaproxyBuilder {
    Haproxy::builder().config(&format!(
        "frontend shop\n bind {{listen}}\n http-request return status 200 content-type text/plain string {word}"
    ))
}

fn nobody(address: SocketAddr, room: &Path) {
    assert!(TcpStream::connect(address).is_err(), "somebody still listens on {address}");
    assert!(!room.exists(), "{} is left", room.display());
}

#[test]
fn envoy_passes_requests_on_logs_and_goes() {
    let Some(nginx) = require(Nginx::builder().server("listen {listen}; return 200 open;").start()) else {
        return;
    };
    let started = envoy("", "route: {cluster: shop}", cluster()).upstream("shop", nginx.address()).start();
    let Some(mut envoy) = require(started) else { return };
    let (address, admin, room) = (envoy.address(), envoy.admin_address(), envoy.room().path().to_owned());

    let Some(answer) = curl(&[&format!("http://{address}/cart")]) else { return };
    assert_eq!(answer, "open 200");
    let line = envoy.access_log().wait_for(SOON, |line| line.starts_with("/cart"));
    assert_eq!(line.unwrap(), format!("/cart 200 - {}", nginx.address()));

    // The upstream goes, and the proxy says so in its own words.
    drop(nginx);
    let answer = curl(&[&format!("http://{address}/lost")]).unwrap();
    assert!(answer.ends_with(" 503"), "{answer}");
    let line = envoy.access_log().wait_for(SOON, |line| line.starts_with("/lost")).unwrap();
    assert!(line.contains(" 503 UF"), "{line}");

    assert!(envoy.admin("/clusters").unwrap().contains("shop::default_priority"));
    assert!(envoy.admin("/stats").unwrap().contains("cluster.shop.upstream_cx_connect_fail"));
    assert!(matches!(envoy.admin("/nothing"), Err(RealError::Refused { .. })));
    assert!(envoy.log().text().contains("starting main dispatch loop"));
    assert!(envoy.leash().is_running());

    drop(envoy);
    nobody(address, &room);
    assert!(TcpStream::connect(admin).is_err());
}

#[test]
fn envoy_speaks_tls_with_the_certificate_it_was_given() {
    let root = Authority::new().unwrap();
    let leaf = root.intermediate("R1").issue().unwrap().leaf("shop.test").issue().unwrap();
    let tls = r#"      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates:
            - certificate_chain: {filename: "{certificate:shop}"}
              private_key: {filename: "{key:shop}"}"#;
    let started = envoy(tls, "direct_response: {status: 204}", "")
        .certificate("shop", leaf.chain_pem(), leaf.key_pem())
        .file("root.pem", root.certificate_pem())
        .start();
    let Some(envoy) = require(started) else { return };
    let trust = envoy.room().join("root.pem").display().to_string();
    let (port, resolve) = (envoy.address().port(), format!("shop.test:{}:127.0.0.1", envoy.address().port()));
    let url = format!("https://shop.test:{port}/");
    let Some(answer) = curl(&["--resolve", &resolve, "--cacert", &trust, &url]) else { return };
    assert_eq!(answer, " 204");
    let distrusted = curl(&["--resolve", &resolve, &url]).unwrap();
    assert!(distrusted.contains(" 000") && distrusted.contains("certificate"), "{distrusted}");
}

#[test]
fn a_wrong_envoy_configuration_is_told_in_its_own_words() {
    match Envoy::builder().config("static_resources: {listenrs: []}").start() {
        Err(RealError::Refused { output, .. }) => assert!(output.contains("listenrs"), "{output}"),
        other => drop(require(other)),
    }
}

#[test]
fn haproxy_passes_requests_on_logs_and_goes() {
    let Some(nginx) = require(Nginx::builder().server("listen {listen}; return 200 open;").start()) else {
        return;
    };
    let started = Haproxy::builder()
        .config("frontend front\n bind {listen}\n default_backend shop")
        .config("backend shop\n server one {upstream:one}")
        .upstream("one", nginx.address())
        .start();
    let Some(mut haproxy) = require(started) else { return };
    let (address, room) = (haproxy.address(), haproxy.room().path().to_owned());

    let Some(answer) = curl(&[&format!("http://{address}/cart")]) else { return };
    assert_eq!(answer, "open 200");
    let line = haproxy.log().wait_for(SOON, |line| line.contains("GET /cart")).unwrap();
    assert!(line.contains(" shop/one ") && line.contains(" 200 "), "{line}");

    drop(nginx);
    let answer = curl(&[&format!("http://{address}/lost")]).unwrap();
    assert!(answer.ends_with(" 503"), "{answer}");
    let line = haproxy.log().wait_for(SOON, |line| line.contains("GET /lost")).unwrap();
    assert!(line.contains(" SC-- "), "{line}");

    assert!(haproxy.command("show stat").unwrap().contains("shop,one,"));
    haproxy.command("disable server shop/one").unwrap();
    assert!(haproxy.command("show servers state").unwrap().contains("one"));
    assert!(haproxy.leash().is_running());

    drop(haproxy);
    nobody(address, &room);
}

#[test]
fn haproxy_speaks_tls_with_the_certificate_it_was_given() {
    let root = Authority::new().unwrap();
    let leaf = root.leaf("shop.test").issue().unwrap();
    let started = Haproxy::builder()
        .config("frontend shop\n bind {listen} ssl crt {pem:shop}\n http-request return status 204")
        .certificate("shop", leaf.chain_pem(), leaf.key_pem())
        .file("root.pem", root.certificate_pem())
        .start();
    let Some(haproxy) = require(started) else { return };
    let trust = haproxy.room().join("root.pem").display().to_string();
    let (port, resolve) =
        (haproxy.address().port(), format!("shop.test:{}:127.0.0.1", haproxy.address().port()));
    let url = format!("https://shop.test:{port}/");
    let Some(answer) = curl(&["--resolve", &resolve, "--cacert", &trust, &url]) else { return };
    assert_eq!(answer, " 204");
}

#[test]
fn a_wrong_haproxy_configuration_is_told_in_its_own_words() {
    match Haproxy::builder().config("frontend shop\n bindd {listen}").start() {
        Err(RealError::Refused { output, .. }) => assert!(output.contains("'bindd'"), "{output}"),
        other => drop(require(other)),
    }
}

#[test]
fn an_unknown_placeholder_is_told_with_the_known_ones() {
    match haproxy("open").config("{lisen} {upstrm:a}").value("word", 1).start() {
        Err(missing) if missing.is_missing() => drop(require(Err::<(), _>(missing))),
        Err(error) => {
            let said = error.to_string();
            assert!(
                said.contains("{lisen}") && said.contains("word") && said.contains("listen:NAME"),
                "{said}"
            );
        }
        Ok(_) => panic!("it started"),
    }
}

#[test]
fn a_taken_address_that_was_asked_for_is_an_error() {
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = squatter.local_addr().unwrap();
    for refused in
        [saying("open").at("", taken).start().map(|_| ()), haproxy("open").at("", taken).start().map(|_| ())]
    {
        match refused {
            Err(RealError::Refused { output, .. }) => {
                assert!(output.contains("Address already in use"), "{output}");
            }
            other => assert!(require(other).is_none(), "it started on {taken}"),
        }
    }
}

#[test]
fn an_address_of_another_family_or_of_loopback_is_taken_when_asked_for() {
    let Some(haproxy) = require(haproxy("open").on([127, 0, 0, 9]).start()) else { return };
    assert_eq!(haproxy.address().ip().to_string(), "127.0.0.9");
    let Some(answer) = curl(&[&format!("http://{}/", haproxy.address())]) else { return };
    assert_eq!(answer, "open 200");
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED in part: no IPv6 on loopback");
        return;
    }
    let Some(envoy) = require(saying("open").on([0, 0, 0, 0, 0, 0, 0, 1]).start()) else { return };
    assert_eq!(curl(&[&format!("http://{}/", envoy.address())]).unwrap(), "open 200");
}

#[test]
fn five_at_once_do_not_meet() {
    let Some(_) = require(saying("first").start()) else { return };
    let Some(_) = require(haproxy("first").start()) else { return };
    let threads: Vec<_> = (0..5)
        .map(|number| {
            thread::spawn(move || {
                let envoy = saying(&format!("envoy{number}")).start().unwrap();
                let haproxy = haproxy(&format!("haproxy{number}")).start().unwrap();
                // Ports that are shared would answer with the word of another now and then.
                for _ in 0..8 {
                    let Some(answer) = curl(&[&format!("http://{}/", envoy.address())]) else { return };
                    assert_eq!(answer, format!("envoy{number} 200"));
                    let answer = curl(&[&format!("http://{}/", haproxy.address())]).unwrap();
                    assert_eq!(answer, format!("haproxy{number} 200"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

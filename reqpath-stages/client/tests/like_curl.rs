//! The proxy decision, held to that of the real curl.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test that cannot run says why")]

mod common;

use std::process::Command;

use common::{Place, run};
use reqpath_client::ClientOptions;

/// The variable whose proxy curl uses, by its own words.
fn curl_uses(variables: &[(&str, &str)], url: &str) -> Option<String> {
    // Port 1 of loopback: curl decides, says so, and is refused.
    let output = Command::new("curl")
        .env_clear()
        .envs(variables.iter().copied())
        .args(["-qsv", "-o", "/dev/null", "--connect-timeout", "5", "--connect-to", "::127.0.0.1:1", url])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.lines()
        .filter_map(|line| {
            line.split_once("Uses proxy env variable ")?.1.split(" == ").next().map(str::to_owned)
        })
        .find(|name| !name.eq_ignore_ascii_case("no_proxy"))
}

fn stage_uses(variables: &[(&str, &str)], url: &str) -> Option<String> {
    let mut options = ClientOptions::default();
    options.side_looks = false;
    let (_, handed) = run(Place::with(variables), options, url);
    handed[0].1.proxy.as_ref().map(|proxy| proxy.variable.clone())
}

#[test]
fn the_decision_is_curl_s() {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("REQPATH_REQUIRE_REAL").is_none(), "curl is required and not installed");
        eprintln!("skipped: curl is not installed");
        return;
    }
    const P: &str = "http://127.0.0.1:1";
    let variables: &[&[(&str, &str)]] = &[
        &[],
        &[("http_proxy", P)],
        &[("HTTP_PROXY", P)],
        &[("https_proxy", P)],
        &[("HTTPS_PROXY", P), ("ALL_PROXY", P)],
        &[("https_proxy", ""), ("HTTPS_PROXY", P)],
        &[("all_proxy", P), ("ALL_PROXY", P)],
        &[("http_proxy", ""), ("ALL_PROXY", P)],
    ];
    for variables in variables {
        for url in ["http://a.example/", "https://a.example/"] {
            assert_eq!(stage_uses(variables, url), curl_uses(variables, url), "{variables:?} {url}");
        }
    }

    // Releases of curl differ on two things, which are left out: entries parted by blanks alone,
    // and IPv6 ranges, which some releases never match.
    let lists = [
        "*",
        "*,x",
        "example",
        ".example",
        "a.example",
        "a.example.",
        "A.EXAMPLE",
        "xa.example",
        "*.example",
        "a.example:80",
        "x,,a.example",
        "x , a.example",
        ",",
        "192.0.2.7",
        "192.0.2.0/24",
        "192.0.2.0/25",
        "192.0.2.128/25",
        "192.0.2.7/33",
        "192.0.2.7/0",
        "0.0.0.0/0",
        "192.0.2",
        "192.0.2.",
        "2001:db8::7",
        "[2001:db8::7]",
        "http://a.example",
    ];
    for list in lists {
        for host in ["a.example", "example", "a.example.", "192.0.2.7", "[2001:db8::7]"] {
            for name in ["no_proxy", "NO_PROXY"] {
                let variables = [("http_proxy", P), (name, list)];
                let url = format!("http://{host}/");
                assert_eq!(stage_uses(&variables, &url), curl_uses(&variables, &url), "{name}={list} {host}");
            }
        }
    }
}

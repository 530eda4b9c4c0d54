//! What the stage hands on and records, in places made up for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Place, run};
use reqpath_client::{ClientOptions, Environment, HostsFile, Limits};
use reqpath_core::{ByProxy, Report, Role, Trial, Verdict};

fn seen<E: reqpath_core::Evidence>(report: &Report) -> Vec<&E> {
    report.observations.iter().filter_map(reqpath_core::Observation::get::<E>).collect()
}

fn options(change: impl FnOnce(&mut ClientOptions)) -> ClientOptions {
    let mut options = ClientOptions::default();
    change(&mut options);
    options
}

#[test]
fn with_an_empty_environment_the_target_itself_is_the_destination() {
    let (report, handed) = run(Place::default(), ClientOptions::default(), "http://api.example:8080/");
    let (_, to) = &handed[0];
    assert_eq!((to.host.as_str(), to.port, to.addresses.len()), ("api.example", 8080, 0));
    assert!(to.proxy.is_none());
    assert_eq!(seen::<Environment>(&report)[0], &Environment::default());
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

#[test]
fn the_proxy_is_the_destination_and_the_control_goes_past_it() {
    let place = Place::with(&[("https_proxy", "http://me:p%40ss@127.0.0.9:3128"), ("NO_PROXY", "*.example")]);
    let (report, handed) = run(place, ClientOptions::default(), "https://api.example/");
    let [(Role::Fresh, fresh), (Role::Direct, direct)] = &handed[..] else { panic!("{handed:?}") };
    assert_eq!((fresh.host.as_str(), fresh.port), ("127.0.0.9", 3128));
    assert_eq!(fresh.addresses, ["127.0.0.9".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(fresh.proxy.as_ref().unwrap().authorization.as_deref(), Some("Basic bWU6cEBzcw=="));
    assert_eq!((direct.host.as_str(), direct.port, direct.proxy.is_none()), ("api.example", 443, true));

    let environment = seen::<Environment>(&report)[0];
    assert_eq!(environment.proxy.as_ref().unwrap().url, "http://127.0.0.9:3128");
    assert_eq!(environment.nearly.as_ref().unwrap().entry, "*.example");
    let Some(Verdict::Died { cause, .. }) = &report.verdict else { panic!("{:?}", report.verdict) };
    assert_eq!(cause.code, "client.proxy_env");
    assert!(cause.summary.contains("*.example"), "{}", cause.summary);
    let json = serde_json::to_string(&report).unwrap();
    for secret in ["p%40ss", "p@ss", "bWU6cEBzcw"] {
        assert!(!json.contains(secret), "{secret} in {json}");
    }
}

#[test]
fn each_trial_says_how_the_proxy_was_to_take_it_on() {
    let by_proxy = |list: &str, url: &str| {
        let place = Place::with(&[("all_proxy", "http://127.0.0.9:3128"), ("no_proxy", list)]);
        let (report, _) = run(place, ClientOptions::default(), url);
        seen::<Trial>(&report).iter().map(|trial| (trial.role, trial.by_proxy)).collect::<Vec<_>>()
    };
    for (url, how) in
        [("http://api.example/", ByProxy::Relayed), ("https://api.example/", ByProxy::Tunnelled)]
    {
        assert_eq!(by_proxy("", url), [(Role::Fresh, Some(how)), (Role::Direct, None)], "{url}");
        assert!(by_proxy("example", url).iter().all(|(_, by)| by.is_none()), "{url}");
    }
}

#[test]
fn an_exempt_target_is_reached_straight() {
    let place = Place::with(&[("http_proxy", "http://p.example:1"), ("no_proxy", "x, example")]);
    let (report, handed) = run(place, ClientOptions::default(), "http://api.example/");
    assert_eq!(handed[0].1.host, "api.example");
    let environment = seen::<Environment>(&report)[0];
    assert_eq!(environment.exempted.as_ref().unwrap().entry, "example");
    assert!(!report.findings.iter().any(|finding| finding.code == "client.proxy_env"));
}

#[test]
fn an_environment_that_is_not_to_be_obeyed_is_not() {
    let place = Place::with(&[("http_proxy", "http://p.example:1")]);
    let (report, handed) = run(place, options(|o| o.environment = false), "http://api.example/");
    assert_eq!(handed[0].1.host, "api.example");
    assert!(seen::<Environment>(&report)[0].disregarded);
}

#[test]
fn a_proxy_of_another_kind_is_trouble_of_the_probe_and_names_its_variable() {
    let place = Place::with(&[("ALL_PROXY", "socks5h://me:s3cr3t@p.example:1080")]);
    let (report, handed) = run(place, ClientOptions::default(), "http://api.example/");
    assert!(handed.iter().all(|(role, _)| *role == Role::Direct), "{handed:?}");
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains("`ALL_PROXY` asks for a proxy of scheme `socks5h`"), "{json}");
    assert!(!json.contains("s3cr3t"));
    assert!(matches!(report.verdict, Some(Verdict::Unknown { .. })), "{:?}", report.verdict);
}

#[test]
fn flags_move_the_connection() {
    let flags = options(|o| {
        o.connect_to.push("other.example:80:nowhere.example:1".parse().unwrap());
        o.connect_to.push("api.example::edge.example:8443".parse().unwrap());
        o.resolve.push("edge.example:8443:192.0.2.1,192.0.2.2".parse().unwrap());
    });
    let (_, handed) = run(Place::default(), flags, "https://api.example/");
    let (_, to) = &handed[0];
    assert_eq!((to.host.as_str(), to.port, to.addresses.len()), ("edge.example", 8443, 2));
}

#[test]
fn resolve_holds_for_a_proxy_s_name_too() {
    let place = Place::with(&[("http_proxy", "p.example:3128")]);
    let flags = options(|o| o.resolve.push("p.example:3128:127.0.0.1".parse().unwrap()));
    let (_, handed) = run(place, flags, "http://api.example/");
    assert_eq!((handed[0].1.host.as_str(), handed[0].1.addresses.len()), ("p.example", 1));
}

#[test]
fn the_hosts_file_and_the_limits_are_looked_at_once() {
    let place = Place::default()
        .file("/etc/hosts", "192.0.2.9 api.example\n")
        .file("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
    let (report, _) = run(place, ClientOptions::default(), "http://api.example/");
    let [hosts] = seen::<HostsFile>(&report)[..] else { panic!("{:?}", report.observations) };
    assert_eq!((hosts.entries.len(), hosts.entries[0].line), (1, 1));
    let [limits] = seen::<Limits>(&report)[..] else { panic!("{:?}", report.observations) };
    assert_eq!((limits.descriptors, limits.last_port), (Some(7), Some(60999)));
}

#[test]
fn without_side_looks_nothing_is_planned_and_nothing_recorded() {
    let place = Place::default().file("/etc/hosts", "192.0.2.9 api.example\n");
    let (report, _) = run(place, options(|o| o.side_looks = false), "http://api.example/");
    assert!(
        report.observations.iter().all(|seen| seen.kind() == "request.trial"),
        "{:?}",
        report.observations
    );
    assert!(report.errors.is_empty());
}

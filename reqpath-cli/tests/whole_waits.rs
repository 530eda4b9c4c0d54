//! Who waited too short, who was too slow, and who was broken behind: real servers, walked by the built program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Run, reqpath, run};
use reqpath_testkit::dns::{FakeDns, Zone};
use reqpath_testkit::mock::{MockUpstream, Reply};
use reqpath_testkit::real::{Nginx, require};

/// client → gateway (an nginx) → shop, which may ask prices.
struct Road {
    nginx: Nginx,
    shop: MockUpstream,
}

impl Road {
    /// The gateway waits for this long, and the shop answers so.
    fn new(read: &str, reply: Reply) -> Option<Self> {
        Self::behind(&format!("proxy_pass http://{{shop}}; proxy_read_timeout {read};"), reply)
    }

    fn behind(location: &str, reply: Reply) -> Option<Self> {
        let shop = MockUpstream::start(reply).unwrap();
        let started = Nginx::builder()
            .server(&format!("listen {{listen:gateway}}; location / {{ {location} }}"))
            .value("shop", shop.address())
            .start();
        Some(Self { nginx: require(started)?, shop })
    }

    /// The path file: what stands in each hop besides, and lines at its end.
    fn yaml(&self, gateway: &str, shop: &str, more: &str) -> String {
        format!(
            "request: {{url: 'http://{at}/cart'}}\n\
             vantages: {{here: local}}\n\
             hops:\n\
             - {{name: client, kind: client}}\n\
             - {{name: gateway, kind: nginx, vantage: here{gateway}}}\n\
             - {{name: shop, kind: pod, vantage: here, addresses: ['{shop_at}'], sends: {{}}{shop}}}\n{more}",
            at = self.nginx.address_of("gateway"),
            shop_at = self.shop.address(),
        )
    }
}

fn walk(yaml: &str, more: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("road.yaml");
    fs::write(&file, yaml).unwrap();
    let mut command = reqpath();
    command.arg("trace").arg("-f").arg(&file).args(["--max-time", "8"]).args(more);
    run(command)
}

fn json(yaml: &str) -> Run {
    walk(yaml, &["--json"])
}

fn assert_at(run: &Run, hop: &str, code: &str) {
    run.assert_died(code);
    assert_eq!(run.report["verdict"]["at"]["hop"], hop, "{}", run.told());
    let also = run.report["verdict"]["also"].as_array().unwrap();
    assert!(also.is_empty(), "{also:?}: {}", run.told());
}

fn slow(by: u64) -> Reply {
    Reply::ok("a cart").delay(Duration::from_millis(by))
}

#[test]
fn who_gives_up_before_the_budget_of_the_next_is_over_is_to_blame() {
    let Some(road) = Road::new("400ms", slow(1200)) else { return };
    let waits = ", timeouts: {connect: 1s, read: 400ms, tries: 1}";
    let run = json(&road.yaml(waits, ", budget: 5s", ""));
    assert_at(&run, "gateway", "proxy.timeout_budget_inverted");
    assert_eq!(run.report["verdict"]["chain"][0], "http.error", "{}", run.told());
    assert!(run.ruled_out().contains(&"pod.slow"), "{}", run.told());
}

#[test]
fn who_takes_more_than_its_budget_is_slow() {
    let Some(road) = Road::new("400ms", slow(1200)) else { return };
    let waits = ", timeouts: {connect: 1s, read: 400ms, tries: 1}";
    let run = json(&road.yaml(waits, ", budget: 300ms", ""));
    assert_at(&run, "shop", "pod.slow");
    run.assert_not_blamed("proxy.timeout_budget_inverted");
    // Without a word of what anybody waits for, what was seen says it too.
    let run = json(&road.yaml("", "", ""));
    assert_at(&run, "shop", "pod.slow");
}

#[test]
fn slow_within_the_budget_and_waited_for_is_well() {
    let Some(road) = Road::new("3s", slow(300)) else { return };
    let run = json(&road.yaml(", timeouts: {connect: 1s, read: 3s, tries: 1}", ", budget: 2s", ""));
    run.assert_reached();
    assert!(run.found("warning").is_empty(), "{}", run.told());
}

#[test]
fn an_inversion_that_nobody_felt_is_a_warning() {
    let Some(road) = Road::new("3s", Reply::ok("a cart")) else { return };
    let run = json(&road.yaml(", timeouts: {connect: 1s, read: 3s}", ", budget: 5s", ""));
    run.assert_reached().assert_warned("proxy.timeout_budget_inverted");
}

#[test]
fn an_application_that_answers_with_an_error_is_told_from_a_proxy_that_does() {
    for status in [500, 502, 504] {
        let Some(road) = Road::new("3s", Reply::status(status)) else { return };
        let run = json(&road.yaml("", "", ""));
        assert_at(&run, "shop", "pod.app_error");
        assert_eq!(run.report["verdict"]["chain"][0], "http.error", "{}", run.told());
    }
    let Some(road) = Road::behind("return 500;", Reply::ok("a cart")) else { return };
    let run = json(&road.yaml("", "", ""));
    run.assert_not_blamed("pod.app_error");
    assert_eq!(run.report["verdict"]["at"]["hop"], "gateway", "{}", run.told());
}

#[test]
fn what_the_application_asks_is_the_cause_where_it_is_broken_or_slow() {
    let Some(road) = Road::new("500ms", Reply::status(500)) else { return };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let asks = |at, besides: &str| {
        format!(
            "dependencies:\n- {{name: prices, kind: pod, of: shop, addresses: ['{at}'], sends: {{}}{besides}}}\n"
        )
    };
    let run = json(&road.yaml("", "", &asks(closed, "")));
    assert_at(&run, "prices", "pod.dependency_failed");
    let chain: Vec<&str> =
        run.report["verdict"]["chain"].as_array().unwrap().iter().filter_map(|code| code.as_str()).collect();
    let expected = ["http.error", "pod.app_error", "tcp.refused", "pod.dependency_failed"];
    assert_eq!(chain, expected, "{}", run.told());

    // One that works is not blamed for the application's own error.
    let prices = MockUpstream::start(Reply::ok("7")).unwrap();
    let run = json(&road.yaml("", "", &asks(prices.address(), ", budget: 2s")));
    assert_at(&run, "shop", "pod.app_error");
    run.assert_not_blamed("pod.dependency_failed").assert_not_blamed("pod.dependency_slow");

    let Some(road) = Road::new("500ms", slow(1500)) else { return };
    let prices = MockUpstream::start(slow(1300)).unwrap();
    let run = json(&road.yaml("", ", budget: 1s", &asks(prices.address(), ", budget: 200ms")));
    assert_at(&run, "prices", "pod.dependency_slow");
    let run = json(&road.yaml("", ", budget: 1s", &asks(prices.address(), ", budget: 4s")));
    assert_at(&run, "shop", "pod.slow");
    run.assert_not_blamed("pod.dependency_slow");
}

#[test]
fn the_callers_own_settings_are_spoken_of() {
    let Some(road) = Road::new("3s", Reply::ok("a cart")) else { return };
    let caller = "caller: {deadline: 0s, tries: 3, pool: 0}\n";
    let run = json(&road.yaml(", timeouts: {tries: 2}", "", caller));
    run.assert_reached();
    for code in ["client.deadline_exceeds_nothing", "client.retry_storm", "client.no_reuse"] {
        run.assert_warned(code);
    }
    let run = json(&road.yaml(", timeouts: {tries: 2}", "", "caller: {deadline: 5s, tries: 2, pool: 4}\n"));
    run.assert_reached();
    assert!(run.found("warning").is_empty(), "{}", run.told());
}

#[test]
fn addresses_are_held_against_what_is_declared() {
    let Some(road) = Road::new("3s", Reply::ok("a cart")) else { return };
    let zone = Zone::new("shop.test").ttl(86_400).a("www", std::net::Ipv4Addr::LOCALHOST);
    let dns = FakeDns::builder().zone(zone).start().unwrap();
    let port = road.nginx.address_of("gateway").port();
    let walk_to = |declared: &str| {
        let url = format!("http://www.shop.test:{port}/cart");
        let addresses = format!(", addresses: ['{declared}:{port}']");
        let yaml = road.yaml(&addresses, "", "caller: {change_window: 5m}\n");
        walk(&yaml, &[&url, "--json", "-4", "--dns-server", &dns.address().to_string()])
    };
    let run = walk_to("192.0.2.77");
    run.assert_reached().assert_warned("dns.wrong_address").assert_warned("dns.ttl_too_long");
    walk_to("127.0.0.1").assert_reached().assert_not_blamed("dns.wrong_address");

    // Where nobody serves at the address that the name gives, that is what the request dies of.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://www.shop.test:{nobody}/");
    let yaml = road.yaml(", addresses: ['192.0.2.77:80']", "", "");
    let run = walk(&yaml, &[&url, "--json", "-4", "--dns-server", &dns.address().to_string()]);
    assert_at(&run, "client", "dns.wrong_address");
    assert_eq!(run.report["verdict"]["chain"][0], "tcp.refused", "{}", run.told());
}

#[test]
fn the_table_is_in_the_text_and_in_the_markdown() {
    let Some(road) = Road::new("400ms", slow(1200)) else { return };
    let waits = ", timeouts: {connect: 1s, read: 400ms, tries: 1}";
    let yaml = road.yaml(waits, ", budget: 5s", "caller: {deadline: 8s}\n");
    let text = walk(&yaml, &[]);
    assert!(
        text.stdout.starts_with("died at gateway (proxy): gateway gives up after 400 ms"),
        "{}",
        text.stdout
    );
    assert!(text.stdout.contains("timeouts, as declared"), "{}", text.stdout);
    assert_eq!(text.stderr, "", "nothing is shown live where nobody looks");
    let markdown = walk(&yaml, &["--markdown"]);
    assert_eq!(markdown.status, 1);
    let first = markdown.stdout.lines().next().unwrap();
    assert!(first.starts_with("**died at gateway (proxy): gateway gives up after 400 ms"), "{first}");
    for part in ["| hop | arrived |", "### Timeouts, as declared", "| gateway | 1 s |", "```sh\ncurl"] {
        assert!(markdown.stdout.contains(part), "{part}\n{}", markdown.stdout);
    }
    assert!(!markdown.stdout.contains('\u{1b}'));
    let both = walk(&yaml, &["--markdown", "--json"]);
    assert_eq!(both.status, 2);
}

#[test]
fn an_interrupt_gives_the_report_so_far_with_what_had_entered_further_in() {
    let Some(road) = Road::new("60s", Reply::hang()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("road.yaml");
    fs::write(&file, road.yaml(", timeouts: {read: 60s}", "", "")).unwrap();
    let mut command = reqpath();
    command.arg("trace").arg("-f").arg(&file).args(["--max-time", "60", "--json"]);
    let began = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The front's request, by way of the gateway, and the one that entered at the shop.
    assert!(road.shop.wait_until(Duration::from_secs(20), |seen| seen.requests.len() >= 2));
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    let run = Run::of(&output, began.elapsed());
    assert_eq!(run.kind(), "unknown", "{}", run.told());
    assert!(run.wall < Duration::from_secs(30), "{:?}", run.wall);
    let mut seen = String::new();
    for (kind, to) in
        [("road.declared", None), ("tcp.attempt", Some("gateway")), ("tcp.attempt", Some("shop"))]
    {
        let of = run.report["observations"].as_array().unwrap().iter().filter(|o| o["kind"] == kind);
        let there = of.into_iter().any(|o| to.is_none_or(|to| o["subject"]["leg"]["to"] == to));
        if !there {
            let _ = write!(seen, " {kind} {to:?}");
        }
    }
    assert_eq!(seen, "", "missing; {}", run.told());
}

//! What real nginx writes of each fault, read and named; by both builds of it, whose words differ.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqpath_client::{Client, ClientOptions};
use reqpath_core::{Entry, Hop, HopKind, Micros, Path, Pipeline, Report, Source, Target, Trace};
use reqpath_dns::{Dns, DnsOptions};
use reqpath_http::{Http, HttpOptions};
use reqpath_local::LocalVantage;
use reqpath_proxy::{Proxy, ProxyOptions};
use reqpath_tcp::{Tcp, TcpOptions};
use reqpath_testkit::lab::{self, DeadRoute, Lab};
use reqpath_testkit::mock::{ClosedPort, Connection, FullAcceptQueue, MockUpstream, Reply};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{Flavour, Nginx, NginxBuilder, require};

const ROAD: &str = "log_format road '$remote_addr [$time_iso8601] \"$request\" $status $body_bytes_sent ' \
     'upstream=\"$upstream_addr\" upstream_status=\"$upstream_status\" \
      time=$request_time id=\"$http_x_request_id\"';";

/// An nginx whose only location holds this text.
fn edge(flavour: Flavour, http: &str, location: &str) -> NginxBuilder {
    Nginx::builder()
        .flavour(flavour)
        .http(&format!("{ROAD}\naccess_log {{dir}}/access.log road;\n{http}"))
        .server(&format!("listen {{listen:front}}; location / {{ {location} }}"))
}

fn pipeline() -> Pipeline {
    let (mut client, mut dns, mut tcp, mut http) =
        (ClientOptions::default(), DnsOptions::default(), TcpOptions::default(), HttpOptions::default());
    client.side_looks = false;
    dns.side_looks = false;
    tcp.side_looks = false;
    http.side_looks = false;
    Pipeline::builder()
        .stage(Client::new(client))
        .stage(Dns::new(dns))
        .stage(Tcp::new(tcp))
        .stage(Http::new(http))
        .visitor(Proxy::new(ProxyOptions::default()))
        .build()
        .unwrap()
}

/// How a trace through an nginx is made.
struct Traced<'a> {
    nginx: &'a Nginx,
    format: &'a str,
    sources: &'a [&'a str],
    samples: u32,
    path: &'a str,
    /// Where requests enter behind it as well.
    behind: Option<SocketAddr>,
    /// How long it keeps idle connections, and how long they are kept behind it: in seconds.
    idle: Option<(u64, u64)>,
}

impl<'a> Traced<'a> {
    fn through(nginx: &'a Nginx) -> Self {
        Self {
            nginx,
            format: ROAD,
            sources: &["access_log", "error_log"],
            samples: 1,
            path: "/cart?token=s3cr3tvalue&x=1",
            behind: None,
            idle: None,
        }
    }

    fn report(&self) -> Report {
        let front = self.nginx.address_of("front");
        let mut edge = Hop::new("edge", HopKind::Nginx).at(front.into());
        for kind in self.sources {
            let log = if *kind == "access_log" { self.nginx.access_log() } else { self.nginx.error_log() };
            edge = edge.source(Source::file(*kind, log.path().display().to_string()).format(self.format));
        }
        let mut shop = Hop::new("shop", HopKind::Pod);
        if let Some((keeps, closes)) = self.idle {
            edge.timeouts.keep_idle_us = Some(Micros(keeps * 1_000_000));
            shop.timeouts.idle_us = Some(Micros(closes * 1_000_000));
        }
        let path = Path::new(vec![Hop::new("client", HopKind::Client), edge, shop]);
        let vantage = Arc::new(LocalVantage::new());
        let target = Target::get(&format!("http://{front}{}", self.path)).unwrap();
        let entry = self.behind.map(|shop| {
            let target = Target::get(&format!("http://{shop}{}", self.path)).unwrap();
            Entry::new("edge", "shop", target, vantage.clone()).at(shop.into())
        });
        let mut trace = Trace::new(target, vantage.clone())
            .path(path)
            .samples(self.samples)
            .without_last_try()
            .without_confirmation()
            .deadline(Duration::from_secs(20))
            .vantage_of("edge", vantage);
        if let Some(entry) = entry {
            trace = trace.entry(entry);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(pipeline().trace(trace))
    }
}

fn code(report: &Report) -> &str {
    report.verdict.as_ref().and_then(|verdict| verdict.cause()).map_or("", |cause| cause.code.as_str())
}

fn hop(report: &Report) -> String {
    report.verdict.as_ref().and_then(|verdict| verdict.at()).map(|at| at.hop.to_string()).unwrap_or_default()
}

fn finds(report: &Report, code: &str) -> bool {
    report.findings.iter().any(|finding| finding.code == code)
}

/// The same fault with each build of nginx.
fn with_each(http: &str, location: &str, check: impl Fn(&Report, &Nginx)) {
    for flavour in Flavour::each() {
        let Some(nginx) = require(edge(flavour.clone(), http, location).start()) else { continue };
        let report = Traced::through(&nginx).report();
        assert!(report.errors.is_empty(), "{flavour}: {:?}", report.errors);
        let json = serde_json::to_string(&report).unwrap();
        assert!(!json.contains("s3cr3tvalue"), "{flavour}: a secret of the query got into the report");
        check(&report, &nginx);
    }
}

/// The same fault with each build, named so at this hop.
fn named(http: &str, location: &str, wanted: &str, at: &str) {
    with_each(http, location, |report, nginx| {
        let log = nginx.error_log().text();
        assert_eq!((code(report), hop(report).as_str()), (wanted, at), "{:#?}\n{log}", report.verdict);
        let again = Report::load(serde_json::to_string(report).unwrap().as_bytes()).unwrap();
        let again = again.judged(pipeline().catalogue());
        assert_eq!(again.verdict, report.verdict, "judged again");
    });
}

fn to(address: SocketAddr) -> String {
    format!("proxy_pass http://{address};")
}

#[test]
fn nothing_listens() {
    let closed = ClosedPort::reserve().unwrap();
    named("", &to(closed.address()), "proxy.connection_refused", "shop");
    named("", "proxy_pass http://unix:/nowhere/app.sock;", "proxy.connection_refused", "shop");
}

#[test]
fn no_connection_comes_about() {
    let full = FullAcceptQueue::start().unwrap();
    let location = format!("{} proxy_connect_timeout 300ms;", to(full.address()));
    named("", &location, "proxy.connection_timeout", "shop");
}

#[test]
fn there_is_no_way() {
    lab::rootless(|| {
        for flavour in Flavour::each() {
            let host = "edge";
            let Some(lab) = lab::or_skip(Lab::builder().host(host).host("shop").link(host, "shop").build())
            else {
                return;
            };
            lab[host].add_dead_route("203.0.113.0/24", DeadRoute::Unreachable).unwrap();
            lab[host].add_dead_route("198.51.100.0/24", DeadRoute::Prohibit).unwrap();
            for (address, number) in [
                ("203.0.113.7:80", 113),
                ("192.0.2.7:80", 101),
                ("[2001:db8:dead::1]:80", 101),
                ("198.51.100.7:80", 13),
            ] {
                let address: SocketAddr = address.parse().unwrap();
                let builder = edge(flavour.clone(), "", &to(address));
                let Some(nginx) = lab::or_skip(lab[host].start(|| builder.start())) else { return };
                let report = lab[host].run(|| Traced::through(&nginx).report()).unwrap();
                let log = nginx.error_log().text();
                assert!(
                    log.contains(&format!("connect() to {address} failed ({number}: ")),
                    "{flavour}: {log}"
                );
                assert!(report.errors.is_empty(), "{flavour}: {:?}", report.errors);
                assert_eq!(
                    (code(&report), hop(&report).as_str()),
                    ("proxy.connect_route", "shop"),
                    "{flavour}: {:#?}\n{log}",
                    report.verdict
                );
            }
        }
    });
}

#[test]
fn it_closes_or_resets_without_an_answer() {
    for reply in [Reply::close(), Reply::reset()] {
        let upstream = MockUpstream::start(reply).unwrap();
        named("", &to(upstream.address()), "proxy.connection_terminated", "shop");
    }
}

#[test]
fn it_does_not_answer_in_time() {
    let upstream = MockUpstream::start(Reply::hang()).unwrap();
    let location = format!("{} proxy_read_timeout 300ms;", to(upstream.address()));
    named("", &location, "proxy.http_response_timeout", "shop");
}

#[test]
fn its_head_is_too_big() {
    let upstream = MockUpstream::start(Reply::ok("x").oversized_headers(20_000)).unwrap();
    named("", &to(upstream.address()), "proxy.http_response_header_section_size", "shop");
}

#[test]
fn its_answer_ends_too_early_or_stalls() {
    let short = MockUpstream::start(Reply::ok("x".repeat(5_000)).truncate_after(3_000)).unwrap();
    named("", &to(short.address()), "proxy.http_response_incomplete", "shop");
    let stalls = MockUpstream::start(Reply::ok("x".repeat(5_000)).stop_after(3_000)).unwrap();
    let location = format!("{} proxy_read_timeout 300ms;", to(stalls.address()));
    named("", &location, "proxy.http_response_incomplete", "shop");
}

#[test]
fn all_are_marked_down() {
    named(
        "upstream shop { server 127.0.0.1:1 down; server 127.0.0.1:2 down; }",
        "proxy_pass http://shop;",
        "proxy.destination_unavailable",
        "shop",
    );
}

#[test]
fn names_are_not_resolved() {
    let closed = ClosedPort::reserve().unwrap();
    named("", "set $shop shop.test; proxy_pass http://$shop:8080;", "proxy.no_resolver", "edge");
    let location = format!(
        "resolver {}; resolver_timeout 300ms; set $shop shop.test; proxy_pass http://$shop:8080;",
        closed.address()
    );
    named("", &location, "proxy.dns_timeout", "edge");
}

#[test]
fn a_name_does_not_exist() {
    use reqpath_testkit::dns::{FakeDns, Zone};
    let dns = FakeDns::builder().zone(Zone::new("test")).start().unwrap();
    let location =
        format!("resolver {} ipv6=off; set $shop shop.test; proxy_pass http://$shop:8080;", dns.address());
    named("", &location, "proxy.dns_error", "edge");
}

#[test]
fn tls_behind_it_fails() {
    let plain = MockUpstream::start(Reply::ok("x")).unwrap();
    let location = format!("proxy_pass https://{};", plain.address());
    named("", &location, "proxy.tls_protocol_error", "shop");
    let leaf = Authority::new().unwrap().leaf("shop.test").issue().unwrap();
    let other = Authority::new().unwrap();
    for (name, trusted) in [("other.test", None), ("shop.test", Some(other))] {
        let upstream = MockUpstream::builder().tls(&leaf).reply(Reply::ok("x")).start().unwrap();
        for flavour in Flavour::each() {
            let location = format!(
                "proxy_pass https://{}; proxy_ssl_verify on; proxy_ssl_name {name}; proxy_ssl_server_name on; \
                 proxy_ssl_trusted_certificate {{file:ca.pem}};",
                upstream.address()
            );
            let ca = match &trusted {
                Some(authority) => authority.certificate_pem().to_owned(),
                None => leaf.chain_pem().to_owned(),
            };
            let nginx = edge(flavour.clone(), "", &location).file("ca.pem", ca).start();
            let Some(nginx) = require(nginx) else { continue };
            let report = Traced::through(&nginx).report();
            let log = nginx.error_log().text();
            assert_eq!(code(&report), "proxy.tls_certificate_error", "{flavour}: {log}");
        }
    }
}

#[test]
fn it_refuses_by_itself() {
    let upstream = MockUpstream::builder().reply(Reply::ok("x")).never_called().start().unwrap();
    let behind = to(upstream.address());
    named(
        "",
        &format!("auth_basic shop; auth_basic_user_file /nowhere; {behind}"),
        "proxy.authentication_required",
        "edge",
    );
}

#[test]
fn a_rule_about_addresses_is_told_from_one_about_who_asks() {
    let upstream = MockUpstream::builder().reply(Reply::ok("x")).never_called().start().unwrap();
    let behind = to(upstream.address());
    named("", &format!("deny all; {behind}"), "http.error", "edge");
    named("", "return 403;", "proxy.authorization_denied", "edge");
}

#[test]
fn too_many_requests_are_shed() {
    let upstream = MockUpstream::start(Reply::ok("x")).unwrap();
    for flavour in Flavour::each() {
        for status in [503, 429] {
            let http = "limit_req_zone $binary_remote_addr zone=one:32k rate=1r/m;";
            let location =
                format!("limit_req zone=one; limit_req_status {status}; {}", to(upstream.address()));
            let Some(nginx) = require(edge(flavour.clone(), http, &location).start()) else { continue };
            let traced = Traced::through(&nginx);
            let first = traced.report();
            assert_eq!(first.verdict.as_ref().unwrap().kind(), "reached");
            let second = traced.report();
            assert_eq!(
                (code(&second), hop(&second).as_str()),
                ("proxy.rate_limited", "edge"),
                "{:#?}",
                second.verdict
            );
        }
    }
}

#[test]
fn what_the_application_refuses_is_the_applications() {
    for status in [401, 403, 404, 429] {
        let upstream = MockUpstream::start(Reply::status(status)).unwrap();
        with_each("", &to(upstream.address()), |report, _| {
            assert_eq!(report.verdict.as_ref().unwrap().kind(), "reached", "{:#?}", report.verdict);
            assert!(!report.findings.iter().any(|finding| finding.code.starts_with("proxy.")), "{status}");
        });
    }
}

#[test]
fn an_application_that_sends_502_or_504_itself_is_the_one_that_made_it() {
    for status in [500, 502, 503, 504] {
        let upstream = MockUpstream::start(Reply::status(status).body("from the shop")).unwrap();
        with_each("", &to(upstream.address()), |report, nginx| {
            // Whether an answer came shows by the error log, which holds lines of its own level.
            let silent = nginx.error_log().lines().iter().all(|line| !line.contains("[error]"));
            assert!(silent, "nothing broke");
            assert_eq!(
                (code(report), hop(report).as_str()),
                ("http.error", "shop"),
                "{status}: {:#?}",
                report.verdict
            );
            assert!(!report.findings.iter().any(|finding| finding.code.starts_with("proxy.")), "{status}");
        });
    }
}

#[test]
fn a_proxys_own_500_is_its_own() {
    with_each("", "set $no ''; proxy_pass http://$no;", |report, _| {
        assert_eq!((code(report), hop(report).as_str()), ("http.error", "edge"), "{:#?}", report.verdict);
        let summary = &report.verdict.as_ref().unwrap().cause().unwrap().summary;
        assert!(summary.contains("edge made that answer itself"), "{summary}");
    });
}

#[test]
fn a_page_for_an_error_does_not_hide_what_broke() {
    let closed = ClosedPort::reserve().unwrap();
    let location = format!("error_page 502 =503 /sorry; {}", to(closed.address()));
    for flavour in Flavour::each() {
        let nginx = Nginx::builder()
            .flavour(flavour.clone())
            .http(&format!("{ROAD}\naccess_log {{dir}}/access.log road;"))
            .server(&format!(
                "listen {{listen:front}}; location / {{ {location} }} location = /sorry {{ internal; return 503 'sorry'; }}"
            ));
        let Some(nginx) = require(nginx.start()) else { continue };
        let report = Traced::through(&nginx).report();
        assert_eq!(
            (code(&report), hop(&report).as_str()),
            ("proxy.connection_refused", "shop"),
            "{:#?}",
            report.verdict
        );
    }
}

#[test]
fn a_retry_that_saved_the_request_warns_and_blames_nobody() {
    let (closed, upstream) = (ClosedPort::reserve().unwrap(), MockUpstream::start(Reply::ok("x")).unwrap());
    let http =
        format!("upstream shop {{ server {}; server {} backup; }}", closed.address(), upstream.address());
    with_each(&http, "proxy_pass http://shop;", |report, _| {
        assert_eq!(report.verdict.as_ref().unwrap().kind(), "reached");
        assert!(finds(report, "proxy.retried"), "{:#?}", report.findings);
    });
}

#[test]
fn a_proxy_that_asks_itself_is_found_out() {
    for flavour in Flavour::each() {
        let nginx = Nginx::builder()
            .flavour(flavour.clone())
            .http(&format!("{ROAD}\naccess_log {{dir}}/access.log road;"))
            // Round and round, until the header is too large for it.
            .server(
                "listen {listen:front}; location / { proxy_pass http://{listen:front}; \
                 proxy_set_header X-Round \"$http_x_round-12345678901234567890123456789012345678901234567890\"; }",
            );
        let Some(nginx) = require(nginx.start()) else { continue };
        let report = Traced::through(&nginx).report();
        assert_eq!(
            (code(&report), hop(&report).as_str()),
            ("proxy.loop_detected", "edge"),
            "{:#?}",
            report.verdict
        );
    }
}

#[test]
fn without_a_field_for_the_id_the_user_agent_tells() {
    let closed = ClosedPort::reserve().unwrap();
    for flavour in Flavour::each() {
        let location = format!("location / {{ {} }}", to(closed.address()));
        let nginx =
            Nginx::builder().flavour(flavour.clone()).server(&format!("listen {{listen:front}}; {location}"));
        let Some(nginx) = require(nginx.start()) else { continue };
        let report = Traced { format: "combined", ..Traced::through(&nginx) }.report();
        assert_eq!(code(&report), "proxy.connection_refused", "{:#?}", report.verdict);
        assert!(report.observations.iter().any(|seen| seen.kind() == "proxy.access"));
    }
}

#[test]
fn with_the_error_log_alone_the_request_itself_must_fit() {
    let closed = ClosedPort::reserve().unwrap();
    for flavour in Flavour::each() {
        let Some(nginx) = require(edge(flavour.clone(), "", &to(closed.address())).start()) else { continue };
        let report = Traced { sources: &["error_log"], ..Traced::through(&nginx) }.report();
        assert_eq!(code(&report), "proxy.connection_refused", "{:#?}", report.verdict);
        let other = Traced { sources: &["error_log"], path: "/other", ..Traced::through(&nginx) }.report();
        let lines = other.observations.iter().filter(|seen| seen.kind() == "proxy.error").count();
        assert_eq!(lines, 1, "only the line of the request itself");
    }
}

#[test]
fn each_of_many_requests_gets_its_own_lines() {
    let closed = ClosedPort::reserve().unwrap();
    let Some(nginx) = require(edge(Flavour::Debian, "", &to(closed.address())).start()) else { return };
    let report = Traced { samples: 12, ..Traced::through(&nginx) }.report();
    let samples: std::collections::BTreeSet<u32> = report
        .observations
        .iter()
        .filter(|seen| seen.kind() == "proxy.error")
        .filter_map(|seen| seen.subject.sample())
        .collect();
    assert_eq!(samples.len(), 12, "{samples:?}");
    assert_eq!((code(&report), hop(&report).as_str()), ("proxy.connection_refused", "shop"));
}

#[test]
fn json_logs_are_read() {
    let upstream = MockUpstream::start(Reply::status(502).body("mine")).unwrap();
    for flavour in Flavour::each() {
        let format = "log_format j escape=json '{\"request_id\":\"$http_x_request_id\",\"status\":$status,\
             \"upstream_addr\":\"$upstream_addr\",\"upstream_status\":\"$upstream_status\",\
             \"upstream_header_time\":\"$upstream_header_time\"}';";
        let nginx = Nginx::builder()
            .flavour(flavour.clone())
            .http(&format!("{format}\naccess_log {{dir}}/access.log j;"))
            .server(&format!("listen {{listen:front}}; location / {{ {} }}", to(upstream.address())));
        let Some(nginx) = require(nginx.start()) else { continue };
        for format in ["json", format] {
            let report = Traced { format, sources: &["access_log"], ..Traced::through(&nginx) }.report();
            assert_eq!(
                (code(&report), hop(&report).as_str()),
                ("http.error", "shop"),
                "{format}: {:#?}",
                report.verdict
            );
        }
    }
}

#[test]
fn it_hangs_up_at_the_first_bytes() {
    let upstream =
        MockUpstream::builder().connections(Connection::close_after_first_bytes()).start().unwrap();
    named("", &to(upstream.address()), "proxy.connection_terminated", "shop");
}

/// A group of one that keeps connections; what fails is not tried again.
fn kept(address: SocketAddr) -> (String, &'static str) {
    let http = format!("upstream shop {{ server {address} max_fails=0; keepalive 4; }}");
    let location = "proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection ''; \
                    proxy_next_upstream off;";
    (http, location)
}

#[test]
fn a_kept_connection_that_was_being_closed_is_told_from_a_new_one_that_dies() {
    for flavour in Flavour::each() {
        // Dead as soon as it is idle: whoever uses a connection twice loses the request.
        let script = Connection::serve().dead_after_idle(Duration::ZERO);
        let shop = MockUpstream::builder().connections(script).reply(Reply::ok("x")).start().unwrap();
        let (http, location) = kept(shop.address());
        let Some(nginx) = require(edge(flavour.clone(), &http, location).start()) else { continue };
        let many = Traced { samples: 24, behind: Some(shop.address()), ..Traced::through(&nginx) };
        let report = many.report();
        let log = nginx.error_log().text();
        assert!(
            log.contains("while reading response header from upstream")
                || log.contains("while sending request to upstream"),
            "{flavour}: {log}"
        );
        assert_eq!(report.verdict.as_ref().unwrap().kind(), "degraded", "{flavour}: {:#?}", report.verdict);
        assert_eq!(code(&report), "proxy.keepalive_race", "{flavour}: {:#?}\n{log}", report.verdict);

        // Too few to tell by, until the idle times are known. Nothing is kept from before.
        let Some(nginx) = require(edge(flavour.clone(), &http, location).start()) else { continue };
        for (idle, wanted) in [
            (None, "proxy.connection_terminated"),
            (Some((60, 5)), "proxy.keepalive_race"),
            (Some((60, 75)), "proxy.connection_terminated"),
        ] {
            let one = Traced { idle, ..Traced::through(&nginx) };
            let [first, second] = [one.report(), one.report()];
            assert_eq!(code(&first), "", "{flavour}: {:#?}", first.verdict);
            assert_eq!(code(&second), wanted, "{flavour}: {idle:?}: {:#?}", second.verdict);
        }
    }
}

#[test]
fn new_connections_that_die_as_well_are_no_race() {
    let inverted = Some((60, 5));
    // All of them, and every third one, whoever opens it.
    for script in [
        Connection::every(1, Connection::close_after_first_bytes()),
        Connection::every(3, Connection::close_after_first_bytes())
            .otherwise(Connection::serve().requests_at_most(1)),
    ] {
        for flavour in Flavour::each() {
            let shop =
                MockUpstream::builder().connections(script.clone()).reply(Reply::ok("x")).start().unwrap();
            let (http, location) = kept(shop.address());
            let Some(nginx) = require(edge(flavour.clone(), &http, location).start()) else { continue };
            for idle in [None, inverted] {
                let through =
                    Traced { samples: 12, behind: Some(shop.address()), idle, ..Traced::through(&nginx) };
                let report = through.report();
                assert_eq!(hop(&report), "shop", "{flavour}: {idle:?}: {:#?}", report.verdict);
                // Seen directly as well: what the proxy says is then a link of the chain.
                let cause = code(&report);
                assert!(
                    matches!(cause, "proxy.connection_terminated" | "http.response.empty"),
                    "{flavour}: {idle:?}: {:#?}",
                    report.verdict
                );
                assert!(finds(&report, "proxy.connection_terminated"), "{flavour}: {idle:?}");
                assert!(!finds(&report, "proxy.keepalive_race"), "{flavour}: {:#?}", report.findings);
            }
        }
    }
}

#[test]
fn idle_connections_that_are_closed_in_time_hurt_nobody() {
    let script = Connection::serve().requests_at_most(1);
    let shop = MockUpstream::builder().connections(script).reply(Reply::ok("x")).start().unwrap();
    let (http, location) = kept(shop.address());
    for flavour in Flavour::each() {
        let Some(nginx) = require(edge(flavour.clone(), &http, location).start()) else { continue };
        let through = Traced {
            samples: 12,
            behind: Some(shop.address()),
            idle: Some((60, 5)),
            ..Traced::through(&nginx)
        };
        let report = through.report();
        assert_eq!(report.verdict.as_ref().unwrap().kind(), "reached", "{flavour}: {:#?}", report.verdict);
        assert!(!finds(&report, "proxy.keepalive_race"), "{flavour}");
    }
}

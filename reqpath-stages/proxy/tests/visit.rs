//! A visit, letter by letter: what is read, how often, what is waited for, and what is made of what cannot be read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqpath_client::{Client, ClientOptions};
use reqpath_core::{ContactKind, Hop, HopKind, Path, Pipeline, Report, Source, Target, Trace, Unavailable};
use reqpath_dns::{Dns, DnsOptions};
use reqpath_http::{Http, HttpOptions};
use reqpath_proxy::{Proxy, ProxyOptions};
use reqpath_tcp::{Tcp, TcpOptions};
use reqpath_testkit::FakeVantage;
use reqpath_testkit::vantage::{Dial, FakeVantageBuilder};

const ID: &str = "0123456789abcdef0123456789abcdef";
const LOG: &str = "/var/log/nginx/access.log";
const FORMAT: &str =
    "$remote_addr \"$request\" $status $upstream_addr $upstream_status id=$http_x_request_id";

fn place() -> FakeVantageBuilder {
    FakeVantage::builder()
        .file("/etc/hosts", "")
        .tcp(([192, 0, 2, 7], 80), Dial::answers("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"))
}

fn line(sample: &str) -> String {
    format!("198.51.100.1 \"GET /?api_key=hush-hush HTTP/1.1\" 502 10.0.0.7:80 502 id={ID}{sample}\n")
}

fn pipeline() -> Pipeline {
    let (mut client, mut dns, mut tcp, mut http) =
        (ClientOptions::default(), DnsOptions::default(), TcpOptions::default(), HttpOptions::default());
    (client.side_looks, dns.side_looks) = (false, false);
    (tcp.side_looks, http.side_looks) = (false, false);
    Pipeline::builder()
        .stage(Client::new(client))
        .stage(Dns::new(dns))
        .stage(Tcp::new(tcp))
        .stage(Http::new(http))
        .visitor(Proxy::new(ProxyOptions::default()))
        .build()
        .unwrap()
}

fn trace(edge: FakeVantageBuilder, sources: Vec<Source>, samples: u32) -> Report {
    let mut hop = Hop::new("edge", HopKind::Nginx);
    hop.sources = sources;
    let path = Path::new(vec![Hop::new("client", HopKind::Client), hop, Hop::new("shop", HopKind::Pod)]);
    let target = Target::get("http://192.0.2.7/?api_key=hush-hush").unwrap();
    let trace = Trace::new(target, place().build())
        .path(path)
        .request_id(ID)
        .samples(samples)
        .without_last_try()
        .deadline(Duration::from_secs(10))
        .vantage_of("edge", edge.build());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let report = runtime.block_on(pipeline().trace(trace));
    assert!(!serde_json::to_string(&report).unwrap().contains("hush-hush"), "a secret got into the report");
    report
}

fn access() -> Source {
    Source::file("access_log", LOG).format(FORMAT)
}

fn count(report: &Report, kind: &str) -> usize {
    report.observations.iter().filter(|seen| seen.kind() == kind).count()
}

#[test]
fn a_line_that_is_late_is_waited_for() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let edge = FakeVantage::builder().named("edge").file(LOG, move || {
        let text = if counted.fetch_add(1, Ordering::Relaxed) < 3 { String::new() } else { line("") };
        Ok::<_, Unavailable>(text.into_bytes())
    });
    let report = trace(edge, vec![access()], 1);
    assert_eq!(
        (reads.load(Ordering::Relaxed), count(&report, "proxy.access")),
        (4, 1),
        "{:?}",
        report.errors
    );
    assert_eq!(
        count(&report, "request.attribute"),
        1,
        "whom it asked may tell failing samples from good ones"
    );
}

#[test]
fn what_never_comes_is_not_waited_for_for_ever_nor_read_more_often_than_announced() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let edge = FakeVantage::builder().named("edge").file(LOG, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Unavailable>(b"198.51.100.9 \"GET / HTTP/1.1\" 200 - - id=somebody-else\n".to_vec())
    });
    let report = trace(edge, vec![access()], 1);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(count(&report, "proxy.access"), 0);
    assert_eq!(count(&report, "proxy.absent"), 0, "without a later line of ours, nothing is missing");
    assert!((2..=10).contains(&reads.load(Ordering::Relaxed)));
    assert!(report.elapsed_us.duration() < Duration::from_secs(1), "{}", report.elapsed_us);
}

#[test]
fn not_in_the_log_counts_only_beside_a_later_request_that_is() {
    let log = format!("{}{}", line(""), line("-2"));
    let report = trace(FakeVantage::builder().named("edge").file(LOG, log), vec![access()], 4);
    let absent: Vec<u32> = report
        .observations
        .iter()
        .filter(|seen| seen.kind() == "proxy.absent")
        .filter_map(|seen| seen.subject.sample())
        .collect();
    assert_eq!(absent, [1], "sample 3 is only not there yet");
}

#[test]
fn where_one_error_line_fits_two_requests_neither_is_said_to_have_been_answered() {
    let (log, errors) = (format!("{}{}", line(""), line("-1")), "/var/log/nginx/error.log");
    let broke = "2026/11/22 07:04:01 [error] 7#7: *3 upstream prematurely closed connection while reading \
         response header from upstream, client: 198.51.100.1, server: s, \
         request: \"GET /?api_key=hush-hush HTTP/1.1\", upstream: \"http://10.0.0.7:80/\", host: \"192.0.2.7\"\n";
    let edge = FakeVantage::builder()
        .named("edge")
        .clock(std::time::UNIX_EPOCH + Duration::from_secs(1_795_331_041))
        .file(LOG, log)
        .file(errors, broke);
    let report = trace(edge, vec![access(), Source::file("error_log", errors)], 2);
    let passages = report.observations.iter().filter(|seen| seen.kind() == "proxy.access");
    let mut answered: Vec<_> = passages.map(|seen| seen.value()["tries"][0]["answered"].as_bool()).collect();
    answered.sort();
    assert_eq!(answered, [None, Some(false)]);
}

#[test]
fn a_log_that_cannot_be_read_is_trouble_of_the_probe_and_no_verdict() {
    for why in [Unavailable::Missing, Unavailable::Permission, Unavailable::NotHere] {
        let report = trace(FakeVantage::builder().named("edge").file(LOG, why), vec![access()], 1);
        assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
        assert!(
            report.errors[0].message.contains("edge cannot read the end of a log"),
            "{:?}",
            report.errors
        );
        let named = report.findings.iter().any(|finding| finding.code.starts_with("proxy."));
        assert!(!named, "{:?}", report.findings);
    }
}

#[test]
fn a_format_that_is_none_is_said_and_lines_of_another_are_counted() {
    let odd = Source::file("access_log", LOG).format("no variable");
    let report = trace(FakeVantage::builder().named("edge"), vec![odd], 1);
    assert!(report.errors[0].message.contains("is no log format"), "{:?}", report.errors);
    let other = Source::file("access_log", LOG).format("combined");
    let report = trace(FakeVantage::builder().named("edge").file(LOG, line("")), vec![other], 1);
    let read = report.observations.iter().find(|seen| seen.kind() == "proxy.log").unwrap();
    assert!(read.value()["unread"].as_u64() >= Some(1), "{}", read.value());
}

#[test]
fn a_command_may_print_the_log_and_what_belongs_elsewhere_is_left() {
    let command: Vec<String> = ["kubectl", "logs", "deploy/edge"].map(str::to_owned).to_vec();
    let mut elsewhere = access();
    elsewhere.vantage = Some("another-place".to_owned());
    let sources = vec![Source::command("access_log", command).format(FORMAT), elsewhere];
    let printed = format!("2026-11-22T07:04:01.1Z stdout F {}", line(""));
    let edge = FakeVantage::builder().named("edge").command(["kubectl", "logs", "deploy/edge"], printed);
    let report = trace(edge, sources, 1);
    assert_eq!((count(&report, "proxy.access"), report.errors.len()), (1, 0), "{:?}", report.errors);
}

#[test]
fn nothing_is_planned_or_read_where_no_log_is_named() {
    let plain = || Trace::new(Target::get("http://192.0.2.7/").unwrap(), place().build());
    let visited = plain().vantage_of("server", FakeVantage::builder().named("server").build());
    let files = |trace: &Trace| {
        pipeline().plan(trace).iter().filter(|contact| contact.why.contains("lines of our requests")).count()
    };
    assert_eq!(files(&visited), 0);
    let path = Path::new(vec![
        Hop::new("client", HopKind::Client),
        Hop::new("edge", HopKind::Nginx)
            .source(access())
            .source(Source::command("error_log", vec!["x".to_owned()])),
    ]);
    let named = plain().path(path).vantage_of("edge", FakeVantage::builder().named("edge").build());
    let plan = pipeline().plan(&named);
    let most = |kind| {
        let read = plan.iter().filter(|contact| contact.kind == kind && contact.why.contains("of edge"));
        read.map(|contact| contact.most).sum::<u32>()
    };
    assert_eq!((most(ContactKind::File), most(ContactKind::Command)), (10, 1));
}

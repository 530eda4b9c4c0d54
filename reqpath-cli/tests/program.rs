//! The program as a whole: its exit statuses, its JSON, its promises.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

mod common;

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use common::{REQPATH, name, reqpath, run, trace};
use reqpath_testkit::mock::{ClosedPort, MockUpstream, Reply, Request, Tls};
use reqpath_testkit::pki::Authority;
use serde_json::Value;

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn judge(report: &[u8]) -> common::Run {
    let file = file(report);
    let mut command = reqpath();
    command.args(["judge", "--json"]).arg(file.path());
    run(command)
}

#[test]
fn deaths_of_several_kinds_are_counted_apart() {
    let number = |asked: &Request| -> u32 {
        let id = asked.header("x-request-id").unwrap();
        // What a further look asks has no number.
        id.split_once('-').map_or(0, |(_, number)| number.parse().unwrap_or(0))
    };
    let odd = move |asked: &Request| match number(asked) % 12 {
        2 | 8 => Reply::status(500),
        5 => Reply::reset(),
        11 => Reply::close(),
        _ => Reply::ok("well"),
    };
    let server = MockUpstream::start(odd).unwrap();
    let traced = |more: &[&str]| {
        let mut command = reqpath();
        command.args(["trace", "-n", "12", &server.url("/")]).args(more);
        run(command)
    };
    let text = traced(&[]);
    let first = text.stdout.lines().next().unwrap();
    assert!(first.starts_with("degraded: 4 of 12 died, 2 of them at server (http): "), "{first}");
    assert!(first.ends_with("[http.error]"), "{first}");
    let cause = &traced(&["--json"]).report["verdict"]["cause"];
    assert_eq!((&cause["code"], &cause["others"]), (&"http.error".into(), &2.into()));

    // Of one kind all are.
    let odd = move |asked: &Request| Reply::status(if number(asked) % 3 == 2 { 500 } else { 200 });
    let server = MockUpstream::start(odd).unwrap();
    let run = trace(["-n", "12", &server.url("/")]);
    assert_eq!(run.report["verdict"]["outcome"]["died"], 4, "{}", run.told());
    assert!(run.report["verdict"]["cause"].get("others").is_none(), "{}", run.told());
}

#[test]
fn mistakes_are_one_line_and_exit_2() {
    let authority = Authority::new().unwrap();
    let (one, other) = (authority.client("one").issue().unwrap(), authority.client("other").issue().unwrap());
    let (chain, key) = (file(one.chain_pem().as_bytes()), file(other.key_pem().as_bytes()));
    let (chain, key) = (chain.path().to_str().unwrap(), key.path().to_str().unwrap());
    let junk = file(b"junk");
    let junk = junk.path().to_str().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["http://[::1"], "http://[::1"),
        (&["gopher://x/"], "gopher"),
        (&["http://x/", "--wibble"], "--wibble"),
        (&["https://x/", "--cacert", "/does/not/exist"], "/does/not/exist"),
        (&["https://x/", "--cacert", junk], junk),
        (&["https://x/", "--cert", chain, "--key", key], key),
        (&["https://x/", "--cert", chain], chain),
        (&["https://x/", "--crlfile", junk], junk),
        (&["http://x/", "--resolve", "nonsense"], "--resolve"),
        (&["http://x/", "--connect-to", "nonsense"], "--connect-to"),
        (&["http://x/", "-H", "no colon"], "no colon"),
        (&["http://x/", "-X", "GE T"], "GE T"),
        (&["http://x/", "-d", "@/does/not/exist"], "/does/not/exist"),
        (&["http://x/", "--max-time", "soon"], "soon"),
        (&["http://x/", "--expect-status", "2000"], "2000"),
        (&["http://x/", "--dns-server", "dns.example"], "dns.example"),
        (&["http://x/", "--clock-from", "http://"], "--clock-from"),
        (&["http://x/", "-n", "0"], "--samples"),
    ];
    for (arguments, says) in cases {
        let run = trace(*arguments);
        run.assert_mistake(says);
        assert_eq!(run.stderr.trim_end().lines().count(), 1, "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn of_a_flag_given_twice_the_last_counts_or_they_add_up() {
    let authority = Authority::new().unwrap();
    let leaf = authority.leaf("localhost").issue().unwrap();
    let mock = MockUpstream::builder().tls(Tls::new(&leaf)).reply(Reply::ok("x")).start().unwrap();
    let ca = file(authority.certificate_pem().as_bytes());
    let ca = ca.path().to_str().unwrap();
    let port = mock.address().port();
    let url = format!("https://localhost:{port}/");
    let resolve = format!("localhost:{port}:127.0.0.1");
    let run = trace(
        [
            ["--max-time", "1", "--max-time", "8"],
            ["--connect-timeout", "1", "--connect-timeout", "7"],
            ["--deadline", "2", "--deadline", "9"],
            ["--cacert", "/does/not/exist", "--cacert", ca],
            ["-X", "DELETE", "-X", "PUT"],
            ["-n", "3", "-n", "1"],
            ["--http1.1", "--http2", "--http2", "--http1.1"],
            ["-6", "-4", "-L", "-L"],
            // These add up.
            ["-d", "a=1", "-d", "b=2"],
            ["-H", "X-One: 1", "-H", "X-Two: 2"],
            ["--resolve", "other.example:1:192.0.2.1", "--resolve", &resolve],
            ["--connect-to", "other.example:1:h:2", "--connect-to", "more.example:1:h:2"],
            ["--expect-status", "500", "--expect-status", "2xx"],
        ]
        .into_iter()
        .flatten()
        .chain([url.as_str()]),
    );
    run.assert_reached();
    let trial = run.seen("request.trial")[0];
    let micros = |field: &str| trial[field].as_u64().unwrap() / 1000 * 1000;
    assert_eq!(micros("connect_limit_us"), 7_000_000, "{}", run.told());
    assert!((7_900_000..=8_000_000).contains(&micros("limit_us")), "{}", run.told());
    assert_eq!(run.seen("http.exchange")[0]["version"], "HTTP/1.1");
    let asked = &mock.requests()[0];
    assert_eq!((asked.method.as_str(), &asked.body[..]), ("PUT", &b"a=1&b=2"[..]));
    assert_eq!((asked.header("x-one"), asked.header("x-two")), (Some("1"), Some("2")));
    // One request, one URL: another is not taken in its place.
    trace([&url, &url]).assert_mistake("unexpected argument");
}

#[test]
fn a_report_that_is_none_is_named_with_its_place() {
    judge(br#"{"schema": "reqpath.report/7"}"#).assert_mistake("reqpath.report/7");
    judge(b"{\"schema\": \"reqpath.report/1\",\n  \"observations\": 5}").assert_mistake("line 2");
    judge(b"not json").assert_mistake("not a report");
    judge("[".repeat(100_000).as_bytes()).assert_mistake("not a report");
    judge(b"").assert_mistake("not a report");
}

/// Traces of several kinds of road, each as the program printed it.
fn reports() -> Vec<common::Run> {
    let fine = MockUpstream::start(Reply::ok("hello")).unwrap();
    let cut = MockUpstream::start(Reply::ok("a longer hello").truncate_after(3)).unwrap();
    let gone = ClosedPort::reserve().unwrap();
    let authority = Authority::new().unwrap();
    let expired = authority.leaf("localhost").expired(9).issue().unwrap();
    let expired = MockUpstream::builder().tls(Tls::new(&expired)).reply(Reply::ok("x")).start().unwrap();
    vec![
        trace([fine.url("/")]),
        trace([fine.url("/"), "-n".to_owned(), "3".to_owned()]),
        trace([cut.url("/")]),
        trace([format!("http://{}/", gone.address())]),
        trace([expired.url("/")]),
        trace([expired.url("/"), "-k".to_owned()]),
        trace([format!("http://{}/", name())]),
    ]
}

#[test]
fn reports_fit_the_schema_and_judge_to_the_same() {
    let mut command = reqpath();
    command.arg("schema");
    let schema: Value = serde_json::from_str(&run(command).stdout).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    for run in reports() {
        let errors: Vec<String> = validator.iter_errors(&run.report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{}", run.told());
        let again = judge(run.stdout.as_bytes());
        for part in ["verdict", "findings", "hops", "ruled_out", "next", "observations"] {
            assert_eq!(again.report[part], run.report[part], "{part}\n{}", run.told());
        }
        assert_eq!(again.status, run.status);
    }
}

#[test]
fn what_nobody_here_knows_is_kept() {
    let mock = MockUpstream::start(Reply::ok("hello")).unwrap();
    let mut report = trace([mock.url("/")]).report;
    report["from_the_future"] = serde_json::json!({"deep": [1, {"x": 2.5}]});
    let odd = serde_json::json!({
        "id": 4_000_000, "kind": "acme.unheard_of", "subject": {"hop": "server"}, "vantage": "moon", "at_us": 5,
        "source": "acme", "brief": "something", "data": {"a": [1, 2.5, null, "x"]}, "hue": "blue",
    });
    report["observations"].as_array_mut().unwrap().push(odd);
    let again = judge(report.to_string().as_bytes());
    assert_eq!(again.report, report);
}

#[test]
fn every_example_of_the_catalogue_yields_its_cause() {
    let mut command = reqpath();
    command.args(["causes", "--json"]);
    let causes: Value = serde_json::from_str(&run(command).stdout).unwrap();
    let causes = causes.as_array().unwrap();
    assert!(causes.len() >= 60, "{} causes", causes.len());
    for cause in causes {
        let code = cause["code"].as_str().unwrap();
        let judged = judge(cause["example"].to_string().as_bytes());
        let named = judged.code() == code || judged.found("warning").contains(&code);
        assert!(named, "{code}: {}", judged.told());
        let mut explain = reqpath();
        explain.args(["explain", code]);
        assert!(run(explain).stdout.contains("What to do"), "{code}");
    }
}

#[test]
fn warnings_change_the_status_only_when_asked() {
    let authority = Authority::new().unwrap();
    let leaf = authority.leaf("localhost").valid_for(3).issue().unwrap();
    let mock = MockUpstream::builder().tls(Tls::new(&leaf)).reply(Reply::ok("x")).start().unwrap();
    let ca = file(authority.certificate_pem().as_bytes());
    let ca = ca.path().to_str().unwrap();
    let url = format!("https://localhost:{}/", mock.address().port());
    let resolve = format!("localhost:{}:127.0.0.1", mock.address().port());
    let arguments = [url.as_str(), "--cacert", ca, "--resolve", resolve.as_str()];
    trace(arguments).assert_reached().assert_warned("tls.cert.expiring");
    let failing = trace(arguments.into_iter().chain(["--fail-on", "warning"]));
    assert_eq!((failing.kind(), failing.status), ("reached", 1), "{}", failing.told());
}

#[test]
fn a_dry_run_contacts_nothing_and_a_run_no_more_than_it_says() {
    let silent = MockUpstream::builder().reply(Reply::ok("hello")).never_called().start().unwrap();
    let mut command = reqpath();
    command.args(["trace", "--dry-run", &silent.url("/?token=s3cr3ts3cr3t")]);
    let dry = run(command);
    assert_eq!(dry.status, 0);
    assert!(dry.stdout.contains("request") && !dry.stdout.contains("s3cr3ts3cr3t"), "{}", dry.stdout);
    silent.verify().unwrap();
    assert_eq!(silent.connection_count(), 0);

    for extra in [&[][..], &["-n", "5"], &["--road-only"], &["-X", "POST"], &["--idle", "50ms,100ms"]] {
        for reply in [Reply::ok("hello"), Reply::status(503), Reply::close()] {
            let mock = MockUpstream::start(reply).unwrap();
            let url = mock.url("/");
            let announced = |what: &str| -> u64 {
                let mut command = reqpath();
                command.arg("trace").arg("--dry-run").arg(&url).args(extra);
                let plan = run(command).stdout;
                let lines = plan.lines().filter(|line| line.contains(&format!("× {what} ")));
                lines.map(|line| line.split_whitespace().next().unwrap().parse::<u64>().unwrap()).sum()
            };
            let (requests, connections) = (announced("request"), announced("connection"));
            assert_eq!(mock.connection_count(), 0);
            trace([url.as_str()].into_iter().chain(extra.iter().copied()));
            assert!(mock.request_count() <= requests, "{extra:?}: {} > {requests}", mock.request_count());
            assert!(
                mock.connection_count() <= connections,
                "{extra:?}: {} > {connections}",
                mock.connection_count()
            );
            if extra.contains(&"POST") {
                assert!(mock.request_count() <= 1, "an unsafe method is sent once");
            }
        }
    }
}

#[test]
fn secrets_stay_out_of_everything_that_is_printed() {
    let secrets = ["tok3nzzzzqq", "passw0rdzzqq", "cook1ezzqq", "queryzzqq77", "bodyzzqq99"];
    // The server echoes what it gets, in a header, in the body and in a redirect.
    let mock = MockUpstream::start(|request: &reqpath_testkit::mock::Request| {
        let echo = format!("{request:?}");
        Reply::status(302)
            .header("X-Echo", "Bearer tok3nzzzzqq")
            .header("Set-Cookie", "a=cook1ezzqq")
            .header("Location", "/next?token=queryzzqq77")
            .body(echo)
    })
    .unwrap();
    let url = format!("http://me:passw0rdzzqq@{}/?access_token=queryzzqq77", mock.address());
    for format in [&["--json"][..], &["-v"], &["--dry-run"]] {
        let mut command = reqpath();
        command.args([
            "trace",
            &url,
            "-H",
            "Authorization: Bearer tok3nzzzzqq",
            "-H",
            "Cookie: s=cook1ezzqq",
        ]);
        command.args(["-d", "bodyzzqq99", "-L", "--expect-status", "200"]).args(format);
        let run = run(command);
        for secret in secrets {
            assert!(!run.stdout.contains(secret), "{secret} in\n{}", run.stdout);
            assert!(!run.stderr.contains(secret), "{secret} in\n{}", run.stderr);
        }
    }
    assert!(mock.request_count() > 0);
}

/// The end of a trace against something that never answers: at its deadline, and not 100 ms later.
#[track_caller]
fn ends_in_time(arguments: &[&str], deadline: Duration) -> common::Run {
    let check = |run: &common::Run| {
        let least = deadline.saturating_sub(Duration::from_millis(50));
        assert!(run.wall >= least, "ended after {:?}\n{}", run.wall, run.told());
        assert_eq!(run.status, 1, "{}", run.told());
    };
    common::once_within(deadline + Duration::from_millis(100), || trace(arguments), check)
}

fn phases(run: &common::Run) -> Vec<String> {
    let trial = run.seen("request.trial")[0];
    trial["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["stage"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_never_answers_ends_at_the_deadline() {
    // Accepts into its queue and never reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let second = Duration::from_secs(1);
    let run = ends_in_time(&[&format!("http://{address}/"), "--max-time", "1"], second);
    assert!(phases(&run).contains(&"http".to_owned()));
    assert_eq!(run.code(), "http.response.timed_out", "{}", run.told());

    let run = ends_in_time(&[&format!("https://{address}/"), "--max-time", "1"], second);
    assert!(!phases(&run).contains(&"http".to_owned()), "{:?}", phases(&run));
    assert!(run.seen("http.exchange").is_empty());
    assert_eq!(run.code(), "tls.timed_out", "{}", run.told());

    // A nameserver that hears and says nothing.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap().to_string();
    let url = format!("https://{}/", name());
    let run = ends_in_time(&[&url, "--dns-server", &server, "--max-time", "1"], second);
    assert!(
        !phases(&run).iter().any(|stage| ["tcp", "tls", "http"].contains(&stage.as_str())),
        "{:?}",
        phases(&run)
    );
    for kind in ["tcp.attempt", "tls.handshake", "http.exchange"] {
        assert!(run.seen(kind).is_empty(), "{kind}");
    }
    assert_eq!(run.code(), "dns.timed_out", "{}", run.told());
}

#[test]
fn the_demo_judges_every_road_as_it_was_broken() {
    let mut command = reqpath();
    command.arg("demo");
    let demo = run(command);
    assert_eq!(demo.status, 0, "{}\n{}", demo.stdout, demo.stderr);
    assert!(demo.stdout.matches("─── demo ").count() >= 6);
    // Whoever read none of it finds what was played at its end, and a command that works from here.
    let end = demo.stdout.rsplit("each judged as it was broken:").next().unwrap();
    assert!(end.contains("tcp.refused") && end.contains(&format!("{REQPATH} trace ")), "{end}");
}

#[test]
fn the_answer_is_the_first_line_and_colours_are_for_terminals() {
    let gone = ClosedPort::reserve().unwrap();
    let mut command = reqpath();
    command.args(["trace", &format!("http://{}/", gone.address())]);
    let text = run(command);
    let first = text.stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("died at server (tcp): ") && first.contains("[tcp.refused]"), "{first}");
    assert!(!text.stdout.contains('\u{1b}'), "no colours in a pipe");
}

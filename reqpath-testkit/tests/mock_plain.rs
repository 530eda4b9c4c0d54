//! The mock over plain TCP, driven by bare sockets and by curl.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed expectation in a test is the message, and a skip says why"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use reqpath_testkit::mock::{ClosedPort, Connection, FullAcceptQueue, MockUpstream, Reply, Request};

const SOON: Duration = Duration::from_secs(10);

fn connect(mock: &MockUpstream) -> TcpStream {
    let client = TcpStream::connect(mock.address()).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    client
}

fn get(client: &mut TcpStream, target: &str) {
    client.write_all(format!("GET {target} HTTP/1.1\r\nhost: example.test\r\n\r\n").as_bytes()).unwrap();
}

/// Reads one response with a content length.
fn response(client: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut one = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut one).unwrap();
        bytes.push(one[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    client.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// Everything until the end, and how it ended.
fn rest(client: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = client.read_to_end(&mut bytes).err().map(|error| error.kind());
    (bytes, end)
}

/// What a client that does not ask for anything sees.
fn ask(reply: Reply) -> (Vec<u8>, Option<ErrorKind>) {
    let mock = MockUpstream::start(reply).unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/");
    rest(&mut client)
}

#[test]
fn answers_and_reuses_and_records() {
    let mock = MockUpstream::builder()
        .reply(|request: &Request| {
            Reply::ok(format!("you asked for {}", request.target)).header("x-mock", "yes")
        })
        .expect(2)
        .start()
        .unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/a");
    let first = response(&mut client);
    assert!(first.starts_with("HTTP/1.1 200 OK\r\nx-mock: yes\r\ndate: "), "{first}");
    assert!(first.ends_with("you asked for /a"));
    client.write_all(b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").unwrap();
    assert!(response(&mut client).ends_with("/b"));

    let requests = mock.requests();
    assert_eq!(requests.iter().map(|r| (r.connection, r.index)).collect::<Vec<_>>(), [(0, 0), (0, 1)]);
    assert_eq!(requests[0].head, "GET /a HTTP/1.1\r\nhost: example.test\r\n\r\n");
    assert_eq!(requests[0].from, client.local_addr().unwrap());
    assert_eq!((requests[1].method.as_str(), requests[1].host()), ("POST", Some("x")));
    assert_eq!(
        (&requests[1].body[..], requests[1].body_length, requests[1].complete),
        (&b"abcde"[..], 5, true)
    );
    mock.verify().unwrap();
}

#[test]
fn curl_agrees() {
    let Ok(found) = Command::new("curl").arg("--version").output() else {
        assert!(std::env::var_os("REQPATH_REQUIRE_REAL").is_none(), "curl is required and not installed");
        eprintln!("skipped: curl is not installed");
        return;
    };
    assert!(found.status.success());
    let curl = |arguments: &[&str], url: &str| {
        let output = Command::new("curl")
            .args(["-s", "--noproxy", "*", "--max-time", "10"])
            .args(arguments)
            .arg(url)
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mock = MockUpstream::start(Reply::ok("hello").chunked()).unwrap();
    assert_eq!(curl(&["-d", "some=form"], &mock.url("/")), (0, "hello".to_owned()));
    assert_eq!(mock.requests()[0].body, "some=form");

    let codes = [
        (52, Reply::close()),
        (56, Reply::reset()),
        (18, Reply::ok("hello").truncate_after(2)),
        (56, Reply::ok(vec![b'x'; 100_000]).reset_after(50_000)),
        (1, Reply::garbage()),
        (56, Reply::endless_headers()),
    ];
    for (code, reply) in codes {
        let mock = MockUpstream::start(reply.clone()).unwrap();
        assert_eq!(curl(&[], &mock.url("/")).0, code, "{reply:?}");
    }
    let mock = MockUpstream::start(|request: &Request| match request.target.as_str() {
        "/old" => Reply::redirect(302, "/new"),
        _ => Reply::ok("arrived"),
    })
    .unwrap();
    assert_eq!(curl(&["-L"], &mock.url("/old")), (0, "arrived".to_owned()));
    assert_eq!(curl(&["--http2-prior-knowledge"], &mock.url("/new")), (0, "arrived".to_owned()));
    assert_eq!(mock.requests()[2].version, http::Version::HTTP_2);
}

#[test]
fn ends_without_a_byte() {
    assert_eq!(ask(Reply::close()), (vec![], None));
    assert_eq!(ask(Reply::reset()), (vec![], Some(ErrorKind::ConnectionReset)));
}

#[test]
fn goes_wrong_at_byte_n() {
    let body = vec![b'x'; 1000];
    let (bytes, end) = ask(Reply::ok(body.clone()).truncate_after(100));
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("content-length: 1000\r\n"), "{text}");
    assert_eq!((text.split_once("\r\n\r\n").unwrap().1.len(), end), (100, None));

    let mock = MockUpstream::start(Reply::ok(body.clone()).reset_after(100)).unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/");
    let (bytes, end) = rest(&mut client);
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
    assert!(bytes.len() < 1000);

    let mock = MockUpstream::start(Reply::ok(body).stop_after(100)).unwrap();
    let mut client = connect(&mock);
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    get(&mut client, "/");
    let (bytes, end) = rest(&mut client);
    assert_eq!(end, Some(ErrorKind::WouldBlock));
    assert!(bytes.ends_with(&[b'x'; 100]) && !bytes.ends_with(&[b'x'; 101]));
}

#[test]
fn lies_about_its_length_and_its_date() {
    let past = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let (bytes, _) =
        ask(Reply::ok("abc").claims_length(3).dated(past).oversized_headers(20_000).then_close());
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert!(text.len() > 20_000 && text.contains("connection: close\r\n"));
    let (bytes, end) = ask(Reply::ok("abc").until_close());
    assert!(bytes.ends_with(b"\r\n\r\nabc") && end.is_none());
}

#[test]
fn hangs_and_is_slow() {
    let mock = MockUpstream::start(Reply::hang()).unwrap();
    let mut client = connect(&mock);
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    get(&mut client, "/");
    assert_eq!(rest(&mut client), (vec![], Some(ErrorKind::WouldBlock)));
    assert_eq!(mock.request_count(), 1);

    let began = Instant::now();
    ask(Reply::ok("x").delay(Duration::from_millis(150)).then_close());
    assert!(began.elapsed() >= Duration::from_millis(150));

    let mock = MockUpstream::start(Reply::ok("abcdef").trickle(2, Duration::from_millis(60))).unwrap();
    let mut client = connect(&mock);
    let began = Instant::now();
    get(&mut client, "/");
    assert!(response(&mut client).ends_with("abcdef"));
    assert!(began.elapsed() >= Duration::from_millis(120), "three pieces, two pauses before the last");

    let mock = MockUpstream::builder()
        .connections(Connection::serve().begin_after(Duration::from_millis(120)))
        .start()
        .unwrap();
    let began = Instant::now();
    let mut client = connect(&mock);
    get(&mut client, "/");
    response(&mut client);
    assert!(began.elapsed() >= Duration::from_millis(120));
}

#[test]
fn never_ends() {
    for reply in [Reply::endless(), Reply::endless_headers(), Reply::endless_header_line()] {
        let mock = MockUpstream::start(reply).unwrap();
        let mut client = connect(&mock);
        get(&mut client, "/");
        let mut block = vec![0; 1 << 20];
        for _ in 0..8 {
            client.read_exact(&mut block).unwrap();
        }
    }
    let mock = MockUpstream::start(Reply::status(200).repeating("abc", Some(1 << 30))).unwrap();
    let mut client = connect(&mock);
    client.write_all(b"HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let head = String::from_utf8(rest(&mut client).0).unwrap();
    assert!(head.contains("content-length: 1073741824\r\n"), "{head}");
}

#[test]
fn sends_no_http() {
    assert!(ask(Reply::garbage()).0.contains(&0x1b));
    assert_eq!(
        ask(Reply::raw("HTTP/1.1 200 OK\r\nx: \x07bell\r\n\r\n")).0,
        b"HTTP/1.1 200 OK\r\nx: \x07bell\r\n\r\n"
    );
    let (bytes, _) = ask(Reply::ok("\x1b[2J").header("x-control", "a\x08b").then_close());
    assert!(bytes.windows(3).any(|three| three == b"a\x08b") && bytes.ends_with(b"\x1b[2J"));
}

#[test]
fn spoils_connections_at_accept_and_after_the_first_bytes() {
    let start = |script| MockUpstream::builder().connections(script).never_called().start().unwrap();
    let mock = start(Connection::close_at_accept());
    assert_eq!(rest(&mut connect(&mock)), (vec![], None));

    let mock = start(Connection::reset_at_accept());
    // The reset may already be there while connecting, or only at the first read.
    if let Ok(mut client) = TcpStream::connect(mock.address()) {
        client.set_read_timeout(Some(SOON)).unwrap();
        assert_eq!(rest(&mut client).1, Some(ErrorKind::ConnectionReset));
    }

    let mock = start(Connection::reset_after_first_bytes());
    let mut client = connect(&mock);
    get(&mut client, "/");
    assert_eq!(rest(&mut client), (vec![], Some(ErrorKind::ConnectionReset)));
    assert!(mock.connections()[0].first_bytes.starts_with(b"GET / "));

    let mock = start(Connection::close_after_first_bytes());
    let mut client = connect(&mock);
    get(&mut client, "/");
    assert_eq!(rest(&mut client), (vec![], None));

    let mock = start(Connection::silent());
    let mut client = connect(&mock);
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    get(&mut client, "/");
    assert_eq!(rest(&mut client), (vec![], Some(ErrorKind::WouldBlock)));

    let mock = start(Connection::ssh());
    let mut banner = [0; 8];
    connect(&mock).read_exact(&mut banner).unwrap();
    assert_eq!(&banner, b"SSH-2.0-");
}

#[test]
fn every_third_connection_dies() {
    let mock = MockUpstream::builder()
        .connections(Connection::every(3, Connection::close_after_first_bytes()))
        .reply(Reply::ok("up"))
        .start()
        .unwrap();
    let alive: Vec<bool> = (0..6)
        .map(|_| {
            let mut client = connect(&mock);
            client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            !rest(&mut client).0.is_empty()
        })
        .collect();
    assert_eq!(alive, [true, true, false, true, true, false]);
    assert_eq!((mock.connection_count(), mock.request_count()), (6, 4));
}

#[test]
fn closes_idle_connections() {
    let script = Connection::serve()
        .idle_close(Duration::from_millis(80))
        .announces_keep_alive(Duration::from_secs(75));
    let mock = MockUpstream::builder().connections(script).start().unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/");
    assert!(response(&mut client).contains("keep-alive: timeout=75\r\n"));
    let began = Instant::now();
    assert_eq!(rest(&mut client), (vec![], None));
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[test]
fn resets_a_connection_reused_too_late() {
    let mock = MockUpstream::builder()
        .connections(Connection::serve().dead_after_idle(Duration::from_millis(700)))
        .expect(2)
        .start()
        .unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/");
    response(&mut client);
    get(&mut client, "/soon");
    response(&mut client);
    std::thread::sleep(Duration::from_millis(900));
    get(&mut client, "/late");
    assert_eq!(rest(&mut client), (vec![], Some(ErrorKind::ConnectionReset)));
}

#[test]
fn limits_requests_on_a_connection() {
    let mock = MockUpstream::builder().connections(Connection::serve().requests_at_most(2)).start().unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/");
    assert!(!response(&mut client).contains("connection: close"));
    get(&mut client, "/");
    assert!(String::from_utf8(rest(&mut client).0).unwrap().contains("connection: close\r\n"));
}

#[test]
fn wants_a_proxy_header() {
    let mock = MockUpstream::builder()
        .connections(Connection::serve().expects_proxy_protocol())
        .expect(2)
        .start()
        .unwrap();
    let mut client = connect(&mock);
    client.write_all(b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\nGET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(rest(&mut client).0.starts_with(b"HTTP/1.1 200"));
    let mut client = connect(&mock);
    client.write_all(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\x0a\0\0\x01\x12\x67\0\x50GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(rest(&mut client).0.starts_with(b"HTTP/1.1 200"));
    let mut client = connect(&mock);
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(rest(&mut client).0, b"");

    let sources: Vec<_> =
        mock.requests().iter().map(|r| r.proxied.clone().unwrap().source.unwrap().to_string()).collect();
    assert_eq!(sources, ["203.0.113.7:4711", "203.0.113.8:4711"]);
}

#[test]
fn answers_bad_requests_like_a_server() {
    let mock = MockUpstream::builder().never_called().start().unwrap();
    let mut client = connect(&mock);
    client.write_all(b"\x16\x03\x01\x02\x00").unwrap();
    assert!(rest(&mut client).0.starts_with(b"HTTP/1.1 400 "));
    let mut client = connect(&mock);
    // The mock may close while this is still being written.
    drop(client.write_all(format!("GET / HTTP/1.1\r\nx: {}\r\n", "a".repeat(70_000)).as_bytes()));
    assert!(rest(&mut client).0.starts_with(b"HTTP/1.1 431 "));
}

#[test]
fn refuses_at_a_closed_port() {
    let port = ClosedPort::reserve_at(Ipv4Addr::new(127, 0, 0, 9)).unwrap();
    assert_eq!(TcpStream::connect(port.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[cfg(target_os = "linux")]
#[test]
fn does_not_answer_when_the_accept_queue_is_full() {
    let mut full = FullAcceptQueue::start().unwrap();
    for _ in 0..3 {
        let outcome = TcpStream::connect_timeout(&full.address(), Duration::from_millis(150));
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
    }
    full.make_room().unwrap();
    TcpStream::connect_timeout(&full.address(), SOON).unwrap();
}

#[test]
fn unmet_expectations_are_said_in_full() {
    let mock = MockUpstream::builder().named("billing").expect(2).start().unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/only\x1b[31m");
    response(&mut client);
    let unmet = mock.verify().unwrap_err();
    let text = unmet.to_string();
    assert!(
        text.contains("billing at 127.0.0.1:") && text.contains("expected 2 requests, received 1"),
        "{text}"
    );
    assert!(text.contains("GET /only\\u{1b}[31m  host example.test"), "{text}");
    assert_eq!(unmet.seen().request_count, 1);
}

#[test]
fn unmet_expectations_fail_the_test_on_drop() {
    let panic = std::panic::catch_unwind(|| {
        let mock = MockUpstream::builder().never_called().start().unwrap();
        let mut client = connect(&mock);
        get(&mut client, "/");
        response(&mut client);
    })
    .unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("expected no request, received 1"));
}

#[test]
fn a_panicking_closure_is_the_tests_fault() {
    let mock = MockUpstream::start(|_: &Request| panic!("on purpose")).unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/x");
    assert_eq!(rest(&mut client).1, Some(ErrorKind::ConnectionReset));
    assert!(mock.verify().unwrap_err().to_string().contains("the closure for request /x panicked"));
}

#[test]
fn waits_without_sleeping_and_stops_on_drop() {
    let mock = MockUpstream::start(Reply::ok("x")).unwrap();
    let address = mock.address();
    let client = std::thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        get(&mut client, "/");
        response(&mut client);
        client
    });
    assert!(mock.wait_until(SOON, |seen| seen.request_count == 1));
    drop(client.join().unwrap());
    assert!(mock.wait_until(SOON, |seen| seen.connections[0].ended.is_some()));
    assert!(!mock.wait_until(Duration::from_millis(10), |seen| seen.request_count == 2));
    drop(mock);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn outlives_the_thread_that_started_it() {
    let mock = std::thread::spawn(|| MockUpstream::start(Reply::ok("still here")).unwrap()).join().unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/");
    assert!(response(&mut client).ends_with("still here"));
}

#[test]
fn follows_scripts_in_turn_and_by_closure() {
    let mock = MockUpstream::builder()
        .bind(std::net::Ipv6Addr::LOCALHOST)
        .connections(Connection::in_turn([Connection::close_after_first_bytes(), Connection::serve()]))
        .reply(Reply::in_turn([Reply::status(502).reason("Not Today"), Reply::ok("up")]))
        .start()
        .unwrap();
    assert!(mock.url("/").starts_with("http://[::1]:"));
    let once = || {
        let mut client = connect(&mock);
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        String::from_utf8(rest(&mut client).0).unwrap()
    };
    assert_eq!(once(), "");
    assert!(once().starts_with("HTTP/1.1 502 Not Today\r\n"));
    assert!(once().ends_with("up") && once().ends_with("up"));

    let second_is_silent = |number: u64| if number == 1 { Connection::silent() } else { Connection::serve() };
    let mock = MockUpstream::builder().connections(second_is_silent).start().unwrap();
    let mut client = connect(&mock);
    get(&mut client, "/");
    response(&mut client);
    let mut client = connect(&mock);
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    get(&mut client, "/");
    assert_eq!(rest(&mut client).1, Some(ErrorKind::WouldBlock));
}

#[test]
fn leaves_connections_in_the_queue() {
    let script = Connection::serve().accept_after(Duration::from_millis(150));
    let mock = MockUpstream::builder().connections(script).start().unwrap();
    let began = Instant::now();
    let mut client = connect(&mock);
    get(&mut client, "/");
    response(&mut client);
    assert!(mock.connections()[0].at >= Duration::from_millis(150));
    assert!(began.elapsed() < SOON);
}

#[test]
fn reads_bodies_and_says_when_they_are_cut_short() {
    let mock = MockUpstream::start(Reply::ok("thanks")).unwrap();
    let mut client = connect(&mock);
    client
        .write_all(b"PUT / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2000000\r\n\r\n")
        .unwrap();
    let mut interim = [0; 25];
    client.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(&vec![b'x'; 2_000_000]).unwrap();
    assert!(response(&mut client).ends_with("thanks"));
    client.write_all(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    rest(&mut client);
    let requests = mock.requests();
    assert_eq!(
        (requests[0].body_length, requests[0].body.len(), requests[0].complete),
        (2_000_000, 1 << 20, true)
    );
    assert_eq!((requests[1].body_length, requests[1].complete), (3, false));
}

#[test]
fn two_hundred_at_once() {
    std::thread::scope(|scope| {
        for number in 0..200 {
            scope.spawn(move || {
                let mock =
                    MockUpstream::builder().reply(Reply::ok(number.to_string())).expect(1).start().unwrap();
                let mut client = connect(&mock);
                get(&mut client, "/");
                assert!(response(&mut client).ends_with(&number.to_string()));
            });
        }
    });
}

#[tokio::test]
async fn serves_async_tests_on_one_thread() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mock = MockUpstream::start(Reply::ok("async")).unwrap();
    let mut client = tokio::net::TcpStream::connect(mock.address()).await.unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("async"));
}

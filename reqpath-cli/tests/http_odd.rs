//! Answers that bend the rules of HTTP, or break them, traced by the built program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{Run, once_within, trace};
use serde_json::Value;

/// A server that reads one request on each connection and then does what the test says.
struct Odd {
    address: SocketAddr,
    /// What was asked on each connection.
    asked: Receiver<Vec<u8>>,
}

impl Odd {
    fn new(acts: impl Fn(&mut TcpStream) + Send + Clone + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (told, asked) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (acts, told) = (acts.clone(), told.clone());
                std::thread::spawn(move || {
                    let mut connection = connection.unwrap();
                    let request = request(&mut connection);
                    if !request.is_empty() {
                        let _ = told.send(request);
                        acts(&mut connection);
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Sends these bytes and closes in order.
    fn says(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |connection| {
            let _ = connection.write_all(&bytes);
            close(connection);
        })
    }

    /// Sends these bytes and keeps the connection.
    fn keeps(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |connection| {
            let _ = connection.write_all(&bytes);
            read_to_end(connection);
        })
    }

    /// Sends these bytes again and again.
    fn floods(first: &'static [u8], unit: &[u8]) -> Self {
        let many = unit.repeat((64 << 10) / unit.len());
        Self::new(move |connection| {
            let _ = connection.write_all(first);
            while connection.write_all(&many).is_ok() {}
        })
    }

    fn ask(&self, more: &[&str]) -> Run {
        let url = format!("http://{}/x", self.address);
        let own: &[&str] = if more.contains(&"--max-time") { &[] } else { &["--max-time", "4"] };
        trace([own, more, &[&url]].concat())
    }
}

/// The head of a request and the body it announces; of HTTP/2 all until the head of the request.
fn request(connection: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    while !whole(&bytes) {
        match connection.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
    bytes
}

fn whole(bytes: &[u8]) -> bool {
    if let Some(mut frames) = bytes.strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
        while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = frames {
            if *kind == 1 {
                return true;
            }
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            frames = rest.get(length..).unwrap_or_default();
        }
        return false;
    }
    bytes.windows(4).any(|four| four == b"\r\n\r\n")
}

fn read_to_end(connection: &mut TcpStream) {
    let mut piece = [0; 4096];
    loop {
        match connection.read(&mut piece) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// FIN, and no RST after it: what still comes is read.
fn close(connection: &mut TcpStream) {
    let _ = connection.shutdown(Shutdown::Write);
    read_to_end(connection);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A server of HTTP/2 in the clear: its settings, and then these frames. It keeps the connection.
fn two(frames: &[Vec<u8>]) -> Odd {
    Odd::keeps([vec![frame(4, 0, 0, &[]), frame(4, 1, 0, &[])], frames.to_vec()].concat().concat())
}

/// `200` on the first stream, with a length if it promises one.
fn ok(length: Option<u8>, flags: u8) -> Vec<u8> {
    let mut block = vec![0x88];
    if let Some(length) = length {
        block.extend([0x0f, 0x0d, 1, b'0' + length]);
    }
    frame(1, 4 | flags, 1, &block)
}

fn reset(code: u8) -> Vec<u8> {
    frame(3, 0, 1, &[0, 0, 0, code])
}

fn summary(run: &Run) -> &str {
    run.report["verdict"]["cause"]["summary"].as_str().unwrap_or_default()
}

fn exchange(run: &Run) -> Value {
    run.seen("http.exchange")[0].clone()
}

#[track_caller]
fn assert_says(run: &Run, code: &str, words: &[&str]) {
    run.assert_died(code);
    for word in words {
        assert!(summary(run).contains(word), "`{word}` is not said: {}", run.told());
    }
}

const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn interim_answers_without_end_are_not_read_without_end() {
    for interim in [EARLY, "HTTP/1.1 100 Continue\r\n\r\n"] {
        let server = Odd::floods(b"", interim.as_bytes());
        for more in [&["--max-time", "1"][..], &["--max-time", "1", "--road-only"]] {
            let check = |run: &Run| {
                assert_says(run, "http.response.header_section_size", &["no answer", "262144 bytes"]);
                run.assert_not_blamed("http.response.invalid");
            };
            let run = once_within(Duration::from_millis(1100), || server.ask(more), check);
            if more.len() == 2 {
                assert!(summary(&run).contains("interim answers (10"), "{}", run.told());
                assert!(exchange(&run)["informational_left_out"].as_u64().unwrap() > 1000, "{}", run.told());
            }
        }
    }
    // Many, and then an answer.
    Odd::says(EARLY.repeat(100) + OK).ask(&[]).assert_reached();
}

#[test]
fn a_peer_that_never_pauses_does_not_outlast_the_deadline() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = Odd::floods(chunked, b"1\r\nx\r\n");
    for more in [&["--max-time", "0.5"][..], &["--max-time", "4", "--deadline", "500ms"]] {
        let check = |run: &Run| {
            assert!(exchange(run)["end"].is_string(), "{}", run.told());
        };
        once_within(Duration::from_millis(600), || server.ask(more), check);
    }
}

#[test]
fn frames_that_answer_nothing_are_not_read_without_end() {
    let ping = frame(6, 1, 0, &[7; 8]);
    let server = Odd::floods(&[0, 0, 0, 4, 0, 0, 0, 0, 0], &ping);
    let check = |run: &Run| assert_says(run, "http.response.header_section_size", &["no answer"]);
    once_within(Duration::from_millis(1100), || server.ask(&["--http2", "--max-time", "1"]), check);
    // A head that goes on in frame after frame; how many of them are too many, the library knows.
    let begins = &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0x88];
    let server = Odd::floods(begins, &frame(9, 0, 1, b"\x00\x03x-a\x01b"));
    let check = |run: &Run| assert_says(run, "http.response.header_section_size", &["within our limits"]);
    once_within(Duration::from_millis(1100), || server.ask(&["--http2", "--max-time", "1"]), check);
}

#[test]
fn interim_answers_are_no_answer() {
    for more in [&[][..], &["--road-only"]] {
        let run = Odd::says(EARLY).ask(more);
        assert_says(&run, "http.response.empty", &["without an answer"]);
        run.assert_not_blamed("response.truncated");
        assert_eq!(exchange(&run)["only_interim"], true, "{}", run.told());
    }
    let run = Odd::says(EARLY.repeat(2)).ask(&[]);
    assert_says(&run, "http.response.empty", &["2 interim answers (103)"]);
    let run = Odd::keeps("HTTP/1.1 100 Continue\r\n\r\n").ask(&["--max-time", "0.5"]);
    assert_says(
        &run,
        "http.response.timed_out",
        &["1 interim answer (100), and of the answer itself nothing"],
    );
    // A part of the answer is a part of it, whatever came before.
    let run = Odd::says(format!("{EARLY}HTTP/1.1 200 OK\r\nContent-Le")).ask(&[]);
    assert_says(&run, "response.truncated", &["1 interim answer (103) before it"]);
    let run = Odd::keeps("HTTP/1.1 200 OK\r\nContent-Le").ask(&["--max-time", "0.5"]);
    assert_says(&run, "http.response.timed_out", &["do not make a head"]);
}

#[test]
fn another_protocol_is_for_those_who_ask() {
    let switches = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let run = Odd::keeps(switches).ask(&[]);
    assert_says(&run, "http.response.invalid", &["101 Switching Protocols, though nothing asked"]);
    let asks = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket"];
    let run = Odd::keeps(switches).ask(&asks);
    run.assert_reached().assert_not_blamed("client.stale_connection");
    // Whatever flows in the other protocol, it is not for us to read.
    let flood = Odd::floods(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", &[0; 64]);
    let check = |run: &Run| {
        run.assert_reached();
    };
    let more = [&["--max-time", "1"][..], &asks].concat();
    once_within(Duration::from_millis(1100), || flood.ask(&more), check);
}

#[test]
fn a_folded_line_is_one_line() {
    let run = Odd::says("HTTP/1.1 200 OK\r\nX-A: a\r\n  folded\r\nContent-Length: 2\r\n\r\nok").ask(&[]);
    run.assert_reached();
    let headers = exchange(&run)["headers"].to_string();
    assert!(headers.contains("a") && headers.contains("folded") && !headers.contains("\\r"), "{headers}");
    // A space before the colon is another matter (RFC 9112, 5.1).
    let run = Odd::says("HTTP/1.1 200 OK\r\nX-A : a\r\nContent-Length: 2\r\n\r\nok").ask(&[]);
    assert_says(&run, "http.response.invalid", &["200 and a head that is malformed"]);
}

#[test]
fn a_status_that_was_said_is_kept() {
    let run = Odd::says("HTTP/1.1 500 O\u{1b}[31mK\r\nContent-Length: 2\r\n\r\nno").ask(&[]);
    assert_says(&run, "http.response.invalid", &["500 and a head that is malformed"]);
    assert_eq!(exchange(&run)["status"], 500);
    let run = Odd::says(format!("{EARLY}HTTP/1.0 503 x\r\nbad header\r\n\r\n")).ask(&[]);
    assert_eq!(
        (exchange(&run)["status"].as_u64(), &exchange(&run)["version"]),
        (Some(503), &"HTTP/1.0".into())
    );
    // What is no status is none.
    for line in ["HTTP/1.1 5000 x", "HTTP/1.1 50", "HTTP/3.1 500 x", "ICY 200 OK"] {
        let run = Odd::says(format!("{line}\r\nA: \u{1}\r\n\r\n")).ask(&[]);
        run.assert_died("http.response.invalid");
        assert!(exchange(&run).get("status").is_none(), "{line}: {}", run.told());
    }
}

#[test]
fn which_limit_a_head_met_is_said() {
    let many: String = (0..4000).map(|n| format!("X-{n}: y\r\n")).collect();
    let run = Odd::says(format!("HTTP/1.1 200 OK\r\n{many}\r\n")).ask(&[]);
    assert_says(&run, "http.response.header_section_size", &["more lines than the 256"]);
    let run = Odd::says(format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "a".repeat(90_000))).ask(&[]);
    assert_says(&run, "http.response.header_section_size", &["larger than the 65536 bytes"]);
    // The last byte that is read of it, and no end.
    let start = "HTTP/1.1 200 OK\r\nX-A: ";
    let run = Odd::keeps(format!("{start}{}", "a".repeat(65_536 - start.len()))).ask(&[]);
    assert_says(&run, "http.response.header_section_size", &["larger than the 65536 bytes"]);
}

#[test]
fn interim_answers_count_for_nothing_of_the_head_behind_them() {
    // More than is read of a head, in whole heads.
    let before = EARLY.repeat(1800);
    assert!(before.len() > 65_536);
    let many: String = (0..300).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X-A: {}\r\n", "a".repeat(90_000));
    for more in [&[][..], &["--road-only"]] {
        for (lines, words) in [(&many, "more lines than the 256"), (&long, "larger than the 65536 bytes")] {
            let run = Odd::says(format!("{before}HTTP/1.1 200 OK\r\n{lines}\r\n")).ask(more);
            assert_says(&run, "http.response.header_section_size", &[words]);
        }
    }
    Odd::says(before + OK).ask(&[]).assert_reached();
}

#[test]
fn http_2_without_a_word_of_an_answer() {
    let run = two(&[]).ask(&["--http2", "--max-time", "0.5"]);
    assert_says(&run, "http.response.timed_out", &["said nothing in answer"]);
    assert!(exchange(&run).get("first_bytes").is_none(), "{}", run.told());
    assert!(run.report["findings"][0].get("error").is_none(), "{}", run.told());
    // A head that began is another matter.
    let run = two(&[frame(1, 0, 1, &[0x88])]).ask(&["--http2", "--max-time", "0.5"]);
    assert_says(&run, "http.response.timed_out", &["do not make a head"]);
}

#[test]
fn http_1_1_required() {
    for frames in [reset(13), frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 13])] {
        let run = two(&[frames]).ask(&["--http2"]);
        assert_says(&run, "http.version_required", &["HTTP_1_1_REQUIRED", "over HTTP/1.1"]);
        run.assert_not_blamed("http.response.reset").assert_not_blamed("http.response.empty");
        assert!(
            run.report["findings"][0]["next"].to_string().contains("curl -sv --http1.1"),
            "{}",
            run.told()
        );
    }
    let run = two(&[reset(7)]).ask(&["--http2"]);
    assert_says(&run, "http.response.reset", &["REFUSED_STREAM"]);
    // Nothing between speaks on a stream.
    assert_eq!(run.report["verdict"]["at"].get("leg"), None, "{}", run.told());
}

#[test]
fn bodies_of_http_2_that_are_not_what_was_promised() {
    let data = |bytes: &[u8], flags| frame(0, flags, 1, bytes);
    let run = two(&[ok(Some(1), 0), data(b"okok", 1)]).ask(&["--http2"]);
    assert_says(&run, "http.response.invalid", &["4 bytes of a body of 1: more than it promised"]);
    let run = two(&[ok(Some(9), 0), data(b"ok", 1)]).ask(&["--http2"]);
    assert_says(&run, "response.truncated", &["after 2 of 9 bytes"]);
    run.assert_not_blamed("http.response.invalid");
    two(&[ok(Some(2), 0), data(b"ok", 1)]).ask(&["--http2"]).assert_reached();
}

#[test]
fn of_a_frame_that_is_cut_what_came_is_counted_and_not_what_it_announced() {
    let begin = [frame(4, 0, 0, &[]), frame(4, 1, 0, &[]), ok(Some(5), 0)].concat();
    let plain = [&begin[..], &frame(0, 1, 1, b"hello")].concat();
    // The length of its padding, five bytes, and the padding.
    let padded = [&begin[..], &frame(0, 1 | 8, 1, b"\x04hello\0\0\0\0")].concat();
    for (whole, cut, came) in [(&plain, 3, 2), (&plain, 5, 0), (&padded, 7, 2), (&padded, 10, 0)] {
        let run = Odd::says(&whole[..whole.len() - cut]).ask(&["--http2"]);
        assert_says(&run, "response.truncated", &[&format!("after {came} of 5 bytes")]);
        assert_eq!(exchange(&run)["body"]["received"], came, "{}", run.told());
    }
    for whole in [plain, padded] {
        Odd::says(whole).ask(&["--http2"]).assert_reached();
    }
}

#[test]
fn a_stream_that_is_given_up_is_not_whole() {
    let data = |flags| frame(0, flags, 1, b"ok");
    let run = two(&[ok(None, 0), data(0), reset(0)]).ask(&["--http2"]);
    assert_says(&run, "response.truncated", &["gave up the stream", "after 2 bytes"]);
    // RFC 9113, 8.1: after the end it only asks for no more of the request.
    two(&[ok(None, 0), data(1), reset(0)]).ask(&["--http2"]).assert_reached();
    two(&[ok(Some(2), 0), data(0), reset(0)]).ask(&["--http2"]).assert_reached();
    let run = two(&[ok(None, 0), data(0), reset(8)]).ask(&["--http2"]);
    assert_says(&run, "response.reset_mid_body", &["CANCEL"]);
}

#[test]
fn the_frame_that_breaks_the_rules_is_shown() {
    // A header's name in upper case.
    let upper = frame(1, 5, 1, b"\x88\x00\x03X-A\x01b");
    let run = two(&[upper]).ask(&["--http2"]);
    assert_says(&run, "http.response.invalid", &["frames that break the rules"]);
    let shown = exchange(&run)["first_bytes"].as_str().unwrap().to_owned();
    assert!(shown.ends_with("\\x88\\u{0}\\u{3}X-A\\u{1}b"), "{shown}");
    assert!(shown.starts_with("\\u{0}\\u{0}\\u{8}\\u{1}"), "{shown}");
    // Where the settings themselves are what is wrong, they are shown.
    let run = Odd::keeps(frame(4, 0, 0, &[1])).ask(&["--http2"]);
    run.assert_died("http.response.invalid");
    let shown = exchange(&run)["first_bytes"].as_str().unwrap().to_owned();
    assert_eq!(shown, "\\u{0}\\u{0}\\u{1}\\u{4}\\u{0}\\u{0}\\u{0}\\u{0}\\u{0}\\u{1}");
}

#[test]
fn a_request_that_was_never_sent_is_not_lost() {
    let answer =
        [frame(4, 0, 0, &[0, 3, 0, 0, 0, 0]), frame(4, 1, 0, &[]), ok(None, 0), frame(0, 1, 1, b"ok")];
    let run = Odd::keeps(answer.concat()).ask(&["--http2", "--max-time", "1"]);
    run.assert_reached().assert_not_blamed("client.stale_connection");
    assert_eq!(run.seen("http.reuse")[0]["outcome"], "not_sent", "{}", run.told());
    // It was sent, and nothing comes.
    let answer = [frame(4, 0, 0, &[]), frame(4, 1, 0, &[]), ok(None, 0), frame(0, 1, 1, b"ok")];
    let run = Odd::keeps(answer.concat()).ask(&["--http2", "--max-time", "1"]);
    run.assert_reached();
    assert_eq!(run.seen("http.reuse")[0]["outcome"], "lost", "{}", run.told());
    assert!(run.report["findings"].to_string().contains("client.stale_connection"), "{}", run.told());
}

#[test]
fn http_2_in_the_clear_to_a_server_of_http_1() {
    let run = Odd::says("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").ask(&["--http2"]);
    assert_says(&run, "http.response.invalid", &["HTTP/1.1, where HTTP/2 was spoken to it in the clear"]);
    assert!(!summary(&run).contains("agreed"), "{}", run.told());
    let next = run.report["findings"][0]["next"].to_string();
    assert!(next.contains("--http2-prior-knowledge"), "{next}");
}

#[test]
fn a_request_without_a_body_says_so_where_one_could_be() {
    let asked = |more: &[&str]| {
        let server = Odd::says(OK);
        server.ask(more).assert_reached();
        String::from_utf8(server.asked.recv().unwrap()).unwrap().to_ascii_lowercase()
    };
    for more in [&["-d", ""][..], &["-X", "PUT", "-d", ""], &["-X", "PATCH", "-d", ""]] {
        let request = asked(more);
        assert_eq!(request.matches("content-length: 0\r\n").count(), 1, "{request}");
    }
    for more in [&[][..], &["-X", "DELETE"], &["-X", "OPTIONS"], &["-d", "", "-H", "Content-Length;"]] {
        let request = asked(more);
        assert!(!request.contains("content-length"), "{request}");
    }
    let own = asked(&["-d", "", "-H", "Content-Length: 0"]);
    assert_eq!(own.matches("content-length").count(), 1, "{own}");
    assert!(asked(&["-d", "a=b"]).contains("content-length: 3\r\n"));
}

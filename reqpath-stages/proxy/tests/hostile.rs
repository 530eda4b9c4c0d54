//! Whatever a log holds, it is read to its end, and nothing of it harms a terminal or a report.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::collection::vec;
use proptest::prelude::*;
use reqpath_proxy::logs::{AccessReader, Format, lines_with, parse_error_line};

const ROAD: &str = "$remote_addr [$time_iso8601] \"$request\" $status upstream=\"$upstream_addr\" \
                    upstream_status=\"$upstream_status\" time=$request_time id=\"$http_x_request_id\"";

/// Pieces that lines are made of, and bytes of any kind between them.
fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("2026/11/22 07:04:01 [error] 7#7: *3 ".to_owned()),
        Just("connect() failed (111: Connection refused) while connecting to upstream".to_owned()),
        Just(", client: 192.0.2.9".to_owned()),
        Just(", request: \"GET /?token=abcdefgh HTTP/1.1\"".to_owned()),
        Just(", upstream: \"http://10.0.0.1:80/\"".to_owned()),
        Just(", host: \"".to_owned()),
        Just("::1 [2026-11-22T07:04:01+00:00] \"GET / HTTP/1.1\" 502 ".to_owned()),
        Just("upstream=\"10.0.0.1:80, 10.0.0.2:80\" upstream_status=\"502, 200\" ".to_owned()),
        Just("time=0.1 id=\"abcdabcd-3\"".to_owned()),
        Just("{\"status\":".to_owned()),
        Just("\"upstream_status\":[502,\"-\"]}".to_owned()),
        Just("\\x22\\u00e9\\".to_owned()),
        Just(" : , - ".to_owned()),
        any::<String>(),
        vec(any::<u8>(), 0..40).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_line_is_survived(line in line(), format in any::<String>()) {
        for reader in [AccessReader::of(Some("json")), AccessReader::of(None), AccessReader::of(Some(ROAD))] {
            let _ = reader.unwrap().read(&line);
        }
        if let Ok(format) = format.parse::<Format>() {
            let _ = format.cut(&line);
        }
        if let Ok(format) = line.parse::<Format>() {
            let _ = format.cut(&line);
        }
        if let Some(read) = parse_error_line(&line) {
            prop_assert!(read.message.len() <= line.len());
        }
        for ours in lines_with(&line, "abcdabcd") {
            prop_assert!(ours.line.contains(ours.id));
        }
    }
}

#[test]
fn a_line_without_end_is_left_and_the_next_one_read() {
    let log = format!("{} abcdabcd {}\nshort abcdabcd-1\n", "x".repeat(1 << 20), "y".repeat(1 << 20));
    let ids: Vec<&str> = lines_with(&log, "abcdabcd").map(|ours| ours.id).collect();
    assert_eq!(ids, ["abcdabcd-1"]);
}

#[test]
fn so_many_lines_are_kept_and_no_more() {
    let log = "abcdabcd-1\n".repeat(200_000);
    assert_eq!(lines_with(&log, "abcdabcd").count(), reqpath_proxy::logs::MOST_LINES);
    assert_eq!(lines_with(&log, "").count(), 0, "without an id no line is ours");
}

#[test]
fn lines_made_to_be_slow_take_no_time() {
    let reader = AccessReader::of(Some(ROAD)).unwrap();
    let line = format!("::1 [{}", "] \" [T".repeat(9_000));
    let began = std::time::Instant::now();
    for _ in 0..20 {
        assert!(reader.read(&line).is_none());
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

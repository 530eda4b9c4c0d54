//! Whatever bytes a peer sends, an exchange ends, is recorded, and is judged.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use async_trait::async_trait;
use proptest::collection::vec;
use proptest::prelude::*;
use reqpath_core::{
    Cause, Connection, Contact, Context, Dialled, Error, KernelInfo, Left, LocalAddr, Path, PeerAddr,
    Pipeline, Report, Stage, Subject, Target, Trace,
};
use reqpath_http::{Http, HttpOptions, Version};
use reqpath_local::LocalVantage;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

/// One end of a pipe, as if it were a connection.
#[derive(Debug)]
struct Piped(DuplexStream);

impl Connection for Piped {
    fn local(&self) -> Option<LocalAddr> {
        None
    }
    fn peer(&self) -> PeerAddr {
        PeerAddr(([192, 0, 2, 7], 80).into())
    }
    fn kernel(&self) -> Option<KernelInfo> {
        None
    }
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Task<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Piped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Hands a connection on whose far end reads something, sends these bytes, and closes.
#[derive(Debug)]
struct Sends(Vec<u8>);

#[async_trait]
impl Stage for Sends {
    fn name(&self) -> &'static str {
        "pipe"
    }
    fn causes(&self) -> &[&'static Cause] {
        &[]
    }
    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }
    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let (near, mut far) = tokio::io::duplex(32 << 10);
        let bytes = self.0.clone();
        cx.hand_on(at, Dialled::plain(Box::new(Piped(near)), PeerAddr(([192, 0, 2, 7], 80).into())));
        cx.aside(async move {
            let mut request = [0; 1024];
            let _ = far.read(&mut request).await;
            let _ = far.write_all(&bytes).await;
        });
        Ok(Left::Alive)
    }
}

fn trace(bytes: Vec<u8>, version: Version) -> Report {
    let mut options = HttpOptions::default();
    (options.side_looks, options.version) = (false, version);
    let pipeline = Pipeline::builder().stage(Sends(bytes)).stage(Http::new(options)).build().unwrap();
    let target = Target::builder("http://server.example/x").unwrap().max_time(Duration::from_secs(2)).build();
    let trace = Trace::new(target, Arc::new(LocalVantage::new())).without_last_try();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(pipeline.trace(trace))
}

/// It ended by itself, said how, and the report comes back as it went.
fn assert_sound(report: &Report) {
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let exchange = report.observations.iter().find(|seen| seen.kind() == "http.exchange").unwrap();
    assert!(exchange.complete, "{exchange:?}");
    assert!(exchange.value()["end"].is_string(), "{exchange:?}");
    let json = serde_json::to_vec(report).unwrap();
    assert!(!json.iter().any(u8::is_ascii_control), "{}", String::from_utf8_lossy(&json));
    let back = Report::load(&json).unwrap();
    assert_eq!(serde_json::to_vec(&back).unwrap(), json);
    assert_ne!(report.verdict.as_ref().unwrap().kind(), "unknown", "{:?}", report.verdict);
}

/// An answer that is nearly one.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let status =
        prop_oneof![Just("200 OK"), Just("404 Not Found"), Just("301 Moved"), Just("999 \u{e9}"), Just("20")];
    let header = prop_oneof![
        Just("Content-Length: 5\r\n".to_owned()),
        Just("Content-Length: 18446744073709551615\r\n".to_owned()),
        Just("Content-Length: 5\r\nContent-Length: 6\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("Location: http://[::1\r\n".to_owned()),
        Just("Location: //\u{0}\r\n".to_owned()),
        Just("Connection: close\r\n".to_owned()),
        "[A-Za-z:\\x00-\\x20]{0,20}",
    ];
    let body = prop_oneof![
        Just(b"hello".to_vec()),
        Just(b"5\r\nhello\r\n0\r\n\r\n".to_vec()),
        Just(b"ffffffffffffffff\r\nx".to_vec()),
        Just(b"5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n".to_vec()),
        vec(any::<u8>(), 0..40),
    ];
    (status, vec(header, 0..4), body).prop_map(|(status, headers, body)| {
        let mut bytes = format!("HTTP/1.1 {status}\r\n{}\r\n", headers.concat()).into_bytes();
        bytes.extend(body);
        bytes
    })
}

/// HTTP/2 frames, well-formed on the outside.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let frame = (0_u8..12, any::<u8>(), 0_u8..4, vec(any::<u8>(), 0..30)).prop_map(
        |(kind, flags, stream, payload)| {
            let length = u8::try_from(payload.len()).unwrap();
            let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
            frame.extend(payload);
            frame
        },
    );
    (any::<bool>(), vec(frame, 0..6)).prop_map(|(settings, frames)| {
        let mut bytes = if settings { vec![0, 0, 0, 4, 0, 0, 0, 0, 0] } else { Vec::new() };
        bytes.extend(frames.concat());
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..600), two in any::<bool>()) {
        assert_sound(&trace(bytes, if two { Version::Http2 } else { Version::Http1 }));
    }

    #[test]
    fn nearly_http_1(bytes in nearly()) {
        assert_sound(&trace(bytes, Version::Http1));
    }

    #[test]
    fn nearly_http_2(bytes in frames()) {
        assert_sound(&trace(bytes, Version::Http2));
    }
}

#[test]
fn a_whole_answer_is_reached() {
    let report = trace(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec(), Version::Http1);
    assert_sound(&report);
    assert_eq!(report.verdict.unwrap().kind(), "reached");
}

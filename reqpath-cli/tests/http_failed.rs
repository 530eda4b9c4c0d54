//! Connections that fail under the request in ways that are neither FIN nor RST, traced by the built program.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use common::{REQPATH, Run, name, trace};
use reqpath_testkit::lab::{self, Host, Lab};
use reqpath_testkit::mock::{MockUpstream, Reply, Tls};
use reqpath_testkit::pki::Authority;

fn trace_in(host: &Host, arguments: &[&str]) -> Run {
    let began = Instant::now();
    let output = host.command(REQPATH).args(["trace", "--json"]).args(arguments).output().unwrap();
    Run::of(&output, began.elapsed())
}

#[track_caller]
fn assert_failed(run: &Run, words: &str) {
    run.assert_died("http.failed");
    for twin in ["http.response.timed_out", "http.response.reset", "http.response.empty", "tcp.timed_out"] {
        run.assert_not_blamed(twin);
    }
    let error = run.report["findings"][0]["error"].as_str().unwrap_or_default();
    assert!(error.contains(words), "expected `{words}` in `{error}`\n{}", run.told());
}

#[test]
fn a_road_that_breaks_once_the_connection_is_open() {
    let lab = Lab::builder().host("client").router("edge").host("server");
    let Some(lab) = lab::or_skip(lab.link("client", "edge").link("edge", "server").build()) else { return };
    if lab::or_skip(lab["edge"].rules()).is_none() {
        return;
    }
    // The kernel gives up after so many retransmissions, and not after a quarter of an hour.
    lab["client"].set_sysctl("net.ipv4.tcp_retries2", "1").unwrap();
    let start = |reply| MockUpstream::builder().bind(IpAddr::from([0; 4])).reply(reply).start();
    let server = lab["server"].run(|| start(Reply::ok("open"))).unwrap().unwrap();
    let to = SocketAddr::new(lab["server"].ipv4().into(), server.address().port());
    let arguments = ["--max-time", "9", &format!("http://{to}/")];
    trace_in(&lab["client"], &arguments).assert_reached();
    // SYNs pass; whatever follows them does not.
    for (fate, words) in
        [("drop", "Connection timed out"), ("reject with icmp type host-unreachable", "No route to host")]
    {
        let rule = format!("ip daddr {} tcp dport {} tcp flags & syn == 0 {fate}", to.ip(), to.port());
        let table = "table ip broken { chain on_the_way { type filter hook forward priority 0; ";
        lab["edge"].load_rules(&format!("{table}{rule}; }}; }}\n")).unwrap();
        let run = trace_in(&lab["client"], &arguments);
        lab["edge"].load_rules("delete table ip broken\n").unwrap();
        assert_failed(&run, words);
        assert_eq!(run.seen("request.trial")[0]["sent"], true, "{}", run.told());
    }
    // An application that takes the request and says nothing is another matter: its kernel acknowledges.
    let mute = lab["server"].run(|| start(Reply::hang())).unwrap().unwrap();
    let url = format!("http://{}:{}/", to.ip(), mute.address().port());
    let run = trace_in(&lab["client"], &["--max-time", "2", &url]);
    run.assert_died("http.response.timed_out").assert_not_blamed("http.failed");
}

/// Which way bytes are spoilt.
#[derive(Clone, Copy, Debug)]
enum Spoils {
    Request,
    Answer,
}

#[test]
fn records_that_are_changed_on_the_way() {
    let (authority, name) = (Authority::new().unwrap(), name());
    let leaf = authority.leaf(&name).issue().unwrap();
    let server = MockUpstream::builder().tls(Tls::new(&leaf)).reply(Reply::ok("hello")).start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem").display().to_string();
    std::fs::write(&ca, authority.certificate_pem()).unwrap();
    // The server says by an alert that it cannot read what came, and we say the same of its answer.
    for (spoils, words) in [(Spoils::Request, "BadRecordMac"), (Spoils::Answer, "decrypt")] {
        let middle = spoiling(server.address(), spoils);
        let (port, resolve) = (middle.port(), format!("{name}:{}:127.0.0.1", middle.port()));
        for version in ["--http1.1", "--http2"] {
            let url = format!("https://{name}:{port}/");
            let run = trace([version, "--max-time", "5", "--resolve", &resolve, "--cacert", &ca, &url]);
            assert_failed(&run, words);
            for twin in ["tls.client_cert_required", "tls.client_cert_rejected", "tls.protocol_error"] {
                run.assert_not_blamed(twin);
            }
        }
    }
}

/// A relay that lets the handshake through, and changes a byte of each record from the request on.
fn spoiling(server: SocketAddr, spoils: Spoils) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = TcpStream::connect(server).unwrap();
            let asked = Arc::new(AtomicBool::new(false));
            let (from_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let heard = Arc::clone(&asked);
            thread::spawn(move || {
                let mut encrypted = 0;
                relay(from_client, server, |kind| {
                    encrypted += usize::from(kind == ENCRYPTED);
                    // The first is the end of the handshake.
                    let is_request = encrypted > 1;
                    asked.fetch_or(is_request, Ordering::SeqCst);
                    is_request && matches!(spoils, Spoils::Request)
                })
            });
            thread::spawn(move || {
                relay(from_server, client, |kind| {
                    let is_answer = kind == ENCRYPTED && heard.load(Ordering::SeqCst);
                    is_answer && matches!(spoils, Spoils::Answer)
                })
            });
        }
    });
    address
}

/// The type of a record of TLS 1.3 once keys are agreed on.
const ENCRYPTED: u8 = 23;

/// Passes records on, until either end has had enough.
fn relay(mut from: TcpStream, mut to: TcpStream, mut spoil: impl FnMut(u8) -> bool) -> io::Result<()> {
    loop {
        let mut head = [0; 5];
        let mut record = Vec::new();
        let read = from.read_exact(&mut head).and_then(|()| {
            record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            from.read_exact(&mut record)
        });
        if read.is_err() {
            // What ended here ends there too.
            return to.shutdown(std::net::Shutdown::Write);
        }
        if spoil(head[0])
            && let Some(last) = record.last_mut()
        {
            *last ^= 1;
        }
        to.write_all(&[&head[..], &record].concat())?;
    }
}

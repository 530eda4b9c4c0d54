//! Two hundred tests at once, each with servers of its own, ten times in a row, and nothing left behind.
#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::{Message, Query};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use reqpath_testkit::dns::{FakeDns, Zone};
use reqpath_testkit::mock::{ClosedPort, MockUpstream, Reply, Tls};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{Nginx, Redis, require};

/// Set in the processes that the outer test starts.
const INNER: &str = "REQPATH_TEST_CROWD";

fn get(address: SocketAddr) -> String {
    let mut client = TcpStream::connect(address).expect("a connection");
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    client.write_all(b"GET /mine HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The addresses a nameserver gives for a name.
fn ask(server: SocketAddr, name: &str) -> Vec<Ipv4Addr> {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.connect(server).unwrap();
    socket.send(&query.to_vec().unwrap()).unwrap();
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).unwrap();
    let answer = Message::from_vec(&buffer[..length]).unwrap();
    answer
        .answers
        .iter()
        .filter_map(|record| if let RData::A(a) = &record.data { Some(a.0) } else { None })
        .collect()
}

/// One of the crowd: servers of its own, whose answers nobody else gives.
fn member(number: usize) {
    if std::env::var_os(INNER).is_none() {
        // Run by the outer test, many times; once more here would prove nothing.
        return;
    }
    let mine = format!("answer-{number}-{:016x}", fastrand::u64(..));
    let backend = MockUpstream::builder().reply(Reply::ok(mine.clone())).expect(1..).start().unwrap();
    assert!(get(backend.address()).ends_with(&mine));
    match number % 10 {
        0 => {
            let text = "listen {listen}; location / { proxy_pass http://{backend}; }";
            let started = Nginx::builder().value("backend", backend.address()).server(text).start();
            let Some(nginx) = require(started) else { return };
            assert!(get(nginx.address()).ends_with(&mine));
            assert_eq!(backend.request_count(), 2);
        }
        1 => {
            let Some(redis) = require(Redis::builder().start()) else { return };
            redis.command(&["SET", "mine", &mine]).unwrap();
            assert!(redis.command(&["GET", "mine"]).unwrap().contains(&mine));
        }
        2..=4 => {
            let leaf = Authority::new().unwrap().leaf("localhost").issue().unwrap();
            let secured = MockUpstream::builder().tls(Tls::new(&leaf)).reply(Reply::ok("x")).start().unwrap();
            assert_ne!(secured.address(), backend.address());
            TcpStream::connect(secured.address()).unwrap();
        }
        5..=7 => {
            let (name, address) = (format!("n{number}.example.test"), Ipv4Addr::from(fastrand::u32(..)));
            let dns = FakeDns::start(Zone::new("example.test").a(&format!("n{number}"), address)).unwrap();
            assert_eq!(ask(dns.address(), &name), [address]);
        }
        _ => {
            let gone = ClosedPort::reserve().unwrap();
            assert!(TcpStream::connect(gone.address()).is_err());
        }
    }
    // Whoever started a server may be gone before the test is.
    let lent = std::thread::spawn(|| MockUpstream::start(Reply::ok("lent")).unwrap()).join().unwrap();
    assert!(get(lent.address()).ends_with("lent"));
}

macro_rules! crowd {
    ($($ten:ident $from:literal)*) => {$(
        mod $ten {
            crowd!(@one $from, a 0, b 1, c 2, d 3, e 4, f 5, g 6, h 7, i 8, j 9);
        }
    )*};
    (@one $from:literal, $($name:ident $more:literal),*) => {$(
        #[test]
        fn $name() {
            super::member($from + $more);
        }
    )*};
}

mod member_of_the_crowd {
    use super::member;

    crowd!(
        m00 0 m01 10 m02 20 m03 30 m04 40 m05 50 m06 60 m07 70 m08 80 m09 90
        m10 100 m11 110 m12 120 m13 130 m14 140 m15 150 m16 160 m17 170 m18 180 m19 190
    );
}

/// The crowd, all at once, with a temporary directory of its own.
fn crowd(room: &std::path::Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["member_of_the_crowd", "--test-threads", "200", "--quiet"]);
    command.env(INNER, "1").env("TMPDIR", room).stdin(Stdio::null());
    command
}

/// What is in the room and who works in it, after those who end by themselves have had time to.
fn left_behind(room: &std::path::Path) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let mut left: Vec<String> =
            fs::read_dir(room).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let here = format!("TMPDIR={}", room.display());
            if environment.split(|byte| *byte == 0).any(|variable| variable == here.as_bytes()) {
                left.push(process.path().display().to_string());
            }
        }
        if left.is_empty() || Instant::now() > until {
            return left;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn two_hundred_at_once_ten_times_in_a_row() {
    let room = tempfile::tempdir().unwrap();
    for round in 1..=10 {
        let output = crowd(room.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "round {round}\n{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(said.contains("200 passed"), "round {round}: {said}");
    }
    assert_eq!(left_behind(room.path()), Vec::<String>::new());
}

#[test]
fn a_killed_crowd_leaves_nothing_and_the_next_is_not_hindered() {
    let room = tempfile::tempdir().unwrap();
    let mut crowd_now = crowd(room.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // In the midst of it: once somebody has a directory, servers are being started.
    let until = Instant::now() + Duration::from_secs(20);
    while fs::read_dir(room.path()).unwrap().next().is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    crowd_now.kill().unwrap();
    crowd_now.wait().unwrap();
    // What the killed ones could not leave to a supervisor is swept up by the next who come.
    assert!(crowd(room.path()).stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(left_behind(room.path()), Vec::<String>::new());
}

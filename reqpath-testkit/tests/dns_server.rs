//! The DNS server driven by bare sockets, by hickory's resolver and by dig.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed expectation in a test is the message, and a skip says why"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use hickory_resolver::Resolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, RecordType};
use reqpath_testkit::dns::{FakeDns, Fault, On, StartError, Transport, Zone};

const SOON: Duration = Duration::from_secs(10);
const A: u16 = 1;
const AAAA: u16 = 28;

/// A query written by hand: the codec under test must not check itself.
#[derive(Clone, Copy)]
struct Ask<'a> {
    name: &'a str,
    kind: u16,
    checking_disabled: bool,
    edns: Option<u16>,
}

fn ask(name: &str) -> Ask<'_> {
    Ask { name, kind: A, checking_disabled: false, edns: Some(1232) }
}

const ID: [u8; 2] = [0x12, 0x34];

impl Ask<'_> {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = ID.to_vec();
        bytes.extend([
            1,
            if self.checking_disabled { 0x10 } else { 0 },
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            u8::from(self.edns.is_some()),
        ]);
        for label in self.name.split('.').filter(|label| !label.is_empty()) {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes.extend(self.kind.to_be_bytes());
        bytes.extend([0, 1]);
        if let Some(payload) = self.edns {
            bytes.extend([0, 0, 41]);
            bytes.extend(payload.to_be_bytes());
            bytes.extend([0, 0, 0, 0, 0, 0]);
        }
        bytes
    }

    /// The datagram that comes back, if one does.
    fn raw(self, dns: &FakeDns) -> Result<Vec<u8>, ErrorKind> {
        self.raw_within(dns, SOON)
    }

    fn raw_within(self, dns: &FakeDns, limit: Duration) -> Result<Vec<u8>, ErrorKind> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(dns.address()).unwrap();
        socket.set_read_timeout(Some(limit)).unwrap();
        socket.send(&self.bytes()).unwrap();
        let mut buffer = vec![0; 65_535];
        let length = socket.recv(&mut buffer).map_err(|error| error.kind())?;
        buffer.truncate(length);
        Ok(buffer)
    }

    fn udp(self, dns: &FakeDns) -> Message {
        Message::from_vec(&self.raw(dns).unwrap()).unwrap()
    }

    fn tcp(self, dns: &FakeDns) -> Result<Message, ErrorKind> {
        let mut stream = TcpStream::connect(dns.address()).map_err(|error| error.kind())?;
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        tcp_exchange(&mut stream, &self.bytes())
    }
}

fn tcp_exchange(stream: &mut TcpStream, query: &[u8]) -> Result<Message, ErrorKind> {
    stream.write_all(&(query.len() as u16).to_be_bytes()).unwrap();
    stream.write_all(query).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).map_err(|error| error.kind())?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes).map_err(|error| error.kind())?;
    Ok(Message::from_vec(&bytes).unwrap())
}

fn addresses(message: &Message) -> Vec<String> {
    message.answers.iter().filter_map(|record| record.data.ip_addr()).map(|ip| ip.to_string()).collect()
}

fn zone() -> Zone {
    Zone::new("example.test")
        .a("www", [192, 0, 2, 1])
        .a("www", [192, 0, 2, 2])
        .aaaa("www", [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])
        .cname("shop", "www")
        .cname("dangling", "gone")
        .cname("away", "elsewhere.invalid.")
        .cname("ping", "pong")
        .cname("pong", "ping")
        .a("deep.below", [192, 0, 2, 3])
        .record("@", "MX", "10 mx1")
        .text("*.pods 5 IN A 10.0.0.1\nalso IN 7 A 192.0.2.7\n")
}

#[test]
fn answers_as_a_resolver_does() {
    let dns = FakeDns::start(zone()).unwrap();
    let www = ask("www.Example.test").udp(&dns);
    assert_eq!(www.metadata.id, u16::from_be_bytes(ID));
    assert_eq!(addresses(&www), ["192.0.2.1", "192.0.2.2"]);
    assert!(www.metadata.recursion_available && !www.metadata.authoritative);
    assert_eq!((www.answers[0].ttl, www.queries[0].name().to_ascii()), (300, "www.Example.test.".to_owned()));
    assert_eq!(addresses(&Ask { kind: AAAA, ..ask("www.example.test") }.udp(&dns)), ["2001:db8::1"]);

    let chain = ask("shop.example.test").udp(&dns);
    assert_eq!(chain.answers[0].record_type(), RecordType::CNAME);
    assert_eq!(addresses(&chain), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(ask("a.pods.example.test").udp(&dns).answers[0].name.to_ascii(), "a.pods.example.test.");
    assert_eq!(ask("also.example.test").udp(&dns).answers[0].ttl, 7);

    let code = |name| ask(name).udp(&dns).metadata.response_code;
    assert_eq!(code("nowhere.example.test"), ResponseCode::NXDomain);
    assert_eq!(code("below.example.test"), ResponseCode::NoError, "a name between others exists");
    assert_eq!(code("example.org"), ResponseCode::Refused);
    let no_data = Ask { kind: AAAA, ..ask("also.example.test") }.udp(&dns);
    assert_eq!((no_data.metadata.response_code, no_data.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!((no_data.authorities[0].record_type(), no_data.authorities[0].ttl), (RecordType::SOA, 60));

    for name in ["dangling.example.test", "away.example.test"] {
        let dangling = ask(name).udp(&dns);
        assert_eq!(
            (dangling.metadata.response_code, dangling.answers.len()),
            (ResponseCode::NXDomain, 1),
            "{name}"
        );
    }
    assert_eq!(ask("ping.example.test").udp(&dns).answers.len(), 2);
}

#[test]
fn speaks_tcp_on_the_same_port_and_other_addresses() {
    let dns =
        FakeDns::builder().zone(zone()).bind(Ipv4Addr::new(127, 0, 0, 2)).authoritative().start().unwrap();
    assert_eq!(dns.address().ip(), IpAddr::from([127, 0, 0, 2]));
    let mut stream = TcpStream::connect(dns.address()).unwrap();
    for _ in 0..2 {
        let answer = tcp_exchange(&mut stream, &ask("www.example.test").bytes()).unwrap();
        assert!(answer.metadata.authoritative && !answer.metadata.recursion_available);
        assert_eq!(addresses(&answer).len(), 2);
    }
    assert_eq!(ask("www.example.test").udp(&dns).answers.len(), 2);
}

#[test]
fn records_what_was_asked() {
    let dns = FakeDns::builder().zone(zone()).expect(2).start().unwrap();
    Ask { checking_disabled: true, ..ask("www.example.test") }.udp(&dns);
    Ask { edns: None, kind: AAAA, ..ask("WWW.example.test") }.tcp(&dns).unwrap();
    let queries = dns.queries_for("www.example.test");
    assert_eq!((queries[0].name.as_str(), queries[0].record_type), ("www.example.test.", RecordType::A));
    assert!(queries[0].checking_disabled && queries[0].recursion_desired && !queries[1].checking_disabled);
    assert_eq!(queries[0].edns.as_ref().unwrap().payload, 1232);
    assert_eq!((queries[1].transport, queries[1].edns.clone()), (Transport::Tcp, None));
    assert_eq!(queries[1].name, "WWW.example.test.");
    dns.verify().unwrap();
}

#[test]
fn fails_by_code() {
    let dns = FakeDns::builder()
        .zone(zone())
        .fault(On::name("nx.example.test"), Fault::nxdomain())
        .fault(On::name("www.example.test").record_type(RecordType::AAAA), Fault::no_data())
        .fault(On::name("broken.example.test"), Fault::servfail().extended(23, "Network Error"))
        .fault(On::name("refused.example.test"), Fault::refused())
        .fault(On::name("notimp.example.test"), Fault::rcode(4))
        .fault(On::name("cookie.example.test"), Fault::rcode(23))
        .fault(On::name("www.example.test").tcp(), Fault::refused())
        .start()
        .unwrap();
    let code = |name| ask(name).udp(&dns).metadata.response_code;
    assert_eq!(code("nx.example.test"), ResponseCode::NXDomain);
    assert_eq!(ask("nx.example.test").udp(&dns).authorities[0].record_type(), RecordType::SOA);
    assert_eq!(code("refused.example.test"), ResponseCode::Refused);
    assert_eq!(code("notimp.example.test"), ResponseCode::NotImp);
    assert_eq!(code("cookie.example.test"), ResponseCode::BADCOOKIE);
    let no_data = Ask { kind: AAAA, ..ask("www.example.test") }.udp(&dns);
    assert_eq!((no_data.metadata.response_code, no_data.authorities.len()), (ResponseCode::NoError, 1));
    assert_eq!(code("www.example.test"), ResponseCode::NoError, "another type, another transport");
    assert_eq!(ask("www.example.test").tcp(&dns).unwrap().metadata.response_code, ResponseCode::Refused);

    let raw = ask("broken.example.test").raw(&dns).unwrap();
    let extended = b"\x00\x0f\x00\x0f\x00\x17Network Error";
    assert!(raw.windows(extended.len()).any(|window| window == extended), "{raw:02x?}");
    let plain = Ask { edns: None, ..ask("broken.example.test") }.udp(&dns);
    assert_eq!((plain.metadata.response_code, plain.edns), (ResponseCode::ServFail, None));
}

#[test]
fn refuses_bogus_data_unless_checking_is_disabled() {
    let fault = Fault::servfail_unless_cd().extended(6, "DNSSEC Bogus");
    let dns = FakeDns::builder().zone(zone()).fault(On::below("example.test"), fault).start().unwrap();
    assert_eq!(ask("www.example.test").udp(&dns).metadata.response_code, ResponseCode::ServFail);
    let unchecked = Ask { checking_disabled: true, ..ask("www.example.test") }.udp(&dns);
    assert_eq!((unchecked.metadata.response_code, unchecked.answers.len()), (ResponseCode::NoError, 2));
}

#[test]
fn loses_delays_and_truncates() {
    let dns = FakeDns::builder()
        .zone(zone())
        .fault(On::name("lost.example.test"), Fault::drop())
        .fault(On::name("www.example.test").udp(), Fault::truncate())
        .fault(On::name("shop.example.test"), Fault::nothing().delayed(Duration::from_millis(120)))
        .start()
        .unwrap();
    let short = Duration::from_millis(100);
    assert_eq!(ask("lost.example.test").raw_within(&dns, short), Err(ErrorKind::WouldBlock));
    assert_eq!(ask("lost.example.test").tcp(&dns).unwrap_err(), ErrorKind::WouldBlock);
    let began = Instant::now();
    assert_eq!(ask("shop.example.test").udp(&dns).answers.len(), 3);
    assert!(began.elapsed() >= Duration::from_millis(120));
    let truncated = ask("www.example.test").udp(&dns);
    assert!(truncated.metadata.truncation && truncated.answers.is_empty());
    assert_eq!(ask("www.example.test").tcp(&dns).unwrap().answers.len(), 2);
}

#[test]
fn truncates_what_does_not_fit() {
    let many = (0..60).fold(Zone::new("example.test"), |zone, n| zone.a("many", [192, 0, 2, n]));
    let dns = FakeDns::start(many).unwrap();
    assert!(Ask { edns: None, ..ask("many.example.test") }.udp(&dns).metadata.truncation);
    assert_eq!(Ask { edns: Some(4096), ..ask("many.example.test") }.udp(&dns).answers.len(), 60);
    assert_eq!(Ask { edns: None, ..ask("many.example.test") }.tcp(&dns).unwrap().answers.len(), 60);
}

#[test]
fn refuses_or_ignores_tcp() {
    let dns = FakeDns::builder().zone(zone()).without_tcp().start().unwrap();
    assert_eq!(ask("www.example.test").tcp(&dns).unwrap_err(), ErrorKind::ConnectionRefused);
    assert_eq!(ask("www.example.test").udp(&dns).answers.len(), 2);
    let dns = FakeDns::builder().zone(zone()).fault(On::any().tcp(), Fault::close()).start().unwrap();
    assert_eq!(ask("www.example.test").tcp(&dns).unwrap_err(), ErrorKind::UnexpectedEof);
}

#[test]
fn answers_from_elsewhere_and_to_others() {
    let dns = FakeDns::builder()
        .zone(zone())
        .fault(On::any().times(1), Fault::wrong_source())
        .fault(On::any().times(1), Fault::wrong_address([127, 0, 0, 3]))
        .fault(On::any().times(1), Fault::wrong_id())
        .fault(On::any().times(1), Fault::wrong_question())
        .start()
        .unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let exchange = || {
        socket.send_to(&ask("www.example.test").bytes(), dns.address()).unwrap();
        let mut buffer = [0; 4096];
        let (length, from): (usize, SocketAddr) = socket.recv_from(&mut buffer).unwrap();
        (from, Message::from_vec(&buffer[..length]).unwrap())
    };
    let (from, answer) = exchange();
    assert!(
        from.port() != dns.address().port() && from.ip() == dns.address().ip() && answer.answers.len() == 2
    );
    assert_eq!(exchange().0.ip(), IpAddr::from([127, 0, 0, 3]));
    let (from, answer) = exchange();
    assert!(from == dns.address() && answer.metadata.id != u16::from_be_bytes(ID));
    let (_, answer) = exchange();
    assert_eq!(answer.queries[0].name().to_ascii(), "other.www.example.test.");
    assert_eq!(exchange().1.answers.len(), 2);
}

#[test]
fn sends_malformed_messages() {
    let dns = FakeDns::builder()
        .zone(zone())
        .fault(On::name("loop.example.test"), Fault::pointer_loop())
        .fault(On::name("garbage.example.test"), Fault::garbage())
        .fault(On::name("raw.example.test"), Fault::raw("hello"))
        .fault(On::name("aliases.example.test"), Fault::cname_loop())
        .fault(On::name("red.example.test"), Fault::control_characters())
        .start()
        .unwrap();
    let bytes = ask("loop.example.test").raw(&dns).unwrap();
    let question = 12 + "loop.example.test".len() + 2 + 4;
    assert_eq!(bytes[question..question + 2], [0xc0, question as u8], "the answer's name points at itself");
    assert_eq!(bytes[4..12], [0, 1, 0, 1, 0, 0, 0, 0]);
    assert!(Message::from_vec(&bytes).is_err());
    let bytes = ask("garbage.example.test").raw(&dns).unwrap();
    assert!(bytes.starts_with(&ID) && Message::from_vec(&bytes).is_err());
    assert_eq!(ask("raw.example.test").raw(&dns).unwrap(), b"hello");
    let aliases = ask("aliases.example.test").udp(&dns);
    let [RData::CNAME(first), RData::CNAME(second)] = [&aliases.answers[0].data, &aliases.answers[1].data]
    else {
        panic!("{aliases:?}");
    };
    assert_eq!((&first.0, &second.0), (&aliases.answers[1].name, &aliases.answers[0].name));
    let bytes = ask("red.example.test").raw(&dns).unwrap();
    assert!(bytes.windows(9).any(|window| window == b"\x1b[31mred\x07"));
}

#[test]
fn zones_hold_odd_names() {
    let zone =
        Zone::new("example.test").raw_name(&[b"a\x1b[0m\0b"], RData::A(Ipv4Addr::new(10, 0, 0, 9).into()));
    let dns = FakeDns::start(zone.txt("t", b"\x1b]0;x\x07")).unwrap();
    let bytes = ask("a\x1b[0m\0b.example.test").raw(&dns).unwrap();
    assert_eq!(addresses(&Message::from_vec(&bytes).unwrap()), ["10.0.0.9"]);
    assert!(dns.queries()[0].name.starts_with("a\\033\\[0m\\000b."), "{}", dns.queries()[0].name);
    let text = Ask { kind: 16, ..ask("t.example.test") }.raw(&dns).unwrap();
    assert!(text.windows(6).any(|window| window == b"\x1b]0;x\x07"));
}

#[test]
fn answers_change() {
    let moved = || Zone::new("example.test").a("www", [192, 0, 2, 99]);
    let dns = FakeDns::builder()
        .zone(zone())
        .fault(On::name("www.example.test").after(2), Fault::answers_from(moved()))
        .fault(On::name("shop.example.test").every(3), Fault::servfail())
        .start()
        .unwrap();
    let first = |name| addresses(&ask(name).udp(&dns)).first().cloned();
    let seen: Vec<_> = (0..4).map(|_| first("www.example.test").unwrap()).collect();
    assert_eq!(seen, ["192.0.2.1", "192.0.2.1", "192.0.2.99", "192.0.2.99"]);
    let alive: Vec<_> = (0..6).map(|_| first("shop.example.test").is_some()).collect();
    assert_eq!(alive, [true, true, false, true, true, false]);
    dns.replace_zones([moved()]).unwrap();
    assert_eq!(first("also.example.test"), None);
}

#[test]
fn cached_records_count_down() {
    let zone =
        Zone::new("example.test").ttl(100).a("www", [192, 0, 2, 1]).cached_for(Duration::from_secs(70));
    let dns = FakeDns::start(zone).unwrap();
    let ttl = || ask("www.example.test").udp(&dns).answers[0].ttl;
    let first = ttl();
    assert!((25..=30).contains(&first), "{first}");
    let began = Instant::now();
    let next = loop {
        let now = ttl();
        if now != first {
            break now;
        }
        assert!(began.elapsed() < SOON, "the TTL stands still");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(next < first && next + 10 > first, "{first} then {next}");
    let old =
        Zone::new("example.test").ttl(100).a("www", [192, 0, 2, 1]).cached_for(Duration::from_secs(199));
    let dns = FakeDns::start(old).unwrap();
    let left = ask("www.example.test").udp(&dns).answers[0].ttl;
    assert!(left == 1 || left >= 95, "fetched anew when it ran out: {left}");
}

#[test]
fn survives_what_is_no_query() {
    let dns = FakeDns::start(zone()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket.connect(dns.address()).unwrap();
    let mut buffer = [0; 512];
    for bytes in [&[0; 0][..], &[1; 5], &[0xff; 40]] {
        socket.send(bytes).unwrap();
    }
    let mut no_question = ask("www.example.test").bytes();
    no_question[5] = 0;
    socket.send(&no_question[..12]).unwrap();
    let length = socket.recv(&mut buffer).unwrap();
    let answer = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!((answer.metadata.id, answer.metadata.response_code), (0x1234, ResponseCode::FormErr));
    let mut update = ask("www.example.test").bytes();
    update[2] = 5 << 3;
    socket.send(&update).unwrap();
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(buffer[3] & 0x0f, 4, "NOTIMP to an update: {:02x?}", &buffer[..length]);
    assert_eq!(ask("www.example.test").udp(&dns).answers.len(), 2);
    assert_eq!((dns.query_count(), dns.malformed_count()), (1, 5));
}

#[test]
fn mistakes_are_told_at_the_start() {
    let wrong = |zone| matches!(FakeDns::start(zone), Err(StartError::Zone(_)));
    assert!(wrong(Zone::new("exa mple..test")));
    assert!(wrong(Zone::new("example.test").record("www", "A", "not an address")));
    assert!(wrong(Zone::new("example.test").text("$INCLUDE /etc/hostname\n")));
    let unmet = FakeDns::builder().zone(zone()).never_asked().start().unwrap();
    ask("www.example.test").udp(&unmet);
    let text = unmet.verify().unwrap_err().to_string();
    assert!(
        text.contains("expected 0 queries, received 1") && text.contains("www.example.test. A over UDP"),
        "{text}"
    );
}

#[tokio::test]
async fn hickory_agrees() {
    let dns = FakeDns::builder()
        .zone(zone())
        .fault(On::name("www.example.test").udp(), Fault::truncate())
        .start()
        .unwrap();
    let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
    (udp.port, tcp.port) = (dns.address().port(), dns.address().port());
    let server = NameServerConfig::new(dns.address().ip(), true, vec![udp, tcp]);
    let config = ResolverConfig::from_parts(None, vec![], vec![server]);
    let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap();
    let found = resolver.lookup("www.example.test.", RecordType::A).await.unwrap();
    assert_eq!(found.answers().len(), 2, "after falling back to TCP");
    assert!(dns.queries().iter().any(|query| query.transport == Transport::Tcp));
    let gone = resolver.lookup("gone.example.test.", RecordType::A).await.unwrap_err();
    let NetError::Dns(DnsError::NoRecordsFound(nothing)) = gone else { panic!("{gone:?}") };
    assert_eq!(nothing.response_code, ResponseCode::NXDomain);
    assert!(nothing.soa.is_some(), "a negative answer that can be cached");
}

#[test]
fn dig_agrees() {
    let Ok(found) = Command::new("dig").arg("-v").output() else {
        assert!(std::env::var_os("REQPATH_REQUIRE_REAL").is_none(), "dig is required and not installed");
        eprintln!("skipped: dig (Debian's bind9-dnsutils) is not installed");
        return;
    };
    assert!(found.status.success());
    let dns = FakeDns::builder()
        .zone(zone())
        .fault(On::name("broken.example.test"), Fault::servfail().extended(22, "no reachable authority"))
        .fault(On::name("www.example.test").udp(), Fault::truncate())
        .fault(On::name("loop.example.test"), Fault::pointer_loop())
        .start()
        .unwrap();
    let dig = |arguments: &[&str]| {
        let output = Command::new("dig")
            .args(["@127.0.0.1", "-p", &dns.address().port().to_string(), "+tries=1", "+time=5"])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(dig(&["+short", "www.example.test"]), "192.0.2.1\n192.0.2.2\n");
    let said = dig(&["example.test", "MX"]);
    assert!(said.contains("MX\t10 mx1.example.test.") && said.contains("status: NOERROR"), "{said}");
    let said = dig(&["broken.example.test"]);
    assert!(said.contains("EDE: 22") && said.contains("no reachable authority"), "{said}");
    let said = dig(&["loop.example.test"]);
    assert!(said.contains("malformed") || said.contains("bad compression pointer"), "{said}");
}

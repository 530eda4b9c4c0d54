//! The fake vantage does what its script says, counts it, and is loud about the rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqpath_core::{
    Budget, ConnectOptions, Contact, ContactKind, KernelInfo, Listener, PeerAddr, Permit, PortUse, Route,
    Unavailable, Vantage,
};
use reqpath_testkit::FakeVantage;
use reqpath_testkit::vantage::{Dial, Exchange, Lookup, Packets, Wanted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

const SECOND: ConnectOptionsOf = ConnectOptionsOf(Duration::from_secs(1));

/// A limit that a constant can hold.
struct ConnectOptionsOf(Duration);

impl ConnectOptionsOf {
    fn how(&self) -> ConnectOptions {
        ConnectOptions::within(self.0)
    }
}

fn permit(kind: ContactKind) -> Permit {
    Budget::of(&[Contact::new(kind, "anyone", 1, "a test")]).permit(kind).unwrap()
}

fn peer(last: u8, port: u16) -> PeerAddr {
    PeerAddr(([192, 0, 2, last], port).into())
}

#[tokio::test(start_paused = true)]
async fn a_closure_serves_each_connection_and_knows_its_number() {
    let vantage = FakeVantage::builder()
        .from([10, 1, 2, 3])
        .tcp(peer(1, 80).0, |mut exchange: Exchange| async move {
            let head = exchange.read_head().await?;
            let number = exchange.number();
            exchange.write_all(format!("{number}: {}", String::from_utf8_lossy(&head)).as_bytes()).await
        })
        .expect(2)
        .build();
    for number in 0..2 {
        let mut stream =
            vantage.connect(permit(ContactKind::Connection), peer(1, 80), SECOND.how()).await.unwrap();
        assert_eq!(stream.peer(), peer(1, 80));
        assert_eq!(stream.local().unwrap().ip(), IpAddr::from([10, 1, 2, 3]));
        assert_eq!(stream.kernel(), None);
        stream.write_all(b"hello\r\n\r\nand more").await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, format!("{number}: hello\r\n\r\n"));
    }
    assert_eq!(vantage.count(ContactKind::Connection), 2);
    assert_eq!(vantage.contacts()[1].wanted, Wanted::Connection(peer(1, 80)));
    vantage.verify().unwrap();
}

#[tokio::test(start_paused = true)]
async fn failures_are_those_of_a_kernel() {
    let mut figures = KernelInfo::default();
    figures.total_retrans = 4;
    let vantage = FakeVantage::builder()
        .tcp(peer(1, 80).0, Dial::refused().after(Duration::from_millis(30)))
        .tcp(peer(2, 80).0, Dial::silent().kernel(figures))
        .tcp(peer(3, 80).0, Dial::prohibited([192, 0, 2, 254]))
        .tcp(peer(4, 80).0, Dial::no_route())
        .tcp(peer(5, 80).0, Dial::answers("late").after(Duration::from_secs(3)))
        .tcp(
            ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 80),
            Dial::prohibited("2001:db8::fe".parse::<IpAddr>().unwrap()),
        )
        .build();
    let dial = async |to| {
        let began = Instant::now();
        let failure = vantage.connect(permit(ContactKind::Connection), to, SECOND.how()).await.unwrap_err();
        (failure, began.elapsed())
    };
    let (refused, took) = dial(peer(1, 80)).await;
    assert_eq!((refused.errno, refused.symbol.as_deref()), (Some(111), Some("ECONNREFUSED")));
    assert_eq!((refused.message.as_str(), refused.timed_out), ("Connection refused", false));
    assert!(refused.local.is_some());
    assert_eq!(took, Duration::from_millis(30));

    for last in [2, 5] {
        let (silent, took) = dial(peer(last, 80)).await;
        assert!(silent.timed_out && silent.errno.is_none());
        assert_eq!(silent.message, "no answer within 1.00 s");
        assert_eq!(took, Duration::from_secs(1));
    }
    let (silent, _) = dial(peer(2, 80)).await;
    assert_eq!(silent.kernel.unwrap().total_retrans, 4);

    let (prohibited, _) = dial(peer(3, 80)).await;
    let icmp = prohibited.icmp.unwrap();
    assert_eq!((icmp.kind, icmp.code, icmp.v6, icmp.offender), (3, 13, false, Some([192, 0, 2, 254].into())));
    let (prohibited, _) = dial(PeerAddr("[2001:db8::1]:80".parse().unwrap())).await;
    assert_eq!(prohibited.symbol.as_deref(), Some("EACCES"));
    assert!(prohibited.icmp.unwrap().v6);

    let (no_route, _) = dial(peer(4, 80)).await;
    assert_eq!((no_route.symbol.as_deref(), no_route.local), (Some("ENETUNREACH"), None));
}

#[tokio::test(start_paused = true)]
async fn attempts_take_their_turns() {
    let vantage = FakeVantage::builder()
        .tcp(peer(1, 80).0, Dial::in_turn([Dial::refused(), Dial::answers("up")]))
        .name("moves.test", Lookup::in_turn([Lookup::addresses([[192, 0, 2, 1]]), Lookup::no_name()]))
        .name("counts.test", |number: u64| Lookup::addresses([[192, 0, 2, u8::try_from(number).unwrap()]]))
        .build();
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        let connected = vantage.connect(permit(ContactKind::Connection), peer(1, 80), SECOND.how()).await;
        outcomes.push(connected.is_ok());
    }
    assert_eq!(outcomes, [false, true, true]);
    let look_up = async |name| vantage.resolve(permit(ContactKind::SystemLookup), name).await;
    assert_eq!(look_up("moves.test").await.unwrap().addresses, [IpAddr::from([192, 0, 2, 1])]);
    assert_eq!(look_up("MOVES.test.").await.unwrap_err().symbol, "EAI_NONAME");
    for number in 0..3 {
        assert_eq!(look_up("counts.test").await.unwrap().addresses, [IpAddr::from([192, 0, 2, number])]);
    }
}

#[tokio::test(start_paused = true)]
async fn names_answer_late_or_never() {
    let vantage = FakeVantage::builder()
        .name("slow.test", Lookup::try_again().delayed(Duration::from_secs(5)))
        .name("stuck.test", Lookup::never())
        .build();
    let began = Instant::now();
    let slow = vantage.resolve(permit(ContactKind::SystemLookup), "slow.test").await.unwrap_err();
    assert_eq!((slow.symbol.as_ref(), began.elapsed()), ("EAI_AGAIN", Duration::from_secs(5)));
    let stuck = vantage.resolve(permit(ContactKind::SystemLookup), "stuck.test");
    assert!(tokio::time::timeout(Duration::from_secs(3600), stuck).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn datagrams_come_at_their_time_or_not_at_all() {
    let vantage = FakeVantage::builder()
        .udp(peer(1, 53).0, |sent: &[u8]| sent.to_vec())
        .udp(peer(2, 53).0, Packets::none())
        .udp(peer(3, 53).0, Packets::refused().delayed(Duration::from_millis(5)))
        .udp(peer(4, 53).0, Packets::no_route())
        .udp(peer(5, 53).0, |sent: &[u8]| {
            let late = Packets::reply(sent.to_vec()).delayed(Duration::from_millis(50));
            late.and(Packets::reply(&b"first"[..]).delayed(Duration::from_millis(10)))
        })
        .build();
    let open = async |last| vantage.datagram(permit(ContactKind::Query), peer(last, 53)).await;
    let mut buffer = [0; 3];

    let echo = open(1).await.unwrap();
    echo.send(b"hello").await.unwrap();
    assert_eq!((echo.receive(&mut buffer).await.unwrap(), &buffer), (3, b"hel"));

    let hole = open(2).await.unwrap();
    hole.send(b"hello").await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(60), hole.receive(&mut buffer)).await.is_err());

    let closed = open(3).await.unwrap();
    closed.send(b"hello").await.unwrap();
    let refused = closed.receive(&mut buffer).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

    assert_eq!(open(4).await.unwrap_err().kind(), io::ErrorKind::NetworkUnreachable);

    let twice = open(5).await.unwrap();
    let began = Instant::now();
    twice.send(b"abc").await.unwrap();
    twice.receive(&mut buffer).await.unwrap();
    assert_eq!((&buffer, began.elapsed()), (b"fir", Duration::from_millis(10)));
    twice.receive(&mut buffer).await.unwrap();
    assert_eq!((&buffer, began.elapsed()), (b"abc", Duration::from_millis(50)));
}

#[tokio::test(start_paused = true)]
async fn the_kernel_files_and_environment_tell_what_they_are_told_to() {
    let vantage = FakeVantage::builder()
        .named("pod")
        .route([192, 0, 2, 1], Route::new("unicast"))
        .route([192, 0, 2, 2], Unavailable::Permission)
        .listener(([127, 0, 0, 1], 80), Listener::new(3, 128))
        .listener(([127, 0, 0, 1], 81), None::<Listener>)
        .ports(peer(1, 80).0, || Ok(PortUse::new(1, 10, 9)))
        .descriptors((12, 1024))
        .file("/etc/resolv.conf", "nameserver 192.0.2.53\n")
        .variable("http_proxy", "http://proxy.test:3128")
        .absent(ContactKind::File)
        .build();
    let kernel = || permit(ContactKind::Kernel);
    assert_eq!(vantage.name(), "pod");
    assert_eq!(vantage.route(kernel(), [192, 0, 2, 1].into()).await.unwrap().kind, "unicast");
    assert_eq!(vantage.route(kernel(), [192, 0, 2, 2].into()).await, Err(Unavailable::Permission));
    let listener = vantage.listener(kernel(), PeerAddr(([127, 0, 0, 1], 80).into())).await;
    assert_eq!(listener, Ok(Some(Listener::new(3, 128))));
    assert_eq!(vantage.listener(kernel(), PeerAddr(([127, 0, 0, 1], 81).into())).await, Ok(None));
    assert_eq!(vantage.ports(kernel(), peer(1, 80)).await.unwrap().used, 9);
    assert_eq!(vantage.descriptors(kernel()).await, Ok((12, 1024)));
    let file = vantage.read(permit(ContactKind::File), "/etc/resolv.conf", 10).await;
    assert_eq!(file.unwrap(), b"nameserver");
    let missing = vantage.read(permit(ContactKind::File), "/etc/hosts", 10).await;
    assert_eq!(missing, Err(Unavailable::Missing));
    assert_eq!(vantage.environment("http_proxy").as_deref(), Some("http://proxy.test:3128"));
    assert_eq!(vantage.environment("https_proxy"), None);
    assert_eq!(vantage.count(ContactKind::Kernel), 6);
    vantage.verify().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_clock_runs_and_steps() {
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let vantage = FakeVantage::builder()
        .clock(noon)
        .clock_steps(Duration::from_secs(10), noon - Duration::from_secs(3600))
        .build();
    assert_eq!(vantage.now(), noon);
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(vantage.now(), noon + Duration::from_secs(3));
    vantage.step_clock_forward(Duration::from_secs(60));
    assert_eq!(vantage.now(), noon + Duration::from_secs(63));
    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(vantage.now(), noon - Duration::from_secs(3600));
    vantage.set_clock(SystemTime::UNIX_EPOCH);
    vantage.step_clock_back(Duration::from_secs(1));
    assert_eq!(vantage.now(), SystemTime::UNIX_EPOCH - Duration::from_secs(1));
}

#[tokio::test]
async fn an_unexpected_contact_is_told_with_what_came_nearest() {
    let vantage = FakeVantage::builder()
        .tcp(peer(1, 443).0, Dial::refused())
        .tcp(peer(77, 9).0, Dial::refused())
        .name("shop.test", Lookup::no_name())
        .expect(1..)
        .build();
    let failure = vantage.connect(permit(ContactKind::Connection), peer(1, 8443), SECOND.how()).await;
    assert!(failure.unwrap_err().message.contains("script"));
    let read = vantage.read(permit(ContactKind::File), "/etc/\u{1b}[31mpasswd", 10).await;
    assert!(matches!(read, Err(Unavailable::System(_))));
    let text = vantage.verify().unwrap_err().to_string();
    assert!(text.contains("unexpected: connect to 192.0.2.1:8443"), "{text}");
    assert!(text.contains("nearest expected: connect to 192.0.2.1:443\n"), "{text}");
    assert!(text.contains("expected at least 1 times, made 0: resolve shop.test"), "{text}");
    assert!(text.contains("expected were\n  connect to 192.0.2.1:443 (any number, made 0)"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn forgotten_it_fails_the_test_by_itself() {
    let vantage = FakeVantage::builder().build();
    drop(vantage.resolve(permit(ContactKind::SystemLookup), "a.test").await);
    let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(vantage)));
    let said = *gone.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("unexpected: resolve a.test") && said.contains("nothing was expected"), "{said}");
}

#[tokio::test]
async fn a_wrong_permit_and_a_panicking_closure_are_told() {
    let vantage = FakeVantage::builder()
        .tcp(peer(1, 80).0, |exchange: Exchange| async move { panic!("served {}", exchange.number()) })
        .udp(peer(1, 53).0, |_: &[u8]| -> Packets { panic!("no") })
        .file("/f", || -> Result<Vec<u8>, Unavailable> { panic!("no") })
        .build();
    let mut stream = vantage.connect(permit(ContactKind::File), peer(1, 80), SECOND.how()).await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    let socket = vantage.datagram(permit(ContactKind::Query), peer(1, 53)).await.unwrap();
    socket.send(b"x").await.unwrap();
    assert!(vantage.read(permit(ContactKind::File), "/f", 9).await.is_err());
    let text = vantage.verify().unwrap_err().to_string();
    assert!(text.contains("a permit for a file was spent to connect to 192.0.2.1:80"), "{text}");
    for what in ["connect to 192.0.2.1:80", "send datagrams to 192.0.2.1:53", "read /f"] {
        assert!(text.contains(&format!("the closure for \"{what}\" panicked")), "{text}");
    }
}

#[tokio::test]
async fn a_later_line_takes_the_place_of_an_earlier_one() {
    let base = || FakeVantage::builder().tcp(peer(1, 80).0, Dial::refused()).expect(1);
    let vantage: Arc<dyn Vantage> = base().tcp(peer(1, 80).0, Dial::answers("x")).build();
    vantage.connect(permit(ContactKind::Connection), peer(1, 80), SECOND.how()).await.unwrap();
    vantage.connect(permit(ContactKind::Connection), peer(1, 80), SECOND.how()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_line_for_any_address_leaves_the_others_their_own() {
    let vantage = FakeVantage::builder()
        .any_tcp(Dial::silent())
        .any_udp(Packets::refused())
        .any_name(Lookup::never())
        .tcp(peer(1, 80).0, Dial::refused())
        .expect(1)
        .name("a.test", Lookup::no_name())
        .build();
    let one = vantage.connect(permit(ContactKind::Connection), peer(1, 80), SECOND.how()).await.unwrap_err();
    let two = vantage.connect(permit(ContactKind::Connection), peer(2, 80), SECOND.how()).await.unwrap_err();
    assert_eq!((one.timed_out, two.timed_out), (false, true));
    assert!(vantage.resolve(permit(ContactKind::SystemLookup), "a.test").await.is_err());
    let other = vantage.resolve(permit(ContactKind::SystemLookup), "b.test");
    assert!(tokio::time::timeout(Duration::from_secs(9), other).await.is_err());
    vantage.verify().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_file_and_what_a_command_prints_are_scripted() {
    let vantage = FakeVantage::builder()
        .file("/var/log/access.log", "one\ntwo\n")
        .expect(2)
        .command(["kubectl", "logs", "shop"], "first\nlast\n")
        .command(["ss", "-ltn"], Unavailable::Permission)
        .build();
    let (file, time) = (|| permit(ContactKind::File), Duration::from_secs(1));
    assert_eq!(vantage.tail(file(), "/var/log/access.log", 4).await.unwrap(), b"two\n");
    assert_eq!(vantage.tail(file(), "/var/log/access.log", 400).await.unwrap(), b"one\ntwo\n");
    let run = async |words: &[&str], limit| {
        let command: Vec<String> = words.iter().copied().map(str::to_owned).collect();
        vantage.command(permit(ContactKind::Command), &command, limit, time).await
    };
    assert_eq!(run(&["kubectl", "logs", "shop"], 5).await.unwrap(), b"last\n");
    assert_eq!(run(&["ss", "-ltn"], 5).await.unwrap_err(), Unavailable::Permission);
    vantage.verify().unwrap();
    assert!(run(&["kubectl", "logs", "cart"], 5).await.is_err());
    let unmet = vantage.verify().unwrap_err().to_string();
    assert!(unmet.contains("unexpected: run kubectl logs cart"), "{unmet}");
    assert!(unmet.contains("nearest expected: run kubectl logs shop"), "{unmet}");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_not_there_is_no_look() {
    let vantage = FakeVantage::builder().rest_absent().build();
    let command = ["ss".to_owned()];
    let run = vantage.command(permit(ContactKind::Command), &command, 5, Duration::from_secs(1));
    assert_eq!(run.await.unwrap_err(), Unavailable::NotHere);
    let tail = vantage.tail(permit(ContactKind::File), "/var/log/access.log", 5).await;
    assert_eq!(tail.unwrap_err(), Unavailable::Missing);
}

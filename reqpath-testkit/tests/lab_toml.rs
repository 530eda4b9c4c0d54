//! Labs from TOML files, built and used.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use reqpath_testkit::lab::{self, Error, Host, Lab, Program, Ready};

#[track_caller]
fn build(text: &str) -> Option<Lab> {
    match Lab::from_toml(text) {
        Ok(lab) => lab::or_skip(lab.build()),
        Err(error) => panic!("{error}"),
    }
}

fn said(host: &Host, command: &[&str]) -> String {
    let output = host.command(command[0]).args(&command[1..]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_lab_is_as_its_file_says() {
    lab::rootless(|| {
        let Some(lab) = build(
            r#"
            [hosts.client]
            resolv_conf = "search shop.test\noptions ndots:2"
            nameservers = ["server"]
            knows = { "www.shop.test" = "server", "other.test" = "203.0.113.9" }
            environment = { PLACE = "the client", NUMBER = 7 }
            sysctls = { "net.ipv4.tcp_syn_retries" = 2 }
            routes = { "203.0.113.0/24" = "edge" }

            [hosts.edge]
            router = true

            [hosts.server]

            [[links]]
            between = ["client", "edge"]
            addresses = { client = ["10.7.0.9/24", "fd00:7::9/64"] }

            [[links]]
            between = ["edge", "server"]
            mtu = 1400
            delay = "5ms"
            "#,
        ) else {
            return;
        };
        let (client, server) = (&lab["client"], &lab["server"]);
        assert_eq!(
            (client.ipv4().to_string(), client.ipv6().to_string()),
            ("10.7.0.9".into(), "fd00:7::9".into())
        );
        assert_eq!(server.interfaces()[0].mtu, 1400);
        assert_eq!(client.sysctl("net.ipv4.tcp_syn_retries").unwrap(), "2");
        assert_eq!(said(client, &["sh", "-c", "echo $PLACE $NUMBER"]), "the client 7");
        assert_eq!(
            said(client, &["cat", "/etc/resolv.conf"]),
            format!("nameserver {}\nsearch shop.test\noptions ndots:2", server.ipv4())
        );
        assert!(said(client, &["getent", "ahosts", "www.shop.test"]).contains(&server.ipv4().to_string()));
        assert!(said(client, &["getent", "ahosts", "other.test"]).contains("203.0.113.9"));
        let address = SocketAddr::new(server.ipv6().into(), 8080);
        let _listener = server.run(|| TcpListener::bind(address)).unwrap().unwrap();
        let took = client
            .run(|| {
                let start = Instant::now();
                TcpStream::connect(address).map(|_| start.elapsed())
            })
            .unwrap()
            .unwrap();
        assert!(took >= Duration::from_millis(10), "two delays, not {took:?}");
    });
}

#[test]
fn filters_rules_and_losses_are_in_force_and_count() {
    lab::rootless(|| {
        let Some(lab) = build(
            r#"
            ipv6 = false

            [hosts.client]
            [hosts.server]
            rules = ["""
            table inet mine {
                counter asked { }
            }""", "table inet other { }"]

            [hosts.server.filters.closed]
            packets = "incoming"
            tcp_port = 8080
            opening = true
            action = { reject = "tcp-reset" }

            [[links]]
            between = ["client", "server"]
            lose_percent = 40
            "#,
        ) else {
            return;
        };
        let (client, server) = (&lab["client"], &lab["server"]);
        assert!(server.rules().unwrap().contains("counter asked"), "{}", server.rules().unwrap());
        let loss = server.fault("loss-client-server").unwrap();
        let address = SocketAddr::new(server.ipv4().into(), 53);
        let receiver = server.run(|| UdpSocket::bind(address)).unwrap().unwrap();
        receiver.set_nonblocking(true).unwrap();
        let sender = client.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
        for _ in 0..400 {
            sender.send_to(b"x", address).unwrap();
        }
        let (start, mut arrived) = (Instant::now(), 0);
        while arrived + loss.packets().unwrap() < 400 && start.elapsed() < Duration::from_secs(5) {
            while receiver.recv(&mut [0; 8]).is_ok() {
                arrived += 1;
            }
        }
        // Four in ten are lost: outside these bounds less often than once in 10^14.
        assert!((160..320).contains(&arrived), "{arrived} of 400 arrived");
        // A busy kernel may drop a few more by itself, while the neighbour is being looked up for one.
        let seen = arrived + loss.packets().unwrap();
        assert!((360..=400).contains(&seen), "{seen} of 400 were lost or arrived");

        let closed = server.fault("closed").unwrap();
        let address = SocketAddr::new(server.ipv4().into(), 8080);
        let refused = client.run(|| TcpStream::connect_timeout(&address, Duration::from_secs(60))).unwrap();
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(closed.packets().unwrap() >= 1);
        match server.fault("open") {
            Err(Error::NoSuchPart { known, .. }) => assert_eq!(known, "closed, loss-client-server"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_lossy_link_to_a_switch_loses_both_ways() {
    lab::rootless(|| {
        let text = "
            switches = ['lan']
            [hosts.a]
            [hosts.b]
            [[links]]
            between = ['a', 'lan']
            lose_percent = 100
            [[links]]
            between = ['b', 'lan']
        ";
        let Some(lab) = build(text) else { return };
        let reaches = |from: &str, to: &str| {
            let address = SocketAddr::new(lab[to].ipv6().into(), 9);
            let tried =
                lab[from].run(|| TcpStream::connect_timeout(&address, Duration::from_millis(300))).unwrap();
            tried.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        assert!(!reaches("a", "b") && !reaches("b", "a"));
        assert!(lab["a"].fault("loss-a-lan").is_ok() && lab["b"].fault("loss-b-lan").is_err());
        assert!(lab["a"].fault("loss-a-lan-out").unwrap().packets().unwrap() > 0);
    });
}

#[test]
fn programs_are_ready_in_order_and_end_with_the_lab() {
    lab::rootless(|| {
        let Some(lab) = build(
            r#"
            [hosts.server.programs.init]
            command = ["sh", "-c", "sleep 0.1; echo done; echo too >&2"]
            ready = "ends"

            [hosts.server.programs.hello]
            command = ["sh", "-c", "echo hello $WHO from $PLACE; exec sleep 1000"]
            environment = { WHO = "world" }
            ready = { says = "hello" }

            [hosts.server]
            environment = { PLACE = "here" }
            "#,
        ) else {
            return;
        };
        let server = &lab["server"];
        assert_eq!(server.output_of("init").unwrap(), "done\ntoo\n");
        assert_eq!(server.output_of("hello").unwrap(), "hello world from here\n");
        assert!(matches!(server.output_of("nobody"), Err(Error::NoSuchPart { .. })));
    });
}

#[test]
fn a_program_that_listens_is_waited_for_without_being_dialled() {
    lab::rootless(|| {
        // This very test program, as a server that takes one connection and no more.
        let program = std::env::current_exe().unwrap();
        let program = Program::new("once", [program.to_str().unwrap(), "--exact", "once", "--ignored"]);
        let host = lab::HostSpec::new("server").program(program.env(ONCE, "1").ready(Ready::Listens(8080)));
        let Some(lab) = lab::or_skip(Lab::builder().host(host).build()) else { return };
        let said = lab["server"]
            .run(|| {
                let mut said = String::new();
                TcpStream::connect("127.0.0.1:8080")?.read_to_string(&mut said).map(|_| said)
            })
            .unwrap();
        assert_eq!(said.unwrap(), "first");
    });
}

const ONCE: &str = "REQPATH_LAB_ONCE";

/// Not a test: the server of the test above.
#[test]
#[ignore = "it is run by another test of this file, inside a host"]
fn once() {
    if std::env::var_os(ONCE).is_some() {
        let listener = TcpListener::bind("0.0.0.0:8080").unwrap();
        listener.accept().unwrap().0.write_all(b"first").unwrap();
        thread::park();
    }
}

#[test]
fn programs_that_fail_are_told_of() {
    lab::rootless(|| {
        if lab::or_skip(Lab::builder().host("a").build()).is_none() {
            return;
        }
        for (ready, command) in [("'ends'", "echo oh; exit 3"), ("{ listens = 80 }", "echo oh; exit 3")] {
            let text =
                format!("[hosts.a.programs.p]\ncommand = ['sh', '-c', '{command}']\nready = {ready}\n");
            match Lab::from_toml(&text).unwrap().build() {
                Err(Error::ProgramEnded { program, status, said, .. }) => {
                    assert_eq!((program.as_str(), status.code(), said.as_str()), ("p", Some(3), "oh"));
                }
                other => panic!("{other:?}"),
            }
        }
        let text = "[hosts.a.programs.p]\ncommand = ['no-such-program']\n";
        assert!(matches!(Lab::from_toml(text).unwrap().build(), Err(Error::Io { .. })));
    });
}

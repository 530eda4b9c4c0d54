//! Labs side by side, and how long they take.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of a test fails as the test does")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use reqpath_testkit::lab::{self, Lab, LabBuilder};

fn three_hosts() -> LabBuilder {
    Lab::builder().host("client").router("edge").host("server").link("client", "edge").link("edge", "server")
}

#[test]
fn ten_labs_at_once_do_not_meet() {
    lab::rootless(|| {
        if lab::or_skip(three_hosts().build()).is_none() {
            return;
        }
        let labs: Vec<Lab> = thread::scope(|scope| {
            let building: Vec<_> = (0..10).map(|_| scope.spawn(|| three_hosts().build().unwrap())).collect();
            building.into_iter().map(|lab| lab.join().unwrap()).collect()
        });
        // The same addresses and the same port in every lab; each server gives the number of its own.
        for (number, lab) in labs.iter().enumerate().take(9) {
            for ip in [lab["server"].ipv4().into(), lab["server"].ipv6().into()] {
                let listener =
                    lab["server"].run(|| TcpListener::bind(SocketAddr::new(ip, 8080))).unwrap().unwrap();
                thread::spawn(move || {
                    for stream in listener.incoming() {
                        let _ = stream.and_then(|mut stream| write!(stream, "lab {number}"));
                    }
                });
            }
        }
        let ask = |lab: &Lab, address: SocketAddr| {
            lab["client"]
                .run(|| {
                    let mut said = String::new();
                    TcpStream::connect_timeout(&address, Duration::from_secs(5))?
                        .read_to_string(&mut said)
                        .map(|_| said)
                })
                .unwrap()
        };
        thread::scope(|scope| {
            for (number, lab) in labs.iter().enumerate() {
                scope.spawn(move || {
                    for _ in 0..20 {
                        for ip in [lab["server"].ipv4().into(), lab["server"].ipv6().into()] {
                            let said = ask(lab, SocketAddr::new(ip, 8080));
                            if number < 9 {
                                assert_eq!(said.unwrap(), format!("lab {number}"));
                            } else {
                                assert!(
                                    said.is_err(),
                                    "nothing listens in the last lab, yet it heard {said:?}"
                                );
                            }
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn a_lab_of_three_hosts_is_quick_to_build_and_to_take_down() {
    lab::rootless(|| {
        // The best of five: others may be using the processor.
        let mut best = [Duration::MAX; 2];
        for _ in 0..5 {
            let start = Instant::now();
            let Some(lab) = lab::or_skip(three_hosts().build()) else { return };
            let built = start.elapsed();
            for host in lab.hosts() {
                host.command("sleep").arg("1000").spawn().unwrap().leave_running();
            }
            let start = Instant::now();
            drop(lab);
            best = [best[0].min(built), best[1].min(start.elapsed())];
        }
        println!("built in {:?}, taken down with a program in each host in {:?}", best[0], best[1]);
        assert!(best[0] < Duration::from_secs(1), "{best:?}");
        assert!(best[1] < Duration::from_millis(500), "{best:?}");
    });
}

//! The project's own stages are held to the rules that it sets for others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use reqpath_core::{Addresses, Destination, Dialled, KernelInfo, PeerAddr, Route, Target};
use reqpath_stages::client::{Client, ClientOptions};
use reqpath_stages::db::{Db, DbOptions, Protocol, Secure};
use reqpath_stages::dns::{Dns, DnsOptions};
use reqpath_stages::http::{Clock, ClockOptions, Http, HttpOptions, Tunnel};
use reqpath_stages::proxy::{Proxy, ProxyOptions};
use reqpath_stages::road::Declarations;
use reqpath_stages::tcp::{Tcp, TcpOptions};
use reqpath_stages::tls::{Bundle, Tls, TlsOptions, Trust};
use reqpath_testkit::FakeVantage;
use reqpath_testkit::conformance;
use reqpath_testkit::dns::{FakeDns, Fault, On, Zone};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::vantage::{Dial, Exchange, FakeVantageBuilder, Lookup, connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: ([u8; 4], u16) = ([192, 0, 2, 7], 80);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: a=b\r\n\r\nok";

fn peer() -> PeerAddr {
    PeerAddr(SocketAddr::from(SERVER))
}

/// What every host has.
fn host() -> FakeVantageBuilder {
    FakeVantage::builder()
        .file("/etc/hosts", "127.0.0.1 localhost\n192.0.2.7 conformance.test\n")
        .file("/etc/resolv.conf", "nameserver 192.0.2.53\n")
        .file("/proc/sys/kernel/hostname", "box\n")
        .file("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
        .file("/proc/thread-self/net/netstat", "TcpExt: ListenOverflows ListenDrops\nTcpExt: 0 0\n")
        .descriptors((12, 1024))
        .route(SERVER.0, Route::new("unicast"))
}

/// Answers any number of requests on one connection.
async fn answers(mut exchange: Exchange) -> std::io::Result<()> {
    while !exchange.read_head().await?.is_empty() {
        exchange.write_all(OK.as_bytes()).await?;
    }
    Ok(())
}

#[test]
fn the_causes_of_all_stages() {
    let all: Vec<_> = reqpath_stages::causes().collect();
    conformance::causes(&all).copies(60).check();
}

#[test]
fn client() {
    conformance::stage(Client::new(ClientOptions::default()))
        .world("a host", || host().build())
        .world("a host with a proxy", || host().variable("http_proxy", "http://proxy.test:3128").build())
        .check();
}

#[test]
fn dns() {
    let zone = || Zone::new("test").a("conformance", SERVER.0);
    let world = move |fault: Option<Fault>| {
        let mut dns = FakeDns::builder().zone(zone());
        if let Some(fault) = fault {
            dns = dns.fault(On::any(), fault);
        }
        let (dns, server) = (dns.offline().unwrap(), ([192, 0, 2, 53], 53));
        host().udp(server, dns.clone()).tcp(server, dns)
    };
    conformance::stage(Dns::new(DnsOptions::default()))
        .given(|at, cx| cx.hand_on(at, Destination::of(cx.target())))
        .world("a good nameserver", move || {
            world(None).name("conformance.test", Lookup::addresses([SERVER.0])).build()
        })
        .world("a nameserver that fails", move || {
            world(Some(Fault::servfail())).name("conformance.test", Lookup::try_again()).build()
        })
        .world("a nameserver that sends control characters", move || {
            world(Some(Fault::control_characters())).name("conformance.test", Lookup::no_name()).build()
        })
        .check();
}

#[test]
fn tcp() {
    let given = || {
        conformance::stage(Tcp::new(TcpOptions::default())).given(|at, cx| {
            cx.hand_on(at, Destination::of(cx.target()));
            cx.hand_on(at, Addresses(vec![SERVER.0.into(), [192, 0, 2, 8].into()]));
        })
    };
    let other = ([192, 0, 2, 8], 80);
    let both = move || host().route(other.0, Route::new("unicast"));
    given()
        .world("both addresses answer", move || {
            let kernel = KernelInfo::default();
            both().tcp(SERVER, Dial::serve(answers).kernel(kernel)).tcp(other, Dial::serve(answers)).build()
        })
        .world("one is dead", move || {
            both().tcp(SERVER, Dial::silent()).tcp(other, Dial::serve(answers)).build()
        })
        .world("both are closed", move || {
            both().tcp(SERVER, Dial::refused()).tcp(other, Dial::refused()).build()
        })
        .check();
}

#[test]
fn tls() {
    let authority = Authority::new().unwrap();
    let mut options = TlsOptions::default();
    options.trust = Trust::Bundle(Bundle::new("test", vec![authority.certificate_der().clone()]));
    let good = authority.leaf("conformance.test").issue().unwrap();
    let expired = authority.leaf("conformance.test").expired(3).issue().unwrap();
    let world = |leaf: &reqpath_testkit::pki::Leaf| {
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(leaf.server_config().unwrap()));
        move || {
            let acceptor = acceptor.clone();
            let serve = move |exchange: Exchange| {
                let acceptor = acceptor.clone();
                async move {
                    let mut stream = acceptor.accept(exchange).await?;
                    while stream.read(&mut [0; 1024]).await? > 0 {}
                    Ok(())
                }
            };
            host().tcp(([192, 0, 2, 7], 443), serve).build()
        }
    };
    conformance::stage(Tls::new(options).unwrap())
        .url("https://conformance.test/path")
        .given(|at, cx| {
            cx.hand_on(at, Destination::of(cx.target()));
            cx.hand_on(at, Addresses(vec![SERVER.0.into()]));
        })
        .after(Tcp::new(TcpOptions::default()))
        .world("a good certificate", world(&good))
        .world("an expired certificate", world(&expired))
        .check();
}

#[test]
fn http() {
    let says = |bytes: &'static str| move || host().tcp(SERVER, Dial::answers(bytes)).build();
    conformance::stage(Http::new(HttpOptions::default()))
        .given(|at, cx| {
            cx.hand_on(at, Destination::of(cx.target()));
            cx.hand_on(at, Addresses(vec![SERVER.0.into()]));
        })
        .after(Tcp::new(TcpOptions::default()))
        .also_records("response")
        .also_records("client")
        .world("a good server", || host().tcp(SERVER, answers).build())
        .world("a server that closes", says(OK))
        .world("a server that says nothing", || host().tcp(SERVER, Exchange::hold).build())
        .world(
            "a server that redirects",
            says("HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n"),
        )
        .world("a server that answers by half", says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"))
        .world("a server of another protocol", says("SSH-2.0-OpenSSH_9.2p1\r\n"))
        .check();
}

#[test]
fn tunnel() {
    conformance::stage(Tunnel::new())
        .also_records("http")
        .given(|at, cx| {
            cx.hand_on(at, Destination::of(cx.target()));
            cx.hand_on(at, Dialled::plain(connection(peer(), answers), peer()));
        })
        .world("no proxy", || host().build())
        .check();
}

#[test]
fn clock() {
    let says = |bytes: &'static str| move || host().tcp(SERVER, Dial::answers(bytes)).build();
    let mut options = ClockOptions::default();
    options.from = vec![Target::get("http://192.0.2.7/").unwrap()];
    conformance::stage(Clock::new(options))
        // It records that it asked as any request is recorded, and its causes are those of the request's stage.
        .also_records("http")
        .beside(reqpath_stages::http::CAUSES.iter().copied())
        .given(|at, cx| cx.hand_on(at, Destination::of(cx.target())))
        .world("a good clock", says("HTTP/1.1 200 OK\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\r\n"))
        .world("no date", says(OK))
        .world("a date that is none", says("HTTP/1.1 200 OK\r\ndate: \x1b[31myesterday\r\n\r\n"))
        .world("a server that says nothing", || host().tcp(SERVER, Exchange::hold).build())
        .world("nobody there", || host().tcp(SERVER, Dial::refused()).build())
        .check();
}

#[test]
fn proxy() {
    conformance::stage(Proxy::new(ProxyOptions::default()))
        .world("a plain URL, whose hops name no logs", || host().build())
        .check();
}

#[test]
fn road() {
    conformance::stage(Declarations::new()).world("a path that declares nothing", || host().build()).check();
}

/// A database that answers the question about TLS so, and whatever comes after it.
fn database(answer: &'static [u8]) -> impl Fn() -> std::sync::Arc<FakeVantage> {
    move || {
        let serve = move |mut exchange: Exchange| async move {
            exchange.read_exact(&mut [0; 8]).await?;
            exchange.write_all(answer).await?;
            while exchange.read(&mut [0; 1024]).await? > 0 {}
            Ok(())
        };
        host().tcp(SERVER, serve).build()
    }
}

fn postgres() -> DbOptions {
    let mut options = DbOptions::default();
    options.protocol = Some(Protocol::Postgres);
    options
}

#[test]
fn db() {
    conformance::stage(Db::new(&postgres()))
        .given(|at, cx| {
            cx.hand_on(at, Destination::of(cx.target()));
            cx.hand_on(at, Addresses(vec![SERVER.0.into()]));
        })
        .after(Tcp::new(TcpOptions::default()))
        .world("a server with TLS", database(b"S"))
        .world("a server without", database(b"N"))
        .world("a server that complains", database(b"E\0\0\0\x0cSFATAL\0\0"))
        .world("a server of another protocol", database(b"SSH-2.0-OpenSSH_9.2p1\r\n"))
        .world("a server that says nothing", || host().tcp(SERVER, Exchange::hold).build())
        .check();
}

#[test]
fn secure() {
    conformance::stage(Secure::new(&postgres()).unwrap())
        .given(|at, cx| {
            cx.hand_on(at, Destination::of(cx.target()));
            cx.hand_on(at, Addresses(vec![SERVER.0.into()]));
        })
        .after(Tcp::new(TcpOptions::default()))
        .after(Db::new(&postgres()))
        .world("a server that promises TLS and does not speak it", database(b"S"))
        .world("a server without", database(b"N"))
        .check();
}

#[test]
fn every_stage_is_held_to_the_rules() {
    let stages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reqpath-stages");
    let suite = include_str!("conformance_stages.rs");
    let found: Vec<String> = sources(&stages).iter().flat_map(|path| stages_in(path)).collect();
    assert!(found.len() >= 7, "the stages of the facade were not found, only {found:?}");
    let missing: Vec<_> =
        found.iter().filter(|name| !suite.contains(&format!("conformance::stage({name}::new("))).collect();
    assert!(missing.is_empty(), "no conformance test of {missing:?}");
}

/// The names of what is a public stage in a file, its tests aside.
fn stages_in(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let names = product.lines().filter_map(|line| line.strip_prefix("impl Stage for "));
    names.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect()).collect()
}

/// Every source file of the stage crates.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

//! Faults of a forward proxy asked for a tunnel: a real tinyproxy, and a fake that says what it says.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use reqpath_core::{Report, Target, Trace};
use reqpath_stages::Road;
use reqpath_stages::tls::{Bundle, Trust};
use reqpath_testkit::FakeVantage;
use reqpath_testkit::lab::{self, Lab};
use reqpath_testkit::mock::{ClosedPort, FullAcceptQueue, MockUpstream, Reply, Tls};
use reqpath_testkit::pki::{Authority, Leaf};
use reqpath_testkit::real::{Tinyproxy, TinyproxyBuilder};
use reqpath_testkit::vantage::{Dial, Exchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::body::{OK, Real, figures, runtime, same, walk};

/// What every answer but an open tunnel is to the client: words of tinyproxy, with its name.
fn refusal(status: &str, more: &str) -> String {
    format!(
        "HTTP/1.0 {status}\r\nServer: {}\r\nContent-Type: text/html\r\n{more}Connection: close\r\n\r\n",
        agent()
    )
}

/// What tinyproxy calls itself.
fn agent() -> String {
    let said = Command::new("tinyproxy").arg("-v").output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().replace(' ', "/")
}

/// A proxy so, with this server behind it, and a fake proxy: the same evidence.
#[track_caller]
fn through(
    proxy: TinyproxyBuilder,
    behind: impl FnOnce(&Leaf) -> Real + Send,
    fake: impl FnOnce(&Leaf) -> Dial,
) -> Option<Report> {
    let lab = lab::or_skip(Lab::builder().host("client").build())?;
    let client = &lab["client"];
    let proxy = lab::or_skip(client.start(|| proxy.start()))?;
    let authority = Authority::new().unwrap();
    let leaf = authority.leaf("127.0.0.1").issue().unwrap();
    let behind = client.run(|| behind(&leaf)).unwrap();
    client.set_env("https_proxy", &proxy.url()).unwrap();

    let mut road = Road::new().road_only();
    road.tcp.connect_timeout = Duration::from_millis(800);
    road.tls.trust = Trust::Bundle(Bundle::new("test", vec![authority.certificate_der().clone()]));
    let target = Target::builder(&format!("https://{}/x", behind.address)).unwrap();
    let target = target.max_time(Duration::from_millis(1500)).build();
    let on_sockets = client
        .trace(
            &road.clone().pipeline().unwrap(),
            Trace::new(target.clone(), client.vantage())
                .without_last_try()
                .request_id("0123456789abcdef0123456789abcdef"),
        )
        .unwrap();
    let in_memory = runtime(true).block_on(async {
        let vantage = FakeVantage::builder()
            .named("client")
            .variable("https_proxy", &proxy.url())
            .tcp(proxy.address(), fake(&leaf).kernel(figures()))
            .build();
        let report = walk(vantage.clone(), road, target).await;
        vantage.verify().unwrap();
        report
    });
    same(&on_sockets, &in_memory);
    Some(in_memory)
}

/// A web server behind the proxy.
fn shop(leaf: &Leaf) -> Real {
    Real::mock(
        MockUpstream::builder()
            .tls(Tls::new(leaf).alpn(&["http/1.1"]))
            .reply(Reply::raw(OK))
            .start()
            .unwrap(),
    )
}

fn says(answer: String) -> impl FnOnce(&Leaf) -> Dial {
    |_| Dial::answers(answer)
}

#[test]
fn a_tunnel_that_opens() {
    lab::rootless(|| {
        let report = through(Tinyproxy::builder(), shop, |leaf| {
            let mut config = leaf.server_config().unwrap();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let opened = format!("HTTP/1.0 200 Connection established\r\nProxy-agent: {}\r\n\r\n", agent());
            Dial::serve(move |mut exchange: Exchange| {
                let (acceptor, opened) = (acceptor.clone(), opened.clone());
                async move {
                    exchange.read_head().await?;
                    exchange.write_all(opened.as_bytes()).await?;
                    let mut stream = acceptor.accept(exchange).await?;
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    stream.write_all(OK.as_bytes()).await?;
                    stream.shutdown().await
                }
            })
        });
        if let Some(report) = report {
            reqpath_testkit::assert_reached!(report);
        }
    });
}

#[test]
fn a_port_the_proxy_does_not_tunnel_to() {
    lab::rootless(|| {
        let fake = says(refusal("403 Access violation", ""));
        if let Some(report) = through(Tinyproxy::builder().tunnels_to(1), shop, fake) {
            reqpath_testkit::assert_died!(report, of "client.tunnel_failed");
        }
    });
}

#[test]
fn a_proxy_that_wants_a_password() {
    lab::rootless(|| {
        let more = "Proxy-Authenticate: Basic realm=\"Tinyproxy\"\r\n";
        let fake = says(refusal("407 Proxy Authentication Required", more));
        if let Some(report) = through(Tinyproxy::builder().password("me", "secret"), shop, fake) {
            reqpath_testkit::assert_died!(report, of "client.tunnel_failed");
        }
    });
}

#[test]
fn a_server_that_refuses_the_proxy() {
    lab::rootless(|| {
        let closed = |_: &Leaf| {
            let port = ClosedPort::reserve().unwrap();
            Real::of(port.address(), port)
        };
        let fake = says(refusal("500 Unable to connect", ""));
        if let Some(report) = through(Tinyproxy::builder(), closed, fake) {
            reqpath_testkit::assert_died!(report, of "client.tunnel_failed");
        }
    });
}

#[test]
fn a_server_that_does_not_answer_the_proxy() {
    lab::rootless(|| {
        let full = |_: &Leaf| {
            let full = FullAcceptQueue::start().unwrap();
            Real::of(full.address(), full)
        };
        if let Some(report) = through(Tinyproxy::builder(), full, |_| Dial::serve(Exchange::hold)) {
            reqpath_testkit::assert_died!(report);
        }
    });
}

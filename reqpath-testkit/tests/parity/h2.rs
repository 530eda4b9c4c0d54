//! Faults of HTTP/2: a real nginx, and a fake that speaks it frame by frame.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Connection, SendResponse};
use http::Response;
use reqpath_core::Report;
use reqpath_stages::Road;
use reqpath_stages::tls::{Bundle, Trust};
use reqpath_testkit::mock::{ClosedPort, MockUpstream, Reply};
use reqpath_testkit::pki::{Authority, Leaf};
use reqpath_testkit::real::{Envoy, Haproxy, Nginx, NginxBuilder, require};
use reqpath_testkit::vantage::{Dial, Exchange};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::body::{Differs, How, Real, compare_but, one, road};

/// What differs with HTTP/2 besides.
const DIFFERS: &[Differs] = &[
    ("http.exchange", "bytes_sent", How::Value, "settings and acknowledgements differ by implementation"),
    (
        "http.exchange",
        "bytes_received",
        How::Value,
        "settings, window updates and HPACK differ by implementation",
    ),
    ("http.exchange", "first_bytes", How::Value, "they are the settings, which differ by implementation"),
    ("http.exchange", "header date", How::Value, "the one walk is made after the other"),
];

type Server = Connection<TlsStream<Exchange>, Bytes>;
type Answer = fn(&mut Server, SendResponse<Bytes>) -> Result<(), h2::Error>;

/// nginx so, and a fake that answers so: the same evidence.
#[track_caller]
fn spoken(nginx: NginxBuilder, directives: &str, change: fn(&mut Road), answer: Answer) -> Option<Report> {
    let server = "listen {listen} ssl http2; server_tokens off; ssl_protocols TLSv1.3; default_type text/plain; \
                  ssl_certificate {certificate:shop}; ssl_certificate_key {key:shop};\n";
    let start = |leaf: &Leaf| {
        let nginx = nginx.certificate("shop", leaf.chain_pem(), leaf.key_pem());
        let nginx = require(nginx.server(&format!("{server}{directives}")).start())?;
        Some(Real::of(nginx.address(), nginx))
    };
    spoken_by(start, change, answer)
}

/// A real server with this certificate, and a fake that answers so: the same evidence.
#[track_caller]
fn spoken_by(
    start: impl FnOnce(&Leaf) -> Option<Real>,
    change: fn(&mut Road),
    answer: Answer,
) -> Option<Report> {
    let authority = Authority::new().unwrap();
    let leaf = authority.leaf("shop.test").issue().unwrap();
    let real = start(&leaf)?;
    let mut config = leaf.server_config().unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut road = road();
    road.tls.trust = Trust::Bundle(Bundle::new("test", vec![authority.certificate_der().clone()]));
    road.client.resolve = vec![format!("shop.test:{}:127.0.0.1", real.address.port()).parse().unwrap()];
    change(&mut road);
    Some(compare_but(DIFFERS, "https://shop.test:PORT/x", road, real, |address| {
        one(address, Dial::serve(move |exchange| served(acceptor.clone(), exchange, answer)))
    }))
}

/// Answers every request of one connection.
async fn served(acceptor: TlsAcceptor, exchange: Exchange, answer: Answer) -> io::Result<()> {
    let mut server: Server =
        h2::server::handshake(acceptor.accept(exchange).await?).await.map_err(io::Error::other)?;
    while let Some(request) = server.accept().await {
        let (_request, respond) = request.map_err(io::Error::other)?;
        answer(&mut server, respond).map_err(io::Error::other)?;
    }
    Ok(())
}

/// A head as nginx sends it.
fn head(status: u16, length: u64, kind: &str) -> Response<()> {
    Response::builder()
        .status(status)
        .header("server", "nginx")
        .header("date", "Sun, 22 Nov 2026 12:00:00 GMT")
        .header("content-type", kind)
        .header("content-length", length)
        .body(())
        .unwrap()
}

fn whole(
    status: u16,
    body: &'static str,
    kind: &str,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut out = respond.send_response(head(status, body.len() as u64, kind), false)?;
    out.send_data(Bytes::from_static(body.as_bytes()), true)
}

fn ok(_: &mut Server, respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    whole(200, "ok", "text/plain", respond)
}

#[test]
fn a_whole_answer() {
    if let Some(report) = spoken(Nginx::builder(), "return 200 'ok';", |_| (), ok) {
        reqpath_testkit::assert_reached!(report, with "HTTP/2 200");
    }
}

#[test]
fn a_failure_by_status() {
    let report = spoken(
        Nginx::builder(),
        "location / { return 503 'later'; }",
        |_| (),
        |_, respond| whole(503, "later", "text/plain", respond),
    );
    if let Some(report) = report {
        reqpath_testkit::assert_died!(report, of "http.error");
    }
}

#[test]
fn a_refusal_by_status() {
    let report = spoken(
        Nginx::builder(),
        "location / { return 404 'nobody'; }",
        |_| (),
        |_, respond| whole(404, "nobody", "text/plain", respond),
    );
    assert!(report.is_none_or(|report| report.verdict.is_some()));
}

#[test]
fn a_server_behind_that_refuses() {
    let closed = ClosedPort::reserve().unwrap();
    let nginx = Nginx::builder().value("closed", closed.address());
    let report = spoken(
        nginx,
        "location / { proxy_pass http://{closed}; }",
        |_| (),
        |_, respond| {
            let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
                    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n\
                    </body>\r\n</html>\r\n";
            whole(502, page, "text/html", respond)
        },
    );
    if let Some(report) = report {
        reqpath_testkit::assert_died!(report, of "http.error");
    }
}

#[test]
fn a_head_larger_than_the_client_reads() {
    let little = |road: &mut Road| road.http.max_header = 2 << 10;
    let nginx = Nginx::builder().value("large", "x".repeat(3000));
    let report = spoken(nginx, "add_header x-large {large}; return 200 'ok';", little, |_, mut respond| {
        let mut head = head(200, 2, "text/plain");
        head.headers_mut().insert("x-large", "x".repeat(3000).parse().unwrap());
        let mut out = respond.send_response(head, false)?;
        out.send_data(Bytes::from_static(b"ok"), true)
    });
    if let Some(report) = report {
        reqpath_testkit::assert_died!(report, of "http.response.header_section_size");
    }
}

#[test]
fn a_connection_that_is_told_to_go_away() {
    // The second request is asked for on the first connection, after GOAWAY has come.
    let again = |road: &mut Road| road.http.side_looks = true;
    let report =
        spoken(Nginx::builder(), "keepalive_requests 1; return 200 'ok';", again, |server, respond| {
            ok(server, respond)?;
            server.graceful_shutdown();
            Ok(())
        });
    if let Some(report) = report {
        reqpath_testkit::assert_reached!(report);
        let reuse = reqpath_testkit::assertions::the_only::<reqpath_stages::http::Reuse>(&report);
        assert!(reuse.goaway, "{reuse:?}");
    }
}

#[test]
fn a_stream_reset_in_mid_body() {
    // nginx resets the stream when the server behind it breaks off.
    let broken = MockUpstream::start(Reply::ok(vec![b'x'; 1000]).truncate_after(400)).unwrap();
    let nginx = Nginx::builder().value("broken", broken.address());
    let directives = "location / { proxy_pass http://{broken}; proxy_hide_header date; }";
    let report = spoken(
        nginx,
        directives,
        |_| (),
        |_, mut respond| {
            let mut head = head(200, 1000, "text/plain");
            head.headers_mut().remove("content-type");
            let mut out = respond.send_response(head, false)?;
            out.send_data(Bytes::from(vec![b'x'; 400]), false)?;
            // A reset at once would take the place of what is yet to be sent; this clock moves when nothing else does.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                out.send_reset(Reason::INTERNAL_ERROR);
            });
            Ok(())
        },
    );
    if let Some(report) = report {
        reqpath_testkit::assert_died!(report, of "response.reset_mid_body");
    }
}

/// HAProxy with this in its frontend.
fn haproxy(leaf: &Leaf, rules: &str) -> Option<Real> {
    let bind = "bind {listen} ssl crt {pem:shop} alpn h2 ssl-min-ver TLSv1.3";
    let haproxy = Haproxy::builder().certificate("shop", leaf.chain_pem(), leaf.key_pem());
    let haproxy = require(haproxy.config(&format!("frontend shop\n {bind}\n {rules}")).start())?;
    Some(Real::of(haproxy.address(), haproxy))
}

#[test]
fn a_whole_answer_of_haproxy() {
    let rule = "http-request return status 200 content-type text/plain string ok";
    let report = spoken_by(
        |leaf| haproxy(leaf, rule),
        |_| (),
        |_, mut respond| {
            let mut head = head(200, 2, "text/plain");
            // It adds nothing of its own.
            head.headers_mut().remove("server");
            head.headers_mut().remove("date");
            let mut out =
                respond.send_response(in_order(head, &["content-length", "content-type"]), false)?;
            out.send_data(Bytes::from_static(b"ok"), true)
        },
    );
    if let Some(report) = report {
        reqpath_testkit::assert_reached!(report, with "HTTP/2 200");
    }
}

#[test]
fn haproxy_without_a_server_behind() {
    let report = spoken_by(
        |leaf| haproxy(leaf, "default_backend none\nbackend none"),
        |_| (),
        |_, mut respond| {
            let page = "<html><body><h1>503 Service Unavailable</h1>\n\
                    No server is available to handle this request.\n</body></html>\n";
            let mut head = head(503, page.len() as u64, "text/html");
            head.headers_mut().remove("server");
            head.headers_mut().remove("date");
            head.headers_mut().insert("cache-control", "no-cache".parse().unwrap());
            let head = in_order(head, &["content-length", "cache-control", "content-type"]);
            let mut out = respond.send_response(head, false)?;
            out.send_data(Bytes::from_static(page.as_bytes()), true)
        },
    );
    if let Some(report) = report {
        reqpath_testkit::assert_died!(report, of "http.error");
    }
}

#[test]
fn a_failure_made_by_envoy() {
    let start = |leaf: &Leaf| {
        let envoy = Envoy::builder().certificate("shop", leaf.chain_pem(), leaf.key_pem()).config(ENVOY);
        let envoy = require(envoy.start())?;
        Some(Real::of(envoy.address(), envoy))
    };
    let report = spoken_by(
        start,
        |_| (),
        |_, mut respond| {
            let mut head = head(503, 5, "text/plain");
            head.headers_mut().insert("server", "envoy".parse().unwrap());
            let head = in_order(head, &["content-length", "content-type", "date", "server"]);
            let mut out = respond.send_response(head, false)?;
            out.send_data(Bytes::from_static(b"later"), true)
        },
    );
    if let Some(report) = report {
        reqpath_testkit::assert_died!(report, of "http.error");
    }
}

/// The same head with its headers in this order, as they are sent in the order of insertion.
fn in_order(head: Response<()>, names: &[&'static str]) -> Response<()> {
    let mut sorted = Response::new(());
    *sorted.status_mut() = head.status();
    for &name in names {
        sorted.headers_mut().insert(name, head.headers()[name].clone());
    }
    sorted
}

const ENVOY: &str = r#"
static_resources:
  listeners:
  - address: {listen}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                direct_response: {status: 503, body: {inline_string: later}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2]
            tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}
            tls_certificates:
            - certificate_chain: {filename: "{certificate:shop}"}
              private_key: {filename: "{key:shop}"}
"#;

//! The mock over TLS and HTTP/2, driven by rustls, hyper and openssl.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed expectation in a test is the message, and a skip says why"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqpath_testkit::mock::{Connection, MockUpstream, Reply, Request, Tls};
use reqpath_testkit::pki::{Authority, Leaf};
use rustls::{AlertDescription, CipherSuite, ClientConfig, ClientConnection, Error, StreamOwned};

const SOON: Duration = Duration::from_secs(10);

struct World {
    root: Authority,
    leaf: Leaf,
}

fn world() -> World {
    let root = Authority::new().unwrap();
    let leaf = root.leaf("a.test").issue().unwrap();
    World { root, leaf }
}

impl World {
    fn client(&self) -> ClientConfig {
        self.root.client_config().unwrap()
    }
}

/// One request over TLS by blocking rustls: the whole answer, or the TLS error.
fn visit(mock: &MockUpstream, config: ClientConfig, name: &str) -> Result<String, Error> {
    let (session, outcome) = talk(mock, config, name);
    drop(session);
    outcome
}

fn talk(mock: &MockUpstream, config: ClientConfig, name: &str) -> (ClientConnection, Result<String, Error>) {
    let tcp = TcpStream::connect(mock.address()).unwrap();
    tcp.set_read_timeout(Some(SOON)).unwrap();
    let session = ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(session, tcp);
    let mut answer = Vec::new();
    let outcome = write!(stream, "GET / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n")
        .and_then(|()| stream.read_to_end(&mut answer));
    let outcome = match outcome {
        Ok(_) => Ok(String::from_utf8_lossy(&answer).into_owned()),
        Err(error) => Err(error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>())
            .cloned()
            .unwrap_or_else(|| Error::General(format!("{:?}", error.kind())))),
    };
    (stream.conn, outcome)
}

fn alert(outcome: Result<String, Error>) -> AlertDescription {
    match outcome {
        Err(Error::AlertReceived(alert)) => alert,
        other => panic!("expected an alert, got {other:?}"),
    }
}

#[test]
fn serves_and_records_the_handshake() {
    let world = world();
    let mock = MockUpstream::builder().tls(&world.leaf).reply(Reply::ok("secret")).expect(1).start().unwrap();
    let mut config = world.client();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    assert!(visit(&mock, config, "a.test").unwrap().ends_with("secret"));
    let tls = mock.requests()[0].tls.clone().unwrap();
    assert_eq!((tls.sni.as_deref(), tls.alpn.as_deref()), (Some("a.test"), Some("http/1.1")));
    assert_eq!(tls.version.as_deref(), Some("TLSv1_3"));
    assert!(mock.url("/x").starts_with("https://127.0.0.1:"));
    assert_eq!(mock.url_for("a.test", "/x"), format!("https://a.test:{}/x", mock.address().port()));
}

#[test]
fn chooses_certificates_by_name() {
    let world = world();
    let other = world.root.leaf("b.test").issue().unwrap();
    let mock = MockUpstream::builder().tls(Tls::new(&world.leaf).for_name("b.test", &other)).start().unwrap();
    visit(&mock, world.client(), "a.test").unwrap();
    visit(&mock, world.client(), "b.test").unwrap();
    assert!(matches!(visit(&mock, world.client(), "c.test"), Err(Error::InvalidCertificate(_))));

    let strict = Tls::new(&world.leaf).for_name("b.test", &other).refuse_unknown_names();
    let mock = MockUpstream::builder().tls(strict).start().unwrap();
    visit(&mock, world.client(), "b.test").unwrap();
    assert_eq!(alert(visit(&mock, world.client(), "c.test")), AlertDescription::UnrecognisedName);
    assert_eq!(
        mock.connections()[1].tls.as_ref().unwrap().failure.as_deref(),
        Some("the name is not served here")
    );
}

#[test]
fn limits_versions_and_suites() {
    let world = world();
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
    let mock =
        MockUpstream::builder().tls(Tls::new(&world.leaf).only_tls12().suites(&[suite])).start().unwrap();
    let (session, outcome) = talk(&mock, world.client(), "a.test");
    outcome.unwrap();
    assert_eq!(session.negotiated_cipher_suite().unwrap().suite(), suite);
    let modern = ClientConfig::builder_with_provider(reqpath_testkit::pki::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(world.root.root_store().unwrap())
        .with_no_client_auth();
    assert_eq!(alert(visit(&mock, modern, "a.test")), AlertDescription::ProtocolVersion);

    let mock = MockUpstream::builder().tls(Tls::new(&world.leaf).only_tls13().alpn(&["h2"])).start().unwrap();
    let mut config = world.client();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    assert_eq!(alert(visit(&mock, config, "a.test")), AlertDescription::NoApplicationProtocol);
}

#[test]
fn sends_the_alert_of_choice_and_other_wrong_answers() {
    let world = world();
    for (code, expected) in
        [(70, AlertDescription::ProtocolVersion), (40, AlertDescription::HandshakeFailure)]
    {
        let mock = MockUpstream::builder()
            .tls(&world.leaf)
            .connections(Connection::tls_alert(code))
            .start()
            .unwrap();
        assert_eq!(alert(visit(&mock, world.client(), "a.test")), expected);
    }
    for script in [Connection::plain_http_400(), Connection::ssh()] {
        let mock = MockUpstream::builder().tls(&world.leaf).connections(script).start().unwrap();
        let outcome = visit(&mock, world.client(), "a.test");
        assert!(matches!(outcome, Err(Error::InvalidMessage(_))), "{outcome:?}");
    }
    let mock = MockUpstream::builder()
        .tls(&world.leaf)
        .connections(Connection::reset_after_first_bytes())
        .start()
        .unwrap();
    assert_eq!(
        visit(&mock, world.client(), "a.test").unwrap_err(),
        Error::General("ConnectionReset".to_owned())
    );
    assert_eq!(mock.connections()[0].first_bytes[0], 22, "a handshake record");

    let mock = MockUpstream::builder().tls(&world.leaf).connections(Connection::silent()).start().unwrap();
    let mut tcp = TcpStream::connect(mock.address()).unwrap();
    tcp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    tcp.write_all(&[22, 3, 1, 0, 5]).unwrap();
    assert_eq!(tcp.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn explains_plain_http_when_told() {
    let world = world();
    let plain = |tls: Tls| {
        let mock = MockUpstream::builder().tls(tls).never_called().start().unwrap();
        let mut tcp = TcpStream::connect(mock.address()).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        tcp.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        drop(tcp.read_to_end(&mut answer));
        answer
    };
    let explained = plain(Tls::new(&world.leaf).explain_plain_http());
    assert!(String::from_utf8(explained).unwrap().contains("The plain HTTP request was sent to HTTPS port"));
    assert_eq!(plain(Tls::new(&world.leaf))[0], 21, "an alert record");
}

#[test]
fn asks_for_client_certificates_either_way() {
    let world = world();
    let robot = world.root.client("robot").issue().unwrap();
    let stranger = Authority::named("stranger").unwrap().client("robot").issue().unwrap();

    let strict = MockUpstream::builder()
        .tls(Tls::new(&world.leaf).require_client(&world.root))
        .expect(1)
        .start()
        .unwrap();
    assert_eq!(alert(visit(&strict, world.client(), "a.test")), AlertDescription::CertificateRequired);
    let unknown = world.root.client_config_as(&stranger).unwrap();
    assert_eq!(alert(visit(&strict, unknown, "a.test")), AlertDescription::UnknownCA);
    visit(&strict, world.root.client_config_as(&robot).unwrap(), "a.test").unwrap();
    assert_eq!(strict.requests()[0].tls.as_ref().unwrap().client_certificates[0], *robot.certificate_der());

    let polite = MockUpstream::builder()
        .tls(Tls::new(&world.leaf).ask_client(&world.root))
        .reply(Reply::ok("in"))
        .start()
        .unwrap();
    let absent = visit(&polite, world.client(), "a.test").unwrap();
    assert!(
        absent.starts_with("HTTP/1.1 400 ") && absent.contains("No required SSL certificate was sent"),
        "{absent}"
    );
    let wrong = visit(&polite, world.root.client_config_as(&stranger).unwrap(), "a.test").unwrap();
    assert!(wrong.contains("The SSL certificate error"), "{wrong}");
    assert!(visit(&polite, world.root.client_config_as(&robot).unwrap(), "a.test").unwrap().ends_with("in"));
}

#[test]
fn ends_with_or_without_close_notify() {
    let world = world();
    let end = |script: Connection| {
        let mock = MockUpstream::builder().tls(&world.leaf).connections(script).start().unwrap();
        visit(&mock, world.client(), "a.test")
    };
    end(Connection::serve()).unwrap();
    assert_eq!(
        end(Connection::serve().without_close_notify()).unwrap_err(),
        Error::General("UnexpectedEof".to_owned())
    );
    let mock =
        MockUpstream::builder().tls(&world.leaf).reply(Reply::ok("abcdef").reset_after(3)).start().unwrap();
    assert_eq!(
        visit(&mock, world.client(), "a.test").unwrap_err(),
        Error::General("ConnectionReset".to_owned())
    );
}

#[test]
fn openssl_agrees() {
    let Ok(found) = Command::new("openssl").arg("version").output() else {
        assert!(std::env::var_os("REQPATH_REQUIRE_REAL").is_none(), "openssl is required and not installed");
        eprintln!("skipped: openssl is not installed");
        return;
    };
    assert!(found.status.success());
    let world = world();
    let s_client = |mock: &MockUpstream, more: &[&str]| {
        let output = Command::new("openssl")
            .args(["s_client", "-servername", "a.test", "-connect", &mock.address().to_string()])
            .args(more)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let mock = MockUpstream::builder().tls(&world.leaf).start().unwrap();
    let said = s_client(&mock, &["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: h2") && said.contains("TLSv1.3"), "{said}");
    let mock = MockUpstream::builder().tls(Tls::new(&world.leaf).only_tls12()).start().unwrap();
    let said = s_client(&mock, &["-tls1_3"]);
    assert!(said.contains("alert protocol version"), "{said}");
    let mock =
        MockUpstream::builder().tls(&world.leaf).connections(Connection::tls_alert(112)).start().unwrap();
    let said = s_client(&mock, &[]);
    assert!(said.contains("unrecognized name"), "{said}");
}

type Sender = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

/// An HTTP/2 connection by hyper over TLS, and the task that drives it.
async fn http2(mock: &MockUpstream, world: &World) -> (Sender, tokio::task::JoinHandle<hyper::Result<()>>) {
    let tcp = tokio::net::TcpStream::connect(mock.address()).await.unwrap();
    let mut config = world.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tls = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = tls.connect("a.test".try_into().unwrap(), tcp).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(target: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(format!("https://a.test{target}")).body(Empty::new()).unwrap()
}

async fn fetch(sender: &mut Sender, target: &str) -> Result<(u16, Bytes), hyper::Error> {
    let response = sender.send_request(request(target)).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

fn reason(error: &hyper::Error) -> h2::Reason {
    let source = std::error::Error::source(error).unwrap();
    source.downcast_ref::<h2::Error>().unwrap().reason().unwrap()
}

#[tokio::test]
async fn speaks_http2() {
    let world = world();
    let mock = MockUpstream::builder()
        .tls(&world.leaf)
        .reply(|request: &Request| match request.target.as_str() {
            "/misdirected" => Reply::misdirected(),
            "/big" => Reply::status(200).repeating("abc", Some(3_000_000)),
            "/slow" => Reply::ok("abcdef").trickle(2, Duration::from_millis(5)),
            "/cut" => Reply::ok("abcdef").reset_after(3),
            "/raw" => Reply::garbage(),
            _ => Reply::ok("two").header("connection", "keep-alive"),
        })
        .start()
        .unwrap();
    let (mut sender, _task) = http2(&mock, &world).await;
    assert_eq!(fetch(&mut sender, "/").await.unwrap(), (200, Bytes::from_static(b"two")));
    assert_eq!(fetch(&mut sender, "/misdirected").await.unwrap().0, 421);
    assert_eq!(fetch(&mut sender, "/big").await.unwrap().1.len(), 3_000_000);
    assert_eq!(fetch(&mut sender, "/slow").await.unwrap().1, "abcdef");
    assert_eq!(reason(&fetch(&mut sender, "/cut").await.unwrap_err()), h2::Reason::INTERNAL_ERROR);
    assert_eq!(reason(&fetch(&mut sender, "/raw").await.unwrap_err()), h2::Reason::PROTOCOL_ERROR);
    let requests = mock.requests();
    assert_eq!(
        requests.iter().map(|r| (r.connection, r.index)).collect::<Vec<_>>()[..3],
        [(0, 0), (0, 1), (0, 2)]
    );
    assert_eq!((requests[0].version, requests[0].host()), (http::Version::HTTP_2, Some("a.test")));
}

#[tokio::test]
async fn says_goaway() {
    let world = world();
    let mock = MockUpstream::builder()
        .tls(&world.leaf)
        .connections(Connection::serve().goaway_after(0))
        .never_called()
        .start()
        .unwrap();
    let (mut sender, task) = http2(&mock, &world).await;
    assert!(fetch(&mut sender, "/").await.is_err());
    drop((sender, task.await));

    let mock = MockUpstream::builder()
        .tls(&world.leaf)
        .connections(Connection::serve().goaway_after(2))
        .reply(Reply::ok("x"))
        .expect(2)
        .start()
        .unwrap();
    let (mut sender, task) = http2(&mock, &world).await;
    assert_eq!(fetch(&mut sender, "/").await.unwrap().0, 200);
    assert_eq!(fetch(&mut sender, "/").await.unwrap().0, 200);
    // The connection drains and ends by itself, and takes no third request.
    task.await.unwrap().unwrap();
    assert!(fetch(&mut sender, "/").await.is_err());
}

#[tokio::test]
async fn ends_the_connection_under_http2() {
    let world = world();
    for reply in [Reply::close(), Reply::reset()] {
        let mock = MockUpstream::builder().tls(&world.leaf).reply(reply).expect(1).start().unwrap();
        let (mut sender, task) = http2(&mock, &world).await;
        assert!(fetch(&mut sender, "/").await.is_err());
        drop(task.await);
    }
}

#[test]
fn speaks_another_protocol_than_agreed() {
    let world = world();
    let mock = MockUpstream::builder()
        .tls(&world.leaf)
        .connections(Connection::serve().speaks_http1_only())
        .reply(Reply::ok("one"))
        .start()
        .unwrap();
    let mut config = world.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (session, answer) = talk(&mock, config, "a.test");
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
}

//! What is probed: a small HTTP and HTTPS server in a process of its own.

use std::convert::Infallible;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Error;

const ASKED: &str = "REQPATH_BENCH_SERVER";
/// Several of each kind, so that no single one runs out of the client's ports.
const PORTS: usize = 8;
const BODY: &[u8] = b"ok\n";
/// How long it works on an answer.
///
/// That makes it slower than the clients that it is there to measure. Asked by many at once it never sleeps then;
/// otherwise the slower client would be charged for waking it, which on one machine costs more than a system call,
/// and which no client pays whose server is elsewhere.
const WORK: Duration = Duration::from_micros(20);

/// A small server in a process of its own, ended with this value.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// The server ends when this closes, however this process ends.
    _leash: ChildStdin,
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    issuer: CertificateDer<'static>,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts this very program again, as a server: its `main` must begin with [`serve_if_asked`].
    ///
    /// # Errors
    ///
    /// When the process cannot be started or does not say where it listens.
    pub fn start() -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("make a folder"))?;
        let program = env::current_exe().map_err(Error::io("find this program"))?;
        let mut process = Command::new(program)
            .env(ASKED, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::io("start the server"))?;
        let (Some(leash), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Error::part("server", "it has no pipes"));
        };
        let mut lines = BufReader::new(output).lines();
        let mut line = || match lines.next() {
            Some(line) => line.map_err(Error::io("read what the server says")),
            None => Err(Error::part("server", "it ended before it listened")),
        };
        let addresses = |line: String| -> Result<Vec<SocketAddr>, Error> {
            line.split(' ').map(|text| text.parse().map_err(|e| Error::part("server", e))).collect()
        };
        let (http, https) = (addresses(line()?)?, addresses(line()?)?);
        let issuer = hex(&line()?).ok_or_else(|| Error::part("server", "its issuer does not read"))?;
        let server =
            Self { process, _leash: leash, http, https, issuer: CertificateDer::from(issuer), folder };
        let pem = pem(&server.issuer);
        std::fs::write(server.issuer_file(), pem).map_err(Error::io("write the issuer's certificate"))?;
        Ok(server)
    }

    /// The address that the probe of this number goes to.
    #[must_use]
    pub fn address(&self, tls: bool, number: usize) -> SocketAddr {
        let addresses = if tls { &self.https } else { &self.http };
        addresses[number % addresses.len()]
    }

    /// How many different addresses there are of each kind.
    #[must_use]
    pub fn ports(&self) -> usize {
        self.http.len()
    }

    /// The URL that the probe of this number asks for.
    #[must_use]
    pub fn url(&self, tls: bool, number: usize) -> String {
        format!("{}://{}/", if tls { "https" } else { "http" }, self.address(tls, number))
    }

    /// The certificate that issued the server's own.
    #[must_use]
    pub fn issuer(&self) -> &CertificateDer<'static> {
        &self.issuer
    }

    /// The same in a PEM file.
    #[must_use]
    pub fn issuer_file(&self) -> PathBuf {
        self.folder.path().join("issuer.pem")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Becomes the server and does not return, when [`Server::start`] asked for it.
pub fn serve_if_asked() {
    if env::var_os(ASKED).is_none() {
        return;
    }
    let ended = serve();
    std::process::exit(i32::from(ended.is_err()));
}

fn serve() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("start a runtime"))?;
    let (issuer, config) = certificates()?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    runtime.block_on(async {
        let mut addresses = [Vec::new(), Vec::new()];
        for number in 0..PORTS * 2 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io("listen"))?;
            let tls = number >= PORTS;
            let address = listener.local_addr().map_err(Error::io("listen"))?;
            addresses[usize::from(tls)].push(address.to_string());
            tokio::spawn(accept(listener, tls.then(|| acceptor.clone())));
        }
        let issuer: String = issuer.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut out = std::io::stdout();
        writeln!(out, "{}\n{}\n{issuer}", addresses[0].join(" "), addresses[1].join(" "))
            .and_then(|()| out.flush())
            .map_err(Error::io("say where the server listens"))?;
        // Until whoever started it goes away.
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let tls = tls.clone();
        tokio::spawn(async move {
            // A peer that goes away early is the peer's affair.
            let _ = stream.set_nodelay(true);
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        answer(stream).await;
                    }
                }
                None => answer::<TcpStream>(stream).await,
            }
        });
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let service = service_fn(async |_request| {
        let asked = Instant::now();
        while asked.elapsed() < WORK {
            std::hint::spin_loop();
        }
        let response = http::Response::builder()
            .header(http::header::CONTENT_TYPE, "text/plain")
            .header(http::header::SERVER, "bench")
            .body(Full::new(Bytes::from_static(BODY)));
        Ok::<_, Infallible>(response.unwrap_or_default())
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An issuer and a leaf, both EC P-256, and a server that never resumes.
fn certificates() -> Result<(CertificateDer<'static>, rustls::ServerConfig), Error> {
    let made = |e: rcgen::Error| Error::part("certificates", e);
    let issuer_key = KeyPair::generate().map_err(made)?;
    let mut issuer_params = CertificateParams::new(Vec::new()).map_err(made)?;
    issuer_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = issuer_params.self_signed(&issuer_key).map_err(made)?;
    let leaf_key = KeyPair::generate().map_err(made)?;
    let leaf = CertificateParams::new(vec![Ipv4Addr::LOCALHOST.to_string()])
        .and_then(|params| params.signed_by(&leaf_key, &Issuer::new(issuer_params, &issuer_key)))
        .map_err(made)?;
    let configured = |e: rustls::Error| Error::part("server", e);
    let mut config = rustls::ServerConfig::builder_with_provider(crate::bare::provider())
        .with_safe_default_protocol_versions()
        .map_err(configured)?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(leaf_key.serialize_der()).into())
        .map_err(configured)?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((issuer.der().clone(), config))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pairs =
        text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}

fn pem(certificate: &[u8]) -> String {
    // Through rcgen's own PEM this would need the parameters again; the encoding is this short.
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in certificate.chunks(48) {
        for chunk in line.chunks(3) {
            let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for place in 0..4 {
                let letter = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
            }
        }
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

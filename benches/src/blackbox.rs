//! `prometheus-blackbox-exporter`, as it is packaged, driven over its own HTTP interface.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{Error, Meter};

const PROGRAM: &str = "prometheus-blackbox-exporter";
const START: Duration = Duration::from_secs(20);
/// An answer is a page of metrics.
const MOST_BYTES: usize = 1 << 20;
/// The formats that Prometheus takes, and which of them it would rather have.
const FORMATS: &str = "application/openmetrics-text;version=1.0.0;q=0.5,\
                       application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
/// The same in either of them.
const SUCCESSES: [&[u8]; 2] = [b"\nprobe_success 1\n", b"\nprobe_success 1.0\n"];

/// A running exporter, ended with this value.
#[derive(Debug)]
pub struct Blackbox {
    process: Child,
    address: SocketAddr,
    /// Connections to it that wait for their next request.
    idle: Mutex<Vec<SendRequest<Empty<Bytes>>>>,
    _folder: tempfile::TempDir,
}

impl Blackbox {
    /// Starts it on a free port, trusting this issuer.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when it is not installed.
    pub async fn start(issuer_file: &Path) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("make a folder"))?;
        let config = folder.path().join("blackbox.yml");
        let text = format!(
            "modules:\n  get:\n    prober: http\n    timeout: 10s\n    http:\n      method: GET\n      \
             valid_status_codes: [200]\n      preferred_ip_protocol: ip4\n      follow_redirects: false\n      \
             enable_http2: false\n      tls_config:\n        ca_file: '{}'\n",
            issuer_file.display()
        );
        std::fs::write(&config, text).map_err(Error::io("write the exporter's configuration"))?;
        let started = Command::new(PROGRAM)
            .arg(format!("--config.file={}", config.display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .env_remove("GOMAXPROCS")
            .kill_on_drop(true)
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Missing {
                    program: PROGRAM,
                    install: "apt-get install prometheus-blackbox-exporter",
                });
            }
            Err(e) => return Err(Error::io("start the exporter")(e)),
        };
        let said = process.stderr.take().ok_or_else(|| Error::part(PROGRAM, "it has no pipe"))?;
        let mut lines = BufReader::new(said).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.map_err(Error::io("read the exporter's log"))? {
                if let Some(address) =
                    line.split_once("Listening on\" address=").and_then(|(_, rest)| rest.parse().ok())
                {
                    return Ok(address);
                }
            }
            Err(Error::part(PROGRAM, "it ended before it listened"))
        };
        let address = timeout(START, listening)
            .await
            .map_err(|_| Error::part(PROGRAM, "it does not say where it listens"))??;
        // Whatever it logs later must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { process, address, idle: Mutex::default(), _folder: folder })
    }

    /// What reads its processor time.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub fn meter(&self) -> Result<Meter, Error> {
        self.process.id().map(Meter::Of).ok_or_else(|| Error::part(PROGRAM, "it has ended"))
    }

    /// Has it probe a URL, asking as Prometheus does: over a connection kept open, for a page that is packed.
    ///
    /// # Errors
    ///
    /// When the probe did not succeed.
    pub async fn probe(self: Arc<Self>, url: String) -> Result<(), Error> {
        let failed = |e: hyper::Error| Error::part(PROGRAM, e);
        let mut sender = match self.take() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let request = http::Request::builder()
            .uri(format!("/probe?module=get&target={url}"))
            .header(http::header::HOST, self.address.to_string())
            .header(http::header::USER_AGENT, "Prometheus/2.54.0")
            .header(http::header::ACCEPT, FORMATS)
            .header(http::header::ACCEPT_ENCODING, "gzip")
            .header("X-Prometheus-Scrape-Timeout-Seconds", "10")
            .body(Empty::new())
            .map_err(|e| Error::part(PROGRAM, e))?;
        sender.ready().await.map_err(failed)?;
        let answer = sender.send_request(request).await.map_err(failed)?;
        let packed = answer.headers().contains_key(http::header::CONTENT_ENCODING);
        let body = http_body_util::Limited::new(answer.into_body(), MOST_BYTES);
        let body = body.collect().await.map_err(|e| Error::part(PROGRAM, e))?.to_bytes();
        let page = if packed { unpacked(&body)? } else { body.to_vec() };
        if !SUCCESSES.iter().any(|success| page.windows(success.len()).any(|line| line == *success)) {
            return Err(Error::part(PROGRAM, format_args!("its probe of {url} failed")));
        }
        self.give_back(sender);
        Ok(())
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, Error> {
        let stream = TcpStream::connect(self.address).await.map_err(Error::io("connect to the exporter"))?;
        stream.set_nodelay(true).map_err(Error::io("set TCP_NODELAY"))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| Error::part(PROGRAM, e))?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn take(&self) -> Option<SendRequest<Empty<Bytes>>> {
        self.idle.lock().ok()?.pop()
    }

    fn give_back(&self, sender: SendRequest<Empty<Bytes>>) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(sender);
        }
    }
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut page = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(body).take(MOST_BYTES as u64);
    reader.read_to_end(&mut page).map_err(Error::io("unpack the exporter's answer"))?;
    Ok(page)
}

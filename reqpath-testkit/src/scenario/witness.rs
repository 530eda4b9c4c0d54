//! Whether a fault is there, seen by plain looks that know nothing of stages, evidence or causes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::Script;
use super::certificates::Certificates;
use super::converse::{End, Said, converse};
use super::fault::{Dns, Fault, Http, Tcp, Tls, What};
use super::query::{self, Answer};
use super::shake::{self, Shaken};
use super::topology::DNS;

/// Longer than any answer takes that comes at all, on a network within one machine.
pub(super) const QUIET: Duration = Duration::from_millis(400);
/// As long as an answer may take where one must come.
const PATIENCE: Duration = Duration::from_secs(4);

/// A stream of bytes in both directions.
pub(super) trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send {}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send> Stream for S {}

/// What became of connecting.
pub(super) enum Dialled {
    Open(Box<dyn Stream>),
    Failed(io::ErrorKind),
    Silent,
}

/// The client's place, for whoever looks from there without the product.
pub(super) trait Eyes: Sync {
    /// Connects.
    fn dial(&self, to: SocketAddr, limit: Duration) -> impl Future<Output = Dialled> + Send;

    /// Sends one datagram and waits for one.
    fn ask(
        &self,
        to: SocketAddr,
        datagram: &[u8],
        limit: Duration,
    ) -> impl Future<Output = io::Result<Option<Vec<u8>>>> + Send;
}

/// Who looks, and at what.
pub(super) struct Witness<'a, E> {
    pub(super) eyes: &'a E,
    pub(super) script: &'a Script,
    pub(super) certificates: &'a Certificates,
}

impl<E: Eyes> Witness<'_, E> {
    /// What is seen of a fault; or what is seen in its place.
    pub(super) async fn see(&self, fault: &Fault) -> Result<String, String> {
        // With a fault that befalls every third, one of three has it.
        let tries = fault.every.unwrap_or(1);
        let mut last = String::new();
        for _ in 0..tries {
            let seen = match fault.what {
                What::Dns(dns) => self.dns(fault, dns).await,
                What::Tcp(tcp) => self.tcp(fault, tcp).await,
                What::Tls(tls) => self.tls(fault, tls).await,
                What::Http(_) | What::Status(_) | What::Slow(_) => self.http(fault).await,
            };
            match seen {
                Ok(seen) => return Ok(seen),
                Err(other) => last = other,
            }
        }
        Err(last)
    }

    async fn dns(&self, fault: &Fault, dns: Dns) -> Result<String, String> {
        let patience = if matches!(dns, Dns::Drop) { QUIET } else { PATIENCE };
        let asked = query::ask(self.eyes, DNS, &fault.name, false, patience).await;
        let holds = match (&asked, dns) {
            (Answer::Message { rcode: 3, answers: 0, .. }, Dns::Nxdomain)
            | (Answer::Message { rcode: 3, answers: 1.., .. }, Dns::DanglingCname)
            | (Answer::Message { rcode: 0, answers: 0, truncated: false }, Dns::NoData)
            | (Answer::Message { rcode: 2, .. }, Dns::Servfail)
            | (Answer::Message { rcode: 5, .. }, Dns::Refused)
            | (Answer::Nothing, Dns::Drop)
            | (Answer::Refused, Dns::Closed)
            | (Answer::Garbage, Dns::Garbage) => true,
            (Answer::Message { rcode: 2, .. }, Dns::Bogus) => {
                let unchecked = query::ask(self.eyes, DNS, &fault.name, true, patience).await;
                matches!(unchecked, Answer::Message { rcode: 0, answers: 1.., .. })
            }
            (Answer::Message { truncated: true, .. }, Dns::Truncate) => {
                matches!(self.eyes.dial(DNS, QUIET).await, Dialled::Silent)
            }
            _ => false,
        };
        if holds { Ok(format!("{DNS} gave {asked}")) } else { Err(format!("{DNS} gave {asked}")) }
    }

    async fn tcp(&self, fault: &Fault, tcp: Tcp) -> Result<String, String> {
        let mut seen = Err("no address has it".to_owned());
        let server = &self.script.topology.servers[fault.server];
        for to in server.sockets().filter(|to| fault.befalls(to.ip())) {
            let silent = matches!(tcp, Tcp::Drop | Tcp::AcceptQueueFull);
            let patience = if silent { QUIET } else { PATIENCE };
            let (holds, said) = match (self.eyes.dial(to, patience).await, tcp) {
                (Dialled::Failed(kind), tcp) => (fails_so(tcp, kind), format!("{to}: {kind}")),
                (Dialled::Silent, _) => (silent, format!("{to}: no answer to a SYN within {patience:?}")),
                (Dialled::Open(stream), Tcp::Close | Tcp::Reset) => {
                    let said = converse(stream, b"", QUIET, QUIET).await;
                    let end = if tcp == Tcp::Close { End::Closed } else { End::Reset };
                    (said.end == end && said.bytes.is_empty(), format!("{to}: connected, then {said}"))
                }
                (Dialled::Open(_), _) => (false, format!("{to}: connected")),
            };
            if !holds {
                return Err(said);
            }
            seen = Ok(said);
        }
        seen
    }

    async fn tls(&self, fault: &Fault, tls: Tls) -> Result<String, String> {
        let to = self.socket(fault)?;
        let host = self.script.request.target.host();
        let stream = self.open(to).await?;
        if tls.is_certificate() {
            let Some(leaf) = self.certificates.of(fault.server) else {
                return Err(format!("{to} has no certificate"));
            };
            let refused = match shake::hands(stream, self.certificates.root(), host, PATIENCE).await {
                Shaken::Refused { why, chain } if chain == leaf.chain_der() => why,
                other => return Err(format!("{to}: {}", other.told())),
            };
            let said = format!("{to}: served the chain made for this, and rustls says: {refused}");
            return if shake::is_refusal_of(tls, &refused) { Ok(said) } else { Err(said) };
        }
        let said = match tls {
            Tls::ClientCertificate => {
                match shake::hands(stream, self.certificates.root(), host, PATIENCE).await {
                    Shaken::Done(stream) => converse(stream, &self.get(), PATIENCE, QUIET).await,
                    other => return Err(format!("{to}: {}", other.told())),
                }
            }
            _ => {
                let patience = if tls == Tls::Silent { QUIET } else { PATIENCE };
                let hello = shake::client_hello(self.certificates.root(), host);
                converse(stream, &hello, patience, QUIET).await
            }
        };
        let holds = match tls {
            Tls::Silent => said.is_silence(),
            Tls::Plaintext => said.bytes.starts_with(b"HTTP/"),
            _ => said.alert || said.status() == Some(400),
        };
        if holds { Ok(format!("{to}: {said}")) } else { Err(format!("{to}: {said}")) }
    }

    async fn http(&self, fault: &Fault) -> Result<String, String> {
        let to = self.socket(fault)?;
        let mut stream = self.open(to).await?;
        if self.certificates.of(fault.server).is_some() {
            let host = self.script.request.target.host();
            stream = match shake::hands(stream, self.certificates.root(), host, PATIENCE).await {
                Shaken::Done(stream) => stream,
                other => return Err(format!("{to}: {}", other.told())),
            };
        }
        let patience = match fault.what {
            What::Http(Http::Silent) => QUIET,
            What::Slow(by) => by + PATIENCE,
            _ => PATIENCE,
        };
        let said = converse(stream, &self.get(), patience, QUIET).await;
        let holds = match fault.what {
            What::Status(status) => said.status() == Some(status),
            What::Slow(by) => said.first.is_some_and(|first| first >= by),
            What::Http(http) => answers_so(http, &said, self.script.request.target.path_and_query()),
            _ => false,
        };
        if holds { Ok(format!("{to}: {said}")) } else { Err(format!("{to}: {said}")) }
    }

    fn socket(&self, fault: &Fault) -> Result<SocketAddr, String> {
        let server = &self.script.topology.servers[fault.server];
        server.sockets().next().ok_or_else(|| format!("`{}` has no address", server.name))
    }

    async fn open(&self, to: SocketAddr) -> Result<Box<dyn Stream>, String> {
        match self.eyes.dial(to, PATIENCE).await {
            Dialled::Open(stream) => Ok(stream),
            Dialled::Failed(kind) => Err(format!("{to}: {kind}")),
            Dialled::Silent => Err(format!("{to}: no answer to a SYN within {PATIENCE:?}")),
        }
    }

    fn get(&self) -> Vec<u8> {
        let target = &self.script.request.target;
        format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: witness\r\nconnection: close\r\n\r\n",
            target.path_and_query(),
            target.authority()
        )
        .into_bytes()
    }
}

fn fails_so(tcp: Tcp, kind: io::ErrorKind) -> bool {
    match tcp {
        Tcp::Refuse | Tcp::RejectPort => kind == io::ErrorKind::ConnectionRefused,
        // Over IPv6 the kernel says "permission denied".
        Tcp::RejectProhibited => {
            matches!(kind, io::ErrorKind::HostUnreachable | io::ErrorKind::PermissionDenied)
        }
        Tcp::Unreachable | Tcp::NoRoute => {
            matches!(kind, io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable)
        }
        // The reset may come before the caller has even heard that it is connected.
        Tcp::Reset => kind == io::ErrorKind::ConnectionReset,
        Tcp::Drop | Tcp::AcceptQueueFull | Tcp::Close => false,
    }
}

fn answers_so(http: Http, said: &Said, path: &str) -> bool {
    let promised = said.content_length().unwrap_or(0);
    let short = said.status().is_some() && said.body_length() < promised;
    match http {
        Http::Status => false,
        Http::Empty => said.bytes.is_empty() && said.end == End::Closed,
        Http::Reset => said.bytes.is_empty() && said.end == End::Reset,
        Http::Silent => said.is_silence(),
        Http::Truncate => short && said.end == End::Closed,
        Http::Stall => short && said.end == End::Open,
        Http::Garbage => !said.bytes.is_empty() && !said.bytes.starts_with(b"HTTP/"),
        Http::RedirectLoop => {
            said.status().is_some_and(|status| (300..400).contains(&status))
                && said.header("location").is_some_and(|location| location.ends_with(path))
        }
    }
}

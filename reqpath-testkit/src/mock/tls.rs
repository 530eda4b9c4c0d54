//! The TLS side of a mock: certificates by name, versions, suites, client certificates.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::Acceptor;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CipherSuite, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::record::TlsSeen;
use super::{Reply, wire::Wire};
use crate::pki::{Authority, Leaf, PkiError, provider};

const UNRECOGNIZED_NAME: u8 = 112;

/// How a mock speaks TLS: by default this certificate for every name, TLS 1.2 and 1.3, `h2` and `http/1.1`.
///
/// ```
/// use reqpath_testkit::mock::{MockUpstream, Reply, Tls};
/// use reqpath_testkit::pki::Authority;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let authority = Authority::new()?;
/// let fallback = authority.leaf("default.test").issue()?;
/// let shop = authority.leaf("shop.test").issue()?;
/// let mock = MockUpstream::builder()
///     .tls(Tls::new(&fallback).for_name("shop.test", &shop).require_client(&authority))
///     .reply(Reply::ok("hello"))
///     .start()?;
/// assert!(mock.url("/").starts_with("https://"));
/// # Ok(())
/// # }
/// ```
///
/// A narrow taste in protocols, and nginx's manners:
///
/// ```
/// use std::io::{Read, Write};
/// use reqpath_testkit::mock::{MockUpstream, Tls};
/// use reqpath_testkit::pki::Authority;
/// use rustls::CipherSuite;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let authority = Authority::new()?;
/// let leaf = authority.leaf("shop.test").issue()?;
/// let old = Tls::new(&leaf).only_tls12().suites(&[CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]);
/// let modern = Tls::new(&leaf).only_tls13().alpn(&["h2"]).ask_client(&authority);
/// let strict = Tls::config(leaf.server_config()?).for_name("shop.test", &leaf).refuse_unknown_names();
/// for script in [old, modern, strict] {
///     MockUpstream::builder().tls(script).start()?;
/// }
///
/// let nginx = MockUpstream::builder().tls(Tls::new(&leaf).explain_plain_http()).start()?;
/// let mut stream = std::net::TcpStream::connect(nginx.address())?;
/// stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n")?;
/// let mut answer = String::new();
/// stream.read_to_string(&mut answer)?;
/// assert!(answer.contains("The plain HTTP request was sent to HTTPS port"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a TLS script does nothing until it is given to a mock"]
pub struct Tls {
    default: Identity,
    by_name: Vec<(String, Leaf)>,
    alpn: Vec<Vec<u8>>,
    versions: Vec<&'static SupportedProtocolVersion>,
    suites: Option<Vec<CipherSuite>>,
    clients: Clients,
    refuses_unknown_names: bool,
    explains_plain_http: bool,
}

#[derive(Debug, Clone)]
enum Identity {
    Leaf(Leaf),
    Config(Arc<ServerConfig>),
}

#[derive(Debug, Clone)]
enum Clients {
    Anyone,
    Required(Authority),
    Asked(Authority),
}

impl Tls {
    /// Serves this certificate.
    pub fn new(leaf: &Leaf) -> Self {
        Self::of(Identity::Leaf(leaf.clone()))
    }

    /// Serves by a configuration made elsewhere; the methods here change it no more,
    /// but for [`Tls::for_name`] and [`Tls::refuse_unknown_names`].
    pub fn config(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self::of(Identity::Config(config.into()))
    }

    /// Serves another certificate to clients that ask for `name`; the first one stays for all others.
    pub fn for_name(mut self, name: &str, leaf: &Leaf) -> Self {
        self.by_name.push((name.to_ascii_lowercase(), leaf.clone()));
        self
    }

    /// Refuses names that no [`Tls::for_name`] knows, and clients that name nobody, by alert 112.
    pub fn refuse_unknown_names(mut self) -> Self {
        self.refuses_unknown_names = true;
        self
    }

    /// Speaks these protocols, in the order of preference; without any, ALPN is ignored.
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// Speaks TLS 1.2 only.
    pub fn only_tls12(mut self) -> Self {
        self.versions = vec![&rustls::version::TLS12];
        self
    }

    /// Speaks TLS 1.3 only.
    pub fn only_tls13(mut self) -> Self {
        self.versions = vec![&rustls::version::TLS13];
        self
    }

    /// Speaks these cipher suites only.
    pub fn suites(mut self, suites: &[CipherSuite]) -> Self {
        self.suites = Some(suites.to_vec());
        self
    }

    /// Ends the handshake with clients that show no certificate of this authority.
    pub fn require_client(mut self, authority: &Authority) -> Self {
        self.clients = Clients::Required(authority.clone());
        self
    }

    /// Asks for a certificate of this authority, completes every handshake, and answers
    /// those without a good one by HTTP 400, as nginx does.
    pub fn ask_client(mut self, authority: &Authority) -> Self {
        self.clients = Clients::Asked(authority.clone());
        self
    }

    /// Answers plain HTTP on this port with a plain 400 that says so, as nginx does, not with an alert.
    pub fn explain_plain_http(mut self) -> Self {
        self.explains_plain_http = true;
        self
    }

    pub(super) fn ready(self) -> Result<Ready, PkiError> {
        let default = match &self.default {
            Identity::Leaf(leaf) => self.server_config(leaf)?,
            Identity::Config(config) => config.clone(),
        };
        let by_name = self
            .by_name
            .iter()
            .map(|(name, leaf)| Ok((name.clone(), self.server_config(leaf)?)))
            .collect::<Result<_, PkiError>>()?;
        let asked = match &self.clients {
            Clients::Asked(authority) => Some(authority.client_verifier()?),
            Clients::Anyone | Clients::Required(_) => None,
        };
        Ok(Ready {
            default,
            by_name,
            asked,
            refuses_unknown_names: self.refuses_unknown_names,
            explains_plain_http: self.explains_plain_http,
        })
    }

    fn of(default: Identity) -> Self {
        Self {
            default,
            by_name: Vec::new(),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            versions: vec![&rustls::version::TLS13, &rustls::version::TLS12],
            suites: None,
            clients: Clients::Anyone,
            refuses_unknown_names: false,
            explains_plain_http: false,
        }
    }

    fn server_config(&self, leaf: &Leaf) -> Result<Arc<ServerConfig>, PkiError> {
        let mut crypto = (*provider()).clone();
        if let Some(suites) = &self.suites {
            crypto.cipher_suites.retain(|known| suites.contains(&known.suite()));
        }
        let builder =
            ServerConfig::builder_with_provider(Arc::new(crypto)).with_protocol_versions(&self.versions)?;
        let builder = match &self.clients {
            Clients::Anyone => builder.with_no_client_auth(),
            Clients::Required(authority) => builder.with_client_cert_verifier(authority.client_verifier()?),
            Clients::Asked(authority) => {
                builder.with_client_cert_verifier(Arc::new(Lenient(authority.client_verifier()?)))
            }
        };
        let mut config = builder.with_single_cert(leaf.chain_der().to_vec(), leaf.key_der())?;
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(Arc::new(config))
    }
}

impl From<&Leaf> for Tls {
    fn from(leaf: &Leaf) -> Self {
        Self::new(leaf)
    }
}

impl From<ServerConfig> for Tls {
    fn from(config: ServerConfig) -> Self {
        Self::config(config)
    }
}

impl From<Arc<ServerConfig>> for Tls {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self::config(config)
    }
}

/// A TLS script turned into configurations.
#[derive(Debug)]
pub(super) struct Ready {
    default: Arc<ServerConfig>,
    by_name: HashMap<String, Arc<ServerConfig>>,
    asked: Option<Arc<dyn ClientCertVerifier>>,
    refuses_unknown_names: bool,
    explains_plain_http: bool,
}

/// A handshake that completed.
pub(super) struct Secured {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) seen: TlsSeen,
    /// What is said to a client that was asked for a certificate and showed no good one.
    pub(super) refusal: Option<Reply>,
}

impl Ready {
    /// Shakes hands; what was seen is noted before the peer hears of it, so that a test need not wait for it.
    pub(super) async fn accept(&self, tcp: TcpStream, note: impl Fn(&TlsSeen)) -> Option<Box<Secured>> {
        let mut seen = TlsSeen::default();
        if self.explains_plain_http && is_plain_http(&tcp).await {
            seen.failure = Some("the client speaks plain HTTP".to_owned());
            note(&seen);
            super::http1::answer_once(Wire::plain(tcp), Reply::plain_http_on_tls_port()).await;
            return None;
        }
        let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), tcp);
        let start = match (&mut acceptor).await {
            Ok(start) => start,
            Err(error) => {
                seen.failure = Some(error.to_string());
                note(&seen);
                say_goodbye(acceptor.take_io()).await;
                return None;
            }
        };
        let hello = start.client_hello();
        seen.sni = hello.server_name().map(str::to_owned);
        seen.offered_alpn = hello
            .alpn()
            .into_iter()
            .flatten()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        let named = seen.sni.as_ref().and_then(|name| self.by_name.get(&name.to_ascii_lowercase()));
        if named.is_none() && self.refuses_unknown_names {
            seen.failure = Some("the name is not served here".to_owned());
            note(&seen);
            let mut io = start.io;
            // A peer that is gone needs no alert.
            drop(io.write_all(&alert_record(UNRECOGNIZED_NAME)).await);
            say_goodbye(Some(io)).await;
            return None;
        }
        note(&seen);
        let config = named.unwrap_or(&self.default).clone();
        let stream = match start.into_stream(config).into_fallible().await {
            Ok(stream) => stream,
            Err((error, tcp)) => {
                seen.failure = Some(error.to_string());
                note(&seen);
                say_goodbye(Some(tcp)).await;
                return None;
            }
        };
        let session = stream.get_ref().1;
        seen.alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        seen.version = session.protocol_version().map(|version| format!("{version:?}"));
        seen.cipher_suite = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        seen.client_certificates = session
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|one| one.clone().into_owned())
            .collect();
        let refusal =
            self.asked.as_ref().and_then(|verifier| refusal(verifier.as_ref(), &seen.client_certificates));
        note(&seen);
        Some(Box::new(Secured { stream, seen, refusal }))
    }
}

/// Lets every client through, so that the refusal can be said in HTTP; proofs of possession are still checked.
#[derive(Debug)]
struct Lenient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Lenient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// A fatal alert in a record of its own, unencrypted.
pub(super) fn alert_record(description: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, description]
}

fn refusal(verifier: &dyn ClientCertVerifier, chain: &[CertificateDer<'static>]) -> Option<Reply> {
    match chain.split_first() {
        None => Some(Reply::no_client_certificate()),
        Some((leaf, above)) => {
            let verdict = verifier.verify_client_cert(leaf, above, UnixTime::now());
            verdict.err().map(|_| Reply::client_certificate_error())
        }
    }
}

async fn is_plain_http(tcp: &TcpStream) -> bool {
    let mut first = [0];
    matches!(tcp.peek(&mut first).await, Ok(1)) && first[0].is_ascii_uppercase()
}

/// Closes so that the alert just sent is not lost to a RST over what the peer sent meanwhile.
async fn say_goodbye(tcp: Option<TcpStream>) {
    if let Some(tcp) = tcp {
        Wire::plain(tcp).close().await;
    }
}

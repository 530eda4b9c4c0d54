//! A plain TLS handshake that keeps the chain it was shown.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::fault::Tls;
use super::witness::Stream;
use crate::pki::{Authority, provider};

/// What became of a handshake.
pub(super) enum Shaken {
    Done(Box<dyn Stream>),
    /// The chain was refused.
    Refused {
        why: CertificateError,
        chain: Vec<CertificateDer<'static>>,
    },
    Failed(String),
}

impl Shaken {
    pub(super) fn told(&self) -> String {
        match self {
            Self::Done(_) => "the handshake succeeds".to_owned(),
            Self::Refused { why, chain } => format!("another chain of {} is refused: {why}", chain.len()),
            Self::Failed(why) => format!("the handshake fails: {why}"),
        }
    }
}

/// Shakes hands, trusting this root alone.
pub(super) async fn hands(
    stream: Box<dyn Stream>,
    root: &Authority,
    host: &str,
    patience: Duration,
) -> Shaken {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (config, name) = match (config(root, &shown), ServerName::try_from(host.to_owned())) {
        (Ok(config), Ok(name)) => (config, name),
        (Err(error), _) => return Shaken::Failed(error.to_string()),
        (_, Err(error)) => return Shaken::Failed(error.to_string()),
    };
    let error = match timeout(patience, TlsConnector::from(Arc::new(config)).connect(name, stream)).await {
        Ok(Ok(stream)) => return Shaken::Done(Box::new(stream)),
        Ok(Err(error)) => error,
        Err(_) => return Shaken::Failed(format!("not done within {patience:?}")),
    };
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => {
            let chain = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Shaken::Refused { why: why.clone(), chain }
        }
        _ => Shaken::Failed(error.to_string()),
    }
}

/// The first bytes of a handshake; none where the name cannot be named.
pub(super) fn client_hello(root: &Authority, host: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let name = ServerName::try_from(host.to_owned());
    if let (Ok(config), Ok(name)) = (config(root, &Arc::default()), name)
        && let Ok(mut connection) = ClientConnection::new(Arc::new(config), name)
    {
        // A vector takes everything.
        drop(connection.write_tls(&mut io::Cursor::new(&mut bytes)));
    }
    bytes
}

/// Whether this is how rustls refuses a certificate with this fault.
pub(super) fn is_refusal_of(tls: Tls, why: &CertificateError) -> bool {
    match tls {
        Tls::Expired | Tls::ExpiredIntermediate => {
            matches!(why, CertificateError::Expired | CertificateError::ExpiredContext { .. })
        }
        Tls::NotYetValid => {
            matches!(why, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })
        }
        Tls::WrongName => {
            matches!(why, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
        }
        // That the chain is the one made for this has been compared.
        Tls::SelfSigned | Tls::UnknownAuthority | Tls::MissingIntermediate => {
            !matches!(why, CertificateError::Expired | CertificateError::NotValidForName)
        }
        Tls::Silent | Tls::ClientCertificate | Tls::Plaintext => false,
    }
}

fn config(
    root: &Authority,
    shown: &Arc<Mutex<Vec<CertificateDer<'static>>>>,
) -> Result<ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let roots = Arc::new(root.root_store()?);
    let inner = WebPkiServerVerifier::builder_with_provider(roots, provider()).build()?;
    let verifier = Recording { inner, shown: Arc::clone(shown) };
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Keeps the chain it is shown, and leaves the verdict to webpki.
#[derive(Debug)]
struct Recording {
    inner: Arc<WebPkiServerVerifier>,
    shown: Arc<Mutex<Vec<CertificateDer<'static>>>>,
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(others).map(|der| der.clone().into_owned()).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        self.inner.verify_server_cert(leaf, others, name, stapled, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

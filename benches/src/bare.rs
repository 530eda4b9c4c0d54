//! The least a Rust client can do: connect, handshake, ask, read, forget.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Error;

/// A client of hyper and rustls that makes one connection and one request, and records nothing.
pub struct Bare {
    connector: TlsConnector,
}

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bare")
    }
}

impl Bare {
    /// A client that trusts this issuer and never resumes a session.
    ///
    /// # Errors
    ///
    /// When rustls does not take the certificate.
    pub fn new(issuer: &CertificateDer<'static>) -> Result<Self, Error> {
        let refused = |e: rustls::Error| Error::part("bare client", e);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(issuer.clone()).map_err(refused)?;
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// One connection, one request, the answer read whole.
    ///
    /// # Errors
    ///
    /// Whatever goes wrong on the way.
    pub async fn probe(self: Arc<Self>, tls: bool, to: SocketAddr) -> Result<(), Error> {
        let stream = TcpStream::connect(to).await.map_err(Error::io("connect"))?;
        stream.set_nodelay(true).map_err(Error::io("set TCP_NODELAY"))?;
        if tls {
            let name = ServerName::from(to.ip());
            let stream = self.connector.connect(name, stream).await.map_err(Error::io("shake hands"))?;
            ask(stream, to).await
        } else {
            ask(stream, to).await
        }
    }
}

/// The crypto provider that all sides share.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    to: SocketAddr,
) -> Result<(), Error> {
    let failed = |e: hyper::Error| Error::part("bare client", e);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // As hyper's own examples have it.
    let connection = tokio::spawn(connection);
    let request = http::Request::builder()
        .uri("/")
        .header(http::header::HOST, to.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|e| Error::part("bare client", e))?;
    let mut answer = sender.send_request(request).await.map_err(failed)?;
    while let Some(frame) = answer.frame().await {
        frame.map_err(failed)?;
    }
    let status = answer.status();
    // A probe ends when its connection is gone, which it is once nobody may ask over it any more.
    drop((sender, answer));
    connection.await.map_err(|e| Error::part("bare client", e))?.map_err(failed)?;
    if status == http::StatusCode::OK { Ok(()) } else { Err(Error::part("bare client", status)) }
}

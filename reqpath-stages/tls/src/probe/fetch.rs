use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reqpath_core::{ConnectOptions, ContactKind, Context, Error, PeerAddr, Subject};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::time::timeout;
use url::{Host, Url};

/// Bytes read of what is said to be a certificate.
const LIMIT: usize = 64 * 1024;

/// Why a certificate could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("it is no URL")]
    Url(#[from] url::ParseError),
    #[error("only http:// is fetched from")]
    Scheme,
    #[error("its host has no address: {0}")]
    NoAddress(String),
    #[error("cannot connect to {to}: {why}")]
    Connect { to: SocketAddr, why: String },
    #[error("the exchange failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("more than 64 KiB came")]
    TooLong,
    #[error("nothing came within {0:?}")]
    TimedOut(Duration),
    #[error("what came is no certificate")]
    NotACertificate,
    #[error(transparent)]
    Probe(#[from] Error),
}

/// Fetches one certificate over plain HTTP, following nothing.
///
/// The URL stands in a certificate that nobody vouches for yet, so it is fetched only for callers
/// who asked for it, once, and no more than a certificate's worth is read.
pub(crate) async fn fetch(
    cx: &Context,
    at: &Subject,
    url: &str,
    limit: Duration,
) -> Result<CertificateDer<'static>, FetchError> {
    match timeout(limit, fetch_slowly(cx, at, url, limit)).await {
        Ok(result) => result,
        Err(_) => Err(FetchError::TimedOut(limit)),
    }
}

async fn fetch_slowly(
    cx: &Context,
    at: &Subject,
    url: &str,
    limit: Duration,
) -> Result<CertificateDer<'static>, FetchError> {
    let url = Url::parse(url)?;
    if url.scheme() != "http" {
        return Err(FetchError::Scheme);
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(name)) => {
            let first = cx.addresses_of(at, name).await?.map_err(FetchError::NoAddress)?.first().copied();
            first.ok_or_else(|| FetchError::NoAddress("an empty answer".to_owned()))?
        }
        None => return Err(FetchError::Url(url::ParseError::EmptyHost)),
    };
    let to = SocketAddr::new(address, url.port_or_known_default().unwrap_or(80));
    let permit = cx.permit(ContactKind::Connection)?;
    let connection = cx.vantage().connect(permit, PeerAddr(to), ConnectOptions::within(limit)).await;
    let connection = connection.map_err(|failure| FetchError::Connect { to, why: failure.message })?;
    // What is counted is the request: leave is spent by having it.
    let _permit = cx.permit(ContactKind::Request)?;
    let (mut sender, driver) = http1::handshake(TokioIo::new(connection)).await?;
    let exchange = async move {
        let request = http::Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(http::header::HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
            .header(http::header::USER_AGENT, concat!("reqpath/", env!("CARGO_PKG_VERSION")))
            .header(http::header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        if answer.status() != http::StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                bytes.extend_from_slice(data);
            }
            if bytes.len() > LIMIT {
                return Err(FetchError::TooLong);
            }
        }
        Ok(bytes)
    };
    // The exchange drops its end when it is done, and the driver ends with it.
    let (bytes, _) = tokio::join!(exchange, driver);
    certificate(bytes?)
}

/// DER, as RFC 5280 asks for, or PEM, as some send.
fn certificate(bytes: Vec<u8>) -> Result<CertificateDer<'static>, FetchError> {
    if bytes.starts_with(b"-----BEGIN ") {
        return CertificateDer::from_pem_slice(&bytes).map_err(|_| FetchError::NotACertificate);
    }
    match crate::der::Fields::of(&bytes) {
        Some(_) => Ok(CertificateDer::from(bytes)),
        None => Err(FetchError::NotACertificate),
    }
}

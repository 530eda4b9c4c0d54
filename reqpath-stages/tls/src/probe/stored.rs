//! Certificates that the trust store holds itself.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::der::Fields;
use crate::evidence::{Reason, Verification};

/// Trusts a server's own certificate that is in the store, an authority's or not.
///
/// What signs itself and is in the store needs no path: curl, Go and Java take it.
/// The verifier beneath refuses it where it is marked as an authority's besides, as `openssl req -x509` marks all that
/// it makes.
#[derive(Debug)]
pub(crate) struct Stored {
    beneath: Arc<dyn ServerCertVerifier>,
    store: Vec<CertificateDer<'static>>,
}

impl Stored {
    pub(crate) fn new(beneath: Arc<dyn ServerCertVerifier>, store: Vec<CertificateDer<'static>>) -> Self {
        Self { beneath, store }
    }
}

impl ServerCertVerifier for Stored {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = match self.beneath.verify_server_cert(leaf, above, name, stapled, now) {
            Ok(verified) => return Ok(verified),
            Err(error) => error,
        };
        let result = Err::<(), _>(refused.clone());
        let as_leaf = Verification::of(&result).reason() == Some(Reason::AuthorityAsLeaf);
        if !as_leaf || !self.store.iter().any(|held| held == leaf) {
            return Err(refused);
        }
        in_date(leaf, now)?;
        verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.beneath.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.beneath.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.beneath.supported_verify_schemes()
    }
}

/// A date that cannot be read is none.
fn in_date(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let fields = Fields::of(leaf).ok_or(CertificateError::BadEncoding)?;
    let (Some(from), Some(until)) = (fields.not_before, fields.not_after) else {
        return Err(CertificateError::BadEncoding.into());
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < from {
        Err(CertificateError::NotValidYet.into())
    } else if now > until {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
    }
}

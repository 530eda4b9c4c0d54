//! Certificate revocation lists.

use rustls_pki_types::CertificateRevocationListDer;

/// A revocation list, signed by the authority that made it.
#[derive(Debug, Clone)]
pub struct Crl {
    pub(super) pem: String,
    pub(super) der: CertificateRevocationListDer<'static>,
}

impl Crl {
    /// The list as `-----BEGIN X509 CRL-----` text.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The list as rustls verifiers and HTTP distribution points want it.
    pub fn der(&self) -> &CertificateRevocationListDer<'static> {
        &self.der
    }
}

//! Certificate revocation lists.

use rustls_pki_types::CertificateRevocationListDer;

/// A revocation list, signed by the authority that made it.
///
/// ```
/// use reqpath_testkit::pki::Authority;
///
/// # fn main() -> Result<(), reqpath_testkit::pki::PkiError> {
/// let root = Authority::new()?;
/// root.revoke(&root.leaf("shop.test").issue()?);
/// let list = root.crl()?;
/// assert!(list.pem().starts_with("-----BEGIN X509 CRL-----"));
/// let client = root.client_config_with_crls(&[list])?;     // refuses that leaf
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
///
/// As bytes it is what a distribution point serves:
///
/// ```
/// use reqpath_testkit::mock::{MockUpstream, Reply};
/// use reqpath_testkit::pki::Authority;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let list = Authority::new()?.crl()?;
/// let point = MockUpstream::start(Reply::ok(list.der().to_vec()))?;
/// assert!(point.url("/list.crl").ends_with("/list.crl"));
/// # Ok(())
/// # }
/// ```
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

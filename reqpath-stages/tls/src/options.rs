use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use rustls::{Error as RustlsError, InconsistentKeys};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::SetupError;

/// How the client shakes hands, and what is looked at beside.
///
/// ```
/// use reqpath_tls::{Tls, TlsOptions, Trust};
///
/// let mut options = TlsOptions::default();
/// options.trust = Trust::None;                    // curl's -k
/// options.alpn = vec![b"http/1.1".to_vec()];
/// let tls = Tls::new(options)?;
/// # Ok::<(), reqpath_tls::SetupError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TlsOptions {
    /// Whom the client believes.
    pub trust: Trust,
    /// What the client shows when asked for a certificate.
    pub identity: Option<Identity>,
    /// A name this server does serve, to tell its default certificate from a wrong one.
    pub known_name: Option<String>,
    /// The application protocols offered, in the client's order; none leaves the extension out.
    pub alpn: Vec<Vec<u8>>,
    /// Revocation lists; certificates that none of them speaks of pass.
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// Certificates to be tried where the served chain lacks one.
    pub spare_intermediates: Vec<CertificateDer<'static>>,
    /// Fetch a missing certificate from where the one below it says it is, over plain HTTP.
    pub fetch_aia: bool,
    /// A certificate that ends within this time is worth a warning.
    pub expiring_within: Duration,
    /// The time a handshake may take, where the trace has no limit for connecting.
    pub limit: Duration,
    /// Whether to look beside the road: further handshakes after one that failed.
    pub side_looks: bool,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            trust: Trust::Platform,
            identity: None,
            known_name: None,
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            crls: Vec::new(),
            spare_intermediates: Vec::new(),
            fetch_aia: false,
            expiring_within: Duration::from_secs(14 * 86_400),
            limit: Duration::from_secs(10),
            side_looks: true,
        }
    }
}

/// Whom the client believes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Trust {
    /// The authorities of the operating system.
    #[default]
    Platform,
    /// These authorities and no others.
    Bundle(Bundle),
    /// Anyone: nothing is verified.
    None,
}

/// Authorities to believe, and what their collection is called.
#[derive(Clone)]
pub struct Bundle {
    pub(crate) name: String,
    pub(crate) authorities: Vec<CertificateDer<'static>>,
}

impl Bundle {
    /// These authorities, under a name for reports.
    #[must_use]
    pub fn new(name: impl Into<String>, authorities: Vec<CertificateDer<'static>>) -> Self {
        Self { name: name.into(), authorities }
    }

    /// The certificates of a PEM file, under the file's name.
    ///
    /// # Errors
    ///
    /// When it is not PEM, or holds no certificate.
    pub fn from_pem(file: impl Into<String>, text: &[u8]) -> Result<Self, SetupError> {
        let name = file.into();
        let authorities = certificates_from_pem(&name, text)?;
        Ok(Self { name, authorities })
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle({}, {} certificates)", self.name, self.authorities.len())
    }
}

/// A client certificate with its chain and key.
#[derive(Clone)]
pub struct Identity(pub(crate) Arc<CertifiedKey>);

impl Identity {
    /// The chain of one PEM file and the key of another, or of the same.
    ///
    /// # Errors
    ///
    /// When either is missing or unreadable, or the key belongs to another certificate.
    pub fn from_pem(chain_file: &str, chain: &[u8], key_file: &str, key: &[u8]) -> Result<Self, SetupError> {
        let chain = certificates_from_pem(chain_file, chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| match source {
            pem::Error::NoItemsFound => SetupError::NoKey { file: key_file.to_owned() },
            source => SetupError::Pem { file: key_file.to_owned(), source },
        })?;
        Self::new(chain_file, chain, key_file, key)
    }

    /// This chain and key, with names for messages.
    ///
    /// # Errors
    ///
    /// When the key cannot be used, or belongs to another certificate.
    pub fn new(
        chain_name: &str,
        chain: Vec<CertificateDer<'static>>,
        key_name: &str,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, SetupError> {
        if chain.is_empty() {
            return Err(SetupError::NoCertificate { file: chain_name.to_owned() });
        }
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|source| match source {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                SetupError::KeyMismatch { key: key_name.to_owned(), certificate: chain_name.to_owned() }
            }
            source => SetupError::Key { file: key_name.to_owned(), source },
        })?;
        Ok(Self(Arc::new(certified)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key stays out of every log.
        write!(f, "Identity({} certificates)", self.0.cert.len())
    }
}

/// The certificates of a PEM file.
///
/// # Errors
///
/// When it is not PEM, or holds no certificate.
pub fn certificates_from_pem(file: &str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let certificates = all_of(file, text)?;
    if certificates.is_empty() {
        return Err(SetupError::NoCertificate { file: file.to_owned() });
    }
    Ok(certificates)
}

/// The revocation lists of a file, PEM or DER.
///
/// # Errors
///
/// When it holds none.
pub fn revocation_lists(
    file: &str,
    content: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, SetupError> {
    // The tag of a sequence is the letter `0` as well, but DER is never text to its end.
    if content.first() == Some(&crate::der::tag::SEQUENCE) && !content.is_ascii() {
        return Ok(vec![CertificateRevocationListDer::from(content.to_vec())]);
    }
    let lists = all_of(file, content)?;
    if lists.is_empty() {
        return Err(SetupError::NoRevocationList { file: file.to_owned() });
    }
    Ok(lists)
}

fn all_of<T: PemObject>(file: &str, text: &[u8]) -> Result<Vec<T>, SetupError> {
    let all = T::pem_slice_iter(text).collect::<Result<Vec<T>, _>>();
    all.map_err(|source| SetupError::Pem { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use reqpath_testkit::pki::Authority;

    use super::*;

    #[test]
    fn a_key_that_does_not_fit_is_named_with_its_certificate() {
        let root = Authority::new().unwrap();
        let (one, other) = (root.client("one").issue().unwrap(), root.client("other").issue().unwrap());
        let (chain, key) = (one.chain_pem().as_bytes(), other.key_pem().as_bytes());
        let error = Identity::from_pem("one.pem", chain, "other.key", key).unwrap_err();
        assert_eq!(error.to_string(), "other.key: this is not the key of the certificate in one.pem");
        assert!(Identity::from_pem("one.pem", chain, "one.key", one.key_pem().as_bytes()).is_ok());
    }

    #[test]
    fn the_key_may_stand_with_its_certificate() {
        let leaf = Authority::new().unwrap().client("robot").issue().unwrap();
        let both = format!("{}{}", leaf.key_pem(), leaf.chain_pem());
        assert!(Identity::from_pem("both.pem", both.as_bytes(), "both.pem", both.as_bytes()).is_ok());
    }

    #[test]
    fn what_is_missing_is_said_with_the_file() {
        let message = |error: SetupError| error.to_string();
        assert!(
            message(Bundle::from_pem("ca.pem", b"").unwrap_err()).starts_with("ca.pem: holds no certificate")
        );
        assert!(
            message(Bundle::from_pem("ca.pem", b"-----BEGIN CERTIFICATE-----\n%%\n").unwrap_err())
                .contains("not PEM")
        );
        assert!(
            message(revocation_lists("crl.pem", b"x").unwrap_err())
                .starts_with("crl.pem: holds no revocation list")
        );
        let leaf = Authority::new().unwrap().client("robot").issue().unwrap();
        let chain = leaf.chain_pem().as_bytes();
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for key in [&b""[..], encrypted] {
            let error = Identity::from_pem("c.pem", chain, "k.pem", key).unwrap_err();
            assert!(message(error).starts_with("k.pem: holds no private key"));
        }
    }

    #[test]
    fn revocation_lists_come_in_both_forms() {
        let crl = Authority::new().unwrap().crl().unwrap();
        assert_eq!(revocation_lists("a", crl.pem().as_bytes()).unwrap(), [crl.der().clone()]);
        assert_eq!(revocation_lists("a", crl.der()).unwrap(), [crl.der().clone()]);
    }

    #[test]
    fn keys_are_never_shown() {
        let leaf = Authority::new().unwrap().client("robot").issue().unwrap();
        let identity = Identity::from_pem("c", leaf.chain_pem().as_bytes(), "k", leaf.key_pem().as_bytes());
        assert_eq!(format!("{:?}", identity.unwrap()), "Identity(1 certificates)");
    }
}

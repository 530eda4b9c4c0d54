//! Leaf certificates, for servers and for clients.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::clock::Validity;
use super::{Authority, PkiError, extension};

/// What a leaf may be used for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Server,
    Client,
}

/// A leaf certificate about to be issued; every method makes it a little worse.
///
/// ```
/// # fn main() -> Result<(), reqpath_testkit::pki::PkiError> {
/// use reqpath_testkit::pki::Authority;
///
/// let expired = Authority::new()?.leaf("www.example.test").also_for("10.0.0.1").expired(3).issue()?;
/// assert!(expired.chain_pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// # Ok(())
/// # }
/// ```
///
/// A server's administrator can go wrong in many ways:
///
/// ```
/// # fn main() -> Result<(), reqpath_testkit::pki::PkiError> {
/// use reqpath_testkit::pki::Authority;
///
/// let authority = Authority::new()?.intermediate("Example Intermediate").issue()?;
/// let leaf = || authority.leaf("shop.test");
/// assert_eq!(leaf().issue()?.chain_der().len(), 2);
/// assert_eq!(leaf().without_intermediates().issue()?.chain_der().len(), 1);     // forgot the chain
/// assert_eq!(leaf().with_root().issue()?.chain_der().len(), 3);                 // sends too much of it
/// assert_eq!(leaf().self_signed().issue()?.chain_der().len(), 1);
/// assert!(leaf().common_name_only().issue()?.names().is_empty());               // as in 1999
/// assert!(leaf().chain_of_at_least(70_000).issue()?.chain_pem().len() > 70_000);
/// let _begins_tomorrow = leaf().not_yet_valid(1).issue()?;
/// let _ends_tomorrow = leaf().valid_for(1).issue()?;
/// let _says_where = leaf().issuer_url("http://ca.test/i.der").crl_url("http://ca.test/list.crl").issue()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is made until `issue`"]
pub struct LeafBuilder {
    authority: Authority,
    names: Vec<String>,
    common_name: String,
    purpose: Purpose,
    validity: Validity,
    self_signed: bool,
    authority_too: bool,
    intermediates: bool,
    root: bool,
    extensions: Vec<rcgen::CustomExtension>,
    crl_urls: Vec<String>,
    chain_least: usize,
}

impl LeafBuilder {
    pub(super) fn new(authority: Authority, name: &str, purpose: Purpose) -> Self {
        Self {
            authority,
            names: match purpose {
                Purpose::Server => vec![name.to_owned()],
                Purpose::Client => Vec::new(),
            },
            common_name: name.to_owned(),
            purpose,
            validity: Validity::for_days(90),
            self_signed: false,
            authority_too: false,
            intermediates: true,
            root: false,
            extensions: Vec::new(),
            crl_urls: Vec::new(),
            chain_least: 0,
        }
    }

    /// Adds a further subject alternative name, a DNS name or an IP address.
    pub fn also_for(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// Leaves all subject alternative names out: the name stands in the common name alone, as certificates once had it.
    pub fn common_name_only(mut self) -> Self {
        self.names.clear();
        self
    }

    /// Expired this many days ago (0: a moment ago).
    pub fn expired(mut self, days_ago: u32) -> Self {
        self.validity = Validity::ended(days_ago);
        self
    }

    /// Valid only from this many days on.
    pub fn not_yet_valid(mut self, in_days: u32) -> Self {
        self.validity = Validity::begins_in(in_days);
        self
    }

    /// Valid from yesterday until this many days from now.
    pub fn valid_for(mut self, days: u32) -> Self {
        self.validity = Validity::for_days(days);
        self
    }

    /// Signed by its own key, issuer equal to subject, and not an authority (`CA:FALSE`).
    pub fn self_signed(mut self) -> Self {
        self.self_signed = true;
        self
    }

    /// Marks it as an authority's besides, as `openssl req -x509` marks what it makes.
    ///
    /// ```
    /// # fn main() -> Result<(), reqpath_testkit::pki::PkiError> {
    /// use reqpath_testkit::pki::Authority;
    ///
    /// let leaf = Authority::new()?.leaf("shop.test").self_signed().marked_as_authority().issue()?;
    /// assert_eq!(leaf.chain_der().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn marked_as_authority(mut self) -> Self {
        self.authority_too = true;
        self
    }

    /// Serves the leaf alone, as a server does whose administrator forgot the chain.
    pub fn without_intermediates(mut self) -> Self {
        self.intermediates = false;
        self
    }

    /// Serves the root too, which peers must ignore.
    pub fn with_root(mut self) -> Self {
        self.root = true;
        self
    }

    /// Names the URL where the issuer's certificate can be fetched (AIA caIssuers).
    pub fn issuer_url(mut self, url: &str) -> Self {
        self.extensions.push(extension::ca_issuers(url));
        self
    }

    /// Names the URL where the revocation list can be fetched.
    pub fn crl_url(mut self, url: &str) -> Self {
        self.crl_urls.push(url.to_owned());
        self
    }

    /// Serves a chain of at least so many bytes: certificates that mean nothing follow the useful ones.
    ///
    /// Above 65,535 bytes the Certificate message outgrows what many peers read.
    pub fn chain_of_at_least(mut self, bytes: usize) -> Self {
        self.chain_least = bytes;
        self
    }

    /// Makes the key and signs the certificate.
    pub fn issue(self) -> Result<Leaf, PkiError> {
        let key = KeyPair::generate()?;
        let serial = self.authority.next_serial();
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(serial));
        params.subject_alt_names =
            self.names.iter().map(|name| alternative_name(name)).collect::<Result<_, _>>()?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, self.common_name.as_str());
        params.distinguished_name = subject;
        // Some verifiers refuse an authority as a leaf, so a self-signed leaf says that it is none.
        params.is_ca = match self.authority_too {
            true => IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
            false => IsCa::ExplicitNoCa,
        };
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.purpose {
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = !self.self_signed;
        params.custom_extensions = self.extensions;
        if !self.crl_urls.is_empty() {
            params.crl_distribution_points = vec![CrlDistributionPoint { uris: self.crl_urls }];
        }
        self.validity.write_to(&mut params, self.authority.anchor());
        let certificate = if self.self_signed {
            params.self_signed(&key)?
        } else {
            params.signed_by(&key, self.authority.issuer())?
        };

        let mut above = Vec::new();
        if self.intermediates && !self.self_signed {
            above = self.authority.intermediates();
        }
        if self.root && !self.self_signed {
            above.push(self.authority.root());
        }
        let certificate_pem = certificate.pem();
        let mut chain_pem =
            above.iter().fold(certificate_pem.clone(), |text, one| text + one.certificate_pem());
        let mut chain = vec![certificate.der().clone()];
        chain.extend(above.iter().map(|one| one.certificate_der().clone()));
        let served: usize = chain.iter().map(|one| one.len()).sum();
        if served < self.chain_least {
            let filler = Filler::make()?;
            for _ in 0..(self.chain_least - served).div_ceil(filler.der.len()) {
                chain.push(filler.der.clone());
                chain_pem.push_str(&filler.pem);
            }
        }
        Ok(Leaf {
            chain_pem,
            certificate_pem,
            certificate: certificate.into(),
            chain,
            key_der: key.serialize_der(),
            key_pem: key.serialize_pem(),
            serial,
            names: self.names,
        })
    }
}

/// A leaf certificate with its key and the chain that is served with it.
///
/// ```
/// # fn main() -> Result<(), reqpath_testkit::pki::PkiError> {
/// use reqpath_testkit::pki::Authority;
///
/// let authority = Authority::new()?;
/// let leaf = authority.leaf("shop.test").also_for("192.0.2.7").issue()?;
/// assert_eq!(leaf.names(), ["shop.test", "192.0.2.7"]);
/// assert_eq!(leaf.chain_der()[0], *leaf.certificate_der());
/// assert_ne!(leaf.serial(), authority.leaf("shop.test").issue()?.serial());
///
/// // For programs, text; for rustls, whole configurations.
/// assert!(leaf.certificate_pem().contains("CERTIFICATE") && leaf.key_pem().contains("PRIVATE KEY"));
/// let mutual = leaf.server_config_requiring(&authority)?;
/// let by_hand = rustls::sign::CertifiedKey::from_der(
///     leaf.chain_der().to_vec(),
///     leaf.key_der(),
///     &reqpath_testkit::pki::provider(),
/// )?;
/// # let _ = (mutual, by_hand);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Leaf {
    chain: Vec<CertificateDer<'static>>,
    chain_pem: String,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_der: Vec<u8>,
    key_pem: String,
    serial: u64,
    names: Vec<String>,
}

impl Leaf {
    /// The served chain, leaf first.
    pub fn chain_der(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The served chain as PEM text, leaf first: nginx's `ssl_certificate`.
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// The leaf alone.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The leaf alone as PEM text.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key.
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key_der.clone()).into()
    }

    /// The private key as PKCS#8 PEM text: nginx's `ssl_certificate_key`.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The serial number, unique in its tree.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The subject alternative names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Writes `chain.pem` and `key.pem` into a directory, for programs that read files.
    pub fn write_pem(&self, directory: &Path) -> Result<PemFiles, PkiError> {
        let files = PemFiles { chain: directory.join("chain.pem"), key: directory.join("key.pem") };
        for (path, text) in [(&files.chain, self.chain_pem()), (&files.key, self.key_pem())] {
            fs::write(path, text).map_err(|source| PkiError::Write { path: path.clone(), source })?;
        }
        Ok(files)
    }
}

impl fmt::Debug for Leaf {
    /// Names the certificate and leaves its key out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("names", &self.names)
            .field("serial", &self.serial)
            .field("served", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// Where a certificate was written.
///
/// ```
/// use reqpath_testkit::pki::Authority;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let room = tempfile::tempdir()?;
/// let files = Authority::new()?.leaf("shop.test").issue()?.write_pem(room.path())?;
/// assert_eq!(files.chain, room.path().join("chain.pem"));
/// assert!(std::fs::read_to_string(files.key)?.starts_with("-----BEGIN PRIVATE KEY-----"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PemFiles {
    /// The served chain, leaf first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A certificate that is well-formed, belongs to nothing, and is large.
struct Filler {
    der: CertificateDer<'static>,
    pem: String,
}

impl Filler {
    fn make() -> Result<Self, PkiError> {
        let mut params = CertificateParams::default();
        // Verifiers read no certificate above 64 KiB, and it is the chain that is to be too large.
        params.custom_extensions.push(extension::padding(16 * 1024));
        let certificate = params.self_signed(&KeyPair::generate()?)?;
        Ok(Self { pem: certificate.pem(), der: certificate.into() })
    }
}

fn alternative_name(name: &str) -> Result<SanType, PkiError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let text = name.try_into().map_err(|source| PkiError::Name { name: name.to_owned(), source })?;
    Ok(SanType::DnsName(text))
}

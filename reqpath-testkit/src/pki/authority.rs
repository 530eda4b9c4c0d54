//! Authorities: roots, intermediates and impostors.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::clock::{Anchor, Validity};
use super::leaf::{Leaf, LeafBuilder, Purpose};
use super::revocation::Crl;
use super::{PkiError, extension};

/// A certificate authority that lives in memory: a root, or an intermediate under one.
///
/// Cheap to clone; clones are the same authority.
///
/// ```
/// # fn main() -> Result<(), reqpath_testkit::pki::PkiError> {
/// use reqpath_testkit::pki::Authority;
///
/// let root = Authority::named("Example Root")?;
/// let good = root.leaf("www.example.test").issue()?;
/// let forged = root.impostor()?.leaf("www.example.test").issue()?;   // same issuer name, another key
/// assert_ne!(good.certificate_pem(), forged.certificate_pem());
/// # Ok(())
/// # }
/// ```
///
/// It proves who it is to servers, too, and can be carried elsewhere:
///
/// ```
/// # fn main() -> Result<(), reqpath_testkit::pki::PkiError> {
/// use reqpath_testkit::pki::Authority;
///
/// let root = Authority::new()?;
/// let visitor = root.client("alice").issue()?;
/// let shows_a_certificate = root.client_config_as(&visitor)?;      // rustls: a client with an identity
/// let wants_a_certificate = root.client_verifier()?;              // rustls: what a server verifies with
/// # let _ = (shows_a_certificate, wants_a_certificate);
///
/// let below = root.intermediate("Example Intermediate").issue()?;
/// assert_eq!(below.root().certificate_der(), root.certificate_der());
/// assert_eq!(root.root_store()?.len(), 1);
/// assert!(root.key_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

pub(super) struct Inner {
    params: CertificateParams,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    parent: Option<Authority>,
    anchor: Anchor,
    /// Serials are counted over a whole tree, so no two certificates of one test share one.
    serials: Arc<AtomicU64>,
    revoked: Mutex<Vec<u64>>,
}

impl Authority {
    /// A root named `reqpath test root`.
    pub fn new() -> Result<Self, PkiError> {
        Self::named("reqpath test root")
    }

    /// A root with this common name.
    pub fn named(common_name: &str) -> Result<Self, PkiError> {
        let serials = Arc::new(AtomicU64::new(1));
        Self::make(authority_params(common_name), Validity::for_days(3650), None, Anchor::now(), serials)
    }

    /// Another root with *the same subject* and another key: what it signs fails by signature, not by name.
    pub fn impostor(&self) -> Result<Self, PkiError> {
        let mut params = self.0.params.clone();
        params.custom_extensions.clear();
        Self::make(params, Validity::for_days(3650), None, self.0.anchor, self.0.serials.clone())
    }

    /// An authority below this one; what it issues serves its certificate in the chain.
    pub fn intermediate(&self, common_name: &str) -> IntermediateBuilder {
        IntermediateBuilder {
            parent: self.clone(),
            params: authority_params(common_name),
            validity: Validity::for_days(1825),
        }
    }

    /// A server certificate for `name`, a DNS name or an IP address.
    pub fn leaf(&self, name: &str) -> LeafBuilder {
        LeafBuilder::new(self.clone(), name, Purpose::Server)
    }

    /// A client certificate whose common name is `name`, for mutual TLS.
    pub fn client(&self, name: &str) -> LeafBuilder {
        LeafBuilder::new(self.clone(), name, Purpose::Client)
    }

    /// Puts a certificate of this authority on its next revocation list.
    pub fn revoke(&self, leaf: &Leaf) {
        self.0.revoked.lock().unwrap_or_else(PoisonError::into_inner).push(leaf.serial());
    }

    /// The revocation list as of now: issued yesterday, valid for a week.
    pub fn crl(&self) -> Result<Crl, PkiError> {
        let anchor = self.0.anchor;
        let revoked = self.0.revoked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let epoch = date_time_ymd(1970, 1, 1);
        let list = CertificateRevocationListParams {
            this_update: epoch + anchor.plus_days(-1),
            next_update: epoch + anchor.plus_days(7),
            crl_number: SerialNumber::from(self.next_serial()),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .into_iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(serial),
                    revocation_time: epoch + anchor.plus_days(-1),
                    reason_code: Some(RevocationReason::KeyCompromise),
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&self.0.issuer)?;
        Ok(Crl { pem: list.pem()?, der: list.into() })
    }

    /// The authority's own certificate as PEM text.
    pub fn certificate_pem(&self) -> &str {
        &self.0.pem
    }

    /// The authority's own certificate.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.0.certificate
    }

    /// The authority's private key as PKCS#8 PEM text.
    pub fn key_pem(&self) -> String {
        self.0.issuer.key().serialize_pem()
    }

    /// The top of this authority's tree: itself, for a root.
    pub fn root(&self) -> Self {
        let mut top = self;
        while let Some(parent) = &top.0.parent {
            top = parent;
        }
        top.clone()
    }

    /// This authority and those above it, without the root: what a well-kept server adds to its leaf.
    pub(super) fn intermediates(&self) -> Vec<Self> {
        let mut chain = Vec::new();
        let mut at = self;
        while let Some(parent) = &at.0.parent {
            chain.push(at.clone());
            at = parent;
        }
        chain
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.0.issuer
    }

    pub(super) fn anchor(&self) -> Anchor {
        self.0.anchor
    }

    pub(super) fn next_serial(&self) -> u64 {
        self.0.serials.fetch_add(1, Ordering::Relaxed)
    }

    fn make(
        mut params: CertificateParams,
        validity: Validity,
        parent: Option<Self>,
        anchor: Anchor,
        serials: Arc<AtomicU64>,
    ) -> Result<Self, PkiError> {
        validity.write_to(&mut params, anchor);
        params.serial_number = Some(SerialNumber::from(serials.fetch_add(1, Ordering::Relaxed)));
        params.use_authority_key_identifier_extension = parent.is_some();
        let key = KeyPair::generate()?;
        let certificate = match &parent {
            Some(parent) => params.signed_by(&key, parent.issuer())?,
            None => params.self_signed(&key)?,
        };
        Ok(Self(Arc::new(Inner {
            pem: certificate.pem(),
            certificate: certificate.into(),
            issuer: Issuer::new(params.clone(), key),
            params,
            parent,
            anchor,
            serials,
            revoked: Mutex::default(),
        })))
    }
}

impl fmt::Debug for Authority {
    /// Names the authority and leaves its key out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("subject", &self.0.params.distinguished_name)
            .field("parent", &self.0.parent)
            .finish_non_exhaustive()
    }
}

/// An intermediate authority about to be issued.
///
/// ```
/// # fn main() -> Result<(), reqpath_testkit::pki::PkiError> {
/// use reqpath_testkit::pki::Authority;
///
/// let root = Authority::new()?;
/// // Each is the reason why a good leaf below it is refused.
/// let expired = root.intermediate("Expired").expired(2).issue()?;
/// let early = root.intermediate("Early").not_yet_valid(7).issue()?;
/// let told_where = root.intermediate("Hidden").issuer_url("http://ca.test/root.der").issue()?;
/// for authority in [expired, early, told_where] {
///     assert_eq!(authority.leaf("shop.test").issue()?.chain_der().len(), 2);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is made until `issue`"]
pub struct IntermediateBuilder {
    parent: Authority,
    params: CertificateParams,
    validity: Validity,
}

impl IntermediateBuilder {
    /// Expired this many days ago, while what it signed is still in date.
    pub fn expired(mut self, days_ago: u32) -> Self {
        self.validity = Validity::ended(days_ago);
        self
    }

    /// Valid only from this many days on.
    pub fn not_yet_valid(mut self, in_days: u32) -> Self {
        self.validity = Validity::begins_in(in_days);
        self
    }

    /// Names the URL where the certificate of *its* issuer can be fetched (AIA caIssuers).
    pub fn issuer_url(mut self, url: &str) -> Self {
        self.params.custom_extensions.push(extension::ca_issuers(url));
        self
    }

    /// Makes the key and signs the certificate.
    pub fn issue(self) -> Result<Authority, PkiError> {
        let (anchor, serials) = (self.parent.0.anchor, self.parent.0.serials.clone());
        Authority::make(self.params, self.validity, Some(self.parent), anchor, serials)
    }
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params
}

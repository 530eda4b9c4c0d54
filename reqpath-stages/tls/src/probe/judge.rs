//! Whom the client believes: the verifier, the store's own certificates, and keys beyond the verifier's reach.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::key::KeyFault;
use crate::der::Fields;
use crate::evidence::{Reason, Verification};

/// Certificates of a chain that are looked at for keys; honest chains have two to four.
const LOOKED_AT: usize = 10;

/// Judges the chain that a server shows.
#[derive(Debug)]
pub(crate) struct Judge {
    /// None where nothing is verified: curl's `-k`.
    beneath: Option<Arc<dyn ServerCertVerifier>>,
    /// The certificates of the store itself.
    store: Vec<CertificateDer<'static>>,
    /// The lists that the verifier has as well, for what it is not asked about.
    lists: Vec<CertificateRevocationListDer<'static>>,
}

impl Judge {
    pub(crate) fn new(
        beneath: Arc<dyn ServerCertVerifier>,
        store: Vec<CertificateDer<'static>>,
        lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> Self {
        Self { beneath: Some(beneath), store, lists }
    }

    /// Believes anyone.
    pub(crate) fn of_nothing() -> Self {
        Self { beneath: None, store: Vec::new(), lists: Vec::new() }
    }

    /// Whether chains are verified at all.
    pub(crate) fn verifies(&self) -> bool {
        self.beneath.is_some()
    }

    pub(crate) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(beneath) = &self.beneath else { return Ok(()) };
        let Err(refused) = beneath.verify_server_cert(leaf, above, name, stapled, now) else { return Ok(()) };
        let result = Err::<(), _>(refused.clone());
        match Verification::of(&result).reason() {
            // What stands in the store needs no path: a client on OpenSSL takes it, an authority's or not,
            // signed by itself or by somebody it does not know. `openssl req -x509` marks all that it makes as
            // an authority's.
            Some(Reason::AuthorityAsLeaf | Reason::UnknownIssuer | Reason::BadSignature)
                if self.store.iter().any(|held| held == leaf) =>
            {
                in_date(leaf, now)?;
                let (_, parsed) =
                    X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
                for_servers(&parsed)?;
                self.not_revoked(&parsed)?;
                verify_server_name(&ParsedCertificate::try_from(leaf)?, name).map(|_| ())
            }
            // A signature that cannot be verified is no wrong one.
            Some(Reason::BadSignature) => match self.issuer_fault(leaf, above) {
                Some(fault) => Err(fault.into()),
                None => Err(refused),
            },
            _ => Err(refused),
        }
    }

    /// What the verifier beneath looks up for a chain, for a certificate that needs none.
    fn not_revoked(&self, leaf: &X509Certificate<'_>) -> Result<(), Error> {
        let revoked = self.lists.iter().any(|list| {
            CertificateRevocationList::from_der(list).is_ok_and(|(_, list)| {
                list.issuer().as_raw() == leaf.issuer().as_raw()
                    && list.iter_revoked_certificates().any(|one| one.raw_serial() == leaf.raw_serial())
            })
        });
        if revoked { Err(CertificateError::Revoked.into()) } else { Ok(()) }
    }

    /// What the verifier cannot do with the key of an issuer, be it served or in the store.
    fn issuer_fault(&self, leaf: &CertificateDer<'_>, above: &[CertificateDer<'_>]) -> Option<KeyFault> {
        let served: Vec<_> =
            std::iter::once(leaf).chain(above).take(LOOKED_AT).filter_map(|one| Fields::of(one)).collect();
        let issuers = served.iter().copied().chain(self.store.iter().filter_map(|one| Fields::of(one)));
        issuers
            .filter(|issuer| served.iter().any(|one| one.issuer == issuer.subject))
            .find_map(|issuer| KeyFault::of(&issuer))
    }
}

/// The verifier beneath looks at an authority's mark first, and at this no more.
fn for_servers(leaf: &X509Certificate<'_>) -> Result<(), Error> {
    match leaf.extended_key_usage() {
        Ok(None) => Ok(()),
        Ok(Some(usage)) if usage.value.server_auth => Ok(()),
        Ok(Some(_)) => Err(CertificateError::InvalidPurpose.into()),
        Err(_) => Err(CertificateError::BadEncoding.into()),
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

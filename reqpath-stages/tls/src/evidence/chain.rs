use std::fmt;
use std::sync::OnceLock;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::certificate::{Certificate, read_chain};
use super::moment::Moment;
use crate::der::Fields;

/// Certificates of a chain that are read; honest chains have two to four.
const READ_LIMIT: usize = 10;

/// The chain as the server sent it, leaf first, recorded before any verification.
///
/// While live it holds the bytes and reads them on first ask; stored, it holds what they said.
#[derive(Clone, Default)]
pub struct Chain {
    der: Vec<CertificateDer<'static>>,
    algorithms: Option<WebPkiSupportedAlgorithms>,
    read: OnceLock<Vec<Certificate>>,
    /// Found once for all handshakes that were shown this chain.
    leaf_ends: OnceLock<Option<Moment>>,
}

impl Chain {
    pub(crate) fn new(der: Vec<CertificateDer<'static>>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { der, algorithms: Some(algorithms), ..Self::default() }
    }

    /// The certificates as sent; empty when this was read from a report.
    #[must_use]
    pub fn der(&self) -> &[CertificateDer<'static>] {
        &self.der
    }

    /// What the certificates say, leaf first. Of a very long chain only the beginning.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        self.read.get_or_init(|| match &self.algorithms {
            Some(algorithms) => read_chain(&self.der[..self.der.len().min(READ_LIMIT)], algorithms),
            None => Vec::new(),
        })
    }

    /// The server's own certificate.
    #[must_use]
    pub fn leaf(&self) -> Option<&Certificate> {
        self.certificates().first()
    }

    /// The last moment the leaf is valid, found without reading the rest.
    #[must_use]
    pub fn leaf_not_after(&self) -> Option<Moment> {
        *self.leaf_ends.get_or_init(|| match self.der.first() {
            Some(leaf) => Fields::of(leaf)?.not_after.and_then(Moment::from_seconds),
            None => self.leaf()?.not_after,
        })
    }

    /// Whether the server sent no certificate, or none was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.der.is_empty() && self.read.get().is_none_or(Vec::is_empty)
    }

    /// The certificates from the leaf up, each signed by the next, as far as the served ones lead.
    pub fn path(&self) -> impl Iterator<Item = &Certificate> {
        let certificates = self.certificates();
        let mut next = certificates.first();
        let mut left = certificates.len();
        std::iter::from_fn(move || {
            let now = next?;
            // Two authorities that sign each other would go round for ever.
            left = left.checked_sub(1)?;
            next = now.signed_by.and_then(|place| certificates.get(place)).filter(|_| !now.self_signed);
            Some(now)
        })
    }
}

impl From<Vec<Certificate>> for Chain {
    fn from(certificates: Vec<Certificate>) -> Self {
        Self { read: OnceLock::from(certificates), ..Self::default() }
    }
}

impl Serialize for Chain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.certificates().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Certificate>::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.certificates().iter().map(|one| &one.subject)).finish()
    }
}

#[cfg(test)]
mod tests {
    use reqpath_testkit::pki::Authority;
    use rustls::crypto::ring::default_provider;

    use super::*;

    #[test]
    fn live_and_stored_say_the_same() {
        let middle = Authority::new().unwrap().intermediate("Middle").issue().unwrap();
        let leaf = middle.leaf("www.example.test").issue().unwrap();
        let live =
            Chain::new(leaf.chain_der().to_vec(), default_provider().signature_verification_algorithms);
        let stored: Chain = serde_json::from_value(serde_json::to_value(&live).unwrap()).unwrap();
        assert_eq!(live.certificates(), stored.certificates());
        assert_eq!(live.leaf_not_after(), stored.leaf_not_after());
        assert_eq!(live.path().count(), 2);
        assert!(!stored.is_empty());
    }

    #[test]
    fn a_ring_of_authorities_ends() {
        let link = |place| Certificate { signed_by: Some(place), ..Certificate::default() };
        let chain = Chain::from(vec![link(1), link(2), link(1)]);
        assert_eq!(chain.path().count(), 3);
    }
}

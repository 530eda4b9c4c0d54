//! Ready configurations for rustls, with the crypto provider passed by hand.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::{Authority, Crl, Leaf, PkiError};

/// The crypto provider of every configuration made here; the process-wide default is never touched.
///
/// ```
/// use reqpath_testkit::pki::provider;
/// use rustls::RootCertStore;
///
/// # fn main() -> Result<(), rustls::Error> {
/// let nobody = rustls::ClientConfig::builder_with_provider(provider())
///     .with_safe_default_protocol_versions()?
///     .with_root_certificates(RootCertStore::empty())
///     .with_no_client_auth();
/// # let _ = nobody;
/// # Ok(())
/// # }
/// ```
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Authority {
    /// A store that trusts this authority alone.
    pub fn root_store(&self) -> Result<RootCertStore, PkiError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate_der().clone())?;
        Ok(roots)
    }

    /// A client that trusts this authority alone and has no certificate of its own.
    pub fn client_config(&self) -> Result<ClientConfig, PkiError> {
        Ok(ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.root_store()?)
            .with_no_client_auth())
    }

    /// A client that trusts this authority alone and shows `identity` when asked.
    pub fn client_config_as(&self, identity: &Leaf) -> Result<ClientConfig, PkiError> {
        Ok(ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.root_store()?)
            .with_client_auth_cert(identity.chain_der().to_vec(), identity.key_der())?)
    }

    /// A client that also refuses what these lists revoke; certificates no list speaks of pass.
    pub fn client_config_with_crls(&self, lists: &[Crl]) -> Result<ClientConfig, PkiError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(self.root_store()?), provider())
            .with_crls(lists.iter().map(|list| list.der().clone()))
            .allow_unknown_revocation_status()
            .build()?;
        Ok(ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(verifier)
            .with_no_client_auth())
    }

    /// Verifies that clients show a certificate of this authority.
    pub fn client_verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, PkiError> {
        Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(self.root_store()?), provider()).build()?)
    }
}

impl Leaf {
    /// A server that serves this chain and asks clients for nothing.
    pub fn server_config(&self) -> Result<ServerConfig, PkiError> {
        Ok(ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain_der().to_vec(), self.key_der())?)
    }

    /// A server that serves this chain and ends the handshake with clients that have no certificate of `clients`.
    pub fn server_config_requiring(&self, clients: &Authority) -> Result<ServerConfig, PkiError> {
        Ok(ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients.client_verifier()?)
            .with_single_cert(self.chain_der().to_vec(), self.key_der())?)
    }
}

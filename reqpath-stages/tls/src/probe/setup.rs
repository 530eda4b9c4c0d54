use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use reqpath_core::{Error, escape_bytes};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::server::VerifierBuilderError;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};

use super::judge::Judge;
use super::watch::Watch;
use crate::evidence::{Chain, Offer, TrustUsed};
use crate::{SetupError, TlsOptions, Trust};

/// The stage's options, and what is made of them once.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) options: TlsOptions,
    /// The name this server is known to serve.
    pub(crate) known_name: Option<ServerName<'static>>,
    /// Made at once where the caller's input could be wrong, and otherwise when it is first needed:
    /// reading the platform's store takes longer than a plain request.
    ready: OnceLock<Result<Ready, SetupError>>,
}

/// What every handshake of a stage shares.
#[derive(Debug)]
pub(crate) struct Ready {
    base: ClientConfig,
    judge: Arc<Judge>,
    identity: Option<Arc<CertifiedKey>>,
    algorithms: WebPkiSupportedAlgorithms,
    /// The chain seen last: the samples of a trace mostly see one, and need not keep and read it each.
    last: Mutex<Arc<Chain>>,
    pub(crate) trust: Arc<TrustUsed>,
    pub(crate) offer: Arc<Offer>,
    pub(crate) warn_within_days: usize,
}

impl Setup {
    pub(crate) fn new(options: TlsOptions) -> Result<Self, SetupError> {
        let known_name = match &options.known_name {
            Some(name) => Some(
                ServerName::try_from(name.clone())
                    .map_err(|_| SetupError::KnownName { name: name.clone() })?,
            ),
            None => None,
        };
        let ready = OnceLock::new();
        if !matches!(options.trust, Trust::Platform) || !options.crls.is_empty() {
            // Just made, so it is empty.
            let _ = ready.set(Ok(Ready::new(&options)?));
        }
        Ok(Self { options, known_name, ready })
    }

    pub(crate) fn ready(&self) -> Result<&Ready, Error> {
        let ready = self.ready.get_or_init(|| Ready::new(&self.options));
        ready.as_ref().map_err(|error| Error::Setup { what: error.to_string(), source: None })
    }
}

impl Ready {
    fn new(options: &TlsOptions) -> Result<Self, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let (judge, mut trust) = judge(options, &provider)?;
        trust.revocation_lists = options.crls.len();
        let mut base = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|source| SetupError::Rustls { source })?
            // Each handshake brings a watch of its own in its place.
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        base.alpn_protocols.clone_from(&options.alpn);
        // Each handshake is to show the whole of it.
        base.resumption = Resumption::disabled();
        let names = |names: Vec<Option<&str>>| names.into_iter().flatten().map(str::to_owned).collect();
        let offer = Offer {
            versions: vec!["TLSv1.2".to_owned(), "TLSv1.3".to_owned()],
            suites: names(provider.cipher_suites.iter().map(|suite| suite.suite().as_str()).collect()),
            groups: names(provider.kx_groups.iter().map(|group| group.name().as_str()).collect()),
            signature_schemes: names(algorithms.mapping.iter().map(|(scheme, _)| scheme.as_str()).collect()),
            alpn: options.alpn.iter().map(|protocol| escape_bytes(protocol, 64)).collect(),
        };
        let warn_within_days = options.expiring_within.as_secs() / 86_400;
        Ok(Self {
            base,
            judge: Arc::new(judge),
            identity: options.identity.as_ref().map(|identity| Arc::clone(&identity.0)),
            algorithms,
            last: Mutex::default(),
            trust: Arc::new(trust),
            offer: Arc::new(offer),
            warn_within_days: usize::try_from(warn_within_days).unwrap_or(usize::MAX),
        })
    }

    /// Whether there is a client certificate for servers that ask.
    pub(crate) fn has_certificate(&self) -> bool {
        self.identity.is_some()
    }

    /// The judge, for asking once more.
    pub(crate) fn judge(&self) -> &Judge {
        &self.judge
    }

    /// This chain, kept once for all handshakes in a row that were shown it.
    pub(crate) fn shared(&self, der: Vec<CertificateDer<'static>>) -> Arc<Chain> {
        if der.is_empty() {
            return Arc::default();
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.der() != der {
            *last = Arc::new(Chain::new(der, self.algorithms));
        }
        Arc::clone(&last)
    }

    /// A watch over one handshake, and the configuration that has it watched.
    ///
    /// A copy of the configuration shares nearly everything: it costs a few counters.
    pub(crate) fn watched(
        &self,
        now: rustls_pki_types::UnixTime,
        lenient: bool,
        send_name: bool,
        shows_certificate: bool,
    ) -> (Arc<Watch>, Arc<ClientConfig>) {
        let identity = self.identity.clone().filter(|_| shows_certificate);
        let watch = Arc::new(Watch::new(Arc::clone(&self.judge), self.algorithms, identity, now, lenient));
        let mut config = self.base.clone();
        config.dangerous().set_certificate_verifier(Arc::clone(&watch) as _);
        config.client_auth_cert_resolver = Arc::clone(&watch) as _;
        config.enable_sni = send_name;
        (watch, Arc::new(config))
    }
}

fn judge(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<(Judge, TrustUsed), SetupError> {
    match &options.trust {
        Trust::None => Ok((Judge::of_nothing(), TrustUsed::new("nothing is verified"))),
        Trust::Bundle(bundle) => {
            let mut trust = TrustUsed::new(bundle.name.clone());
            let roots = roots(&bundle.authorities, &mut trust);
            if roots.is_empty() {
                let (file, count) = (bundle.name.clone(), bundle.authorities.len());
                return Err(SetupError::NoAuthority { file, count });
            }
            let verifier = webpki(roots, options, provider)?;
            Ok((Judge::new(verifier, bundle.authorities.clone(), options.crls.clone()), trust))
        }
        Trust::Platform => platform(options, provider),
    }
}

/// On systems with a verifier of their own, that one; revocation lists are looked at by ours.
#[cfg(any(windows, target_vendor = "apple"))]
fn platform(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<(Judge, TrustUsed), SetupError> {
    if !options.crls.is_empty() {
        return native(options, provider);
    }
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider))
        .map_err(|error| SetupError::PlatformStore { why: error.to_string() })?;
    let judge = Judge::new(Arc::new(verifier), Vec::new(), Vec::new());
    Ok((judge, TrustUsed::new("the platform's store")))
}

#[cfg(not(any(windows, target_vendor = "apple")))]
fn platform(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<(Judge, TrustUsed), SetupError> {
    native(options, provider)
}

fn native(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<(Judge, TrustUsed), SetupError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut trust = TrustUsed::new("the platform's store");
    let roots = roots(&loaded.certs, &mut trust);
    if roots.is_empty() {
        let why = loaded.errors.first().map_or_else(|| "it is empty".to_owned(), ToString::to_string);
        return Err(SetupError::PlatformStore { why });
    }
    Ok((Judge::new(webpki(roots, options, provider)?, loaded.certs, options.crls.clone()), trust))
}

/// The certificates that can be trusted; a store has always some that cannot be read.
fn roots(certificates: &[CertificateDer<'static>], trust: &mut TrustUsed) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (added, unusable) = roots.add_parsable_certificates(certificates.iter().cloned());
    (trust.authorities, trust.unusable) = (added, unusable);
    roots
}

fn webpki(
    roots: RootCertStore,
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, SetupError> {
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .with_crls(options.crls.iter().cloned())
        .allow_unknown_revocation_status();
    match builder.build() {
        Ok(verifier) => Ok(verifier),
        Err(source @ VerifierBuilderError::InvalidCrl(_)) => Err(SetupError::RevocationList { source }),
        Err(source) => Err(SetupError::PlatformStore { why: source.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use reqpath_testkit::pki::Authority;
    use rustls_pki_types::CertificateRevocationListDer;

    use super::*;
    use crate::Bundle;

    fn options(trust: Trust) -> TlsOptions {
        TlsOptions { trust, ..TlsOptions::default() }
    }

    #[test]
    fn input_that_is_wrong_is_refused_at_once() {
        let junk = Bundle::new("ca.pem", vec![CertificateDer::from(vec![1, 2, 3])]);
        let error = Setup::new(options(Trust::Bundle(junk))).unwrap_err();
        assert_eq!(error.to_string(), "ca.pem: none of its 1 certificates can be read as an authority's");

        let root = Authority::new().unwrap();
        let bundle = Bundle::new("ca.pem", vec![root.certificate_der().clone()]);
        let crls = vec![CertificateRevocationListDer::from(vec![1, 2, 3])];
        let error = Setup::new(TlsOptions { crls, ..options(Trust::Bundle(bundle)) }).unwrap_err();
        assert!(matches!(error, SetupError::RevocationList { .. }));

        let known_name = Some("not a name".to_owned());
        let error = Setup::new(TlsOptions { known_name, ..TlsOptions::default() }).unwrap_err();
        assert_eq!(error.to_string(), "`not a name` is not a server name");
    }
}

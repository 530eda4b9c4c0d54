use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::judge::Judge;
use super::key::{KeyFault, Proof, proof};
use crate::evidence::CertificateRequest;

/// Watches one handshake: notes what the server shows before anything is verified,
/// and has it verified by the clock of the vantage.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) judge: Arc<Judge>,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
    pub(crate) identity: Option<Arc<CertifiedKey>>,
    /// What the vantage's clock says.
    pub(crate) now: UnixTime,
    /// Whether to go on whatever verifying gave.
    pub(crate) lenient: bool,
    sight: Mutex<Sight>,
}

/// What the server showed.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) stapled: Vec<u8>,
    /// What verifying gave; absent where it was not done.
    pub(crate) verified: Option<Result<(), Error>>,
    pub(crate) name_fits: Option<bool>,
    pub(crate) request: Option<CertificateRequest>,
    /// Why it is not known whether the server holds its certificate's key, where we went on without.
    pub(crate) unproven: Option<KeyFault>,
}

impl Watch {
    pub(crate) fn new(
        judge: Arc<Judge>,
        algorithms: WebPkiSupportedAlgorithms,
        identity: Option<Arc<CertifiedKey>>,
        now: UnixTime,
        lenient: bool,
    ) -> Self {
        Self { judge, algorithms, identity, now, lenient, sight: Mutex::default() }
    }

    /// What was seen; nothing is left behind.
    pub(crate) fn take(&self) -> Sight {
        std::mem::take(&mut *self.sight.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a refused signature is wrong, right, or beyond what the library can verify:
    /// the last is the certificate's fault, and none for those who go on whatever it is.
    fn look_closer(
        &self,
        refused: Error,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
        one_kind_of_key: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !matches!(refused, Error::InvalidCertificate(_)) {
            return Err(refused);
        }
        let fault = match proof(message, certificate, signature, &self.algorithms, one_kind_of_key) {
            Proof::Made => return Ok(HandshakeSignatureValid::assertion()),
            Proof::Wrong => return Err(refused),
            Proof::Unknown(fault) => fault,
        };
        let mut sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lenient || !self.judge.verifies() {
            sight.unproven = Some(fault);
            return Ok(HandshakeSignatureValid::assertion());
        }
        let refused = Error::from(fault);
        sight.verified = Some(Err(refused.clone()));
        Err(refused)
    }
}

impl ServerCertVerifier for Watch {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.judge.verifies().then(|| self.judge.verify(leaf, above, name, stapled, self.now));
        let mut sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        sight.chain = std::iter::once(leaf).chain(above).map(|one| one.clone().into_owned()).collect();
        sight.stapled = stapled.to_vec();
        if !matches!(verified, Some(Ok(()))) {
            sight.name_fits = name_fits(leaf, name);
        }
        let answer = match &verified {
            Some(Err(error)) if !self.lenient => Err(error.clone()),
            _ => Ok(ServerCertVerified::assertion()),
        };
        sight.verified = verified;
        answer
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
            .or_else(|refused| self.look_closer(refused, message, certificate, signature, false))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
            .or_else(|refused| self.look_closer(refused, message, certificate, signature, true))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ResolvesClientCert for Watch {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let request = CertificateRequest::read(authorities, schemes);
        self.sight.lock().unwrap_or_else(PoisonError::into_inner).request = Some(request);
        self.identity.clone()
    }

    fn has_certs(&self) -> bool {
        // Said even without one: otherwise the server's wish is never shown to us.
        true
    }
}

/// Whether a name in the leaf fits; `None` where the leaf cannot be read.
fn name_fits(leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> Option<bool> {
    let leaf = ParsedCertificate::try_from(leaf).ok()?;
    match verify_server_name(&leaf, name) {
        Ok(()) => Some(true),
        Err(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Some(false),
        Err(_) => None,
    }
}

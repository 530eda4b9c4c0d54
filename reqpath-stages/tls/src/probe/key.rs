//! The server's key: whether it signed the handshake, and whether that can be told.

use std::sync::Arc;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError};
use rustls_pki_types::CertificateDer;

use crate::der::Fields;
use crate::evidence::RSA_BITS;

/// A key by which the library verifies nothing: neither right nor wrong can be said of what it signed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("an RSA key of {bits} bits: signatures are verified by those of 2048 to 8192")]
pub(crate) struct KeyFault {
    bits: usize,
}

impl KeyFault {
    pub(crate) fn of(certificate: &Fields<'_>) -> Option<Self> {
        let bits = certificate.rsa_bits().filter(|bits| !RSA_BITS.contains(bits))?;
        Some(Self { bits })
    }
}

impl From<KeyFault> for Error {
    fn from(fault: KeyFault) -> Self {
        CertificateError::Other(OtherError(Arc::new(fault))).into()
    }
}

/// What a second look at a signature over the handshake shows.
pub(crate) enum Proof {
    /// The key made it, whatever else is in the certificate.
    Made,
    /// It cannot be told.
    Unknown(KeyFault),
    /// The key did not make it, or nothing finer can be said.
    Wrong,
}

/// Looks at a signature by the certificate's key alone, after the library refused it.
///
/// The library reads the whole certificate first, and refuses one with an extension it does not know.
/// With TLS 1.3 the scheme names the kind of key, with TLS 1.2 only the kind of algorithm.
pub(crate) fn proof(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
    one_kind_of_key: bool,
) -> Proof {
    let Some(fields) = Fields::of(certificate) else { return Proof::Wrong };
    if let Some(fault) = KeyFault::of(&fields) {
        return Proof::Unknown(fault);
    }
    let fitting = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let kinds = if one_kind_of_key { 1 } else { usize::MAX };
    let made = fitting.is_some_and(|(_, fitting)| {
        fitting.iter().take(kinds).any(|algorithm| {
            *algorithm.public_key_alg_id() == *fields.key_algorithm
                && algorithm.verify_signature(fields.key, message, signed.signature()).is_ok()
        })
    });
    if made { Proof::Made } else { Proof::Wrong }
}

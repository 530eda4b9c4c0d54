use reqpath_core::escape;
use rustls::{CertificateError, Error};
use serde::{Deserialize, Serialize};

use crate::probe::KeyFault;

/// What verifying the served chain against the trust store gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verification {
    /// A path leads to the store, in date, for this name.
    Trusted,
    /// It was refused.
    Refused(Refusal),
    /// The caller asked not to verify.
    Skipped,
    /// Something a later version knows.
    #[serde(other)]
    Unknown,
}

/// Why a chain was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refusal {
    /// The reason, sorted.
    pub reason: Reason,
    /// The verifier's own words.
    #[serde(default)]
    pub words: String,
}

/// The first reason for which a verifier refuses a chain. Dates are looked at before the path,
/// the path before revocation, and the name last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A certificate of the path is past its last day.
    Expired,
    /// A certificate of the path is before its first day.
    NotYetValid,
    /// No path leads to the store.
    UnknownIssuer,
    /// A certificate names its issuer, and that issuer's key did not sign it.
    BadSignature,
    /// A revocation list names a certificate of the path.
    Revoked,
    /// No name in the leaf fits.
    NameMismatch,
    /// The leaf is an authority's certificate.
    AuthorityAsLeaf,
    /// The leaf is not for servers.
    WrongPurpose,
    /// Signed in a way the verifier does not support.
    UnsupportedAlgorithm,
    /// A critical extension that the verifier does not know.
    CriticalExtension,
    /// A key of a length by which the verifier does not verify.
    UnsupportedKey,
    /// It holds a name that an authority above may not vouch for.
    NameConstraint,
    /// More authorities stand one below the other than one of them allows.
    PathLength,
    /// What signed it is not an authority's certificate.
    IssuerNotAuthority,
    /// It cannot be read.
    Malformed,
    /// Anything else; the words tell.
    #[serde(other)]
    Other,
}

impl Verification {
    pub(crate) fn of<T>(result: &Result<T, Error>) -> Self {
        match result {
            Ok(_) => Self::Trusted,
            Err(error) => Self::Refused(Refusal { reason: reason(error), words: words(error) }),
        }
    }

    /// Why it was refused, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason),
            _ => None,
        }
    }

    /// Whether a path to the store was found, whatever the name in the leaf.
    #[must_use]
    pub fn leads_to_the_store(&self) -> bool {
        matches!(self, Self::Trusted) || self.reason() == Some(Reason::NameMismatch)
    }
}

impl Reason {
    /// Whether it is about dates.
    #[must_use]
    pub fn is_date(self) -> bool {
        matches!(self, Self::Expired | Self::NotYetValid)
    }
}

fn reason(error: &Error) -> Reason {
    let Error::InvalidCertificate(error) = error else { return Reason::Other };
    match error {
        CertificateError::BadEncoding => Reason::Malformed,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Reason::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Reason::NotYetValid,
        CertificateError::Revoked => Reason::Revoked,
        CertificateError::UnhandledCriticalExtension => Reason::CriticalExtension,
        CertificateError::UnknownIssuer => Reason::UnknownIssuer,
        CertificateError::BadSignature => Reason::BadSignature,
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Reason::UnsupportedAlgorithm
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Reason::NameMismatch
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Reason::WrongPurpose
        }
        CertificateError::Other(other) if other.0.is::<KeyFault>() => Reason::UnsupportedKey,
        // The layer below has no public name for these, only a word.
        CertificateError::Other(other) => match &*other.0.to_string() {
            "CaUsedAsEndEntity" => Reason::AuthorityAsLeaf,
            "EndEntityUsedAsCa" => Reason::IssuerNotAuthority,
            "NameConstraintViolation" => Reason::NameConstraint,
            "PathLenConstraintViolated" => Reason::PathLength,
            "UnsupportedCriticalExtension" => Reason::CriticalExtension,
            _ => Reason::Other,
        },
        _ => Reason::Other,
    }
}

/// The error's words; what the peer chose of them is escaped and cut.
pub(crate) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let words = match error.downcast_ref() {
        // The library shows how it keeps these, not what they say.
        Some(Error::InvalidCertificate(CertificateError::Other(other))) => {
            format!("invalid peer certificate: {}", other.0)
        }
        _ => error.to_string(),
    };
    escape(&words, 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_reason_is_survived() {
        let json = r#"{"verdict": "refused", "reason": "too_quantum"}"#;
        let verification: Verification = serde_json::from_str(json).unwrap();
        assert_eq!(verification.reason(), Some(Reason::Other));
        assert_eq!(
            serde_json::from_str::<Verification>(r#"{"verdict": "maybe"}"#).unwrap(),
            Verification::Unknown
        );
    }

    #[test]
    fn words_of_the_peer_are_escaped() {
        let error = Error::General("\u{1b}[31m".repeat(1000));
        let words = words(&error);
        assert!(!words.contains('\u{1b}') && words.len() < 6000);
    }
}

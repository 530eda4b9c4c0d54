//! What can be wrong with a handshake, as the road meets it.
//!
//! Causes that only an answer decides (`tls.client_cert_required` and its kin) live with the stage
//! that reads answers.

mod alpn_mismatch;
mod cert_authority_invalid;
mod cert_chain_expired;
mod cert_date_invalid;
mod cert_default_served;
mod cert_expiring;
mod cert_incomplete_chain;
mod cert_invalid;
mod cert_name_invalid;
mod cert_revoked;
mod cert_self_signed;
mod handshakes;
mod plaintext_peer;
mod protocol_error;
mod timed_out;
mod unrecognized_name_alert;
mod untrusted;
mod version_or_cipher_mismatch;

#[cfg(test)]
mod tests;

use reqpath_core::Cause;

/// All of them, in the order in which a handshake meets them: a verifier looks at dates, then for a
/// path to the store, then for revocation, and at the name last.
pub static CAUSES: &[&Cause] = &[
    &timed_out::TIMED_OUT,
    &plaintext_peer::PLAINTEXT_PEER,
    &unrecognized_name_alert::UNRECOGNIZED_NAME_ALERT,
    &version_or_cipher_mismatch::VERSION_OR_CIPHER_MISMATCH,
    &alpn_mismatch::ALPN_MISMATCH,
    &protocol_error::PROTOCOL_ERROR,
    &cert_date_invalid::CERT_DATE_INVALID,
    &cert_chain_expired::CERT_CHAIN_EXPIRED,
    &cert_self_signed::CERT_SELF_SIGNED,
    &cert_incomplete_chain::CERT_INCOMPLETE_CHAIN,
    &cert_authority_invalid::CERT_AUTHORITY_INVALID,
    &cert_invalid::CERT_INVALID,
    &cert_revoked::CERT_REVOKED,
    &cert_default_served::CERT_DEFAULT_SERVED,
    &cert_name_invalid::CERT_NAME_INVALID,
    &cert_expiring::CERT_EXPIRING,
];

//! What can be wrong with a request and its answer: one file and one line each.
//!
//! Some belong to stations further up the road, and live here because an answer decides them.

mod client_cert_rejected;
mod client_cert_required;
mod client_certificate;
mod clock_skew;
mod empty;
mod error;
mod failed;
mod header_section_size;
mod invalid;
mod larger_than_read;
mod met;
mod misdirected;
mod plaintext_to_tls;
mod proxy_failed;
mod redirect_loop;
mod reset;
mod reset_mid_body;
mod stale_connection;
mod stalled;
mod timed_out;
mod truncated;
mod tunnel_failed;
mod unexpected;
mod version_required;

#[cfg(test)]
mod tests;

use reqpath_core::Cause;

pub use self::client_cert_rejected::CLIENT_CERT_REJECTED;
pub use self::client_cert_required::CLIENT_CERT_REQUIRED;
pub use self::clock_skew::CLOCK_SKEW;
pub use self::empty::EMPTY;
pub use self::error::ERROR;
pub use self::failed::FAILED;
pub use self::header_section_size::HEADER_SECTION_SIZE;
pub use self::invalid::INVALID;
pub use self::larger_than_read::LARGER_THAN_READ;
pub use self::misdirected::MISDIRECTED;
pub use self::plaintext_to_tls::PLAINTEXT_TO_TLS;
pub use self::proxy_failed::PROXY_FAILED;
pub use self::redirect_loop::REDIRECT_LOOP;
pub use self::reset::RESET;
pub use self::reset_mid_body::RESET_MID_BODY;
pub use self::stale_connection::STALE_CONNECTION;
pub use self::stalled::STALLED;
pub use self::timed_out::TIMED_OUT;
pub use self::truncated::TRUNCATED;
pub use self::tunnel_failed::TUNNEL_FAILED;
pub use self::unexpected::UNEXPECTED;
pub use self::version_required::VERSION_REQUIRED;

/// The causes of this crate, in the order of the road.
pub static CAUSES: &[&Cause] = &[
    &CLOCK_SKEW,
    &TUNNEL_FAILED,
    &PROXY_FAILED,
    &STALE_CONNECTION,
    &CLIENT_CERT_REQUIRED,
    &CLIENT_CERT_REJECTED,
    &PLAINTEXT_TO_TLS,
    &FAILED,
    &EMPTY,
    &RESET,
    &VERSION_REQUIRED,
    &TIMED_OUT,
    &INVALID,
    &HEADER_SECTION_SIZE,
    &REDIRECT_LOOP,
    &MISDIRECTED,
    &ERROR,
    &UNEXPECTED,
    &TRUNCATED,
    &RESET_MID_BODY,
    &STALLED,
    &LARGER_THAN_READ,
];

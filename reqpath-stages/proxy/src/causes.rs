//! What a proxy meets on the leg behind it, and what it refuses by itself: one file and one line each.

mod authentication_required;
mod authorization_denied;
mod connect_route;
mod connection_refused;
mod connection_terminated;
mod connection_timeout;
mod destination_unavailable;
mod dns_error;
mod dns_timeout;
mod http_response_header_section_size;
mod http_response_incomplete;
mod http_response_timeout;
mod keepalive_race;
mod loop_detected;
mod no_resolver;
mod own;
mod rate_limited;
mod retried;
mod tls_certificate_error;
mod tls_protocol_error;
mod told;

#[cfg(test)]
mod tests;

use reqpath_core::Cause;

pub use self::authentication_required::AUTHENTICATION_REQUIRED;
pub use self::authorization_denied::AUTHORIZATION_DENIED;
pub use self::connect_route::CONNECT_ROUTE;
pub use self::connection_refused::CONNECTION_REFUSED;
pub use self::connection_terminated::CONNECTION_TERMINATED;
pub use self::connection_timeout::CONNECTION_TIMEOUT;
pub use self::destination_unavailable::DESTINATION_UNAVAILABLE;
pub use self::dns_error::DNS_ERROR;
pub use self::dns_timeout::DNS_TIMEOUT;
pub use self::http_response_header_section_size::HTTP_RESPONSE_HEADER_SECTION_SIZE;
pub use self::http_response_incomplete::HTTP_RESPONSE_INCOMPLETE;
pub use self::http_response_timeout::HTTP_RESPONSE_TIMEOUT;
pub use self::keepalive_race::KEEPALIVE_RACE;
pub use self::loop_detected::LOOP_DETECTED;
pub use self::no_resolver::NO_RESOLVER;
pub use self::rate_limited::RATE_LIMITED;
pub use self::retried::RETRIED;
pub use self::tls_certificate_error::TLS_CERTIFICATE_ERROR;
pub use self::tls_protocol_error::TLS_PROTOCOL_ERROR;

/// The causes of this crate, in the order of the road.
pub static CAUSES: &[&Cause] = &[
    &NO_RESOLVER,
    &DNS_ERROR,
    &DNS_TIMEOUT,
    &CONNECT_ROUTE,
    &CONNECTION_REFUSED,
    &CONNECTION_TIMEOUT,
    &TLS_CERTIFICATE_ERROR,
    &TLS_PROTOCOL_ERROR,
    &KEEPALIVE_RACE,
    &CONNECTION_TERMINATED,
    &HTTP_RESPONSE_TIMEOUT,
    &HTTP_RESPONSE_HEADER_SECTION_SIZE,
    &HTTP_RESPONSE_INCOMPLETE,
    &DESTINATION_UNAVAILABLE,
    &AUTHENTICATION_REQUIRED,
    &AUTHORIZATION_DENIED,
    &RATE_LIMITED,
    &LOOP_DETECTED,
    &RETRIED,
];

//! The causes that a database's leg decides.

mod leg;
mod tls_failed;
mod tls_required;
mod unreachable;

#[cfg(test)]
mod tests;

use reqpath_core::Cause;

use tls_failed::TLS_FAILED;
use tls_required::TLS_REQUIRED;
use unreachable::UNREACHABLE;

/// All of them, in the order of the road.
pub static CAUSES: &[&Cause] = &[&UNREACHABLE, &TLS_REQUIRED, &TLS_FAILED];

//! Parity: the same fault, once on the fake vantage and once on real sockets, gives the same evidence.
//!
//! One body walks the whole road in both places; [`DIFFERS`] names every member of the evidence that may
//! differ, with the reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

mod body;
mod dns;
#[cfg(unix)]
mod h2;
mod http;
#[cfg(target_os = "linux")]
mod lab;
mod tls;
#[cfg(target_os = "linux")]
mod tunnel;

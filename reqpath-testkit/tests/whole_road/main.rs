//! The whole road on real parts: each hop killed by each death it can have, and who is named for it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]
#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of a type with a lifetime is no function of any lifetime"
)]

mod asking;
mod chain;
mod cost;
mod deaths;
mod fault;
mod odd;
mod play;
mod removed;
mod two_faults;
mod undecidable;

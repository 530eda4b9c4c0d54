//! The whole road on real parts: each hop killed by each death it can have, and who is named for it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

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

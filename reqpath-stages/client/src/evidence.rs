//! What this stage saw.

mod environment;
mod hosts;
mod limits;

pub use environment::{Environment, Exemption, NearMiss, ProxyInForce, Setting};
pub(crate) use hosts::MOST_BYTES as MOST_HOSTS_BYTES;
pub use hosts::{HostsEntry, HostsFile};
pub use limits::Limits;

//! What was seen of the connections on a leg.

mod attempt;
mod broken;
mod figures;
mod limits;
mod not_dialled;
mod queue;
mod route;
mod silence;

pub use attempt::{Attempt, Death, Outcome, Purpose};
pub use broken::{Broken, Progress};
pub use figures::Figures;
pub use limits::{OpenDescriptors, PortsTowards};
pub use not_dialled::NotDialled;
pub use queue::ListenQueue;
pub use route::RouteTaken;
pub use silence::{Closing, Silence};

/// `nc` and others take address and port apart.
fn apart(at: &reqpath_core::Subject) -> String {
    at.address().map_or_else(String::new, |peer| format!("{} {}", peer.ip(), peer.port()))
}

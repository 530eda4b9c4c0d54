//! Real DNS servers: one that answers for zones, one that resolves and validates.

mod knot;
mod unbound;
mod zone;

#[cfg(test)]
mod tests;

pub use self::knot::{Knot, KnotBuilder};
pub use self::unbound::{Unbound, UnboundBuilder};
pub use self::zone::{Signing, Zone};

//! A request over a connection that was used before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Evidence, Left, Micros};

/// How a request fared over a connection that had carried one before.
///
/// Recorded where there are samples enough to compare, by the stage that sends requests: such a request is not
/// counted, but what dies only on a used connection shows by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Reused {
    /// How long the connection was idle before.
    #[serde(default)]
    pub idle_us: Micros,
    /// Whether the request came back alive.
    pub left: Left,
}

impl Reused {
    /// It fared like this after the connection had been idle for so long.
    #[must_use]
    pub fn new(idle: impl Into<Micros>, left: Left) -> Self {
        Self { idle_us: idle.into(), left }
    }
}

impl Evidence for Reused {
    const KIND: &'static str = "request.reused";

    fn went_well(&self) -> bool {
        self.left == Left::Alive
    }
}

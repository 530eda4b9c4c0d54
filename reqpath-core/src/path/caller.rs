//! The settings of the program whose request this is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Micros;

/// The settings of the program whose request this is; what is not said is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Caller {
    /// Its total deadline for one request. `0` says that it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_us: Option<Micros>,
    /// How often it tries altogether; 1 is without a retry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// How many connections it keeps for later requests; `0` says that it keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<u32>,
    /// How long it keeps an idle connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_idle_us: Option<Micros>,
    /// How soon a planned change of addresses must have reached everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_window_us: Option<Micros>,
}

impl Caller {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

//! How long a hop waits, and how often it tries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Micros;

/// How long a hop waits for the next one, and how often it tries; what is not said is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection to the next hop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<Micros>,
    /// Between two pieces sent to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_us: Option<Micros>,
    /// Between two pieces read from it: for an answer to begin, in most proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_us: Option<Micros>,
    /// For the whole exchange, retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_us: Option<Micros>,
    /// How often it tries altogether; 1 is without a retry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// How long it keeps an idle connection to the next hop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_idle_us: Option<Micros>,
    /// How long it keeps an idle connection from the hop before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_us: Option<Micros>,
    /// How long one statement may take in a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_us: Option<Micros>,
}

impl Timeouts {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

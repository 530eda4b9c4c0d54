//! What one hop sends to the next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Header, Scheme};

/// What the hop before sends to a hop, where it differs from the request at the front.
///
/// Without it, nothing is known of the request here, and an entry at this hop ends before HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Sends {
    /// How it is carried; plain HTTP unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// The `Host` it names; that of the front unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path and query it asks for; those of the front unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Headers it sets, in place of any of the same name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Headers of the request that it does not pass on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<String>,
    /// The server name it asks for in the TLS handshake; the host unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Whether it verifies the certificate. Many proxies do not unless told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub verifies: bool,
}

//! What kind of place a hop is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of place a hop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HopKind {
    /// Where the request starts.
    Client,
    /// A server of which nothing more is known.
    Server,
    /// A load balancer below HTTP.
    Lb,
    /// An nginx.
    Nginx,
    /// An APISIX.
    Apisix,
    /// A Kubernetes Service.
    Service,
    /// A Kubernetes node.
    Node,
    /// A Pod, or an application anywhere.
    Pod,
    /// A database.
    Db,
    /// Anything else.
    #[serde(other)]
    Other,
}

impl HopKind {
    /// Whether it passes packets on and never speaks itself, so that whatever is seen on the leg to it
    /// may come from behind it: a refused connection, a certificate, an answer.
    ///
    /// ```
    /// use reqpath_core::HopKind;
    ///
    /// assert!(HopKind::Node.passes_packets());
    /// assert!(!HopKind::Nginx.passes_packets());
    /// ```
    #[must_use]
    pub fn passes_packets(self) -> bool {
        matches!(self, Self::Lb | Self::Service | Self::Node)
    }
}

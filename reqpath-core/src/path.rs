//! The hops a request is meant to take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{HopId, Subject};

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

/// One place on the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Hop {
    /// Its name, unlike that of any other hop.
    pub id: HopId,
    /// What kind of place it is.
    pub kind: HopKind,
}

impl Hop {
    /// A hop.
    #[must_use]
    pub fn new(id: impl Into<HopId>, kind: HopKind) -> Self {
        Self { id: id.into(), kind }
    }
}

/// The hops a request is meant to take, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Path {
    /// The hops in order.
    pub hops: Vec<Hop>,
}

impl Path {
    /// A path over these hops.
    #[must_use]
    pub fn new(hops: Vec<Hop>) -> Self {
        Self { hops }
    }

    /// The path of a plain URL: `client` and `server`.
    #[must_use]
    pub fn of_url() -> Self {
        Self::new(vec![Hop::new("client", HopKind::Client), Hop::new("server", HopKind::Server)])
    }

    /// The first leg: from the client to the first hop that answers it.
    #[must_use]
    pub fn front(&self) -> Option<Subject> {
        match self.hops.as_slice() {
            [from, to, ..] => Some(Subject::leg(&from.id, &to.id)),
            _ => None,
        }
    }

    /// The place of a hop on the path, from 0.
    #[must_use]
    pub fn place(&self, hop: &HopId) -> Option<usize> {
        self.hops.iter().position(|h| h.id == *hop)
    }
}

impl Default for Path {
    fn default() -> Self {
        Self::of_url()
    }
}

//! One place on the path.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Endpoint, HopKind, Sends, Source, Timeouts};
use crate::{Expectation, HopId, Micros};

/// One place on the path, with what is known of it.
///
/// ```
/// use reqpath_core::{Hop, HopKind, Sends};
///
/// let mut gateway = Hop::new("gateway", HopKind::Nginx).at("10.0.0.7:8080".parse()?);
/// gateway.sends = Some(Sends::default());
/// assert_eq!(gateway.addresses[0].port, 8080);
/// # Ok::<(), reqpath_core::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Hop {
    /// Its name, unlike that of any other hop.
    pub id: HopId,
    /// What kind of place it is.
    pub kind: HopKind,
    /// Where the hop before dials it: each of these is one of its instances.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Endpoint>,
    /// The name of the vantage from which this hop itself looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vantage: Option<String>,
    /// What the hop before sends here, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sends: Option<Sends>,
    /// Whether the request's credentials may be sent when this hop is entered directly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credentials: bool,
    /// What its answer should be when it is entered directly; that of the front unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
    /// How long it waits for what is behind it.
    #[serde(default, skip_serializing_if = "Timeouts::is_empty")]
    pub timeouts: Timeouts,
    /// The time it may take by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_us: Option<Micros>,
    /// Where evidence about it can be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The hop that asks this one beside the main road: an application its database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_of: Option<HopId>,
    /// What a later version stored besides.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Hop {
    /// A hop of which nothing more is known.
    #[must_use]
    pub fn new(id: impl Into<HopId>, kind: HopKind) -> Self {
        Self {
            id: id.into(),
            kind,
            addresses: Vec::new(),
            vantage: None,
            sends: None,
            credentials: false,
            expect: None,
            timeouts: Timeouts::default(),
            budget_us: None,
            sources: Vec::new(),
            branch_of: None,
            extra: Map::new(),
        }
    }

    /// One more place where it is dialled.
    #[must_use]
    pub fn at(mut self, address: Endpoint) -> Self {
        self.addresses.push(address);
        self
    }

    /// The vantage from which it looks.
    #[must_use]
    pub fn seen_from(mut self, vantage: impl Into<String>) -> Self {
        self.vantage = Some(vantage.into());
        self
    }

    /// What the hop before sends here.
    #[must_use]
    pub fn sent(mut self, sends: Sends) -> Self {
        self.sends = Some(sends);
        self
    }

    /// One more place where evidence about it can be read.
    #[must_use]
    pub fn source(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    /// Beside the main road: asked by this hop.
    #[must_use]
    pub fn branch_of(mut self, hop: impl Into<HopId>) -> Self {
        self.branch_of = Some(hop.into());
        self
    }
}

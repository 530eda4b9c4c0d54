use std::sync::Arc;

use reqpath_core::{Context, Destination, Scheme, Subject};
use serde::{Deserialize, Serialize};

/// The tunnel of a client's proxy in which something was seen: the address dialled is the proxy's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Tunnelled {
    /// Host and port that the proxy was asked for.
    pub to: String,
    /// Whether the proxy was shown credentials.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub authorized: bool,
}

impl Tunnelled {
    /// The tunnel that this trial goes through, if it goes through one.
    pub(crate) fn of(cx: &Context, at: &Subject) -> Option<Arc<Self>> {
        if cx.target().scheme() != Scheme::Https {
            return None;
        }
        let authorized = |to: &Destination| to.proxy.as_ref().map(|proxy| proxy.authorization.is_some());
        let authorized = cx.see(at, authorized).flatten()?;
        Some(Arc::new(Self { to: cx.target().host_and_port(), authorized }))
    }
}

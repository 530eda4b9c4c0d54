use std::sync::Arc;

use reqpath_core::{Context, Evidence, ObservationId, Subject, escape, quoted};
use serde::{Deserialize, Serialize};

use super::tunnelled::Tunnelled;
use crate::command::client;

/// What was spoken over the connection, where it is not what the handshake agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Spoken {
    /// The application protocol that was agreed on, from the ServerHello or EncryptedExtensions.
    pub agreed: String,
    /// The protocol of the first bytes that came, by its ALPN name.
    pub heard: String,
    /// The proxy's tunnel it was heard in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Arc<Tunnelled>>,
}

impl Evidence for Spoken {
    const KIND: &'static str = "tls.spoken";

    fn source(&self, at: &Subject) -> String {
        at.address().map_or_else(String::new, |peer| {
            format!("{} -alpn {}", client(peer, self.tunnel.as_deref()), quoted(&self.agreed))
        })
    }

    fn brief(&self) -> String {
        format!("{} is spoken, and {} was agreed on", escape(&self.heard, 40), escape(&self.agreed, 40))
    }
}

/// Records that the peer speaks another protocol than the handshake agreed on.
///
/// The stage that speaks over the connection is the one that hears it.
pub fn record_spoken(cx: &Context, at: &Subject, agreed: &str, heard: &str) -> ObservationId {
    let tunnel = Tunnelled::of(cx, &at.any_address());
    cx.record(at, Spoken { agreed: agreed.to_owned(), heard: heard.to_owned(), tunnel })
}

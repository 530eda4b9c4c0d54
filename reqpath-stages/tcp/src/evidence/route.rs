//! Which way packets take.

use std::fmt::Write as _;

use reqpath_core::{Evidence, Route, Subject};
use serde::{Deserialize, Serialize};

/// Which way packets to an address take, by this host's own table.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouteTaken(pub Route);

impl RouteTaken {
    /// Whether this host has no way there at all.
    #[must_use]
    pub fn leads_nowhere(&self) -> bool {
        matches!(&*self.0.kind, "none" | "unreachable" | "blackhole")
    }

    /// Whether a route forbids it.
    #[must_use]
    pub fn prohibits(&self) -> bool {
        self.0.kind == "prohibit"
    }

    /// Whether the address is one of this very host.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.kind == "local"
    }
}

impl Evidence for RouteTaken {
    const KIND: &'static str = "tcp.route";

    fn source(&self, at: &Subject) -> String {
        at.address().map_or_else(String::new, |peer| format!("ip route get {}", peer.ip()))
    }

    fn brief(&self) -> String {
        let Route { kind, interface, gateway, source, .. } = &self.0;
        let mut text = match &**kind {
            "none" => return "no route".to_owned(),
            "unicast" => "sent".to_owned(),
            "local" => "to this very host".to_owned(),
            other => return format!("the route is `{other}`"),
        };
        // Writing to a String cannot fail.
        if let Some(gateway) = gateway {
            let _ = write!(text, " by way of {gateway}");
        }
        if let Some(interface) = interface {
            let _ = write!(text, " on {interface}");
        }
        if let Some(source) = source {
            let _ = write!(text, " from {source}");
        }
        text
    }
}

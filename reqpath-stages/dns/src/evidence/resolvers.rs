//! What the resolver's configuration says.

use reqpath_core::{Evidence, PeerAddr, Subject};
use serde::{Deserialize, Serialize};

/// What `/etc/resolv.conf` says, with the defaults of the C library where it says nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Resolvers {
    /// The nameservers, in the order in which they are asked.
    pub nameservers: Vec<PeerAddr>,
    /// Nameservers after the third, which the C library never asks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<PeerAddr>,
    /// Whether no nameserver is named, so that the one on this very host is asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub assumed_local: bool,
    /// The search list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// A name with fewer dots than this goes through the search list first.
    pub ndots: u32,
    /// The time a server is given for each try, in seconds.
    pub timeout_s: u32,
    /// How often the list of servers is gone through.
    pub attempts: u32,
    /// Other options in force, as written: `rotate`, `use-vc`, `single-request`, `trust-ad`, `no-aaaa`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Lines that could not be understood, and are ignored by the C library too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_understood: Vec<String>,
}

impl Default for Resolvers {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            ignored: Vec::new(),
            assumed_local: false,
            search: Vec::new(),
            ndots: 1,
            timeout_s: 5,
            attempts: 2,
            options: Vec::new(),
            not_understood: Vec::new(),
        }
    }
}

impl Evidence for Resolvers {
    const KIND: &'static str = "dns.resolvers";

    fn source(&self, _: &Subject) -> String {
        "cat /etc/resolv.conf".to_owned()
    }

    fn brief(&self) -> String {
        let nameservers: Vec<String> =
            self.nameservers.iter().map(|server| server.ip().to_string()).collect();
        let search = match self.search.as_slice() {
            [] => String::new(),
            search => format!(", search {}", search.join(" ")),
        };
        format!("nameservers {}{search}, ndots {}", nameservers.join(", "), self.ndots)
    }
}

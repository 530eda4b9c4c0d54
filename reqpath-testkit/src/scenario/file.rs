//! A scenario as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::expected::ExpectedText;
use super::fault::FaultText;
use super::requires::Needed;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileText {
    pub(super) summary: String,
    #[serde(default = "yes")]
    pub(super) fakes: Spanned<bool>,
    #[serde(default = "yes")]
    pub(super) lab: Spanned<bool>,
    pub(super) reason: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) requires: Vec<Needed>,
    pub(super) topology: TopologyText,
    #[serde(default, rename = "fault")]
    pub(super) faults: Vec<Spanned<FaultText>>,
    pub(super) trace: TraceText,
    pub(super) expected: ExpectedText,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopologyText {
    #[serde(default)]
    pub(super) client: ClientText,
    #[serde(default, rename = "zone")]
    pub(super) zones: Vec<ZoneText>,
    #[serde(default, rename = "server")]
    pub(super) servers: Vec<ServerText>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientText {
    /// Lines of `resolv.conf` besides the nameserver's.
    #[serde(default)]
    pub(super) resolv_conf: Vec<String>,
    /// Names to a server or an address.
    #[serde(default)]
    pub(super) hosts: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneText {
    pub(super) origin: Spanned<String>,
    /// Names below the origin, each to servers or addresses.
    #[serde(default)]
    pub(super) names: BTreeMap<String, Vec<Spanned<String>>>,
    /// Names below the origin, each to another.
    #[serde(default)]
    pub(super) aliases: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerText {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) role: Role,
    pub(super) addresses: Option<Vec<Spanned<std::net::IpAddr>>>,
    pub(super) port: Option<u16>,
    pub(super) certificate: Option<Certificate>,
}

/// What a server is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    /// It serves the web.
    #[default]
    Web,
    /// It is up, and serves nothing.
    Bare,
}

/// By whom a server's certificate is issued; a server without one speaks plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Certificate {
    /// By the root that the client trusts.
    ByRoot,
    /// By an intermediate below it, served in the chain.
    ByIntermediate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceText {
    pub(super) url: Spanned<String>,
    pub(super) method: Option<Spanned<String>>,
    pub(super) samples: Option<u32>,
    pub(super) max_time: Option<Spanned<String>>,
    pub(super) deadline: Option<Spanned<String>>,
    pub(super) connect_timeout: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) expect_status: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) max_redirects: u32,
    #[serde(default)]
    pub(super) road_only: bool,
    #[serde(default)]
    pub(super) knows_intermediate: bool,
}

fn yes() -> Spanned<bool> {
    Spanned::new(0..0, true)
}

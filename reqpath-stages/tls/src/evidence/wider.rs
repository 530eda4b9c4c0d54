use std::sync::Arc;

use reqpath_core::{Evidence, Subject, quoted};
use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::handshake::Offer;
use super::tunnelled::Tunnelled;
use crate::command::client;

/// What a server answers to a ClientHello that offers far more than this client could speak.
///
/// Nothing is agreed on by it: the server's first words are read, and the connection is given up.
/// What was not told is absent; with TLS 1.3 that is the key and how it signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct WiderOffer {
    /// The server name sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// The proxy's tunnel it was made through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Arc<Tunnelled>>,
    /// What was offered.
    pub offer: Offer,
    /// The version that the server chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The cipher suite that it chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// The group that it chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How it signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_scheme: Option<String>,
    /// The kind of key in its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The alert by which it refused this as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl WiderOffer {
    /// All that the server chose, in words.
    pub(crate) fn chosen(&self) -> Vec<&str> {
        let all = [&self.version, &self.suite, &self.group, &self.key, &self.signature_scheme];
        all.into_iter().flatten().map(String::as_str).collect()
    }

    /// What of it a client with this offer does not have.
    pub(crate) fn beyond<'a>(&'a self, offer: &Offer) -> Vec<&'a str> {
        let beyond = |chosen: &'a Option<String>, offered: &[String]| {
            chosen.as_deref().filter(|chosen| !offered.iter().any(|one| one == chosen))
        };
        let sets = [
            beyond(&self.version, &offer.versions),
            beyond(&self.suite, &offer.suites),
            beyond(&self.group, &offer.groups),
            self.key.as_deref().filter(|key| !curve_is_among(key, &offer.groups)),
            beyond(&self.signature_scheme, &offer.signature_schemes),
        ];
        sets.into_iter().flatten().collect()
    }
}

/// Whether a key's curve is one of these groups, as TLS 1.2 wants it (RFC 8422, 5.1.1); other keys have none.
fn curve_is_among(key: &str, groups: &[String]) -> bool {
    let Some(curve) = key.strip_prefix("EC ") else { return true };
    let group = match curve {
        "P-256" => "secp256r1",
        "P-384" => "secp384r1",
        "P-521" => "secp521r1",
        other => other,
    };
    groups.iter().any(|one| one == group)
}

impl Evidence for WiderOffer {
    const KIND: &'static str = "tls.wider_offer";

    fn source(&self, at: &Subject) -> String {
        let Some(peer) = at.address() else { return String::new() };
        let name = match &self.sni {
            Some(name) => format!("-servername {}", quoted(name)),
            None => "-noservername".to_owned(),
        };
        format!("{} {name} -brief </dev/null", client(peer, self.tunnel.as_deref()))
    }

    fn brief(&self) -> String {
        let answer = match (&self.alert, &self.error) {
            (Some(alert), _) => alert.to_string(),
            (None, Some(error)) if self.version.is_none() => error.clone(),
            _ => self.chosen().join(", "),
        };
        format!("to a wider offer: {answer}")
    }
}

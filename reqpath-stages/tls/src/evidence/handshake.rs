use std::borrow::Cow;
use std::sync::Arc;

use reqpath_core::{Evidence, Micros, Subject};
use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::chain::Chain;
use super::moment::Moment;
use super::request::CertificateRequest;
use super::staple::Staple;
use super::tunnelled::Tunnelled;
use super::verification::{Reason, Verification};
use crate::command::openssl;

/// One handshake: what was offered, what the server sent, and how it ended.
///
/// What was not reached is absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Handshake {
    /// Why it was made.
    pub purpose: Purpose,
    /// The name or address the certificate must fit, without a port.
    pub host: String,
    /// The server name sent; absent for addresses, and where none was to be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// The proxy's tunnel it was made through; absent where the server itself was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Arc<Tunnelled>>,
    /// What our ClientHello offered.
    pub offer: Arc<Offer>,
    /// What the chain is verified against.
    pub trust: Arc<TrustUsed>,
    /// How it ended; absent when a deadline cut it short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// The system's or the library's own words for a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The alert the server sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// The alert we sent because of the server's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_sent: Option<Alert>,
    /// The chain as served.
    #[serde(skip_serializing_if = "nothing_served")]
    pub chain: Arc<Chain>,
    /// How many certificates the chain has, those not kept among them.
    #[serde(skip_serializing_if = "is_zero")]
    pub served: usize,
    /// Whether a name in the leaf fits; absent where verifying said so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_fits: Option<bool>,
    /// What verifying the chain gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// Why it is not known whether the server holds its certificate's key, where we went on without knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_unproven: Option<String>,
    /// Where only dates were wrong at first: what verifying gives at a moment that suits the chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apart_from_dates: Option<Verification>,
    /// The vantage's clock, by which dates were judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Moment>,
    /// How close to its end a certificate is worth a warning, in days.
    #[serde(skip_serializing_if = "is_zero")]
    pub warn_within_days: usize,
    /// The version agreed on: `TLSv1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Cow<'static, str>>,
    /// The cipher suite agreed on, by its IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<Cow<'static, str>>,
    /// The group the keys were exchanged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Cow<'static, str>>,
    /// Whether a ServerHello, or a HelloRetryRequest, came before it failed: version and suite were agreed on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hello_seen: bool,
    /// The application protocol agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Cow<'static, str>>,
    /// The stapled OCSP response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stapled: Option<Staple>,
    /// The server's wish for a client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_request: Option<CertificateRequest>,
    /// Whether we showed a client certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub certificate_sent: bool,
    /// The first bytes the peer sent, at most 64, where they are not TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bytes: Option<String>,
    /// From our first byte to the peer's first: to its ServerHello, if it speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hello_us: Option<Micros>,
    /// From beginning to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_us: Option<Micros>,
    /// Bytes sent.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub sent_bytes: u64,
    /// Bytes received.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub received_bytes: u64,
}

/// Why a handshake was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// The client's own: its end is the request's.
    #[default]
    Road,
    /// Another connection just like the road's.
    Again,
    /// To learn how it would have gone on, whatever the certificate.
    Learn,
    /// To see what is served to those who name nobody.
    WithoutName,
    /// To see what is served for a name the server is known to have.
    KnownName,
    /// Something a later version does.
    #[serde(other)]
    Other,
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// With a secured connection.
    Completed,
    /// We refused the certificate.
    Refused,
    /// The server sent a fatal alert.
    Alert,
    /// We found no common version, suite or group in what the server chose.
    Incompatible,
    /// The server chose an application protocol that was not offered.
    UnofferedProtocol,
    /// What the peer sent is not TLS.
    NotTls,
    /// What the peer sent is TLS and breaks its rules.
    Malformed,
    /// The peer closed the connection (FIN).
    Closed,
    /// The peer reset the connection (RST).
    Reset,
    /// The peer fell silent.
    TimedOut,
    /// The connection failed in another way; the error tells.
    Failed,
    /// Something a later version knows.
    #[serde(other)]
    Other,
}

/// What a ClientHello offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Offer {
    /// Versions of TLS.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// Cipher suites, by their IANA names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<String>,
    /// Groups for the exchange of keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Ways in which the server, and the issuers of its chain, may sign.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signature_schemes: Vec<String>,
    /// Application protocols.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
}

/// What a chain was verified against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TrustUsed {
    /// What it is called: the file it came from, or `the platform's store`.
    pub name: String,
    /// How many authorities it holds; 0 where it does not say.
    #[serde(skip_serializing_if = "is_zero")]
    pub authorities: usize,
    /// How many of its certificates could not be used.
    #[serde(skip_serializing_if = "is_zero")]
    pub unusable: usize,
    /// How many revocation lists are looked at.
    #[serde(skip_serializing_if = "is_zero")]
    pub revocation_lists: usize,
}

impl TrustUsed {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl Handshake {
    /// Whether it is the client's own.
    #[must_use]
    pub fn is_road(&self) -> bool {
        self.purpose == Purpose::Road
    }

    /// Whether it ended with a secured connection.
    #[must_use]
    pub fn completed(&self) -> bool {
        self.ended == Some(Ended::Completed)
    }

    /// The reasons for which the chain was refused: the first, and the one that hid behind wrong dates.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> {
        let first = self.verification.as_ref().and_then(Verification::reason);
        let hidden = self.apart_from_dates.as_ref().and_then(Verification::reason);
        first.into_iter().chain(hidden)
    }

    /// Whether the chain was refused for this reason, be it behind wrong dates.
    #[must_use]
    pub fn refused_for(&self, reason: Reason) -> bool {
        self.reasons().any(|one| one == reason)
    }

    /// Whether the server refused it by an alert that may be about what was offered, before it showed anything.
    #[must_use]
    pub fn refuses_the_offer(&self) -> bool {
        let alert = self.alert.as_ref().filter(|_| self.ended == Some(Ended::Alert));
        match alert.map(|alert| alert.number) {
            Some(70 | 71 | 86) => true,
            Some(40) => self.certificate_request.is_none() && self.chain.is_empty(),
            _ => false,
        }
    }

    /// Whether the leaf is known not to be for the host.
    #[must_use]
    pub fn name_misfits(&self) -> bool {
        self.name_fits == Some(false) || self.refused_for(Reason::NameMismatch)
    }
}

impl Evidence for Handshake {
    const KIND: &'static str = "tls.handshake";

    fn went_well(&self) -> bool {
        let offered = &self.offer.alpn;
        let older = offered.is_empty() || offered.iter().any(|protocol| protocol.starts_with("http/1"));
        let agreed = self.alpn.is_some() || older;
        let doubts = self.alert.is_some()
            || self.alert_sent.is_some()
            || self.error.is_some()
            || self.stapled.is_some()
            || self.certificate_request.is_some();
        self.completed() && self.verification == Some(Verification::Trusted) && agreed && !doubts
    }

    fn source(&self, at: &Subject) -> String {
        openssl(self, at)
    }

    fn brief(&self) -> String {
        let mut parts: Vec<String> = match self.purpose {
            Purpose::Road | Purpose::Again | Purpose::Other => Vec::new(),
            Purpose::Learn => vec!["whatever the certificate".to_owned()],
            Purpose::WithoutName => vec!["without a server name".to_owned()],
            Purpose::KnownName => vec![format!("for {}", self.host)],
        };
        parts.extend(
            [&self.version, &self.suite, &self.alpn]
                .into_iter()
                .flatten()
                .map(|part| part.clone().into_owned()),
        );
        if let Some(leaf) = self.chain.leaf() {
            let until = leaf.not_after.map_or_else(String::new, |until| format!(" until {until}"));
            parts.push(format!("{}{until}", leaf.short_name()));
        }
        if !self.completed() {
            parts.extend(self.error.clone().or_else(|| Some("cut short".to_owned())));
        }
        parts.join(", ")
    }
}

fn nothing_served(chain: &Arc<Chain>) -> bool {
    chain.is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero_u64(number: &u64) -> bool {
    *number == 0
}

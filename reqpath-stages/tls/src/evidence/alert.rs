use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use reqpath_core::{Evidence, Subject};
use rustls::AlertDescription;
use serde::{Deserialize, Serialize};

use super::tunnelled::Tunnelled;
use crate::command::client;

/// A TLS alert: the peer's word for what it does not like, or ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alert {
    /// Its number, as IANA lists it.
    pub number: u8,
    /// Its name, as RFC 8446 writes it; empty for one that nobody knows.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub name: Cow<'static, str>,
}

impl Alert {
    /// The alert of this number.
    #[must_use]
    pub fn new(number: u8) -> Self {
        Self { number, name: Cow::Borrowed(name(number)) }
    }

    /// Whether it is one of those by which a server refuses, or misses, a client's certificate.
    #[must_use]
    pub fn is_about_a_client_certificate(&self) -> bool {
        matches!(self.number, 40..=49 | 116)
    }
}

impl From<AlertDescription> for Alert {
    fn from(description: AlertDescription) -> Self {
        Self::new(description.into())
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.name {
            "" => write!(f, "alert {}", self.number),
            name => write!(f, "alert {} ({name})", self.number),
        }
    }
}

/// An alert that came after the handshake: with TLS 1.3 a server judges our certificate only then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LateAlert {
    /// The alert received.
    #[serde(flatten)]
    pub alert: Alert,
    /// What rustls said about it.
    #[serde(default)]
    pub words: String,
    /// The proxy's tunnel it came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Arc<Tunnelled>>,
}

impl LateAlert {
    pub(crate) fn new(alert: Alert, words: String, tunnel: Option<Arc<Tunnelled>>) -> Self {
        Self { alert, words, tunnel }
    }
}

impl Evidence for LateAlert {
    const KIND: &'static str = "tls.alert";

    fn source(&self, at: &Subject) -> String {
        at.address().map_or_else(String::new, |peer| format!("{} -msg", client(peer, self.tunnel.as_deref())))
    }

    fn brief(&self) -> String {
        format!("{} after the handshake", self.alert)
    }
}

/// Names of RFC 8446, appendix B.2, and of the older documents it refers to.
fn name(number: u8) -> &'static str {
    match number {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_number_and_name() {
        assert_eq!(
            Alert::from(AlertDescription::UnrecognisedName).to_string(),
            "alert 112 (unrecognized_name)"
        );
        assert_eq!(Alert::new(99).to_string(), "alert 99");
        let json = serde_json::to_value(LateAlert::new(Alert::new(116), "x".to_owned(), None)).unwrap();
        assert_eq!(json, serde_json::json!({"number": 116, "name": "certificate_required", "words": "x"}));
    }
}

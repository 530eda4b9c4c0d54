//! What one hop sends to the next.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Header, Scheme, Scrubber, redact_url};

/// What the hop before sends to a hop, where it differs from the request at the front.
///
/// Without it, nothing is known of the request here, and an entry at this hop ends before HTTP.
/// It is stored and shown without secret query values and secret headers.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Sends {
    /// How it is carried; plain HTTP unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// The `Host` it names; that of the front unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path and query it asks for; those of the front unless said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "redacted")]
    pub uri: Option<String>,
    /// Headers it sets, in place of any of the same name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Headers of the request that it does not pass on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<String>,
    /// The server name it asks for in the TLS handshake; the host unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Whether it verifies the certificate. Many proxies do not unless told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub verifies: bool,
}

impl Sends {
    /// Adds what of it is secret.
    pub(crate) fn add_secrets(&self, scrubber: &mut Scrubber) {
        self.headers.iter().for_each(|header| scrubber.add_header(header));
        if let Some((_, query)) = self.uri.as_deref().and_then(|uri| uri.split_once('?')) {
            scrubber.add_query(query);
        }
    }
}

impl fmt::Debug for Sends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sends")
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("uri", &self.uri.as_deref().map(redact_url))
            .field("headers", &self.headers)
            .field("drops", &self.drops)
            .field("server_name", &self.server_name)
            .field("verifies", &self.verifies)
            .finish()
    }
}

/// A path and query without its secrets.
fn redacted<S: Serializer>(uri: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    uri.as_deref().map(redact_url).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_query_is_neither_stored_nor_shown() {
        let uri = Some("/v1/cart?api_key=hunter22&page=2".to_owned());
        let sends = Sends { uri, ..Sends::default() };
        let stored = serde_json::to_string(&sends).unwrap();
        assert_eq!(stored, r#"{"uri":"/v1/cart?api_key=[redacted]&page=2"}"#);
        assert!(!format!("{sends:?}").contains("hunter22"));
    }
}

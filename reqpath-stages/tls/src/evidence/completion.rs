use reqpath_core::{Evidence, Subject, quoted};
use serde::{Deserialize, Serialize};

use super::verification::Verification;

/// Whether the chain leads to the store once the certificate that is missing in it is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Completion {
    /// The name of the issuer that the served chain lacks.
    pub missing: String,
    /// Certificates that were tried in its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// What verifying with them gave; absent where nothing could be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
}

/// A certificate that was tried in place of a missing one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Tried {
    /// Where it came from: `given`, or the URL it was fetched from.
    pub from: String,
    /// Its subject, where one was had.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// SHA-256 of the certificate, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Why none was had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Completion {
    /// Whether the chain leads to the store with what was added.
    #[must_use]
    pub fn succeeds(&self) -> bool {
        self.verification.as_ref().is_some_and(Verification::leads_to_the_store)
    }
}

impl Evidence for Completion {
    const KIND: &'static str = "tls.completion";

    fn source(&self, _: &Subject) -> String {
        let url = self.tried.iter().find(|tried| tried.from.starts_with("http://"));
        url.map_or_else(String::new, |tried| {
            format!("curl -s {} | openssl x509 -inform DER -text", quoted(&tried.from))
        })
    }

    fn brief(&self) -> String {
        let outcome = if self.succeeds() { "leads to the store" } else { "still leads nowhere" };
        format!("chain with {} certificate(s) added {outcome}", self.tried.len())
    }
}

use reqpath_core::escape;
use rustls::SignatureScheme;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Name};

/// Authorities kept by name of those a server lists.
const KEPT: usize = 5;

/// The server's CertificateRequest: it wants to see a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CertificateRequest {
    /// How many authorities it accepts by name; 0 where it does not say.
    pub authorities: usize,
    /// The first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<String>,
    /// How the client may sign.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<String>,
}

impl CertificateRequest {
    pub(crate) fn read(authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Self {
        let name = |der: &&[u8]| match X509Name::from_der(der) {
            Ok((_, name)) => escape(&name.to_string(), 256),
            Err(_) => "unreadable".to_owned(),
        };
        Self {
            authorities: authorities.len(),
            first: authorities.iter().take(KEPT).map(name).collect(),
            schemes: schemes.iter().take(16).map(|scheme| format!("{scheme:?}")).collect(),
        }
    }
}

//! The proxy variables, and what follows from them.

use reqpath_core::{Evidence, Subject};
use serde::{Deserialize, Serialize};

/// The proxy variables of the client's environment, and which of them decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Environment {
    /// The proxy variables that are set, in the order in which curl reads them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Setting>,
    /// Whether the caller wants them not obeyed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disregarded: bool,
    /// The proxy this request goes through; absent where it goes straight to its target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyInForce>,
    /// What exempts the target from a proxy that is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempted: Option<Exemption>,
    /// An entry of `NO_PROXY` that looks meant for the target, and does not exempt it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearly: Option<NearMiss>,
}

/// One variable and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Setting {
    /// The variable's name as it is set: `https_proxy`.
    pub name: String,
    /// Its value, without credentials and with control characters escaped.
    pub value: String,
}

/// The proxy a request goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ProxyInForce {
    /// The variable that names it.
    pub variable: String,
    /// Its URL without credentials.
    pub url: String,
}

/// The entry of `NO_PROXY` that exempts the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Exemption {
    /// The variable that holds the entry: `no_proxy` or `NO_PROXY`.
    pub variable: String,
    /// The entry as it stands there.
    pub entry: String,
    /// The variable whose proxy does not apply because of it.
    pub instead_of: String,
}

/// An entry of `NO_PROXY` that looks meant for the target, and does not exempt it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NearMiss {
    /// The variable that holds the entry.
    pub variable: String,
    /// The entry as it stands there.
    pub entry: String,
    /// Why it does not match, as a clause.
    pub why: String,
}

impl ProxyInForce {
    /// The host its URL names: a name, or an address without brackets.
    ///
    /// ```
    /// let proxy: reqpath_client::ProxyInForce =
    ///     serde_json::from_str(r#"{"variable": "http_proxy", "url": "http://[2001:db8::3]:3128"}"#)?;
    /// assert_eq!(proxy.host(), "2001:db8::3");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        match authority.strip_prefix('[').and_then(|bracketed| bracketed.split_once(']')) {
            Some((address, _)) => address,
            None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
        }
    }
}

impl Setting {
    pub(crate) fn new(name: &str, value: String) -> Self {
        Self { name: name.to_owned(), value }
    }
}

impl Evidence for Environment {
    const KIND: &'static str = "client.environment";

    fn source(&self, _: &Subject) -> String {
        "env | grep -i _proxy".to_owned()
    }

    fn brief(&self) -> String {
        if let Some(proxy) = &self.proxy {
            return format!("through the proxy {} ({})", proxy.url, proxy.variable);
        }
        if let Some(exempt) = &self.exempted {
            return format!("no proxy: {} has `{}`", exempt.variable, exempt.entry);
        }
        match (self.variables.is_empty(), self.disregarded) {
            (true, _) => "no proxy variable is set".to_owned(),
            (false, true) => "no proxy: the environment is not to be obeyed".to_owned(),
            (false, false) => "no proxy for this request".to_owned(),
        }
    }
}

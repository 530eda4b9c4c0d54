//! What was asked, without its secrets.

use std::borrow::Cow;
use std::fmt;

use reqpath_core::{Target, redact_url};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What was asked: the method and the URL without secrets.
///
/// Live it is the request itself, and nothing is put into words until a report is written.
#[derive(Clone)]
pub struct Asked(Form);

#[derive(Clone)]
enum Form {
    Live(Target),
    Stored { method: Cow<'static, str>, url: String },
}

impl Asked {
    pub(crate) fn of(target: &Target) -> Self {
        Self(Form::Live(target.clone()))
    }

    /// The request itself, while the trace lives.
    pub(crate) fn target(&self) -> Option<&Target> {
        match &self.0 {
            Form::Live(target) => Some(target),
            Form::Stored { .. } => None,
        }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        match &self.0 {
            Form::Live(target) => target.method(),
            Form::Stored { method, .. } => method,
        }
    }

    /// The URL, without credentials and secret query values.
    #[must_use]
    pub fn url(&self) -> Cow<'_, str> {
        match &self.0 {
            Form::Live(target) => Cow::Owned(redact_url(target.url())),
            Form::Stored { url, .. } => Cow::Borrowed(url),
        }
    }
}

impl Default for Asked {
    /// What hand-written evidence asked when it does not say.
    fn default() -> Self {
        Self(Form::Stored { method: get(), url: String::new() })
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method(), self.url())
    }
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(default = "get")]
    method: Cow<'a, str>,
    url: Cow<'a, str>,
}

fn get() -> Cow<'static, str> {
    Cow::Borrowed("GET")
}

impl Serialize for Asked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire { method: self.method().into(), url: self.url() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { method, url } = Wire::deserialize(deserializer)?;
        Ok(Self(Form::Stored { method: Cow::Owned(method.into_owned()), url: url.into_owned() }))
    }
}

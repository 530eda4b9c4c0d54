//! A request as a report holds it: without its secrets.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::trail::Trail;
use super::{Expectation, Flag, Header, Target};
use crate::Micros;
use crate::secret::REDACTED;

/// The shape in a report.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Wire {
    /// The URL, without credentials and secret query values.
    url: String,
    /// The method.
    #[serde(default = "get")]
    method: String,
    /// The headers given, secret values replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header>,
    /// The length of the body given, in bytes.
    #[serde(default)]
    body_length: usize,
    /// What was expected.
    #[serde(default, skip_serializing_if = "Expectation::is_empty")]
    expect: Expectation,
    /// The time one request may take, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_time_us: Option<Micros>,
    /// How many redirects are followed.
    #[serde(default)]
    max_redirects: u32,
    /// The URLs that led here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    redirected_from: Vec<Arc<str>>,
    /// The flags with which a command line asks as the caller asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    flags: Vec<Flag>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            url: self.shown_url(),
            method: self.0.method.clone(),
            headers: self.0.headers.clone(),
            body_length: self.0.body_length,
            expect: self.0.expect.clone(),
            max_time_us: self.0.max_time,
            max_redirects: self.0.max_redirects,
            redirected_from: self.0.trail.urls().to_vec(),
            flags: self.0.flags.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        // `[redacted]@` does not parse as user information, and says nothing that is needed again.
        let url = wire.url.replacen(&format!("://{REDACTED}@"), "://", 1);
        let mut inner = Self::parse(&url).map_err(serde::de::Error::custom)?.0;
        inner.user_info_left_out = url != wire.url;
        inner.method = wire.method;
        inner.headers = wire.headers;
        inner.body_length = wire.body_length;
        inner.expect = wire.expect;
        inner.max_time = wire.max_time_us;
        inner.max_redirects = wire.max_redirects;
        inner.trail = Trail::stored(wire.redirected_from);
        inner.flags = wire.flags;
        Ok(Self(Arc::new(inner)))
    }
}

impl JsonSchema for Target {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Wire::json_schema(generator)
    }
}

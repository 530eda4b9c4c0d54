//! Where evidence about a hop can be read, besides what a request tells.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where evidence about a hop can be read: a file, what a command prints, an API.
///
/// It is read, never written, from the place named or else from the hop's own vantage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Source {
    /// What is found there: `access_log`, `error_log`, `application_log`.
    pub kind: String,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The command and its arguments, run without a shell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The URL of an API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// How its lines are written: `combined`, `json`, or an nginx `log_format` in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The place it is read from; the hop's own unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vantage: Option<String>,
}

impl Source {
    /// A file of this kind.
    #[must_use]
    pub fn file(kind: impl Into<String>, path: impl Into<String>) -> Self {
        Self { kind: kind.into(), file: Some(path.into()), ..Self::default() }
    }

    /// What a command prints.
    #[must_use]
    pub fn command(kind: impl Into<String>, command: Vec<String>) -> Self {
        Self { kind: kind.into(), command, ..Self::default() }
    }

    /// How its lines are written.
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }
}

//! Where evidence about a hop can be read, besides what a request tells.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::redact_url;

/// Where evidence about a hop can be read: a file, what a command prints, an API.
///
/// It is read, never written, from the place named or else from the hop's own vantage.
/// It is stored and shown without the credentials of URLs.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Source {
    /// What is found there: `access_log`, `error_log`, `application_log`.
    pub kind: String,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The command and its arguments, run without a shell.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "words")]
    pub command: Vec<String>,
    /// The URL of an API.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "redacted")]
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

    /// What is read, in one line and without the credentials of URLs: the file, the command, or the API.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.file, &self.api) {
            (Some(file), _) => file.clone(),
            (None, Some(api)) => redact_url(api),
            (None, None) => self.command.iter().map(|word| shown(word)).collect::<Vec<_>>().join(" "),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("kind", &self.kind)
            .field("shown", &self.shown())
            .field("format", &self.format)
            .field("vantage", &self.vantage)
            .finish()
    }
}

/// A word of a command without the credentials of a URL.
fn shown(word: &str) -> Cow<'_, str> {
    if word.contains("://") { Cow::Owned(redact_url(word)) } else { Cow::Borrowed(word) }
}

fn words<S: Serializer>(command: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(command.iter().map(|word| shown(word)))
}

fn redacted<S: Serializer>(api: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    api.as_deref().map(redact_url).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credentials_of_a_url_are_neither_stored_nor_shown() {
        let words = ["psql", "postgres://me:hunter22@db/x", "-c", "select 1"].map(str::to_owned);
        let api = Some("http://admin:hunter22@edge/status?token=hunter22&x=1".to_owned());
        let api = Source { kind: "api".to_owned(), api, ..Source::default() };
        for source in [Source::command("access_log", words.to_vec()), api] {
            let stored = serde_json::to_string(&source).unwrap();
            assert!(!stored.contains("hunter22") && stored.contains("[redacted]@"), "{stored}");
            assert!(!format!("{source:?} {}", source.shown()).contains("hunter22"));
        }
        assert_eq!(Source::file("error_log", "/var/log/e@x?token=1").shown(), "/var/log/e@x?token=1");
    }
}

//! Text that stands in the file, or is named by reference.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::named;
use crate::error::Wrong;
use crate::references::References;

/// The largest file a secret is read from, in bytes.
const LARGEST_SECRET: u64 = 64 << 10;

/// Text that stands in the file, or is named by reference.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Here(String),
    /// A variable of the environment.
    Variable(String),
    /// The first line of a file.
    File(String),
}

impl Text {
    /// The text itself, and whether it was named by reference.
    pub(crate) fn followed(&self, references: &dyn References) -> Result<(String, bool), Wrong> {
        match self {
            Self::Here(text) => Ok((text.clone(), false)),
            Self::Variable(name) => {
                let value = references.variable(name).filter(|value| !value.is_empty());
                let message = || format!("the environment has no variable `{name}`: set it");
                value.map(|value| (value, true)).ok_or_else(|| Wrong::new(message()).within("env"))
            }
            Self::File(path) => {
                let wrong = |why: String| Wrong::new(format!("`{path}` {why}")).within("file");
                let content = references
                    .file(path, LARGEST_SECRET)
                    .map_err(|error| wrong(format!("cannot be read: {error}")))?;
                let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let line = std::str::from_utf8(line).map_err(|_| wrong("is not text".to_owned()))?;
                let line = line.trim_end_matches('\r');
                if line.is_empty() {
                    return Err(wrong("has an empty first line".to_owned()));
                }
                Ok((line.to_owned(), true))
            }
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    #[serde(default)]
    env: Option<String>,
    #[serde(default)]
    file: Option<String>,
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, {env: NAME} or {file: /path}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Here(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Text, A::Error> {
        match Reference::deserialize(MapAccessDeserializer::new(fields))? {
            Reference { env: Some(name), file: None } => Ok(Text::Variable(name)),
            Reference { env: None, file: Some(path) } => Ok(Text::File(path)),
            _ => Err(A::Error::custom("a reference is one of {env: NAME} and {file: /path}")),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        named("Text")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let reference = |name: &str, what: &str| {
            serde_json::json!({
                "type": "object",
                "properties": {name: {"type": "string", "description": what}},
                "required": [name],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "description": "Text, or where it is: a secret never stands in the file.",
            "anyOf": [
                {"type": ["string", "number", "boolean"]},
                reference("env", "A variable of the environment."),
                reference("file", "A file whose first line it is."),
            ],
        })
    }
}

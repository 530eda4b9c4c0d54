//! Fields that are written in more than one way.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use reqpath_core::{HopKind, Micros, StatusRange};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::named;

/// The longest time that is believed: a year.
const LONGEST: Micros = Micros(365 * 24 * 3600 * 1_000_000);

/// A mapping whose order is kept.
#[derive(Debug)]
pub(crate) struct Ordered<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct OrderedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrderedVisitor<T> {
    type Value = Ordered<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Ordered<T>, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = entries.next_entry()? {
            fields.push(field);
        }
        Ok(Ordered(fields))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrderedVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Ordered<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": generator.subschema_for::<T>()})
    }
}

/// A time: seconds, or a number with a unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) Micros);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: Micros = text.parse().map_err(D::Error::custom)?;
        if time > LONGEST { Err(D::Error::custom("a time of more than a year")) } else { Ok(Self(time)) }
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        named("Time")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A time: 30s, 500ms, 1m 30s; a bare number is seconds.",
            "type": ["string", "number"],
            "minimum": 0,
        })
    }
}

/// What kind of place a hop is.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Where the request starts.
    Client,
    /// A server of which nothing more is known.
    Server,
    /// A load balancer below HTTP: it passes packets on and never speaks itself.
    Lb,
    /// An nginx.
    Nginx,
    /// An APISIX.
    Apisix,
    /// A Kubernetes Service.
    Service,
    /// A Kubernetes node.
    Node,
    /// A Pod, or an application anywhere.
    Pod,
    /// A database.
    Db,
    /// Anything else.
    Other,
}

impl From<Kind> for HopKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Client => Self::Client,
            Kind::Server => Self::Server,
            Kind::Lb => Self::Lb,
            Kind::Nginx => Self::Nginx,
            Kind::Apisix => Self::Apisix,
            Kind::Service => Self::Service,
            Kind::Node => Self::Node,
            Kind::Pod => Self::Pod,
            Kind::Db => Self::Db,
            Kind::Other => Self::Other,
        }
    }
}

/// One status, or a range of them.
#[derive(Debug)]
pub(crate) struct Status(pub(crate) StatusRange);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// One status or several.
#[derive(Debug)]
pub(crate) struct Statuses(pub(crate) Vec<Status>);

struct StatusesVisitor;

impl<'de> Visitor<'de> for StatusesVisitor {
    type Value = Statuses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status like 200, 2xx or 200-299, or a list of them,")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Statuses, E> {
        text.parse().map(|range| Statuses(vec![Status(range)])).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Statuses, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Statuses(list))
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusesVisitor)
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        named("Statuses")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = serde_json::json!({"type": ["string", "integer"], "pattern": "^([1-9]xx|[1-9][0-9]{2}(-[1-9][0-9]{2})?)$"});
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// A network namespace.
#[derive(Clone, Debug)]
pub(crate) enum Namespace {
    File(String),
    Process(u32),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OfProcess {
    pid: u32,
}

struct NamespaceVisitor;

impl<'de> Visitor<'de> for NamespaceVisitor {
    type Value = Namespace;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file like /run/netns/edge, a name that `ip netns` lists, or {pid: N}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Namespace, E> {
        Ok(Namespace::File(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Namespace, A::Error> {
        let of = OfProcess::deserialize(MapAccessDeserializer::new(fields))?;
        Ok(Namespace::Process(of.pid))
    }
}

impl<'de> Deserialize<'de> for Namespace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamespaceVisitor)
    }
}

impl JsonSchema for Namespace {
    fn schema_name() -> Cow<'static, str> {
        named("Namespace")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "string", "description": "Its file, or its name under /run/netns."},
                {
                    "type": "object",
                    "properties": {"pid": {"type": "integer", "minimum": 1, "description": "A process in it."}},
                    "required": ["pid"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

/// A command and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Command(pub(crate) Vec<String>);

struct CommandVisitor;

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = Command;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of words, for there is no shell: [tail, -n, 1000, /var/log/app.log]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Command, A::Error> {
        let mut command = Vec::new();
        while let Some(word) = words.next_element()? {
            command.push(word);
        }
        Ok(Command(command))
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CommandVisitor)
    }
}

impl JsonSchema for Command {
    fn schema_name() -> Cow<'static, str> {
        named("Command")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": {"type": ["string", "number"]},
            "minItems": 1,
            "maxItems": 64,
        })
    }
}

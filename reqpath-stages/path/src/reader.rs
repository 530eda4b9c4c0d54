//! From the tree to typed fields, with the place of whatever does not fit.

use std::fmt::{self, Display};

use reqpath_core::{escape, most_like};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::error::{Place, Step};
use crate::tree::{Key, Node, Value};

/// Reads a type from a tree.
pub(crate) fn read<T: DeserializeOwned>(node: &Node) -> Result<T, Fault> {
    T::deserialize(Reader { node }).map_err(|fault| fault.at(node.place))
}

/// What does not fit, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) place: Option<Place>,
    /// From the innermost field outwards.
    steps: Vec<Step>,
    pub(crate) message: String,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Self { place: None, steps: Vec::new(), message: message.into() }
    }

    /// The steps from the top.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.iter().rev().cloned().collect()
    }

    fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    fn within(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Map => "a mapping".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
            Unexpected::Str(text) => format!("`{}`", escape(text, 40)),
            other => other.to_string(),
        };
        Self::new(format!("{expected} belongs here, not {found}"))
    }

    fn unknown_field(given: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("there is no such field{}", meant(given, known)))
    }

    fn unknown_variant(given: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("`{}` is none of those there are{}", escape(given, 60), meant(given, known)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"))
    }
}

/// The name that was meant, or else all there are.
pub(crate) fn meant(given: &str, known: &[&str]) -> String {
    match most_like(given, known.iter().copied()) {
        Some(like) => format!(": did you mean `{like}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; there are {}", known.join(", ")),
    }
}

struct Reader<'a> {
    node: &'a Node,
}

impl Reader<'_> {
    fn wrong(&self, expected: &str) -> Fault {
        let found = match &self.node.value {
            Value::Nothing => "nothing".to_owned(),
            Value::Text(text) => format!("`{}`", escape(text, 40)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        };
        Fault::new(format!("{expected} belongs here, not {found}"))
    }

    fn number<T: std::str::FromStr>(&self) -> Result<T, Fault> {
        let Value::Text(text) = &self.node.value else { return Err(self.wrong("a whole number")) };
        text.parse().map_err(|_| self.wrong("a whole number"))
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Nothing => visitor.visit_unit(),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(list) => visitor.visit_seq(Items { list, next: 0 }),
            Value::Map(fields) => visitor.visit_map(Fields { fields, next: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Nothing => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Text(text) if text == "true" => visitor.visit_bool(true),
            Value::Text(text) if text == "false" => visitor.visit_bool(false),
            _ => Err(self.wrong("`true` or `false`")),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_u32(self.number()?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_str(text),
            _ => Err(self.wrong("text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::List(list) => visitor.visit_seq(Items { list, next: 0 }),
            _ => Err(self.wrong("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(fields) => visitor.visit_map(Fields { fields, next: 0 }),
            _ => Err(self.wrong("a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_enum(StrDeserializer::<Fault>::new(text)),
            Value::Map(fields) => match fields.as_slice() {
                [(key, node)] => visitor.visit_enum(OfOne { key, node }),
                _ => Err(self.wrong(&format!("one of {}", known.join(", ")))),
            },
            _ => Err(self.wrong(&format!("one of {}", known.join(", ")))),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

struct Items<'a> {
    list: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(node) = self.list.get(self.next) else { return Ok(None) };
        let place = self.next;
        self.next += 1;
        let item = seed.deserialize(Reader { node });
        item.map(Some).map_err(|fault| fault.at(node.place).within(Step::Place(place)))
    }
}

struct Fields<'a> {
    fields: &'a [(Key, Node)],
    next: usize,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, _)) = self.fields.get(self.next) else { return Ok(None) };
        let name: StrDeserializer<'_, Fault> = key.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|fault| inside(fault, key, key.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((key, node)) = self.fields.get(self.next) else {
            return Err(Fault::new("a value was asked for twice"));
        };
        self.next += 1;
        seed.deserialize(Reader { node }).map_err(|fault| inside(fault, key, node.place))
    }
}

/// A variant with its content: `netns: /run/netns/edge`.
struct OfOne<'a> {
    key: &'a Key,
    node: &'a Node,
}

impl<'de, 'a> EnumAccess<'de> for OfOne<'a> {
    type Error = Fault;
    type Variant = Content<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'a>), Fault> {
        let name: StrDeserializer<'_, Fault> = self.key.name.as_str().into_deserializer();
        let variant = seed.deserialize(name).map_err(|fault| inside(fault, self.key, self.key.place))?;
        Ok((variant, Content { key: self.key, node: self.node }))
    }
}

struct Content<'a> {
    key: &'a Key,
    node: &'a Node,
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        let message = format!("`{}` stands alone, without a `:`", escape(&self.key.name, 60));
        Err(inside(Fault::new(message), self.key, self.key.place))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let content = seed.deserialize(Reader { node: self.node });
        content.map_err(|fault| inside(fault, self.key, self.node.place))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_seq(Reader { node: self.node }, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_map(Reader { node: self.node }, visitor)
    }
}

fn inside(fault: Fault, key: &Key, place: Place) -> Fault {
    fault.at(place).within(Step::Field(key.name.clone()))
}

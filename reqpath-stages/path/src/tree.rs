//! The file as it stands: scalars, lists and mappings, each with its place.
//!
//! Scalars stay the text they are in the file: `1.10` is no number here, and `no` no truth value,
//! until a field asks for one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Budget, Location, Options, Spanned};

use crate::error::{PathFileError, Place, Step};

/// The largest file that is read, in bytes.
pub(crate) const LARGEST: usize = 1 << 20;

/// More of these than any path has: aliases of aliases make a small file large.
const MOST_NODES: usize = 50_000;

/// Deeper than any field is.
const DEEPEST: usize = 32;

/// One value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What stands there.
#[derive(Debug)]
pub(crate) enum Value {
    Nothing,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The name of a field and its place.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) name: String,
}

impl Node {
    /// Reads a file's text.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, PathFileError> {
        if text.len() > LARGEST {
            let message = format!("a path file has at most {} MiB", LARGEST >> 20);
            return Err(PathFileError::new(file, None, String::new(), message));
        }
        if text.trim().is_empty() {
            return Err(PathFileError::new(
                file,
                None,
                String::new(),
                "the file is empty: begin with `hops:`",
            ));
        }
        let raw: Raw = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
            let place = error.location().map(place);
            let message = if too_much(&error) {
                "there is more in this file than any path needs: fewer aliases, fewer levels".to_owned()
            } else {
                said(&error)
            };
            PathFileError::new(file, place, String::new(), message)
        })?;
        Ok(raw.settle(text))
    }

    /// The place of a field: of its name where it has one; of the last one on the way that is there, if it is not.
    pub(crate) fn find(&self, steps: &[Step]) -> Place {
        let (mut at, mut place) = (self, self.place);
        for step in steps {
            match (step, &at.value) {
                (Step::Field(name), Value::Map(fields)) => {
                    let Some((key, node)) = fields.iter().find(|(key, _)| key.name == *name) else { break };
                    (at, place) = (node, key.place);
                }
                (Step::Place(number), Value::List(list)) => {
                    let Some(node) = list.get(*number) else { break };
                    (at, place) = (node, node.place);
                }
                _ => break,
            }
        }
        place
    }
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_reader_input_bytes = Some(LARGEST);
    budget.max_nodes = MOST_NODES;
    budget.max_events = 4 * MOST_NODES;
    budget.max_depth = DEEPEST;
    budget.flow_nesting_limit = DEEPEST;
    budget.max_documents = 1;
    budget.max_total_scalar_bytes = 4 * LARGEST;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = MOST_NODES;
    options.alias_limits.max_replay_stack_depth = DEEPEST;
    options.strict_booleans = true;
    options.with_snippet = false;
    options
}

/// Whether it is not wrong, but more than we read.
fn too_much(error: &serde_saphyr::Error) -> bool {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::AliasError { error, .. } => too_much(error),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => true,
        _ => false,
    }
}

fn place(location: Location) -> Place {
    Place { line: location.line(), column: location.column() }
}

/// What the reader of YAML says, in one line and without the place, which stands before it.
fn said(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let text = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let text = text.split(" at line ").next().unwrap_or_default();
    format!("this is not YAML: {}", text.strip_prefix("error: ").unwrap_or(text))
}

/// A value before its plain scalars are looked up in the text.
struct Raw(Spanned<Bare>);

enum Bare {
    Nothing,
    /// As the file has it, between quotes or in a block.
    Text(String),
    /// Something YAML takes for a number or a truth value, in YAML's words.
    Plain(String),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

impl Raw {
    fn settle(self, text: &str) -> Node {
        let (at, defined) = (self.0.referenced, self.0.defined);
        let value = match self.0.value {
            Bare::Nothing => Value::Nothing,
            Bare::Text(text) => Value::Text(text),
            Bare::Plain(known) => {
                let span = defined.span();
                let bytes = span.byte_offset().zip(span.byte_len());
                let slice = bytes.and_then(|(from, length)| {
                    let from = usize::try_from(from).ok()?;
                    text.get(from..from.checked_add(usize::try_from(length).ok()?)?)
                });
                Value::Text(slice.map(str::trim).filter(|s| !s.is_empty()).map_or(known, str::to_owned))
            }
            Bare::List(list) => Value::List(list.into_iter().map(|raw| raw.settle(text)).collect()),
            Bare::Map(fields) => {
                let field = |(key, raw): (Spanned<String>, Self)| {
                    (Key { place: place(key.referenced), name: key.value }, raw.settle(text))
                };
                Value::Map(fields.into_iter().map(field).collect())
            }
        };
        Node { place: place(at), value }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Raw)
    }
}

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BareVisitor)
    }
}

struct BareVisitor;

impl<'de> Visitor<'de> for BareVisitor {
    type Value = Bare;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Bare, E> {
        Ok(Bare::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Bare, E> {
        Ok(Bare::Nothing)
    }

    fn visit_none<E>(self) -> Result<Bare, E> {
        Ok(Bare::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bare, D::Error> {
        Bare::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Bare, E> {
        Ok(Bare::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Bare, E> {
        Ok(Bare::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Bare, E> {
        Ok(Bare::Plain(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Bare, E> {
        Ok(Bare::Plain(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Bare, E> {
        Ok(Bare::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Bare, E> {
        Ok(Bare::Plain(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bare, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Bare::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Bare, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = entries.next_entry()? {
            fields.push(field);
        }
        Ok(Bare::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> String {
        let node = Node::parse("f", &format!("a: {text}\n")).unwrap();
        let Value::Map(fields) = node.value else { panic!("{node:?}") };
        match &fields[0].1.value {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scalars_stay_as_they_are_written() {
        for text in ["1.10", "012", "1_000", "0x1F", "yes", "true", "no", "1e3", "2xx", "-5", "30s", "10:30"]
        {
            assert_eq!(scalar(text), text);
        }
        assert_eq!(scalar("\"1.10\""), "1.10");
        assert_eq!(scalar("'it''s'"), "it's");
        let aliased = Node::parse("f", "a: &x 1.10\nb: *x\n").unwrap();
        let Value::Map(fields) = aliased.value else { panic!() };
        assert!(fields.iter().all(|(_, node)| matches!(&node.value, Value::Text(text) if text == "1.10")));
    }

    #[test]
    fn fields_are_found_again() {
        let node = Node::parse("f", "hops:\n- {name: a}\n- name: b\n  timeouts: {read: 5}\n").unwrap();
        let at = |steps: &[Step]| {
            let place = node.find(steps);
            (place.line, place.column)
        };
        assert_eq!(at(&["hops".into(), 1.into(), "timeouts".into(), "read".into()]), (4, 14));
        assert_eq!(at(&["hops".into(), 1.into(), "sends".into(), "uri".into()]), (3, 3));
        assert_eq!(at(&["hops".into(), 0.into()]), (2, 3));
    }

    #[test]
    fn a_bomb_is_refused_at_once() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let list = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![list; 10].join(",")));
        }
        let began = std::time::Instant::now();
        let error = Node::parse("bomb.yaml", &text).unwrap_err();
        assert!(error.to_string().contains("more in this file than any path needs"), "{error}");
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
        let deep = format!("a: {}x{}\n", "[".repeat(200), "]".repeat(200));
        assert!(Node::parse("deep.yaml", &deep).is_err());
        let huge = format!("a: {}\n", "x".repeat(LARGEST));
        assert!(Node::parse("huge.yaml", &huge).unwrap_err().to_string().contains("at most 1 MiB"));
    }
}

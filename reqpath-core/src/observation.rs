//! One piece of evidence, with when, where and from where it was seen.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{AnyEvidence, Evidence, Micros, Subject};

/// The number of an observation within its trace, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ObservationId(pub u32);

/// The number of what a report did not number.
pub(crate) const UNNUMBERED: ObservationId = ObservationId(u32::MAX);

impl fmt::Display for ObservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One piece of evidence, with when, where and from where it was seen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Observation {
    /// Its number in this trace.
    pub id: ObservationId,
    /// What it is about.
    pub subject: Subject,
    /// The name of the vantage it was seen from.
    pub vantage: Cow<'static, str>,
    /// When looking began, counted from the start of the trace.
    pub at: Micros,
    /// Whether looking ended by itself; `false` where a deadline cut it short.
    pub complete: bool,
    /// What was seen.
    pub data: Data,
}

/// What was seen: typed while live, JSON when it came from a report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Data {
    /// Recorded in this process.
    Live(Arc<dyn AnyEvidence>),
    /// Read from a report; parsed on first ask.
    Stored(Arc<Stored>),
}

/// Evidence as a report held it, parsed once on first ask.
#[derive(Debug)]
pub struct Stored {
    kind: String,
    source: Option<String>,
    brief: Option<String>,
    value: Value,
    /// Fields this version does not know, kept to be written back.
    extra: Map<String, Value>,
    parsed: OnceLock<(TypeId, Option<Box<dyn Any + Send + Sync>>)>,
}

impl Observation {
    /// An observation of this evidence, seen nowhere in particular: for tests of recognisers.
    ///
    /// ```
    /// use reqpath_core::{Case, Left, Observation, ObservationId, Path, Role, Subject, Target, Trial};
    ///
    /// let at = Subject::leg(&"client".into(), &"server".into()).at_sample(0);
    /// let died = Trial::new(Role::Fresh, Left::Dead, "tcp");
    /// let seen = Observation::new(ObservationId(0), at, died);
    /// let case = Case::new(Target::get("http://a.example/")?, Path::of_url(), vec![seen]);
    /// assert!(case.first::<Trial>(&Subject::Path).unwrap().died());
    /// # Ok::<(), reqpath_core::TargetError>(())
    /// ```
    #[must_use]
    pub fn new<E: Evidence>(id: ObservationId, subject: Subject, evidence: E) -> Self {
        Self::live(id, subject, Cow::Borrowed(""), Micros::default(), true, Arc::new(evidence))
    }

    /// A live observation.
    pub(crate) fn live(
        id: ObservationId,
        subject: Subject,
        vantage: Cow<'static, str>,
        at: Micros,
        complete: bool,
        data: Arc<dyn AnyEvidence>,
    ) -> Self {
        Self { id, subject, vantage, at, complete, data: Data::Live(data) }
    }

    /// The kind of evidence.
    #[must_use]
    pub fn kind(&self) -> &str {
        match &self.data {
            Data::Live(live) => live.kind(),
            Data::Stored(stored) => &stored.kind,
        }
    }

    /// The command a person would have typed to see the same; empty where there is none.
    #[must_use]
    pub fn source(&self) -> String {
        match &self.data {
            Data::Live(live) => live.source(&self.subject),
            Data::Stored(stored) => stored.source.clone().unwrap_or_default(),
        }
    }

    /// Whether it is known to show nothing but success.
    pub(crate) fn went_well(&self) -> bool {
        match &self.data {
            Data::Live(live) => self.complete && live.went_well(),
            Data::Stored(_) => false,
        }
    }

    /// What was seen, in a few words; empty where it has no short form.
    #[must_use]
    pub fn brief(&self) -> String {
        match &self.data {
            Data::Live(live) => live.brief(),
            Data::Stored(stored) => stored.brief.clone().unwrap_or_default(),
        }
    }

    /// The evidence as JSON.
    #[must_use]
    pub fn value(&self) -> Cow<'_, Value> {
        match &self.data {
            Data::Live(live) => Cow::Owned(live.to_value()),
            Data::Stored(stored) => Cow::Borrowed(&stored.value),
        }
    }

    /// The evidence as its type, if it is of that kind and, when stored, has its shape.
    #[must_use]
    pub fn get<E: Evidence>(&self) -> Option<&E> {
        match &self.data {
            Data::Live(live) => live.as_any().downcast_ref(),
            Data::Stored(stored) if stored.kind == E::KIND => stored.get(),
            Data::Stored(_) => None,
        }
    }
}

impl Stored {
    fn get<E: Evidence>(&self) -> Option<&E> {
        let (_, parsed) = self.parsed.get_or_init(|| {
            let parsed = E::deserialize(&self.value).ok();
            (TypeId::of::<E>(), parsed.map(|parsed| Box::new(parsed) as Box<dyn Any + Send + Sync>))
        });
        // A second type that claims the same kind finds the first one's value and gets nothing.
        parsed.as_ref()?.downcast_ref()
    }
}

/// The shape in a report.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Wire {
    /// Its number in this trace.
    #[serde(default)]
    id: Option<ObservationId>,
    /// What kind of evidence `data` is, `stage.thing`.
    kind: String,
    /// What it is about.
    subject: Subject,
    /// The name of the vantage it was seen from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vantage: Option<String>,
    /// When looking began, in microseconds from the start of the trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_us: Option<Micros>,
    /// Whether looking ended by itself; absent means yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
    /// The command a person would have typed to see the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// What was seen, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    brief: Option<String>,
    /// What was seen; its shape belongs to its kind.
    data: Value,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl Serialize for Observation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let (source, brief, extra) = match &self.data {
            Data::Live(live) => (some(live.source(&self.subject)), some(live.brief()), Map::new()),
            Data::Stored(stored) => (stored.source.clone(), stored.brief.clone(), stored.extra.clone()),
        };
        Wire {
            id: Some(self.id),
            kind: self.kind().to_owned(),
            subject: self.subject.clone(),
            vantage: (!self.vantage.is_empty()).then(|| self.vantage.clone().into_owned()),
            at_us: Some(self.at),
            complete: (!self.complete).then_some(false),
            source,
            brief,
            data: self.value().into_owned(),
            extra,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Observation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Ok(Self {
            // A hand-written example may leave numbers out; the report gives them in order.
            id: wire.id.unwrap_or(UNNUMBERED),
            subject: wire.subject,
            vantage: wire.vantage.map_or(Cow::Borrowed(""), Cow::Owned),
            at: wire.at_us.unwrap_or_default(),
            complete: wire.complete.unwrap_or(true),
            data: Data::Stored(Arc::new(Stored {
                kind: wire.kind,
                source: wire.source,
                brief: wire.brief,
                value: wire.data,
                extra: wire.extra,
                parsed: OnceLock::new(),
            })),
        })
    }
}

impl JsonSchema for Observation {
    fn schema_name() -> Cow<'static, str> {
        "Observation".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Wire::json_schema(generator)
    }
}

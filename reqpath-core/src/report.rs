//! The whole record of one trace.

use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::observation::UNNUMBERED;

use crate::{
    Case, Catalogue, Finding, HopId, HopKind, LoadError, Micros, Observation, ObservationId, Path, Started,
    Target, Verdict, judge,
};

/// The name and version of the report's schema.
pub const SCHEMA: &str = "reqpath.report/1";

/// Yes, no, or not known: never guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tri {
    /// Seen to be so.
    Yes,
    /// Seen not to be so.
    No,
    /// Not seen.
    #[default]
    Unknown,
}

/// The two questions, answered for one hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct HopState {
    /// The hop.
    pub hop: HopId,
    /// What kind of place it is.
    pub kind: HopKind,
    /// Whether the request arrived here.
    pub arrived: Tri,
    /// Whether it was alive when it left.
    pub left_alive: Tri,
}

impl HopState {
    pub(crate) fn new(hop: HopId, kind: HopKind, arrived: Tri, left_alive: Tri) -> Self {
        Self { hop, kind, arrived, left_alive }
    }
}

/// A look-alike that was ruled out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct RuledOut {
    /// Its code.
    pub code: String,
    /// Why it is not that, as a clause.
    pub because: String,
    /// The observations that rule it out.
    #[serde(default)]
    pub cites: Vec<ObservationId>,
}

impl RuledOut {
    pub(crate) fn new(code: String, because: String, cites: Vec<ObservationId>) -> Self {
        Self { code, because, cites }
    }
}

/// The probe's own trouble: never a verdict on the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ProbeError {
    /// The stage that could not look.
    pub stage: String,
    /// What went wrong, with its reasons.
    pub message: String,
}

impl ProbeError {
    /// Trouble of this stage.
    #[must_use]
    pub fn new(stage: impl Into<String>, message: impl Into<String>) -> Self {
        Self { stage: stage.into(), message: message.into() }
    }
}

/// The whole record of one trace: the verdict, and everything it rests on.
///
/// It round-trips: evidence and codes that this version does not know, and unknown fields of the report,
/// its observations and its findings, are kept as they are. Judged again, findings are made anew.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The program and version that wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub program: String,
    /// When the trace began, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Started::is_empty")]
    #[schemars(with = "String")]
    pub started: Started,
    /// How long it took, in microseconds.
    #[serde(default)]
    pub elapsed_us: Micros,
    /// The id every request of this trace carried, for finding its log lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// The W3C `traceparent` every request of this trace carried.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub traceparent: String,
    /// The answer; absent only in evidence that was never judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The request that was followed.
    #[serde(default = "example_target")]
    pub target: Target,
    /// The hops it was meant to take.
    #[serde(default)]
    pub path: Arc<Path>,
    /// The two questions, hop by hop.
    #[serde(default)]
    pub hops: Vec<HopState>,
    /// Everything that was found, fatal first.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The look-alikes that were ruled out.
    #[serde(default)]
    pub ruled_out: Vec<RuledOut>,
    /// Commands to run next.
    #[serde(default)]
    pub next: Vec<String>,
    /// Looks the probe could not make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProbeError>,
    /// Everything that was seen.
    #[serde(default)]
    pub observations: Vec<Observation>,
    /// What a later version stored besides.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What hand-written evidence is about when it does not say.
fn example_target() -> Target {
    // A constant URL that parses; the test below holds it.
    #[expect(clippy::expect_used, reason = "a constant URL that parses")]
    Target::get("https://server.example/").expect("a constant URL")
}

impl Report {
    /// Reads a report, or bare observations in a report's shape.
    ///
    /// # Errors
    ///
    /// When it is no JSON, has another shape, or says it is of another schema.
    pub fn load(json: &[u8]) -> Result<Self, LoadError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let json_error = |source| LoadError::Json { file: None, source };
        let head: Head = serde_json::from_slice(json).map_err(json_error)?;
        if head.schema != SCHEMA {
            return Err(LoadError::Schema { file: None, found: crate::escape(&head.schema, 80) });
        }
        let mut report: Self = serde_json::from_slice(json).map_err(json_error)?;
        number(&mut report.observations);
        Ok(report)
    }

    /// The same evidence, judged by this catalogue.
    #[must_use]
    pub fn judged(self, catalogue: &Catalogue) -> Self {
        let case = Case::new(self.target, self.path, self.observations);
        let judgement = judge(&case, catalogue, &self.errors);
        let (target, path, observations) = case.into_parts();
        let mut errors = self.errors;
        for error in judgement.errors {
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        Self {
            errors,
            verdict: Some(judgement.verdict),
            hops: judgement.hops,
            findings: judgement.findings,
            ruled_out: judgement.ruled_out,
            next: judgement.next,
            target,
            path,
            observations,
            ..self
        }
    }

    /// The command with which a person sees the same as this observation, with the caller's
    /// [flags](crate::Flag) that it knows; empty where there is none.
    #[must_use]
    pub fn source_of(&self, observation: &Observation) -> String {
        let source = observation.source();
        self.path.command(&self.target, &observation.subject, &source).into_owned()
    }

    /// The schema of reports, as JSON Schema.
    #[must_use]
    pub fn json_schema() -> Value {
        schemars::schema_for!(Self).to_value()
    }
}

/// Gives each observation that has no number its place, or the next number that is free.
fn number(observations: &mut [Observation]) {
    let mut taken: HashSet<u32> = observations
        .iter()
        .map(|observation| observation.id)
        .filter(|id| *id != UNNUMBERED)
        .map(|id| id.0)
        .collect();
    let mut free = 0;
    for (place, observation) in (0_u32..).zip(observations) {
        if observation.id == UNNUMBERED {
            free = place.max(free);
            while !taken.insert(free) {
                free = free.saturating_add(1);
            }
            observation.id = ObservationId(free);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_number_gets_one_of_its_own() {
        let seen = |id: &str| format!(r#"{{{id} "kind": "a.b", "subject": "path", "data": 1}}"#);
        let observations =
            [seen(""), seen(r#""id": 1,"#), seen(""), seen(r#""id": 3,"#), seen(r#""id": 2,"#), seen("")];
        let json = format!(r#"{{"schema": "{SCHEMA}", "observations": [{}]}}"#, observations.join(","));
        let report = Report::load(json.as_bytes()).unwrap();
        let ids: Vec<u32> = report.observations.iter().map(|observation| observation.id.0).collect();
        assert_eq!(ids, [0, 1, 4, 3, 2, 5]);
    }

    #[test]
    fn a_verdict_of_a_kind_not_known_here_is_kept() {
        let json = serde_json::json!({
            "schema": SCHEMA,
            "verdict": {"kind": "postponed", "until": {"hop": "edge"}},
        });
        let report = Report::load(json.to_string().as_bytes()).unwrap();
        let verdict = report.verdict.as_ref().unwrap();
        assert_eq!((verdict.kind(), verdict.exit_status()), ("unknown", 3));
        assert_eq!(serde_json::to_value(verdict).unwrap(), json["verdict"]);
        let died = serde_json::json!({"kind": "died", "at": {"hop": "a", "station": "tcp"}, "chain": [],
            "also": [], "cause": {"code": "tcp.x", "summary": "s", "subject": "path"},
            "outcome": {"samples": 1, "died": 1}});
        let verdict: Verdict = serde_json::from_value(died.clone()).unwrap();
        assert!(matches!(verdict, Verdict::Died { .. }));
        assert_eq!(serde_json::to_value(&verdict).unwrap(), died);
        assert!(!Report::json_schema().to_string().contains("Other"), "nothing of ours writes it");
    }

    #[test]
    fn what_is_not_known_here_is_kept() {
        let json = serde_json::json!({
            "schema": SCHEMA,
            "elapsed_us": 5,
            "from_the_future": {"a": [1, 2.5, null]},
            "verdict": {"kind": "reached", "outcome": {"samples": 1, "died": 0}},
            "target": {"url": "https://a.example/", "method": "GET", "body_length": 0, "max_redirects": 0},
            "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "server", "kind": "server"}]},
            "hops": [],
            "findings": [{"code": "acme.new", "subject": "path", "weight": "warning", "blames": "near",
                          "summary": "s", "cites": [0], "since": 3}],
            "ruled_out": [],
            "next": [],
            "observations": [{"id": 0, "kind": "acme.unknown", "subject": {"hop": "client"}, "vantage": "v",
                              "at_us": 9, "source": "acme --look", "data": {"deep": {"x": 1.5}}, "colour": "blue"}],
        });
        let report = Report::load(json.to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&report).unwrap(), json);
    }

    #[test]
    fn another_schema_is_named() {
        let error = Report::load(br#"{"schema": "reqpath.report/9"}"#).unwrap_err();
        assert!(error.to_string().contains("reqpath.report/9"), "{error}");
        assert!(Report::load(b"[1, 2").is_err());
    }

    #[test]
    fn bare_evidence_loads() {
        let report = Report::load(br#"{"schema": "reqpath.report/1", "observations": []}"#).unwrap();
        assert_eq!(report.target.host(), "server.example");
    }
}

//! What a report from far away brings into this trace.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::observation::Data;
use crate::{
    Evidence, LegSubject, Micros, Observation, ProbeError, Report, Role, Scrubber, Subject, Trial, escape,
};

/// The largest report that is read, in bytes.
const LARGEST: usize = 8 << 20;
/// How many observations one request brings at most.
const MOST: usize = 256;
/// How many troubles of the probe there are told of.
const MOST_ERRORS: usize = 8;

/// What a report from far away brings: evidence about the one request, and the troubles of the probe there.
#[derive(Debug)]
pub(crate) struct Brought {
    /// Not yet numbered.
    pub(crate) observations: Vec<Observation>,
    pub(crate) errors: Vec<ProbeError>,
}

impl Brought {
    /// Reads a report, whoever wrote it: only what it says of its first request counts, and only as said of
    /// this leg, under this number.
    ///
    /// That program knows none of the secrets of this trace: what an answer repeats of them there is taken out here.
    pub(crate) fn read(
        json: &[u8],
        place: &str,
        (at, secrets): (&Subject, &Scrubber),
        since: Micros,
    ) -> Result<Self, ProbeError> {
        let failed = |why: String| ProbeError::new("far", format!("{}: {why}", escape(place, 80)));
        if json.len() > LARGEST {
            return Err(failed(format!("its report is larger than {LARGEST} bytes")));
        }
        let json = without(secrets, json);
        let report = Report::load(&json).map_err(|error| failed(crate::context::chain(&error)))?;
        let front = report.path.front();
        let front = front.as_ref().and_then(Subject::as_leg);
        let Some((front, here)) = front.zip(at.as_leg()) else {
            return Err(failed("its report has no path".to_owned()));
        };
        let of_request = |leg: &LegSubject| {
            leg.from == front.from && leg.to == front.to && leg.sample.is_none_or(|sample| sample == 0)
        };
        let brought = |mut seen: Observation| {
            let leg = seen.subject.as_leg().filter(|leg| of_request(leg))?;
            seen.subject = Subject::Leg(LegSubject { address: leg.address, ..here.clone() });
            if seen.kind() == Trial::KIND {
                let trial = seen.get::<Trial>().filter(|trial| trial.role == Role::Fresh)?;
                seen.data = Data::Live(Arc::new(Trial { role: Role::Inner, ..trial.clone() }));
            }
            seen.vantage = Cow::Owned(place.to_owned());
            seen.at = Micros(seen.at.0.saturating_add(since.0));
            Some(seen)
        };
        let observations = report.observations.into_iter().filter_map(brought).take(MOST).collect();
        let told = |error: ProbeError| {
            failed(format!("{}: {}", escape(&error.stage, 40), escape(&error.message, 300)))
        };
        Ok(Self { observations, errors: report.errors.into_iter().take(MOST_ERRORS).map(told).collect() })
    }
}

/// The report without these secrets.
fn without<'a>(secrets: &Scrubber, json: &'a [u8]) -> Cow<'a, [u8]> {
    if secrets.is_empty() {
        return Cow::Borrowed(json);
    }
    // What is no JSON is no report either, and is refused as that.
    let Ok(mut report) = serde_json::from_slice::<Value>(json) else { return Cow::Borrowed(json) };
    scrub(secrets, &mut report);
    Cow::Owned(report.to_string().into_bytes())
}

/// As deep as JSON is read, which is bounded.
fn scrub(secrets: &Scrubber, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(scrubbed) = secrets.scrub(text) {
                *text = scrubbed;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| scrub(secrets, value)),
        Value::Object(fields) => fields.values_mut().for_each(|value| scrub(secrets, value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(report: &Value) -> Result<Brought, ProbeError> {
        let at = Subject::leg(&"shop".into(), &"cart".into()).at_sample(7);
        Brought::read(report.to_string().as_bytes(), "pod", (&at, &Scrubber::default()), Micros(1000))
    }

    #[test]
    fn only_the_request_itself_is_brought_and_as_said_of_this_leg() {
        let of = |leg: Value, role: &str| {
            json!({"kind": "request.trial", "subject": {"leg": leg}, "at_us": 5, "vantage": "local",
                   "data": {"role": role, "left": "dead", "stage": "tcp"}})
        };
        let report = json!({"schema": "reqpath.report/1",
        "errors": [{"stage": "dns", "message": "no\u{1b}"}],
        "observations": [
            of(json!({"from": "client", "to": "server", "address": "192.0.2.1:80", "sample": 0}), "fresh"),
            of(json!({"from": "client", "to": "server", "sample": 1}), "last"),
            of(json!({"from": "client", "to": "redirect-1", "sample": 0}), "fresh"),
            of(json!({"from": "edge", "to": "shop", "sample": 0}), "fresh"),
            {"kind": "proxy.log", "subject": "path", "data": {}},
            {"kind": "proxy.log", "subject": {"hop": "cart"}, "data": {}},
        ]});
        let brought = read(&report).unwrap();
        assert_eq!(brought.observations.len(), 1, "{brought:#?}");
        let seen = &brought.observations[0];
        assert_eq!(seen.subject.to_string(), "shop → cart at 192.0.2.1:80, sample 7");
        assert_eq!((seen.vantage.as_ref(), seen.at), ("pod", Micros(1005)));
        let trial = seen.get::<Trial>().unwrap();
        assert!(trial.role == Role::Inner && trial.died());
        assert_eq!(brought.errors[0].message, "pod: dns: no\\u{1b}");
    }

    #[test]
    fn what_is_no_report_is_told() {
        for wrong in [json!({}), json!({"schema": "other/1"}), json!([1]), json!("x")] {
            assert!(read(&wrong).unwrap_err().message.starts_with("pod: "), "{wrong}");
        }
        let huge = vec![b' '; LARGEST + 1];
        let at = Subject::leg(&"shop".into(), &"cart".into());
        let error = Brought::read(&huge, "pod", (&at, &Scrubber::default()), Micros(0)).unwrap_err();
        assert!(error.message.contains("larger than"));
    }

    #[test]
    fn so_much_is_brought_and_no_more() {
        let one = json!({"kind": "x.y", "subject": {"leg": {"from": "client", "to": "server"}}, "data": 1});
        let many = vec![one; 3 * MOST];
        let brought = read(&json!({"schema": "reqpath.report/1", "observations": many})).unwrap();
        assert_eq!(brought.observations.len(), MOST);
        assert!(brought.observations.iter().all(|seen| seen.subject.sample() == Some(7)));
    }

    #[test]
    fn what_an_answer_repeats_there_is_taken_out_here() {
        let leg = json!({"leg": {"from": "client", "to": "server", "sample": 0}});
        let seen =
            json!({"kind": "x.y", "subject": leg, "data": {"deep": [{"said": "your key is k3y-of-ours!"}]}});
        let report = json!({"schema": "reqpath.report/1", "observations": [seen],
                            "errors": [{"stage": "x", "message": "k3y-of-ours"}]});
        let mut secrets = Scrubber::default();
        secrets.add("k3y-of-ours");
        let at = Subject::leg(&"shop".into(), &"cart".into()).at_sample(7);
        let brought =
            Brought::read(report.to_string().as_bytes(), "pod", (&at, &secrets), Micros(0)).unwrap();
        let told = serde_json::to_string(&brought.observations).unwrap();
        assert!(told.contains("your key is [redacted]!"), "{told}");
        assert_eq!(brought.errors[0].message, "pod: x: [redacted]");
    }
}

//! Evidence by its type.
#![allow(clippy::panic, reason = "an assertion fails by a panic")]

use reqpath_core::{Evidence, Report, escape};

use super::text::text;

/// All evidence of a kind in a report, in the order in which looking began.
///
/// ```
/// use reqpath_core::{Report, Trial};
/// use reqpath_testkit::assertions::{evidence, the_only};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let json = br#"{"schema": "reqpath.report/1", "observations": [{"kind": "request.trial", "subject": "path",
/// #     "data": {"role": "fresh", "left": "dead", "stage": "tls"}}]}"#;
/// let report = Report::load(json)?;
/// assert_eq!(evidence::<Trial>(&report).len(), 1);
/// assert_eq!(the_only::<Trial>(&report).stage, "tls");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn evidence<E: Evidence>(report: &Report) -> Vec<&E> {
    report.observations.iter().filter_map(|observation| observation.get()).collect()
}

/// The one piece of evidence of a kind that the report holds.
///
/// ```
/// use reqpath_core::{Report, Trial};
/// use reqpath_testkit::assertions::the_only;
///
/// # let json = br#"{"schema": "reqpath.report/1", "observations": [{"kind": "request.trial", "subject": "path",
/// #     "data": {"role": "fresh", "left": "alive", "stage": "http"}}]}"#;
/// let report = Report::load(json)?;
/// let Trial { stage, .. } = the_only(&report);
/// assert_eq!(stage, "http");
///
/// let nothing_seen = Report::load(br#"{"schema": "reqpath.report/1"}"#)?;
/// let look = || the_only::<Trial>(&nothing_seen).stage.clone();
/// assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).is_err());
/// # Ok::<(), reqpath_core::LoadError>(())
/// ```
///
/// # Panics
///
/// When it holds none or several, or one that is not of the type's shape; the message holds the report as text.
#[must_use]
#[track_caller]
pub fn the_only<E: Evidence>(report: &Report) -> &E {
    let found = evidence::<E>(report);
    if let [only] = found.as_slice() {
        return only;
    }
    let of_kind: Vec<_> =
        report.observations.iter().filter(|observation| observation.kind() == E::KIND).collect();
    let shaped = if of_kind.len() > found.len() { ", and what there is has another shape" } else { "" };
    let mut message = format!("expected one {}, found {}{shaped}", E::KIND, found.len());
    for observation in of_kind {
        let value = escape(&observation.value().to_string(), 2000);
        message.push_str(&format!(
            "\n  {} {}: {value}",
            observation.id,
            escape(&observation.subject.to_string(), 120)
        ));
    }
    panic!("{message}\n\n{}", text(report));
}

//! Which hops a report shows: all, but of a long chain of redirects its beginning and its end.

use reqpath_core::{HopState, Report};

/// The most hops of a report that are shown.
const MOST: usize = 100;
/// The longest chain of redirects that is shown in full, and how much of a longer one's beginning is.
const REDIRECTS: usize = 6;
const FIRST: usize = 2;

/// A line of the road.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shown<'a> {
    /// A hop, and whether it is where the request starts.
    Hop(&'a HopState, bool),
    /// So many redirects that are not shown.
    Folded(usize),
}

/// The hops to show, in order; where the request died is among them unless a report has more than any trace.
pub(super) fn shown(report: &Report, verbose: bool) -> Vec<Shown<'_>> {
    let redirects = report.hops.iter().filter(|state| state.hop.is_redirect()).count();
    let died_at = report.verdict.as_ref().and_then(|verdict| verdict.at()).map(|at| &at.hop);
    let (mut lines, mut met) = (Vec::new(), 0);
    for (place, state) in report.hops.iter().enumerate() {
        if state.hop.is_redirect() {
            met += 1;
            let between = met > FIRST && met < redirects;
            if !verbose && redirects > REDIRECTS && between && died_at != Some(&state.hop) {
                match lines.last_mut() {
                    Some(Shown::Folded(folded)) => *folded += 1,
                    _ => lines.push(Shown::Folded(1)),
                }
                continue;
            }
        }
        if lines.len() < MOST {
            lines.push(Shown::Hop(state, place == 0));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(redirects: usize, died_at: Option<&str>, verbose: bool) -> Vec<String> {
        let names = ["client".to_owned(), "server".to_owned()].into_iter();
        let names = names.chain((1..=redirects).map(|n| format!("redirect-{n}")));
        let hops: Vec<_> = names
            .map(|name| serde_json::json!({"hop": name, "kind": "server", "arrived": "yes", "left_alive": "yes"}))
            .collect();
        let mut report = serde_json::json!({"schema": reqpath_core::SCHEMA, "hops": hops});
        if let Some(hop) = died_at {
            report["verdict"] = serde_json::json!({"kind": "died", "at": {"hop": hop, "station": "http"}, "chain": [],
                "also": [], "cause": {"code": "a.b", "summary": "s", "subject": "path"},
                "outcome": {"samples": 1, "died": 1}});
        }
        let report = Report::load(report.to_string().as_bytes()).unwrap();
        let said = |line| match line {
            Shown::Hop(state, _) => state.hop.to_string(),
            Shown::Folded(folded) => format!("+{folded}"),
        };
        shown(&report, verbose).into_iter().map(said).collect()
    }

    #[test]
    fn a_long_chain_of_redirects_is_folded() {
        assert_eq!(lines(6, None, false).len(), 8);
        assert_eq!(
            lines(50, None, false),
            ["client", "server", "redirect-1", "redirect-2", "+47", "redirect-50"]
        );
        assert_eq!(
            lines(50, Some("redirect-30"), false)[3..],
            ["redirect-2", "+27", "redirect-30", "+19", "redirect-50"]
        );
        assert_eq!(lines(50, None, true).len(), 52);
        assert_eq!(lines(5000, None, true).len(), MOST);
    }
}

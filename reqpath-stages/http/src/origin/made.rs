//! Who made an answer, by the logs of the hops it came through.

use reqpath_core::{Case, HopId, HopKind, Path, Seen, Subject};

use crate::evidence::{Gave, Passage};

/// Who made an answer, as far as the logs of the hops lead, and by which signs.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Made<'a> {
    /// The hop that made it, or beyond which no log leads.
    pub hop: Option<HopId>,
    /// Whether that hop is known to have made it; otherwise it came from there or from behind it.
    pub known: bool,
    /// Whether a hop made it that only passes requests on.
    pub by_proxy: bool,
    /// Whether nothing behind that hop failed: it asked nobody, or was given an answer that it did not pass on.
    pub alone: bool,
    /// What the logs say, hop by hop, as clauses.
    pub signs: Vec<String>,
    /// The log lines that say so.
    pub lines: Vec<Seen<'a, Passage>>,
}

impl Made<'_> {
    /// In words, as a clause; empty where no log tells anything.
    #[must_use]
    pub fn said(&self) -> String {
        let Some(hop) = self.hop.as_ref().filter(|_| !self.signs.is_empty()) else { return String::new() };
        let signs = self.signs.join("; ");
        if self.known {
            format!("{hop} made that answer itself: {signs}")
        } else {
            format!("that answer came from {hop} or from behind it: {signs}")
        }
    }
}

/// Follows an answer with this status inwards, from the hop at the far end of a leg.
///
/// Only log lines of this very request count, and of each hop only one that says it gave this answer.
///
/// ```
/// use reqpath_core::{Case, Hop, HopKind, Observation, ObservationId, Path, Subject, Target};
/// use reqpath_http::{made, evidence::Passage};
///
/// let path = Path::new(vec![
///     Hop::new("client", HopKind::Client), Hop::new("edge", HopKind::Nginx), Hop::new("shop", HopKind::Pod)]);
/// let line: Passage = serde_json::from_str(r#"{"hop": "edge", "status": 404, "tells_upstream": true}"#)?;
/// let at = Subject::leg(&"edge".into(), &"shop".into()).at_sample(0);
/// let line = Observation::new(ObservationId(0), at, line);
/// let case = Case::new(Target::get("http://shop.example/")?, path, vec![line]);
/// let made = made(&case, &Subject::leg(&"client".into(), &"edge".into()).at_sample(0), 404);
/// assert!(made.known && made.by_proxy);
/// assert!(made.said().starts_with("edge made that answer itself"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn made<'a>(case: &'a Case, at: &Subject, status: u16) -> Made<'a> {
    let mut made = Made::default();
    let (Some(leg), Some(sample)) = (at.as_leg(), at.sample()) else { return made };
    let path = case.path();
    let (mut hop, mut status) = (path.hop(&leg.to), status);
    // The road has an end, and each step goes one hop along it.
    while let Some(here) = hop {
        made.hop = Some(here.id.clone());
        let lines = lines(case, path, &here.id, sample);
        let Some(line) = lines.into_iter().rfind(|line| line.status == Some(status)) else { break };
        let name = &here.id;
        let upstream = line.upstream().unwrap_or("whom it asked").to_owned();
        let (sign, known) = match line.gave() {
            Gave::Own => (format!("its log says that it asked nobody for it ({})", line.log), true),
            Gave::Unanswered => (format!("its log says that no answer came from {upstream}"), true),
            Gave::Instead(came) => {
                (format!("its log says that {upstream} answered {came}, and that it answered {status}"), true)
            }
            Gave::Kept => ("its log says that it had the answer from before".to_owned(), true),
            // It asked itself, so it is one of its own that made it.
            Gave::PassedOn if here.addresses.iter().any(|own| own.to_string() == upstream) => {
                (format!("its log says that it came from {upstream}, which is {name} itself"), true)
            }
            Gave::PassedOn => (format!("the log of {name} says that it came from {upstream}"), false),
            Gave::Untold => {
                let tried = line.tries.last().and_then(|last| last.status);
                if let Some(tried) = tried {
                    made.signs.push(format!(
                        "the log of {name} has {tried} for {upstream}, as it has where no answer comes"
                    ));
                    made.lines.push(line);
                }
                break;
            }
        };
        let gave = line.gave();
        status = line.tries.last().and_then(|last| last.status).unwrap_or(status);
        made.signs.push(sign);
        made.lines.push(line);
        if known {
            made.known = true;
            made.alone = matches!(gave, Gave::Own | Gave::Kept | Gave::Instead(..=499));
            made.by_proxy = gave != Gave::Kept && !matches!(here.kind, HopKind::Pod | HopKind::Db);
            break;
        }
        match path.after(&here.id) {
            Some(next) => hop = Some(next),
            None => break,
        }
    }
    // The last hop of the road has nobody behind it that could have made the answer.
    if let Some(hop) = &made.hop
        && !made.signs.is_empty()
        && path.after(hop).is_none()
        && path.hop(hop).is_some_and(|hop| hop.kind == HopKind::Pod)
    {
        made.known = true;
    }
    made
}

/// The lines that a hop's log has of one request of ours.
pub(crate) fn lines<'a>(case: &'a Case, path: &Path, hop: &HopId, sample: u32) -> Vec<Seen<'a, Passage>> {
    let to = path.after(hop).map(|next| Subject::leg(hop, &next.id));
    let from = || path.before(hop).map(|before| Subject::leg(&before.id, hop));
    let Some(at) = to.or_else(from) else { return Vec::new() };
    case.of::<Passage>(&at.at_sample(sample)).filter(|line| line.hop == hop.as_str()).collect()
}

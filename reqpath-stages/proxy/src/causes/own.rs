//! What recognisers of answers share that a proxy makes by itself.

use reqpath_core::{Case, Decline, End, Finding, Hop, HopKind, Seen, Subject};
use reqpath_http::{Exchange, Gave, Passage, origin};

use super::told::{members, passage, placed};
use crate::evidence::{Fault, LoggedError, ReadLog};

/// An answer that a hop made by itself, as its log says.
pub(super) struct Own<'a> {
    pub(super) line: Seen<'a, Passage>,
    pub(super) hop: &'a Hop,
    pub(super) status: u16,
}

/// The answer that the hop of this leg made by itself, with one of these statuses.
pub(super) fn own<'a>(case: &'a Case, at: &Subject, statuses: &[u16]) -> Result<Own<'a>, Decline> {
    let (line, hop) = hops(case, at)
        .into_iter()
        .find_map(|hop| Some((passage(case, at, hop.id.as_str())?, hop)))
        .ok_or(Decline::Absent)?;
    let status = line.status.ok_or(Decline::Absent)?;
    if !statuses.contains(&status) {
        return Err(case.not(&line, || format!("{} answered {status}", hop.id)));
    }
    expected(case, status, &line)?;
    match line.gave() {
        Gave::Own => Ok(Own { line, hop, status }),
        Gave::PassedOn => Err(case.not(&line, || {
            format!(
                "the log of {} says that the {status} came from {}",
                hop.id,
                line.upstream().unwrap_or("behind it")
            )
        })),
        _ => Err(Decline::Absent),
    }
}

/// Ruled out where the caller expects this very status.
fn expected(case: &Case, status: u16, line: &Seen<'_, Passage>) -> Result<(), Decline> {
    let wanted = case.target().expect().status.iter().any(|range| range.holds(status));
    if wanted { Err(case.not(line, || format!("{status} was expected"))) } else { Ok(()) }
}

/// The hops whose logs are told of about a leg: its near one, and its far one where the path ends there.
fn hops<'a>(case: &'a Case, at: &Subject) -> Vec<&'a Hop> {
    let Some(leg) = at.as_leg() else { return Vec::new() };
    let path = case.path();
    let far = path.hop(&leg.to).filter(|hop| path.after(&hop.id).is_none());
    path.hop(&leg.from).into_iter().chain(far).collect()
}

/// A line of the error log of this request that tells why.
pub(super) fn reason<'a>(case: &'a Case, at: &Subject, fault: Fault) -> Option<Seen<'a, LoggedError>> {
    case.of::<LoggedError>(&at.any_address()).filter(|line| Fault::of_line(line) == Some(fault)).last()
}

/// The error log of a hop, where it was read and holds lines of the level `error`.
pub(super) fn error_log<'a>(case: &'a Case, hop: &Hop) -> Option<Seen<'a, ReadLog>> {
    let at = Subject::Hop(hop.id.clone());
    case.of::<ReadLog>(&at).find(|log| log.kind == "error_log" && log.holds_errors)
}

/// The finding that a hop answered so by itself; `clause` says what it refused.
pub(super) fn finding(at: &Subject, own: &Own<'_>, clause: &str) -> Finding {
    let hop = own.hop.id.as_str();
    let summary = format!(
        "{hop} answered {} itself: {clause}; by its log ({}) it asked nobody behind it",
        own.status, own.line.log
    );
    let finding = Finding::new(at, &own.line, summary);
    // The one that refuses stands at the near end of the leg behind it.
    placed(finding.blaming(End::Near), at, hop)
}

/// The finding by the answer alone, where it proves that a proxy refused: its own words, or its `Proxy-Status`.
pub(super) fn by_answer(
    case: &Case,
    at: &Subject,
    statuses: &[u16],
    says: &[&str],
) -> Result<Finding, Decline> {
    let seen = case.first::<Exchange>(at)?;
    let status =
        seen.status.filter(|status| statuses.contains(status) && seen.answered()).ok_or(Decline::Absent)?;
    if case.expected(at).status.iter().any(|range| range.holds(status)) {
        return Err(case.not(&seen, || format!("{status} was expected")));
    }
    let denied = seen.headers.get("proxy-status").and_then(|value| {
        let denied =
            members(&value).into_iter().find(|member| member.error == Some("http_request_denied"))?;
        Some((denied.name.to_owned(), "its `Proxy-Status` says `http_request_denied`".to_owned()))
    });
    let by_words = || {
        let origin = origin(&seen);
        let body = seen.body_start();
        let words = says.iter().find(|words| body.contains(**words))?;
        Some((origin.maker?.into_owned(), format!("its own words are `{words}`")))
    };
    let (maker, proof) = denied.or_else(by_words).ok_or(Decline::Absent)?;
    let summary = format!("{maker} answered {} itself: {proof}", seen.status_line());
    let finding = Finding::new(&at.any_address(), &seen, summary).next(seen.curl());
    let apisix = case.path().road().filter(|hop| hop.kind == HopKind::Apisix).collect::<Vec<_>>();
    // Where the path has one of that name, it is the one.
    let next = match apisix.as_slice() {
        [hop] if maker == "APISIX" => case.path().after(&hop.id).map(|next| (&hop.id, &next.id)),
        _ => None,
    };
    match (next, at.sample()) {
        (Some((hop, next)), Some(sample)) => {
            let mut finding = finding.blaming(End::Near);
            finding.subject = Subject::leg(hop, next).at_sample(sample);
            Ok(finding)
        }
        _ => Ok(finding.blaming(End::Far)),
    }
}

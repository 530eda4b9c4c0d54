//! What recognisers of faults share: error lines, `Proxy-Status`, and the times of an access log.

use reqpath_core::{Behind, Case, Decline, End, Finding, Hop, HopKind, Seen, Subject};
use reqpath_http::{Exchange, Passage};

use crate::evidence::{Fault, LoggedError};

/// Nothing but a failure further in that was told at once.
pub(super) const BROKEN: Behind = behind(false, true);
/// Nothing but silence further in.
pub(super) const SILENT: Behind = behind(true, false);
/// Silence or a failure further in.
pub(super) const EITHER: Behind = behind(true, true);

const fn behind(silent: bool, broken: bool) -> Behind {
    let mut behind = Behind::NOTHING;
    (behind.silent, behind.broken) = (silent, broken);
    behind
}

/// The finding that a proxy met this fault, as its log or the answer itself says.
///
/// `clause` says what happened, from the names of the proxy and of the one it asked.
pub(super) fn told(
    case: &Case,
    at: &Subject,
    fault: Fault,
    clause: impl Fn(&str, &str) -> String,
) -> Result<Finding, Decline> {
    match by_line(case, at, fault, &clause) {
        Err(Decline::Absent) => {}
        told => return told,
    }
    match by_header(case, at, fault, &clause) {
        Err(Decline::Absent) => by_times(case, at, fault, &clause),
        told => told,
    }
}

/// By a line of the proxy's error log.
fn by_line(
    case: &Case,
    at: &Subject,
    fault: Fault,
    clause: &dyn Fn(&str, &str) -> String,
) -> Result<Finding, Decline> {
    let seen = line(case, at, fault)?;
    let whom = seen.asked().or(name_asked(&seen)).unwrap_or("the one it asks").to_owned();
    let passage = passage(case, at, &seen.hop);
    let status = passage.as_ref().and_then(|passage| passage.status);
    let mut summary = clause(&seen.hop, &whom);
    match status {
        Some(status @ 400..) => summary.push_str(&format!(", and {} answered {status} itself", seen.hop)),
        Some(status) => summary.push_str(&format!("; {} answered {status} all the same", seen.hop)),
        None => {}
    }
    summary.push_str(&format!(", as its error log says (\"{}\")", seen.words()));
    if seen.indirect {
        summary.push_str("; such lines carry no id, and more than one request fits this one");
    }
    let subject = match seen.address() {
        Some(address) => at.at_address(address),
        None => at.clone(),
    };
    let stray = stray(case, &subject, &seen.hop);
    if let Some(hop) = stray {
        summary.push_str(&format!("; that is no address of {}, as the path declares them", hop.id));
    }
    let finding = Finding::new(&subject, &seen, summary).error(seen.words());
    let finding = match &passage {
        Some(passage) => finding.citing(passage),
        None => finding,
    };
    // Who asks at the wrong place is to blame for it, and not the one who was never asked.
    Ok(if stray.is_some() { finding.blaming(End::Near) } else { placed(finding, at, &seen.hop) })
}

/// The hop that should have been asked, where the one that was is none of its declared addresses.
fn stray<'a>(case: &'a Case, at: &Subject, hop: &str) -> Option<&'a Hop> {
    let leg = at.as_leg().filter(|leg| leg.from.as_str() == hop)?;
    let (address, to) = (leg.address?, case.path().hop(&leg.to)?);
    // A name may lead anywhere.
    let declared: Option<Vec<_>> = to.addresses.iter().map(|at| Some((at.ip()?, at.port))).collect();
    let declared = declared.filter(|declared| !declared.is_empty())?;
    (!declared.contains(&(address.ip(), address.port()))).then_some(to)
}

/// The line that tells of this fault, if it is what the request died of there.
pub(super) fn line<'a>(case: &'a Case, at: &Subject, fault: Fault) -> Result<Seen<'a, LoggedError>, Decline> {
    let lines: Vec<(Seen<'a, LoggedError>, Fault)> = case
        .of::<LoggedError>(at)
        .filter_map(|line| Some((line, Fault::of_line(&line).filter(|fault| fault.is_upstream())?)))
        .collect();
    // The log of a hop with nothing behind it on the path tells of the same leg as that of the hop before.
    let of = |hop: &str| lines.iter().filter(|(line, _)| line.hop == hop).copied().collect::<Vec<_>>();
    let leg = at.as_leg().ok_or(Decline::Absent)?;
    let (near, far) = (of(leg.from.as_str()), of(leg.to.as_str()));
    match (decided(case, at, fault, &far), decided(case, at, fault, &near)) {
        (Ok(line), _) | (Err(_), Ok(line)) => Ok(line),
        (Err(Decline::Absent), other) => other,
        (declined, _) => declined,
    }
}

fn decided<'a>(
    case: &'a Case,
    at: &Subject,
    fault: Fault,
    lines: &[(Seen<'a, LoggedError>, Fault)],
) -> Result<Seen<'a, LoggedError>, Decline> {
    let last = lines.last().ok_or(Decline::Absent)?;
    let of_fault = lines.iter().rfind(|(_, other)| *other == fault);
    let saved = passage(case, at, &last.0.hop).is_some_and(|passage| passage.saved_by_retry());
    // That all are marked down follows from what was met before, where that is known.
    let decides = lines.iter().rfind(|(_, fault)| *fault != Fault::DestinationUnavailable).unwrap_or(last);
    match of_fault {
        // Then nothing died of it; `proxy.retried` says what was the matter.
        _ if saved => Err(case.not(&decides.0, || format!("a later try of {} was answered", decides.0.hop))),
        Some((line, _)) if decides.1 == fault => Ok(*line),
        _ => Err(case.not(&decides.0, || format!("{} logged \"{}\"", decides.0.hop, decides.0.words()))),
    }
}

/// The name in `shop.test could not be resolved`.
fn name_asked(line: &LoggedError) -> Option<&str> {
    let before = line.message.split(" could not be resolved").next()?;
    let name = before.strip_prefix("no resolver defined to resolve ").unwrap_or(before);
    (!name.contains(' ')).then_some(name)
}

/// The line of the hop's access log about this request: the last one there is.
pub(super) fn passage<'a>(case: &'a Case, at: &Subject, hop: &str) -> Option<Seen<'a, Passage>> {
    case.of::<Passage>(&at.any_address()).filter(|passage| passage.hop == hop).last()
}

/// By `Proxy-Status` (RFC 9209) in an answer.
fn by_header(
    case: &Case,
    at: &Subject,
    fault: Fault,
    clause: &dyn Fn(&str, &str) -> String,
) -> Result<Finding, Decline> {
    let seen = case.first::<Exchange>(at)?;
    let value = seen.headers.get("proxy-status").ok_or(Decline::Absent)?;
    let member = members(&value).into_iter().find(|member| member.error.is_some()).ok_or(Decline::Absent)?;
    let token = member.error.unwrap_or_default();
    if Fault::of_token(token) != Some(fault) {
        return Err(case.not(&seen, || format!("{} says `{token}`", member.name)));
    }
    let whom = member.next_hop.unwrap_or("the one it asks");
    let status = seen.status_line();
    let summary = format!(
        "{}, and {} answered {status} itself, as its `Proxy-Status` says ({})",
        clause(member.name, whom),
        member.name,
        member.text
    );
    let error = member.details.unwrap_or(token).to_owned();
    let (subject, far) = match asks(case, at, &member) {
        Some(leg) => (leg, false),
        None => (at.any_address(), true),
    };
    let finding = Finding::new(&subject, &seen, summary).error(error).next(seen.curl());
    Ok(if far { finding.blaming(End::Far) } else { finding })
}

/// The leg that this proxy speaks on, where the path tells which of its hops it is.
fn asks(case: &Case, at: &Subject, member: &Member<'_>) -> Option<Subject> {
    let (path, leg) = (case.path(), at.as_leg()?);
    let sample = leg.sample?;
    let inwards = || path.road().skip_while(|hop| hop.id != leg.to);
    let dials = |hop: &&reqpath_core::Hop| {
        hop.addresses.iter().any(|address| Some(address.to_string().as_str()) == member.next_hop)
    };
    let to = inwards().skip(1).find(dials);
    let named = inwards().find(|hop| hop.id.as_str() == member.name);
    // The only one that could have said it.
    let speaks = |hop: &&reqpath_core::Hop| {
        !hop.kind.passes_packets() && !matches!(hop.kind, HopKind::Pod | HopKind::Db)
    };
    let only = || {
        let mut proxies = inwards().filter(speaks).filter(|hop| path.after(&hop.id).is_some());
        proxies.next().filter(|_| proxies.next().is_none())
    };
    let from = match (named, to) {
        (Some(hop), _) => hop,
        (None, Some(to)) => path.before(&to.id)?,
        (None, None) => only()?,
    };
    Some(Subject::leg(&from.id, &path.after(&from.id)?.id).at_sample(sample))
}

/// One intermediary's word in `Proxy-Status`.
#[derive(Debug)]
pub(super) struct Member<'a> {
    text: &'a str,
    pub(super) name: &'a str,
    pub(super) error: Option<&'a str>,
    next_hop: Option<&'a str>,
    details: Option<&'a str>,
}

/// The members of the list, innermost first.
pub(super) fn members(value: &str) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    for text in outside_quotes(value, ',').into_iter().take(32) {
        let mut parts = outside_quotes(text, ';').into_iter();
        let name = parts.next().unwrap_or_default().trim_matches('"');
        let mut read = Member { text, name, error: None, next_hop: None, details: None };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = Some(value.trim().trim_matches('"')).filter(|value| !value.is_empty());
            match key.trim() {
                "error" => read.error = value,
                "next-hop" => read.next_hop = value,
                "details" => read.details = value,
                _ => {}
            }
        }
        if !read.name.is_empty() {
            members.push(read);
        }
    }
    members
}

/// The parts between separators that stand in no quotes.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (place, character) in text.char_indices() {
        if character == '"' {
            quoted = !quoted;
        } else if character == separator && !quoted {
            parts.push(text.get(start..place).unwrap_or_default().trim());
            start = place + separator.len_utf8();
        }
    }
    parts.push(text.get(start..).unwrap_or_default().trim());
    parts
}

/// By the times of an access log: they tell a connection that never came about from an answer that did not.
fn by_times(
    case: &Case,
    at: &Subject,
    fault: Fault,
    clause: &dyn Fn(&str, &str) -> String,
) -> Result<Finding, Decline> {
    let hop = &at.as_leg().ok_or(Decline::Absent)?.from;
    let seen = passage(case, at, hop.as_str())
        .filter(|passage| passage.status == Some(504))
        .ok_or(Decline::Absent)?;
    let last =
        seen.tries.last().filter(|last| last.timed && last.status == Some(504)).ok_or(Decline::Absent)?;
    let met = match (last.connect_us, last.header_us) {
        (_, Some(_)) => return Err(Decline::Absent),
        (Some(_), None) => Fault::HttpResponseTimeout,
        (None, None) => Fault::ConnectionTimeout,
    };
    if met != fault {
        return Err(Decline::Absent);
    }
    let whom = last.address.as_deref().unwrap_or("the one it asks");
    let waited = last.response_us.map_or_else(String::new, |waited| format!(" after {waited}"));
    let summary = format!(
        "{}, and {hop} answered 504 itself{waited}, as the times in its access log say",
        clause(hop.as_str(), whom)
    );
    Ok(Finding::new(at, &seen, summary))
}

/// The fault lies behind the far hop where the path knows nothing behind it.
pub(super) fn placed(finding: Finding, at: &Subject, hop: &str) -> Finding {
    let behind = at.as_leg().is_some_and(|leg| leg.to.as_str() == hop);
    if behind { finding.blaming(End::Far) } else { finding }
}

/// A command to try the connection from where the proxy stands.
pub(super) fn dial(finding: Finding) -> Finding {
    match finding.subject.as_leg() {
        Some(leg) => match leg.address {
            Some(address) => {
                let command = format!("nc -vz {} {}   # on {}", address.ip(), address.port(), leg.from);
                finding.next(command)
            }
            None => finding,
        },
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_whatever_stands_in_quotes() {
        let value = "\"a, b\"; error=dns_error; details=\"x; y, z\", edge; next-hop=10.0.0.7:80; error=connection_refused, ;";
        let members = members(value);
        assert_eq!(members.len(), 2, "{members:?}");
        assert_eq!(
            (members[0].name, members[0].error, members[0].details),
            ("a, b", Some("dns_error"), Some("x; y, z"))
        );
        assert_eq!((members[1].name, members[1].next_hop), ("edge", Some("10.0.0.7:80")));
        assert!(super::members("").is_empty() && super::members("\"").is_empty());
    }
}

//! The verdict, from the count of deaths and the roots.

use crate::verdict::LegEnds;
use crate::{
    At, Case, Cause, CauseRef, Decline, End, Finding, HopId, Left, ProbeError, RuledOut, Subject, Verdict,
};

use super::chain::chain;
use super::deaths::Deaths;
use super::findings::Found;

/// The verdict, and the look-alikes it ruled out.
pub(super) fn of(
    case: &Case,
    found: &Found,
    deaths: &Deaths,
    roots: &[usize],
    errors: &[ProbeError],
) -> (Verdict, Vec<RuledOut>) {
    let outcome = deaths.outcome();
    if outcome.samples == 0 {
        return (unknown(None, "no request was sent", found, deaths, errors), Vec::new());
    }
    if outcome.died == 0 {
        if let Some((_, end)) = deaths.fresh().find(|(_, end)| end.left == Left::Unknown) {
            let why = format!("the probe could not look further than {}", stage_name(&end.stage));
            return (unknown(near(end), &why, found, deaths, errors), Vec::new());
        }
        let answer = deaths.fresh().find_map(|(_, end)| end.answer.clone()).map(std::borrow::Cow::into_owned);
        return (Verdict::Reached { answer, outcome }, Vec::new());
    }
    if let (1, Some(last)) = (outcome.samples, deaths.last())
        && last.left == Left::Alive
    {
        let why = "the first request died and the last one did not: it changed during the trace, \
                   or only some requests die; more samples (-n 12) would tell";
        let verdict = Verdict::Degraded {
            at: None,
            cause: None,
            chain: Vec::new(),
            also: roots.iter().map(|&i| found.list[i].1.code.to_string()).collect(),
            why: Some(why.to_owned()),
            outcome,
        };
        return (verdict, Vec::new());
    }
    let Some(&root) = roots.first() else {
        // Some request died, so there is one to point at.
        let at = deaths.dead().next().and_then(|(_, end)| near(end));
        let why = deaths.dead().next().map_or_else(String::new, |(_, end)| {
            let time = if end.out_of_time { ", when its time ran out" } else { "" };
            format!(
                "the request died in {}{time}, and no cause has the evidence it needs",
                stage_name(&end.stage)
            )
        });
        return (unknown(at, &why, found, deaths, errors), Vec::new());
    };
    let (cause, finding) = &found.list[root];
    let at = place(cause, finding, case);
    let cause_ref = CauseRef::new(finding.code.to_string(), finding.summary.clone(), finding.subject.clone());
    let chain = chain(found, root);
    let mut also: Vec<String> = Vec::new();
    for &i in &roots[1..] {
        let code = found.list[i].1.code.to_string();
        if !chain.contains(&code) && !also.contains(&code) {
            also.push(code);
        }
    }
    let ruled_out = ruled_out(cause, finding, found);
    let verdict = if outcome.died == outcome.samples {
        match at {
            Some(at) => Verdict::Died { at, cause: cause_ref, chain, also, outcome },
            None => unknown(None, "the cause is about no hop of the path", found, deaths, errors),
        }
    } else {
        Verdict::Degraded { at, cause: Some(cause_ref), chain, also, why: None, outcome }
    };
    (verdict, ruled_out)
}

/// Where a finding places the death: the end it blames.
fn place(cause: &Cause, finding: &Finding, case: &Case) -> Option<At> {
    let station = cause.station().to_owned();
    let on_leg = |from: &HopId, to: &HopId| match finding.blames.unwrap_or(cause.blames) {
        End::Near => At { hop: from.clone(), station: station.clone(), leg: None },
        End::Far => At { hop: to.clone(), station: station.clone(), leg: None },
        End::Leg => At {
            hop: to.clone(),
            station: station.clone(),
            leg: Some(LegEnds::new(from.clone(), to.clone())),
        },
    };
    match &finding.subject {
        Subject::Hop(hop) => Some(At { hop: hop.clone(), station, leg: None }),
        Subject::Leg(leg) => Some(on_leg(&leg.from, &leg.to)),
        Subject::Path => {
            let front = case.path().front()?;
            let leg = front.as_leg()?;
            Some(on_leg(&leg.from, &leg.to))
        }
    }
}

/// As near as can be said without a cause: the far end of the leg it died on.
fn near(end: &super::deaths::End) -> Option<At> {
    let leg = end.leg.as_leg()?;
    let ends = LegEnds::new(leg.from.clone(), leg.to.clone());
    Some(At { hop: leg.to.clone(), station: stage_name(&end.stage).to_owned(), leg: Some(ends) })
}

fn stage_name(stage: &str) -> &str {
    if stage.is_empty() { "the first stage" } else { stage }
}

fn unknown(at: Option<At>, why: &str, found: &Found, deaths: &Deaths, errors: &[ProbeError]) -> Verdict {
    let mut what_would_tell: Vec<String> = Vec::new();
    for (_, _, decline) in &found.declined {
        if let Decline::Needs(look) = decline
            && !what_would_tell.iter().any(|known| *known == look.0)
        {
            what_would_tell.push(look.0.clone().into_owned());
        }
    }
    for error in errors {
        let text = format!("{}: {}", error.stage, error.message);
        if !what_would_tell.contains(&text) {
            what_would_tell.push(text);
        }
    }
    Verdict::Unknown { at, why: why.to_owned(), what_would_tell, outcome: deaths.outcome() }
}

/// The look-alikes of the cause whose recognisers said why not.
fn ruled_out(cause: &Cause, finding: &Finding, found: &Found) -> Vec<RuledOut> {
    let mut out: Vec<RuledOut> = Vec::new();
    for (other, at, decline) in &found.declined {
        let twin = cause.twins.contains(&other.code) || other.twins.contains(&cause.code);
        let already = out.iter().any(|ruled| ruled.code == other.code)
            || found.list.iter().any(|(found, _)| found.code == other.code);
        if let Decline::Not { because, cites } = decline
            && twin
            && !already
            && at.meets(&finding.subject)
        {
            out.push(RuledOut::new(other.code.to_owned(), because.clone().into_owned(), cites.clone()));
        }
    }
    out
}

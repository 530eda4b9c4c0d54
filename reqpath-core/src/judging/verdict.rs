//! The verdict, from the count of deaths and the roots.

use std::collections::BTreeSet;

use crate::verdict::LegEnds;
use crate::{
    At, Case, Catalogue, Cause, CauseRef, End, Finding, HopId, Left, Outcome, ProbeError, RuledOut, Subject,
    Verdict, Weight,
};

use super::chain::{chain, killed_by};
use super::deaths::Deaths;
use super::findings::Found;
use super::inwards::{Inwards, Open};
use super::relations::Relations;

/// What a verdict rests on.
#[derive(Clone, Copy)]
pub(super) struct Grounds<'a> {
    pub(super) case: &'a Case,
    pub(super) catalogue: &'a Catalogue,
    pub(super) found: &'a Found,
    pub(super) relations: &'a Relations,
    pub(super) deaths: &'a Deaths,
    pub(super) inwards: &'a Inwards,
    pub(super) roots: &'a [usize],
    pub(super) errors: &'a [ProbeError],
}

/// The verdict, and the look-alikes it ruled out.
pub(super) fn of(grounds: Grounds<'_>) -> (Verdict, Vec<RuledOut>) {
    let Grounds { case, catalogue, found, relations, deaths, inwards, roots, errors } = grounds;
    let outcome = deaths.outcome();
    if outcome.samples == 0 {
        return (unknown(None, "no request was sent", found, deaths, errors), Vec::new());
    }
    if outcome.died == 0 {
        if let Some((_, end)) = deaths.fresh().find(|(_, end)| end.left == Left::Unknown) {
            let stage = stage_name(&end.stage);
            let why = match end.stopped {
                true => format!("the trace was stopped while the request was in {stage}"),
                false => format!("the probe could not look further than {stage}"),
            };
            return (unknown(near(end), &why, found, deaths, errors), Vec::new());
        }
        let answer = deaths.fresh().find_map(|(_, end)| end.answer.clone()).map(std::borrow::Cow::into_owned);
        return (Verdict::Reached { answer, separated_by: Vec::new(), outcome }, Vec::new());
    }
    if let Some(why) = changed(deaths, outcome) {
        // What killed the requests that died is named, and nobody is blamed for it.
        let also = codes(found, roots, &[]);
        let verdict = Verdict::Degraded {
            at: None,
            cause: None,
            chain: Vec::new(),
            also,
            why: Some(why),
            separated_by: Vec::new(),
            outcome,
        };
        return (verdict, Vec::new());
    }
    let Some(&root) = roots.first() else {
        // Some request died, so there is one to point at.
        let at = deaths.dead().next().and_then(|(_, end)| near(end));
        let why = deaths.dead().next().map_or_else(String::new, |(_, end)| {
            let time = match &end.starved_by {
                Some(eater) => {
                    format!(", for which {} of {} had left no time", eater.elapsed_us, eater.stage)
                }
                None if end.out_of_time => ", when its time ran out".to_owned(),
                None => String::new(),
            };
            format!(
                "the request died in {}{time}, and no cause has the evidence it needs",
                stage_name(&end.stage)
            )
        });
        return (unknown(at, &why, found, deaths, errors), Vec::new());
    };
    let (cause, finding) = &found.list[root];
    if let Some(open) = inwards.open.get(&root) {
        return (several(grounds, root, open), Vec::new());
    }
    let at = match inwards.places.get(&root) {
        Some(hop) => Some(At { hop: hop.clone(), station: cause.station().to_owned(), leg: None }),
        None => place(cause, finding, case, deaths),
    };
    let chain = chain(found, relations, root);
    let also = codes(found, &roots[1..], &chain);
    let others = if also.is_empty() { 0 } else { others(grounds, root, &chain) };
    let cause_ref =
        CauseRef::new(finding.code.to_string(), finding.summary.clone(), finding.subject.clone(), others);
    let ruled_out = found.ruled_out(case, catalogue, cause, &finding.subject);
    // A sample that the probe could not follow is no success.
    let verdict = if deaths.any_alive() {
        Verdict::Degraded {
            at,
            cause: Some(cause_ref),
            chain,
            also,
            why: None,
            separated_by: Vec::new(),
            outcome,
        }
    } else {
        match at {
            Some(at) => Verdict::Died { at, cause: cause_ref, chain, also, outcome },
            None => unknown(None, "the cause is about no hop of the path", found, deaths, errors),
        }
    };
    (verdict, ruled_out)
}

/// Several hops or legs remain: nothing is blamed, and the look is named that would tell.
fn several(grounds: Grounds<'_>, root: usize, open: &Open) -> Verdict {
    let Grounds { case, found, relations, deaths, roots, errors, .. } = grounds;
    let (cause, finding) = &found.list[root];
    let why = format!("{}; {} may be to blame", finding.summary, any_of(&open.between));
    if deaths.any_alive() {
        let chain = chain(found, relations, root);
        let also = codes(found, &roots[1..], &chain);
        let why = Some(format!("{why}; what would tell: {}", open.look));
        let (separated_by, outcome) = (Vec::new(), deaths.outcome());
        return Verdict::Degraded { at: None, cause: None, chain, also, why, separated_by, outcome };
    }
    let at = place(cause, finding, case, deaths);
    match unknown(at, &why, found, deaths, errors) {
        Verdict::Unknown { at, why, mut what_would_tell, separated_by, outcome } => {
            what_would_tell.retain(|look| *look != open.look);
            what_would_tell.insert(0, open.look.clone());
            Verdict::Unknown { at, why, what_would_tell, separated_by, outcome }
        }
        other => other,
    }
}

/// `a`, `a or b`, `a, b or c`.
fn any_of(places: &[String]) -> String {
    match places {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// Why nothing can be placed: the road was not the same from the first request to the last.
fn changed(deaths: &Deaths, outcome: Outcome) -> Option<String> {
    if outcome.samples == 1 {
        deaths.last().filter(|last| last.left == Left::Alive)?;
        return Some(
            "the first request died and the last one did not: it changed during the trace, \
             or only some requests die; more samples (-n 12) would tell"
                .to_owned(),
        );
    }
    let (first, died) = deaths.blocks()?;
    let (these, those) = if died { ("died", "did not") } else { ("came back", "died") };
    Some(format!(
        "the first {first} requests {these} and all after them {those}: it changed during the trace; \
         trace again"
    ))
}

/// The codes of these findings, each once, without those already said.
fn codes(found: &Found, findings: &[usize], said: &[String]) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for &i in findings {
        let code = found.list[i].0.code;
        if !codes.iter().chain(said).any(|known| known == code) {
            codes.push(code.to_owned());
        }
    }
    codes
}

/// How many of the samples that died met nothing of this cause, and something else.
fn others(grounds: Grounds<'_>, root: usize, chain: &[String]) -> u32 {
    let Grounds { found, relations, deaths, roots, .. } = grounds;
    let code = |i: usize| found.list[i].0.code;
    let alike = roots.iter().copied().filter(|&i| code(i) == code(root)).collect();
    let (mut of_it, mut of_others) = (killed_by(found, relations, deaths, alike), BTreeSet::new());
    for (cause, finding) in found.list.iter().filter(|(_, finding)| finding.weight == Weight::Fatal) {
        let met = if chain.iter().any(|code| code == cause.code) { &mut of_it } else { &mut of_others };
        met.extend(finding.subject.sample());
    }
    let others = deaths.dead().filter(|(sample, _)| !of_it.contains(sample) && of_others.contains(sample));
    u32::try_from(others.count()).unwrap_or(u32::MAX)
}

/// Where a finding places the death: the end it blames.
fn place(cause: &Cause, finding: &Finding, case: &Case, deaths: &Deaths) -> Option<At> {
    let station = cause.station().to_owned();
    let blamed = match finding.blames.unwrap_or(cause.blames) {
        // What is seen of the far end there is a proxy's; the far hop lies behind it.
        End::Far if at_a_proxy(cause, finding, deaths) => End::Leg,
        end => end,
    };
    let on_leg = |from: &HopId, to: &HopId| match blamed {
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

/// Whether this was met at a proxy that stands on the leg, and not at its far end.
fn at_a_proxy(cause: &Cause, finding: &Finding, deaths: &Deaths) -> bool {
    let end = match finding.subject.sample() {
        Some(sample) => deaths.ends.get(sample),
        None => deaths.dead().map(|(_, end)| end).find(|end| finding.subject.meets(&end.leg)),
    };
    end.is_some_and(|end| finding.subject.meets(&end.leg) && end.is_the_proxy_s(cause.station()))
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
    let mut what_would_tell: Vec<String> =
        found.needed.iter().map(|look| look.clone().into_owned()).collect();
    for error in errors {
        let text = format!("{}: {}", error.stage, error.message);
        if !what_would_tell.contains(&text) {
            what_would_tell.push(text);
        }
    }
    let (why, separated_by, outcome) = (why.to_owned(), Vec::new(), deaths.outcome());
    Verdict::Unknown { at, why, what_would_tell, separated_by, outcome }
}

//! The two questions, answered hop by hop.

use crate::{Case, Hop, HopId, HopState, Left, Tri, Verdict};

use super::deaths::Deaths;

/// Whether the request arrived at each hop, and whether it was alive when it left.
///
/// Answered for the first fresh sample that died, or for the first one where none did.
pub(super) fn of(case: &Case, deaths: &Deaths, verdict: &Verdict) -> Vec<HopState> {
    let shown = deaths.dead().next().or_else(|| deaths.fresh().next());
    let blamed_near = |hop: &HopId| verdict.at().is_some_and(|at| at.hop == *hop && at.leg.is_none());
    let states = case.path().hops.iter().enumerate().map(|(place, hop)| {
        let Some((_, end)) = shown else {
            return HopState::new(hop.id.clone(), hop.kind, Tri::Unknown, Tri::Unknown);
        };
        let on_leg = end.leg.as_leg();
        let near = place == 0;
        let far = on_leg.is_some_and(|leg| leg.to == hop.id);
        let (arrived, left_alive) = match (near, far) {
            // The request starts at the first hop; it leaves unless that hop is what killed it.
            (true, _) => {
                (Tri::Yes, if end.left != Left::Alive && blamed_near(&hop.id) { Tri::No } else { Tri::Yes })
            }
            _ if cause_is_further_in(case, verdict, hop) => (Tri::Yes, Tri::Yes),
            (_, true) => far_state(end),
            // A hop that a redirect left behind did its part.
            _ if end.behind.contains(&hop.id) => (Tri::Yes, Tri::Yes),
            _ => further_in(deaths, verdict, &hop.id),
        };
        HopState::new(hop.id.clone(), hop.kind, arrived, left_alive)
    });
    states.collect()
}

/// Whether this hop of the main road passed the request on to where it died.
fn cause_is_further_in(case: &Case, verdict: &Verdict, hop: &Hop) -> bool {
    let (Some(at), Some(_)) = (verdict.at(), verdict.cause()) else { return false };
    let path = case.path();
    let of = path.hop(&at.hop).and_then(|hop| hop.branch_of.as_ref());
    let place = |id: &HopId| path.road().position(|hop| hop.id == *id);
    match (place(&hop.id), place(of.unwrap_or(&at.hop))) {
        // The hop whose branch died did ask it.
        (Some(this), Some(died)) => this < died || (of.is_some() && this == died),
        _ => false,
    }
}

/// What the request that entered there, and that the verdict rests on, met at a hop.
fn further_in(deaths: &Deaths, verdict: &Verdict, hop: &HopId) -> (Tri, Tri) {
    let Some(at) = verdict.at().filter(|at| at.hop == *hop) else { return (Tri::Unknown, Tri::Unknown) };
    let end = verdict
        .cause()
        .and_then(|cause| cause.subject.sample())
        .and_then(|sample| deaths.ends.get(sample))
        .filter(|end| end.leg.as_leg().is_some_and(|leg| leg.to == *hop));
    match end {
        Some(end) => far_state(end),
        None if verdict.cause().is_some() && at.leg.is_none() => (Tri::Yes, Tri::No),
        None => (Tri::Unknown, Tri::Unknown),
    }
}

fn far_state(end: &super::deaths::End) -> (Tri, Tri) {
    match (end.left, end.arrived) {
        (Left::Alive, _) => (Tri::Yes, Tri::Yes),
        (Left::Dead, Tri::Yes) => (Tri::Yes, Tri::No),
        // Nothing arrives of what was never sent.
        (Left::Dead, arrived) => (if end.sent { arrived } else { Tri::No }, Tri::Unknown),
        (Left::Unknown, arrived) => (arrived, Tri::Unknown),
    }
}

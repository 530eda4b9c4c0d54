//! The two questions, answered hop by hop.

use crate::{Case, HopState, Left, Tri, Verdict};

use super::deaths::Deaths;

/// Whether the request arrived at each hop, and whether it was alive when it left.
///
/// Answered for the first fresh sample that died, or for the first one where none did.
pub(super) fn of(case: &Case, deaths: &Deaths, verdict: &Verdict) -> Vec<HopState> {
    let shown = deaths.dead().next().or_else(|| deaths.fresh().next());
    let blamed_near = |hop: &crate::HopId| verdict.at().is_some_and(|at| at.hop == *hop && at.leg.is_none());
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
            (_, true) => far_state(end),
            // A hop that a redirect left behind did its part.
            _ if end.behind.contains(&hop.id) => (Tri::Yes, Tri::Yes),
            _ => (Tri::Unknown, Tri::Unknown),
        };
        HopState::new(hop.id.clone(), hop.kind, arrived, left_alive)
    });
    states.collect()
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

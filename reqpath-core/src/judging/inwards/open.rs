//! Where several places remain, and what would tell them apart.

use crate::Hop;

use super::Walk;
use super::says::{Entered, Says};

/// Several places remain.
#[derive(Clone, Debug)]
pub(in crate::judging) struct Open {
    /// The hops and legs that remain, in the order of the road.
    pub(in crate::judging) between: Vec<String>,
    /// The look that would tell them apart.
    pub(in crate::judging) look: String,
}

impl Walk<'_> {
    /// The places that remain where a symptom may be of this hop or from behind it.
    pub(super) fn open(
        &self,
        hop: &Hop,
        next: &Hop,
        native: bool,
        works: usize,
        enough: bool,
        entered: &[Entered<'_>],
    ) -> Open {
        let leg = format!("the leg {} → {}", hop.id, next.id);
        let behind = || self.case.path().road().skip_while(|other| other.id != next.id);
        let mut between = vec![hop.id.to_string()];
        if !native {
            between.push(leg);
        }
        if works == 0 {
            between.extend(behind().map(|hop| hop.id.to_string()));
        }
        let so_far = entered.iter().any(|entered| entered.says == Says::SoFar);
        let look = if !enough {
            "more samples (-n 48): so few die that those further in may have come through by chance"
                .to_owned()
        } else if works > 0 && !native {
            format!("the request sent to {} from the place of {}: give `{1}` a vantage", next.id, hop.id)
        } else if so_far && !self.is_known(next) {
            format!("what {} sends to {}: say it in `sends` of `{1}`", hop.id, next.id)
        } else if so_far && self.case.target().is_safe() {
            format!("the same request with its secrets: give `{}` `credentials: true`", next.id)
        } else if entered.is_empty() {
            format!("a request that enters at {}: give it addresses, and `{}` a vantage", next.id, hop.id)
        } else {
            format!("the log of {}: name it in `sources` of `{0}`", hop.id)
        };
        Open { between, look }
    }

    /// Whether it is known what is sent to a hop, by itself or through hops that only pass packets on.
    fn is_known(&self, hop: &Hop) -> bool {
        let path = self.case.path();
        let on_the_way = std::iter::successors(Some(hop), |hop| {
            path.before(&hop.id).filter(|before| before.kind.passes_packets())
        });
        // No path has more hops than this, and none leads round in a circle.
        let mut on_the_way = on_the_way.take(path.hops.len() + 1).peekable();
        while let Some(hop) = on_the_way.next() {
            let first = path.hops.first().map(|client| &client.id);
            let from_client = || path.before(&hop.id).map(|before| &before.id) == first;
            if hop.sends.is_some() || on_the_way.peek().is_none() && from_client() {
                return true;
            }
        }
        false
    }
}

//! Samples to be compared.

use std::collections::BTreeMap;

use crate::Share;

use super::rule::Rule;

/// One sample of a round: whether it died, and what it had.
#[derive(Clone, Debug)]
pub(super) struct Sample<'a> {
    pub(super) died: bool,
    pub(super) attributes: Vec<(&'a str, &'a str)>,
}

/// One attribute over the samples of a round; none where a sample does not tell.
#[derive(Debug)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) values: Vec<Option<&'a str>>,
}

/// How many attributes are compared at most.
const MOST_ATTRIBUTES: usize = 32;

/// The attributes that some samples of a round tell, in the order in which they are first met.
pub(super) fn columns<'a>(round: &[Sample<'a>]) -> Vec<Column<'a>> {
    let mut columns: Vec<Column<'a>> = Vec::new();
    for (place, sample) in round.iter().enumerate() {
        for (name, value) in &sample.attributes {
            let known = columns.iter().position(|column| column.name == *name);
            let column = match known {
                Some(known) => &mut columns[known],
                None if columns.len() < MOST_ATTRIBUTES => {
                    columns.push(Column { name, values: vec![None; round.len()] });
                    let last = columns.len() - 1;
                    &mut columns[last]
                }
                None => continue,
            };
            // The last that was said counts: an address that was left for another, a node after a retry.
            column.values[place] = Some(value);
        }
    }
    columns
}

impl<'a> Column<'a> {
    /// The samples of each value, in the order of the values.
    pub(super) fn shares(&self, round: &[Sample<'_>]) -> BTreeMap<&'a str, Share> {
        let mut shares = BTreeMap::<&str, Share>::new();
        for (value, sample) in self.values.iter().zip(round) {
            if let Some(value) = value {
                count(shares.entry(value).or_default(), sample.died);
            }
        }
        shares
    }

    /// Which samples a rule holds of.
    pub(super) fn members(&self, rule: &Rule) -> Vec<Option<bool>> {
        self.values.iter().map(|value| value.map(|value| rule.holds(value))).collect()
    }

    /// Those a rule holds of, and the others.
    pub(super) fn table(&self, rule: &Rule, round: &[Sample<'_>]) -> (Share, Share) {
        let (mut these, mut others) = (Share::default(), Share::default());
        for (value, sample) in self.values.iter().zip(round) {
            let Some(value) = value else { continue };
            count(if rule.holds(value) { &mut these } else { &mut others }, sample.died);
        }
        (these, others)
    }
}

fn count(share: &mut Share, died: bool) {
    share.of = share.of.saturating_add(1);
    share.died = share.died.saturating_add(u32::from(died));
}

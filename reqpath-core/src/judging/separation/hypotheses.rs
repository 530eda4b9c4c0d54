//! What might separate: which rules are tried, and what trying them costs.
//!
//! Each attribute that varies has the same share of the chance of being wrong (Bonferroni), and divides it among
//! its rules: half to single values, half to sets of values, evenly over sizes and over all sets of a size,
//! for the set that is looked at is the worst-looking of them.

use crate::Share;

use super::exact::Exact;
use super::round::{Column, Sample};
use super::rule::Rule;

/// Numbers with more values than this are cut into quarters.
const MOST_VALUES: usize = 8;
/// Attributes with more values than this are no help: a request id, say.
const MOST_NAMES: usize = 64;
/// The low bits of a port by which a hash may choose among few members.
const PORT_BITS: u32 = 3;

/// A rule with what the round says of it.
#[derive(Clone, Debug)]
pub(super) struct Hypothesis {
    /// The attribute's place among the columns.
    pub(super) column: usize,
    pub(super) rule: Rule,
    pub(super) these: Share,
    pub(super) others: Share,
    /// Corrected for everything tried.
    pub(super) p: f64,
}

/// Every rule tried over these columns.
pub(super) fn all(columns: &[Column<'_>], round: &[Sample<'_>], exact: &Exact) -> Vec<Hypothesis> {
    let tried: Vec<Vec<(Rule, f64)>> = columns.iter().map(|column| rules(column, round, exact)).collect();
    let varying = tried.iter().filter(|rules| !rules.is_empty()).count();
    let attributes = f64::from(u32::try_from(varying).unwrap_or(u32::MAX));
    let mut all = Vec::new();
    for (place, rules) in tried.into_iter().enumerate() {
        for (rule, cost) in rules {
            let (these, others) = columns[place].table(&rule, round);
            let p = (exact.p(these, others) * cost * attributes).min(1.0);
            all.push(Hypothesis { column: place, rule, these, others, p });
        }
    }
    all
}

/// The rules of one attribute, each with the number of tries that it stands for.
fn rules(column: &Column<'_>, round: &[Sample<'_>], exact: &Exact) -> Vec<(Rule, f64)> {
    let shares = column.shares(round);
    if shares.len() < 2 {
        return Vec::new();
    }
    let mut numbers: Vec<u64> = shares.keys().filter_map(|value| value.parse().ok()).collect();
    if numbers.len() == shares.len() && numbers.len() > MOST_VALUES {
        numbers.sort_unstable();
        return bins(column, &numbers);
    }
    if shares.len() > MOST_NAMES {
        return Vec::new();
    }
    let mut worst_first: Vec<(&str, Share)> = shares.into_iter().collect();
    // By their rates, without dividing; of equal ones the more frequent first.
    worst_first.sort_by_key(|(value, share)| (std::cmp::Reverse(share.of), *value));
    worst_first.sort_by(|(_, a), (_, b)| {
        let of = |these: &Share, others: &Share| u64::from(these.died) * u64::from(others.of.max(1));
        of(b, a).cmp(&of(a, b))
    });
    let names = u32::try_from(worst_first.len()).unwrap_or(u32::MAX);
    let halves = if names > 2 { 2.0 } else { 1.0 };
    let mut rules: Vec<(Rule, f64)> = worst_first
        .iter()
        .map(|(value, _)| (Rule::OneOf(vec![(*value).to_owned()]), halves * f64::from(names)))
        .collect();
    for size in 2..names {
        let values = worst_first.iter().take(size as usize).map(|(value, _)| (*value).to_owned()).collect();
        rules.push((Rule::OneOf(values), halves * f64::from(names - 2) * exact.ways(names, size)));
    }
    rules
}

/// Quarters, halves, and the low bits of ports.
fn bins(column: &Column<'_>, numbers: &[u64]) -> Vec<(Rule, f64)> {
    let quarters = [1, 2, 3].map(|quarter| numbers[numbers.len() * quarter / 4]);
    let mut rules: Vec<Rule> =
        quarters.iter().flat_map(|bound| [Rule::AtLeast(*bound), Rule::Below(*bound)]).collect();
    if column.name.ends_with("port") {
        for bit in 0..PORT_BITS {
            if numbers.iter().any(|number| number >> bit & 1 != numbers[0] >> bit & 1) {
                rules.extend([true, false].map(|set| Rule::Bit { bit, set }));
            }
        }
    }
    let cost = f64::from(u32::try_from(rules.len()).unwrap_or(u32::MAX));
    rules.into_iter().map(|rule| (rule, cost)).collect()
}

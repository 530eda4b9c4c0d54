//! One round nominates, another confirms.

use crate::{Confirmation, Separation, Share};

use super::exact::Exact;
use super::hypotheses::{self, Hypothesis};
use super::round::{Sample, columns};
use super::rule::Rule;

/// The fewest samples that are compared.
const FEWEST: usize = crate::trace::COMPARABLE as usize;
/// What nominates, corrected.
const NOMINATES: f64 = 0.05;
/// What confirms.
const CONFIRMS: f64 = 0.01;

/// What seems to separate, before it is confirmed.
#[derive(Clone, Debug)]
pub(super) struct Nomination {
    /// The attributes that went together, the one that separates best first.
    pub(super) attributes: Vec<(String, Rule)>,
    pub(super) these: Share,
    pub(super) others: Share,
    pub(super) p: f64,
}

/// This, if it is no chance.
pub(super) fn nominated(best: Option<Nomination>) -> Option<Nomination> {
    best.filter(|best| best.p <= NOMINATES)
}

/// The rule that separates best, if it is no chance, with all that always go with it.
pub(super) fn nominate(round: &[Sample<'_>]) -> Option<Nomination> {
    let died = round.iter().filter(|sample| sample.died).count();
    if round.len() < FEWEST || died == 0 || died == round.len() {
        return None;
    }
    let columns = columns(round);
    let all = hypotheses::all(&columns, round, &Exact::up_to(round.len()));
    // The kernel deals out ports by destination, so that a range of them may stand for an address or anything
    // that goes with one: a range is named where nothing else is.
    let is_range = |column: usize, rule: &Rule| columns[column].name.ends_with("port") && rule.is_range();
    let nominated = all.iter().filter(|hypothesis| hypothesis.p <= NOMINATES);
    // The first of equals, by the order in which attributes were met.
    let best = nominated.min_by(|a, b| {
        let last = |of: &Hypothesis| is_range(of.column, &of.rule);
        last(a).cmp(&last(b)).then(a.p.total_cmp(&b.p))
    })?;
    let members = columns[best.column].members(&best.rule);
    let mut attributes = vec![(columns[best.column].name.to_owned(), best.rule.clone())];
    for (place, column) in columns.iter().enumerate().filter(|(place, _)| *place != best.column) {
        let of_column =
            all.iter().filter(|hypothesis| hypothesis.column == place && !is_range(place, &hypothesis.rule));
        let mut alike = of_column.filter(|hypothesis| column.members(&hypothesis.rule) == members);
        attributes.extend(alike.next().map(|alike| (column.name.to_owned(), alike.rule.clone())));
    }
    Some(Nomination { attributes, these: best.these, others: best.others, p: best.p })
}

/// What another round makes of it: the attributes that separate there as well, and go together there too.
pub(super) fn confirm(nomination: Nomination, round: &[Sample<'_>]) -> Option<Separation> {
    let (columns, exact) = (columns(round), Exact::up_to(round.len()));
    let mut borne_out = Vec::new();
    for (name, rule) in nomination.attributes {
        let Some(column) = columns.iter().find(|column| column.name == name) else { continue };
        let (these, others) = column.table(&rule, round);
        let p = exact.p(these, others);
        if p <= CONFIRMS {
            borne_out.push((name, column.members(&rule), rule, Confirmation::new(these, others, rounded(p))));
        }
    }
    // The first of equals.
    let best = borne_out.iter().min_by(|a, b| a.3.p.total_cmp(&b.3.p))?;
    let (members, confirmation) = (best.1.clone(), best.3);
    let together: Vec<(String, Rule)> = borne_out
        .into_iter()
        .filter(|(_, of, ..)| *of == members)
        .map(|(name, _, rule, _)| (name, rule))
        .collect();
    let value: Vec<String> = together.iter().map(|(name, rule)| rule.told(name)).collect();
    let attributes = together.into_iter().map(|(name, _)| name).collect();
    let nominated = (nomination.these, nomination.others, rounded(nomination.p));
    Some(Separation::new(attributes, value.join(", "), nominated, confirmation))
}

/// Three digits tell enough of a probability.
fn rounded(p: f64) -> f64 {
    format!("{p:.2e}").parse().unwrap_or(p)
}

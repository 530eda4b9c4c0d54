//! Which values of an attribute are suspected.

use crate::{Micros, escape};

/// How many values are spelt out.
const MOST_TOLD: usize = 8;

/// Which values of an attribute are suspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    OneOf(Vec<String>),
    AtLeast(u64),
    Below(u64),
    /// Numbers in which this bit is set, or is not: what a hash over few members shows by.
    Bit {
        bit: u32,
        set: bool,
    },
}

impl Rule {
    /// Whether a value is one of those.
    pub(super) fn holds(&self, value: &str) -> bool {
        let number = || value.parse::<u64>().ok();
        match self {
            Self::OneOf(values) => values.iter().any(|known| known == value),
            Self::AtLeast(bound) => number().is_some_and(|number| number >= *bound),
            Self::Below(bound) => number().is_some_and(|number| number < *bound),
            Self::Bit { bit, set } => number().is_some_and(|number| (number >> bit & 1 == 1) == *set),
        }
    }

    /// Whether it is all numbers from one on, or below one.
    pub(super) fn is_range(&self) -> bool {
        matches!(self, Self::AtLeast(_) | Self::Below(_))
    }

    /// The values in words.
    pub(super) fn told(&self, attribute: &str) -> String {
        let amount = |bound: u64| match attribute {
            "idle" => Micros(bound).to_string(),
            _ => bound.to_string(),
        };
        match self {
            Self::OneOf(values) => {
                let told: Vec<String> = values.iter().take(MOST_TOLD).map(|v| escape(v, 80)).collect();
                let more = values.len().saturating_sub(MOST_TOLD);
                let more = if more > 0 { format!(" or {more} more") } else { String::new() };
                format!("{}{more}", told.join(" or "))
            }
            Self::AtLeast(bound) => format!("{} or more", amount(*bound)),
            Self::Below(bound) => format!("below {}", amount(*bound)),
            Self::Bit { bit: 0, set } => if *set { "odd" } else { "even" }.to_owned(),
            Self::Bit { bit, set } => {
                let half = 1_u64 << bit.min(&62);
                let (from, to) = if *set { (half, 2 * half - 1) } else { (0, half - 1) };
                format!("{from} to {to} modulo {}", 2 * half)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_holds_and_says_of_what() {
        let bit = Rule::Bit { bit: 1, set: true };
        assert!(bit.holds("32770") && bit.holds("32771") && !bit.holds("32768") && !bit.holds("x"));
        assert_eq!(bit.told("source_port"), "2 to 3 modulo 4");
        assert_eq!(Rule::Bit { bit: 0, set: true }.told("source_port"), "odd");
        assert_eq!(Rule::AtLeast(60_000_000).told("idle"), format!("{} or more", Micros(60_000_000)));
        assert!(Rule::Below(7).holds("6") && !Rule::Below(7).holds("7"));
        let many = Rule::OneOf((0..10).map(|n| format!("n{n}")).collect());
        assert_eq!(many.told("node"), "n0 or n1 or n2 or n3 or n4 or n5 or n6 or n7 or 2 more");
    }
}

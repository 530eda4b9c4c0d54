//! Fisher's exact test.

use crate::Share;

/// Logarithms of factorials, made once for all tests of a round.
#[derive(Debug)]
pub(super) struct Exact {
    log_factorials: Vec<f64>,
}

impl Exact {
    /// For tables of up to so many samples.
    pub(super) fn up_to(samples: usize) -> Self {
        let mut sum = 0.0;
        let mut log_factorials = vec![0.0];
        for number in 1..=u32::try_from(samples).unwrap_or(u32::MAX) {
            sum += f64::from(number).ln();
            log_factorials.push(sum);
        }
        Self { log_factorials }
    }

    /// How likely it is that at least so many of the first died, were the deaths dealt out by chance.
    pub(super) fn p(&self, these: Share, others: Share) -> f64 {
        let (drawn, all, deaths) =
            (these.of, these.of.saturating_add(others.of), these.died.saturating_add(others.died));
        if drawn == 0 || others.of == 0 || all as usize >= self.log_factorials.len() {
            return 1.0;
        }
        let of_all = self.choose(all, drawn);
        let ways =
            |died: u32| (self.choose(deaths, died) + self.choose(all - deaths, drawn - died) - of_all).exp();
        // More of the drawn than there are others' lives cannot have died.
        (these.died..=deaths.min(drawn)).map(ways).sum::<f64>().min(1.0)
    }

    /// The logarithm of the number of ways to take so many.
    fn choose(&self, from: u32, take: u32) -> f64 {
        if take > from {
            return f64::NEG_INFINITY;
        }
        let of = |number: u32| self.log_factorials.get(number as usize).copied().unwrap_or(f64::INFINITY);
        of(from) - of(take) - of(from - take)
    }

    /// In how many ways so many can be taken.
    pub(super) fn ways(&self, from: u32, take: u32) -> f64 {
        self.choose(from, take).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(these: (u32, u32), others: (u32, u32)) -> f64 {
        Exact::up_to(10_000).p(Share::new(these.0, these.1), Share::new(others.0, others.1))
    }

    #[test]
    fn it_is_the_tail_of_the_hypergeometric() {
        // The lady who tastes tea: all four right is 1 of 70, three or four are 17 of 70.
        assert!((p((4, 4), (0, 4)) - 1.0 / 70.0).abs() < 1e-9);
        assert!((p((3, 4), (1, 4)) - 17.0 / 70.0).abs() < 1e-9);
        assert!((p((12, 12), (0, 12)) - 1.0 / 2_704_156.0).abs() < 1e-12);
        assert!((p((0, 4), (4, 4)) - 1.0).abs() < 1e-9);
        assert!((p((0, 0), (4, 4)) - 1.0).abs() < 1e-9);
        assert!((p((2, 5), (2, 5)) - 0.738_095).abs() < 1e-5);
    }

    #[test]
    fn thousands_of_samples_are_no_trouble() {
        assert!(p((5_000, 5_000), (0, 5_000)) < 1e-300);
        assert!((0.4..0.6).contains(&p((2_500, 5_000), (2_500, 5_000))));
    }

    proptest::proptest! {
        #[test]
        fn it_is_a_probability(a in 0_u32..60, b in 0_u32..60, c in 0_u32..60, d in 0_u32..60) {
            let (these, others) = ((a, a + b), (c, c + d));
            let p_these = p(these, others);
            proptest::prop_assert!((0.0..=1.0).contains(&p_these));
            // One of the two directions is at least as likely as not.
            proptest::prop_assert!(p_these + p(others, these) >= 1.0 - 1e-9);
        }
    }
}

//! How estimates turned out for queries of one shape, as factors that the next estimates are multiplied with.

/// Factors for estimates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    /// Of the fraction that passes the filter.
    pub selectivity: f64,
    /// Of the nodes reached and the edges on the way.
    pub reach: f64,
}

impl Correction {
    /// Estimates stay as they are.
    pub const NONE: Self = Self { selectivity: 1.0, reach: 1.0 };
}

impl Default for Correction {
    fn default() -> Self {
        Self::NONE
    }
}

/// Runs before anything is corrected.
const ENOUGH: u32 = 8;

/// The weight of a new run in the moving mean, once there are as many as it spans.
const WEIGHT: f64 = 0.05;

/// Nothing is corrected by more than this factor either way.
const MOST: f64 = 32.0;

/// Corrections smaller than this are left alone, as a logarithm: 10 %.
const LEAST: f64 = 0.1;

/// The moving mean and variance of `ln(actual / estimated)` of one quantity.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ratio {
    runs: u32,
    mean: f64,
    variance: f64,
}

impl Ratio {
    /// Notes what was estimated and what turned out, both at least 1 of whatever is counted.
    pub(super) fn note(&mut self, estimated: f64, actual: f64) {
        let ratio = (actual.max(f64::MIN_POSITIVE) / estimated.max(f64::MIN_POSITIVE)).ln();
        let ratio = ratio.clamp(-MOST.ln(), MOST.ln());
        self.runs = self.runs.saturating_add(1);
        let weight = (1.0 / f64::from(self.runs)).max(WEIGHT);
        let off = ratio - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }

    /// The factor. 1 while too little is known, and where estimates are off as often one way as the other: a mean that could
    /// as well be 0 corrects nothing.
    pub(super) fn factor(&self) -> f64 {
        let error = (self.variance / f64::from(self.runs.max(1)).min(1.0 / WEIGHT)).sqrt();
        let is_clear = self.runs >= ENOUGH && self.mean.abs() > LEAST.max(2.0 * error);
        if is_clear { self.mean.exp() } else { 1.0 }
    }

    /// Runs that it was learnt from.
    pub(super) fn runs(&self) -> u32 {
        self.runs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_constant_error_is_learnt_and_undone(factor in -3.0..3.0_f64, runs in 8..200) {
            let factor = factor.exp();
            let mut ratio = Ratio::default();
            (0..runs).for_each(|_| ratio.note(100.0, 100.0 * factor));
            let expected = if factor.ln().abs() > LEAST { factor } else { 1.0 };
            prop_assert!((ratio.factor() / expected - 1.0).abs() < 1e-6, "{} for {factor}", ratio.factor());
        }

        #[test]
        fn no_run_moves_estimates_beyond_the_bound(
            runs in prop::collection::vec((1e-9..1e12_f64, 0.0..1e12_f64), 0..100),
        ) {
            let mut ratio = Ratio::default();
            for (estimated, actual) in runs {
                ratio.note(estimated, actual);
                prop_assert!((1.0 / MOST * 0.999..=MOST * 1.001).contains(&ratio.factor()));
            }
        }
    }

    #[test]
    fn what_is_off_both_ways_is_left_alone_and_so_are_the_first_runs() {
        let mut ratio = Ratio::default();
        for run in 0..100 {
            ratio.note(10.0, if run % 2 == 0 { 40.0 } else { 2.5 });
            assert_eq!(ratio.factor(), 1.0);
        }
        let mut few = Ratio::default();
        (1..ENOUGH).for_each(|_| few.note(1.0, 10.0));
        assert_eq!(few.factor(), 1.0);
    }
}

//! How many standard deviations cover what share of queries: split conformal prediction (Papadopoulos et al., 2002; with
//! residuals in units of the predicted spread, Lei et al., 2018), on rows that no forest was trained on.

use crate::LEVELS;

/// A plan with fewer rows takes the factors of all plans together.
const LEAST_ROWS: usize = 100;
/// With fewer rows of all plans together, the factors are those of a normal distribution.
const LEAST_POOLED: usize = 20;
/// Quantiles of the normal distribution for each level.
const NORMAL: [f64; 5] = [0.0, 0.842, 1.282, 1.645, 2.326];

/// Factors of one plan, and the rows that they come from; 0 when they are not its own.
pub(super) type Factors = ([f64; 5], u64);

/// For each plan, of its standardised residuals: (actual − predicted) / standard deviation.
pub(super) fn calibrate(residuals: &[Vec<f64>]) -> Vec<Factors> {
    let mut pooled: Vec<f64> = residuals.iter().flatten().copied().collect();
    pooled.sort_by(f64::total_cmp);
    let fallback = if pooled.len() < LEAST_POOLED { NORMAL } else { factors(&pooled) };
    let of_plan = |residuals: &Vec<f64>| {
        if residuals.len() < LEAST_ROWS {
            return (fallback, 0);
        }
        let mut sorted = residuals.clone();
        sorted.sort_by(f64::total_cmp);
        (factors(&sorted), sorted.len() as u64)
    };
    residuals.iter().map(of_plan).collect()
}

/// The ⌈(n + 1) × level⌉-th smallest: a new residual of the same distribution is not above it at least as often as the level
/// says. Where there are too few for a level, the greatest.
fn factors(sorted: &[f64]) -> [f64; 5] {
    LEVELS.map(|level| {
        let rank = ((sorted.len() + 1) as f64 * level).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1].clamp(-1e6, 1e6)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_with_few_rows_takes_what_all_have() {
        let many: Vec<f64> = (0..1000).map(|index| f64::from(index) / 1000.0).collect();
        let found = calibrate(&[many.clone(), vec![50.0; 3], Vec::new()]);
        assert_eq!(found[0].1, 1000);
        assert!((found[0].0[0] - 0.5).abs() < 0.01 && (found[0].0[3] - 0.95).abs() < 0.01);
        assert_eq!((found[1].1, found[2].1), (0, 0));
        assert_eq!(found[1].0, found[2].0);
    }

    #[test]
    fn without_rows_the_factors_are_normal_and_always_ascend() {
        assert_eq!(calibrate(&[Vec::new()]), vec![(NORMAL, 0)]);
        let few = calibrate(&[vec![1.0; 19]]);
        assert_eq!(few[0].0, NORMAL);
        assert!(calibrate(&[vec![-3.0; 500]])[0].0.is_sorted());
    }
}

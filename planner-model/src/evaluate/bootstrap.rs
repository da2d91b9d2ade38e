//! Intervals from resampling queries with replacement (Efron's percentile bootstrap). Cases of one query come and go together:
//! they are not independent.

use std::collections::HashMap;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::Case;

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The value.
    pub value: f64,
    /// 2.5 % of resamples are below.
    pub low: f64,
    /// 2.5 % of resamples are above.
    pub high: f64,
}

/// Which cases come how often, resample by resample. The same ones for all that is compared: comparisons are paired.
#[derive(Debug, Clone)]
pub struct Resamples {
    weights: Vec<Vec<u32>>,
    cases: usize,
}

impl Resamples {
    /// So many resamples of the queries of these cases.
    pub fn new(cases: &[Case<'_>], count: usize, seed: u64) -> Self {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let query: Vec<usize> = cases
            .iter()
            .map(|case| {
                let next = places.len();
                *places.entry(&case.group.query).or_insert(next)
            })
            .collect();
        let queries = places.len();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut resample = || {
            let mut times = vec![0_u32; queries];
            (0..queries).for_each(|_| times[random.gen_range(0..queries)] += 1);
            query.iter().map(|&query| times[query]).collect()
        };
        Self { weights: (0..if queries == 0 { 0 } else { count }).map(|_| resample()).collect(), cases: cases.len() }
    }

    /// A statistic of weighted cases with its interval. Resamples for which it does not exist are left out.
    pub fn interval(&self, statistic: impl Fn(&[u32]) -> Option<f64>) -> Option<Interval> {
        let value = statistic(&vec![1; self.cases])?;
        let mut resampled: Vec<f64> = self.weights.iter().filter_map(|weights| statistic(weights)).collect();
        resampled.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = resampled.len().checked_sub(1)?;
            Some(resampled[(share * last as f64).round() as usize])
        };
        Some(Interval { value, low: at(0.025).unwrap_or(value), high: at(0.975).unwrap_or(value) })
    }
}

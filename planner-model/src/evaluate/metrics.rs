use super::{Case, Interval, Resamples};

/// A query is slower if it takes this many times what the best fixed plan takes.
pub const SLOWER: f64 = 1.05;

/// What a way to choose took on each case.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes {
    /// Latency over that of the best.
    pub regret: Vec<f64>,
    /// Latency, in microseconds.
    pub us: Vec<f64>,
}

impl Outcomes {
    /// Of these choices.
    pub fn new(cases: &[Case<'_>], choices: &[usize]) -> Self {
        let chosen = || cases.iter().zip(choices);
        Self {
            regret: chosen().map(|(case, &choice)| case.regret(choice)).collect(),
            us: chosen().map(|(case, &choice)| case.us[choice]).collect(),
        }
    }

    /// Geometric mean of the regret; `None` for no cases.
    pub fn geometric(&self) -> Option<f64> {
        geometric(&self.regret, &vec![1; self.regret.len()])
    }
}

/// Regret in numbers.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Cases.
    pub cases: usize,
    /// Geometric mean.
    pub geometric: Interval,
    /// Half of the cases have less.
    pub p50: Interval,
    /// 95 % of the cases have less.
    pub p95: Interval,
    /// 99 % of the cases have less.
    pub p99: Interval,
    /// The largest.
    pub max: f64,
    /// All latencies together, over those of the best plans.
    pub total: Interval,
    /// Share of cases that are slower than the best fixed plan, by [`SLOWER`].
    pub slower: Interval,
    /// Share of cases where the best was chosen.
    pub first: f64,
    /// Share of cases within 10 % of the best.
    pub close: f64,
}

/// Regret of a way to choose, beside the best fixed plan. `None` for no cases.
pub fn summarise(cases: &[Case<'_>], outcomes: &Outcomes, fixed: &Outcomes, resamples: &Resamples) -> Option<Summary> {
    let regret = &outcomes.regret;
    let mut order: Vec<usize> = (0..regret.len()).collect();
    order.sort_by(|&a, &b| regret[a].total_cmp(&regret[b]));
    let quantile = |share: f64| resamples.interval(|weights| quantile(regret, &order, weights, share));
    let best_us = |place: usize| cases[place].us[cases[place].best];
    let weighted = |of: &dyn Fn(usize) -> f64, weights: &[u32]| -> f64 {
        weights.iter().enumerate().map(|(place, &weight)| f64::from(weight) * of(place)).sum()
    };
    let slower = |place: usize| f64::from(u8::from(outcomes.us[place] > SLOWER * fixed.us[place]));
    let share = |passes: &dyn Fn(usize) -> bool| {
        (0..regret.len()).filter(|&place| passes(place)).count() as f64 / regret.len().max(1) as f64
    };
    Some(Summary {
        cases: cases.len(),
        geometric: resamples.interval(|weights| geometric(regret, weights))?,
        p50: quantile(0.50)?,
        p95: quantile(0.95)?,
        p99: quantile(0.99)?,
        max: regret.iter().copied().fold(1.0, f64::max),
        total: resamples.interval(|weights| {
            let best = weighted(&best_us, weights);
            (best > 0.0).then(|| weighted(&|place| outcomes.us[place], weights) / best)
        })?,
        slower: resamples.interval(|weights| {
            let all: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
            (all > 0).then(|| weighted(&slower, weights) / all as f64)
        })?,
        first: share(&|place| regret[place] <= 1.0),
        close: share(&|place| regret[place] <= 1.1),
    })
}

/// Geometric mean of the latencies of one way over those of another one: below 1 the first is faster.
pub fn difference(a: &Outcomes, b: &Outcomes, resamples: &Resamples) -> Option<Interval> {
    let ratios: Vec<f64> = a.us.iter().zip(&b.us).map(|(a, b)| a / b).collect();
    resamples.interval(|weights| geometric(&ratios, weights))
}

fn geometric(values: &[f64], weights: &[u32]) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u64);
    for (value, &weight) in values.iter().zip(weights) {
        sum += f64::from(weight) * value.ln();
        count += u64::from(weight);
    }
    (count > 0).then(|| (sum / count as f64).exp())
}

/// The value below which a share of the weight is; `order` sorts the values.
fn quantile(values: &[f64], order: &[usize], weights: &[u32], share: f64) -> Option<f64> {
    let all: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let mut left = (share * all as f64).ceil().max(1.0) as u64;
    for &place in order {
        let weight = u64::from(weights[place]);
        if weight >= left {
            return Some(values[place]);
        }
        left -= weight;
    }
    None
}

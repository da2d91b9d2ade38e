//! A rule of thresholds as one would tune by hand, found by a greedy search: at most four questions about a query, then a plan.

use super::{super::Case, fixed};
use crate::Feature;

/// Questions on the way to a plan.
const DEPTH: u32 = 4;

/// Cases that a plan is chosen for, at least.
const LEAST: usize = 8;

/// Thresholds that are tried for each feature.
const TRIED: usize = 48;

/// What may be asked: what is known of a query before its candidates are priced.
const ASKED: [Feature; 11] = [
    Feature::Selectivity,
    Feature::Reach,
    Feature::Matches,
    Feature::Edges,
    Feature::Need,
    Feature::Hops,
    Feature::Anchors,
    Feature::Rows,
    Feature::CachedReach,
    Feature::CachedItems,
    Feature::CachedSurvivors,
];

/// A tuned rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Always this plan, where it applies.
    Plan(usize),
    /// One of two, by a feature that all candidates share.
    Ask {
        /// The feature.
        feature: Feature,
        /// Up to this the first, else the second.
        threshold: f64,
        /// Both.
        then: Box<[Rule; 2]>,
    },
}

impl Rule {
    /// The rule with little regret on these cases: each question is the one after which the best plans of both sides have the
    /// least.
    pub fn tune(cases: &[Case<'_>], plans: usize) -> Self {
        let costs: Vec<Vec<f64>> =
            cases.iter().map(|case| (0..plans).map(|plan| case.regret(fixed(case, plan)).ln()).collect()).collect();
        let tuner = Tuner { cases, costs, plans };
        tuner.grow((0..cases.len()).collect(), DEPTH)
    }

    /// What it chooses.
    pub fn choose(&self, case: &Case<'_>) -> usize {
        match self {
            Self::Plan(plan) => fixed(case, *plan),
            Self::Ask { feature, threshold, then } => {
                then[usize::from(case.shared(*feature) > *threshold)].choose(case)
            }
        }
    }
}

struct Tuner<'a> {
    cases: &'a [Case<'a>],
    /// ln of the regret by case and plan.
    costs: Vec<Vec<f64>>,
    plans: usize,
}

impl Tuner<'_> {
    fn grow(&self, places: Vec<usize>, depth: u32) -> Rule {
        let (plan, cost) = self.best(&self.sums(&places));
        if depth == 0 || places.len() < 2 * LEAST {
            return Rule::Plan(plan);
        }
        let splits = ASKED.iter().filter_map(|&feature| self.split(&places, feature));
        let Some((after, feature, threshold)) = splits.min_by(|a, b| a.0.total_cmp(&b.0)) else {
            return Rule::Plan(plan);
        };
        if after >= cost - 1e-9 {
            return Rule::Plan(plan);
        }
        let (low, high) = places.into_iter().partition(|&place| self.cases[place].shared(feature) <= threshold);
        Rule::Ask { feature, threshold, then: Box::new([self.grow(low, depth - 1), self.grow(high, depth - 1)]) }
    }

    /// The cost after the best question about a feature, and its threshold.
    fn split(&self, places: &[usize], feature: Feature) -> Option<(f64, Feature, f64)> {
        let mut order: Vec<(f64, usize)> =
            places.iter().map(|&place| (self.cases[place].shared(feature), place)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all = self.sums(places);
        let (mut low, mut best) = (vec![0.0; self.plans], None);
        let step = (order.len() / TRIED).max(1);
        for count in 1..order.len() {
            let (value, place) = order[count - 1];
            low.iter_mut().zip(&self.costs[place]).for_each(|(sum, cost)| *sum += cost);
            let next = order[count].0;
            if next <= value
                || count < LEAST
                || order.len() - count < LEAST
                || !count.is_multiple_of(step) && next - value < 0.5
            {
                continue;
            }
            let high: Vec<f64> = all.iter().zip(&low).map(|(all, low)| all - low).collect();
            let cost = self.best(&low).1 + self.best(&high).1;
            if best.is_none_or(|(known, _, _)| cost < known) {
                best = Some((cost, feature, f64::midpoint(value, next)));
            }
        }
        best
    }

    fn sums(&self, places: &[usize]) -> Vec<f64> {
        let mut sums = vec![0.0; self.plans];
        for &place in places {
            sums.iter_mut().zip(&self.costs[place]).for_each(|(sum, cost)| *sum += cost);
        }
        sums
    }

    fn best(&self, sums: &[f64]) -> (usize, f64) {
        let plans = sums.iter().copied().enumerate();
        plans.min_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0, 0.0))
    }
}

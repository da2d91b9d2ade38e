//! What predictions and choices lose when a feature is taken from another query (permutation importance; Breiman, 2001).

use super::{Case, Serving};
use crate::{Feature, dataset::share};

/// Features that say much the same: of such, each alone seems to matter little.
pub const FAMILIES: [(&str, &[Feature]); 6] = [
    (
        "costs of the plan",
        &[
            Feature::IoOperations,
            Feature::Cpu,
            Feature::RoundTrips,
            Feature::DataVolume,
            Feature::Candidates,
            Feature::AnalyticCost,
            Feature::OverCheapest,
        ],
    ),
    (
        "the walk",
        &[
            Feature::Reach,
            Feature::Edges,
            Feature::ReachSpread,
            Feature::JoinComplexity,
            Feature::Hops,
            Feature::Anchors,
        ],
    ),
    ("the filter", &[Feature::Selectivity, Feature::SelectivitySpread]),
    (
        "the cache",
        &[
            Feature::CacheHitProbability,
            Feature::CachedReach,
            Feature::CachedItems,
            Feature::CachedSurvivors,
            Feature::AsksVectors,
            Feature::AsksGraph,
        ],
    ),
    ("the machine", &[Feature::VectorCall, Feature::GraphCall, Feature::VectorWait, Feature::GraphWait]),
    ("matches", &[Feature::Matches, Feature::Need]),
];

/// Sums that importance is made of, over the models of all folds.
#[derive(Debug, Clone)]
pub struct Importance {
    /// Names of what is taken from another query.
    pub names: Vec<String>,
    sets: Vec<Vec<Feature>>,
    /// Sum of |ln(predicted / median)| as it is, then for each set.
    errors: Vec<f64>,
    predictions: u64,
    /// Sum of ln(regret) as it is, then for each set.
    regrets: Vec<f64>,
    cases: u64,
}

impl Default for Importance {
    fn default() -> Self {
        let single = Feature::ALL.iter().map(|&feature| (feature.name().to_owned(), vec![feature]));
        let families = FAMILIES.iter().map(|(name, features)| ((*name).to_owned(), features.to_vec()));
        let (names, sets): (Vec<_>, Vec<_>) = single.chain(families).unzip();
        let sums = vec![0.0; sets.len() + 1];
        Self { names, sets, errors: sums.clone(), predictions: 0, regrets: sums, cases: 0 }
    }
}

impl Importance {
    /// Adds a model on cases that it has not seen.
    pub fn add(&mut self, serving: &Serving<'_>, cases: &[Case<'_>], seed: u64) {
        for (at, case) in cases.iter().enumerate() {
            let own: Vec<Vec<f32>> = case.candidates.iter().map(|c| c.features.values().to_vec()).collect();
            self.judge(0, serving, case, &own);
            self.predictions += case.candidates.len() as u64;
            self.cases += 1;
            for set in 0..self.sets.len() {
                let drawn = share(&format!("{} {at}", self.names[set]), seed);
                let other = &cases[((drawn * cases.len() as f64) as usize).min(cases.len() - 1)];
                let mut mixed = own.clone();
                for &feature in &self.sets[set] {
                    swap(&mut mixed, case, other, feature);
                }
                self.judge(set + 1, serving, case, &mixed);
            }
        }
    }

    fn judge(&mut self, place: usize, serving: &Serving<'_>, case: &Case<'_>, features: &[Vec<f32>]) {
        let features: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
        for ((candidate, features), us) in case.candidates.iter().zip(&features).zip(&case.us) {
            // A candidate without a forest adds the same to all sums.
            if let Some(estimate) = serving.raw(candidate.plan, features) {
                self.errors[place] += (estimate.ms() * 1e3 / us).ln().abs();
            }
        }
        let served = serving.serve_with(case, &features);
        self.regrets[place] += case.regret(served.unchecked).ln();
    }

    /// By how much the mean absolute error in ln(ms) grows with a set taken from another query.
    pub fn error(&self, set: usize) -> f64 {
        (self.errors[set + 1] - self.errors[0]) / self.predictions.max(1) as f64
    }

    /// By how much the geometric mean of the regret grows.
    pub fn regret(&self, set: usize) -> f64 {
        let mean = |sum: f64| (sum / self.cases.max(1) as f64).exp();
        mean(self.regrets[set + 1]) - mean(self.regrets[0])
    }

    /// Whether a set is a single feature.
    pub fn is_single(&self, set: usize) -> bool {
        set < Feature::ALL.len()
    }
}

/// Takes a feature from another query: from its candidate of the same plan, or from any where all have the same.
fn swap(features: &mut [Vec<f32>], case: &Case<'_>, other: &Case<'_>, feature: Feature) {
    let is_shared = |case: &Case<'_>| {
        let first = case.candidates[0].features.get(feature);
        case.candidates.iter().all(|candidate| candidate.features.get(feature) == first)
    };
    let all_alike = is_shared(case) && is_shared(other);
    for (features, candidate) in features.iter_mut().zip(&case.candidates) {
        let donor = if all_alike {
            other.candidates.first()
        } else {
            other.candidates.iter().find(|donor| donor.plan == candidate.plan)
        };
        if let Some(donor) = donor {
            features[feature as usize] = donor.features.get(feature);
        }
    }
}

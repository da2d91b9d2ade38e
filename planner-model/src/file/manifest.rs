use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{MAX_PLANS, ModelError};
use crate::serve::duel::PairInput;
use crate::serve::forest::MAX_INPUTS;

/// What a model file says in words: plans, ranges, factors, constants, card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The plans, in the order of their forests.
    pub plans: Vec<PlanEntry>,
    /// Whether the forests predict ln of the ratio to the analytic cost of the cheapest candidate, rather than ln(ms).
    pub relative: bool,
    /// Candidates whose predicted latencies differ by no more than this factor are close.
    pub near_tie: f64,
    /// What the duel forest looks at; empty without one.
    pub duel_inputs: Vec<PairInput>,
    /// Constants of the analytic model when this one was trained.
    pub constants: BTreeMap<String, f64>,
    /// For people.
    pub card: Card,
}

/// One plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanEntry {
    /// Its name, as the gateway writes it.
    pub name: String,
    /// Training rows.
    pub observations: u64,
    /// For each feature, the 0.1 % and the 99.9 % quantile of the training rows.
    pub ranges: Vec<[f64; 2]>,
    /// What the standard deviation is multiplied with to cover each of [`LEVELS`](crate::LEVELS).
    pub factors: [f64; 5],
    /// Rows that the factors were found with; 0 when they are those of all plans together.
    pub calibration_rows: u64,
}

/// Where a model comes from. Fields that a later version adds are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Card {
    /// BLAKE3 of the training data, in hexadecimal.
    pub data_hash: String,
    /// BLAKE3 of the latency forests, in hexadecimal: the same for the same data and settings.
    pub latency_hash: String,
    /// BLAKE3 of the duel forest, in hexadecimal; empty without one.
    pub duel_hash: String,
    /// Name and version of what trained it.
    pub trainer: String,
    /// When, if the trainer was told.
    pub created: Option<String>,
    /// The seed.
    pub seed: u64,
    /// How the data was divided.
    pub splits: Vec<SplitEntry>,
    /// Measured figures by name.
    pub metrics: BTreeMap<String, f64>,
    /// Whatever else was said.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// One part of the data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SplitEntry {
    /// What it was used for.
    pub name: String,
    /// Queries.
    pub groups: u64,
    /// Rows.
    pub rows: u64,
}

impl Manifest {
    /// Refuses what makes no sense for this number of features.
    pub(super) fn check(&self, width: usize) -> Result<(), ModelError> {
        if self.plans.len() > MAX_PLANS {
            return Err(ModelError::TooMany { count: self.plans.len(), things: "plans" });
        }
        let model = |field, what| Err(ModelError::Field { field, whose: "the model".into(), what });
        if self.plans.is_empty() {
            return model("plans", "there are none");
        }
        let names: HashSet<_> = self.plans.iter().map(|plan| &plan.name).collect();
        if names.len() != self.plans.len() {
            return model("plans", "a name comes twice");
        }
        if !(1.0..=100.0).contains(&self.near_tie) {
            return model("near_tie", "not between 1 and 100");
        }
        if !self.constants.values().all(|value| value.is_finite()) {
            return model("constants", "not finite");
        }
        if self.duel_inputs.len() > MAX_INPUTS {
            return Err(ModelError::TooMany { count: self.duel_inputs.len(), things: "inputs of the duel forest" });
        }
        for input in &self.duel_inputs {
            let known = match *input {
                PairInput::Difference(feature) | PairInput::First(feature) => usize::from(feature) < width,
                PairInput::FirstPlan(plan) | PairInput::SecondPlan(plan) => usize::from(plan) < self.plans.len(),
            };
            if !known {
                return model("duel_inputs", "one is of a feature or plan that does not exist");
            }
        }
        self.plans.iter().try_for_each(|plan| plan.check(width))
    }
}

impl PlanEntry {
    fn check(&self, width: usize) -> Result<(), ModelError> {
        let plan = |field, what| Err(ModelError::Field { field, whose: self.name.clone(), what });
        if self.name.is_empty() || self.name.len() > 64 {
            return plan("name", "not between 1 and 64 bytes");
        }
        if self.ranges.len() != width {
            return plan("ranges", "not one for each feature");
        }
        let fits = |value: f64| (value as f32).is_finite();
        if !self.ranges.iter().all(|[low, high]| fits(*low) && fits(*high) && low <= high) {
            return plan("ranges", "not finite, or the lower end above the upper");
        }
        if !self.factors.iter().all(|factor| factor.abs() <= 1e6) || !self.factors.is_sorted() {
            return plan("factors", "not ascending, or too large");
        }
        Ok(())
    }
}

//! A model as it was loaded.

use std::fmt;

use super::duel::{Contestant, Duel, PairInput};
use super::forest::{Forest, Inputs};
use crate::Feature;
use crate::file::{Card, Manifest, PlanEntry};

/// Shares of queries that a predicted quantile is meant to cover.
pub const LEVELS: [f64; 5] = [0.5, 0.8, 0.9, 0.95, 0.99];

/// The least standard deviation that is reported, in ln(ms): one that is zero would promise certainty.
pub(crate) const LEAST_SD: f64 = 0.01;

/// One of [`LEVELS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Half of the queries.
    Q50,
    /// 80 %.
    Q80,
    /// 90 %.
    Q90,
    /// 95 %.
    Q95,
    /// 99 %.
    Q99,
}

/// A predicted latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyEstimate {
    /// Mean of the trees: ln of milliseconds.
    pub ln_ms: f32,
    /// Standard deviation in ln(ms): between trees and within their leaves.
    pub sd: f32,
    /// Mean number of training rows in the leaves.
    pub support: f32,
    /// What `sd` is multiplied with for each of [`LEVELS`].
    pub factors: [f32; 5],
    /// The first feature, by its place in the schema, that is not within the range of what the plan was trained on.
    pub outside: Option<usize>,
}

impl LatencyEstimate {
    /// Predicted milliseconds.
    pub fn ms(&self) -> f64 {
        f64::from(self.ln_ms).exp()
    }

    /// Milliseconds that such queries stay below as often as the level says.
    pub fn quantile_ms(&self, level: Level) -> f64 {
        (f64::from(self.ln_ms) + f64::from(self.sd) * f64::from(self.factors[level as usize])).exp()
    }
}

/// What is known of one plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlanModel {
    /// None where there were too few rows.
    pub(crate) forest: Option<Forest>,
    pub(crate) ranges: Box<[[f32; 2]]>,
    pub(crate) factors: [f32; 5],
}

/// A trained model: a latency forest per plan and, mostly, a duel forest. Made by [`Model::decode`] or by training.
#[derive(Clone, PartialEq)]
pub struct Model {
    pub(crate) manifest: Manifest,
    pub(crate) plans: Box<[PlanModel]>,
    pub(crate) duel: Option<Duel>,
    pub(crate) golden: Vec<crate::file::Golden>,
    pub(crate) near_tie: f32,
    pub(crate) checksum: [u8; 32],
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trees, nodes) = self.size();
        f.debug_struct("Model").field("id", &self.id()).field("trees", &trees).field("nodes", &nodes).finish()
    }
}

impl Model {
    /// The latency of a candidate: `plan` is its index in [`Model::plans`], `features` are in the order of the schema.
    /// `None` for a plan that the model has no forest of, and for features of another number.
    pub fn predict(&self, plan: usize, features: &[f32]) -> Option<LatencyEstimate> {
        let plan = self.plans.get(plan)?;
        let forest = plan.forest.as_ref()?;
        if features.len() != plan.ranges.len() {
            return None;
        }
        let spread = forest.spread(&Inputs::new(features));
        let mut ln_ms = spread.mean;
        if self.manifest.relative {
            ln_ms += scale_ln_ms(features);
        }
        // All are looked at without a branch; which one it is, is asked only if there is one.
        let is_outside = |([low, high], x): (&[f32; 2], &f32)| !((*x >= *low) & (*x <= *high));
        let pairs = || plan.ranges.iter().zip(features);
        let any = pairs().fold(false, |any, pair| any | is_outside(pair));
        let outside = if any { pairs().position(is_outside) } else { None };
        Some(LatencyEstimate {
            ln_ms: ln_ms as f32,
            sd: spread.variance.sqrt().max(LEAST_SD) as f32,
            support: spread.support as f32,
            factors: plan.factors,
            outside,
        })
    }

    /// Share of the duel forest's trees that say that the first is faster than the second. `None` without such a forest,
    /// and for features of another number.
    pub fn duel(&self, first: Contestant<'_>, second: Contestant<'_>) -> Option<f32> {
        let known = |side: Contestant<'_>| {
            self.plans.get(side.plan).is_some_and(|plan| plan.ranges.len() == side.features.len())
        };
        let duel = self.duel.as_ref()?;
        (known(first) && known(second)).then(|| duel.share(first, second))
    }

    /// Whether there is a duel forest.
    pub fn has_duels(&self) -> bool {
        self.duel.is_some()
    }

    /// What the duel forest looks at, by its input's index; empty without one.
    pub fn duel_inputs(&self) -> &[PairInput] {
        self.duel.as_ref().map_or(&[], |duel| &duel.inputs)
    }

    /// Candidates are close when their predicted latencies differ by no more than this factor.
    pub fn near_tie(&self) -> f32 {
        self.near_tie
    }

    /// The plans that it knows, in its order.
    pub fn plans(&self) -> impl ExactSizeIterator<Item = &PlanEntry> {
        self.manifest.plans.iter()
    }

    /// A plan's index by its name.
    pub fn plan_index(&self, name: &str) -> Option<usize> {
        self.manifest.plans.iter().position(|plan| plan.name == name)
    }

    /// Training rows of a plan; 0 for one that it does not know.
    pub fn observations(&self, plan: usize) -> u64 {
        self.manifest.plans.get(plan).map_or(0, |plan| plan.observations)
    }

    /// A constant of the analytic model as it was when the model was trained.
    pub fn constant(&self, name: &str) -> Option<f64> {
        self.manifest.constants.get(name).copied()
    }

    /// All constants by name.
    pub fn constants(&self) -> &std::collections::BTreeMap<String, f64> {
        &self.manifest.constants
    }

    /// Whether the forests predict the ratio to the analytic cost rather than the latency itself.
    pub fn is_relative(&self) -> bool {
        self.manifest.relative
    }

    /// Data, splits and metrics.
    pub fn card(&self) -> &Card {
        &self.manifest.card
    }

    /// BLAKE3 of the file without its last 32 bytes, which are this.
    pub fn checksum(&self) -> &[u8; 32] {
        &self.checksum
    }

    /// Short name by content.
    pub fn id(&self) -> String {
        crate::schema::short_hex(&self.checksum)
    }

    /// Trees and nodes of all forests.
    pub fn size(&self) -> (usize, usize) {
        let forests = self.plans.iter().filter_map(|plan| plan.forest.as_ref());
        let forests = forests.chain(self.duel.as_ref().map(|duel| &duel.forest));
        forests.fold((0, 0), |(trees, nodes), forest| (trees + forest.trees(), nodes + forest.nodes().len()))
    }
}

/// ln of the milliseconds that the analytic model says of the cheapest candidate of the query: what a relative model predicts
/// a multiple of. It is made of constants that each store measures of itself on the machine where it runs, so that what was learnt
/// on one machine holds on another; and as it is the same for all candidates, an error of one of them does not become an error of its
/// prediction.
pub fn scale_ln_ms(features: &[f32]) -> f64 {
    let of = |feature: Feature| f64::from(features.get(feature as usize).copied().unwrap_or(0.0));
    (of(Feature::AnalyticCost) - of(Feature::OverCheapest) - 3.0) * std::f64::consts::LN_10
}

/// ln of the milliseconds that the analytic model says, which is one of the features.
pub fn analytic_ln_ms(features: &[f32]) -> f64 {
    let log10_us = features.get(Feature::AnalyticCost as usize).copied().unwrap_or(0.0);
    (f64::from(log10_us) - 3.0) * std::f64::consts::LN_10
}

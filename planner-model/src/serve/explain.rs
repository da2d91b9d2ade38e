//! Why a prediction is what it is.

use super::forest::{Forest, Inputs, Node};
use super::model::{Model, scale_ln_ms};

/// A prediction as a sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// Mean of all training rows of the plan, in the forest's own unit (ln ms, or ln of the ratio to the analytic cost).
    pub base: f64,
    /// ln of the milliseconds of the analytic model where the forest predicts a ratio to it, else 0.
    pub analytic: f64,
    /// What the splits on each feature of the schema added on the way to the leaves.
    pub features: Vec<f64>,
}

impl Contributions {
    /// ln of the predicted milliseconds.
    pub fn total(&self) -> f64 {
        self.base + self.analytic + self.features.iter().sum::<f64>()
    }
}

impl Model {
    /// The sum that a prediction is made of, split by split (Saabas, 2014). `None` where [`Model::predict`] is.
    pub fn contributions(&self, plan: usize, features: &[f32]) -> Option<Contributions> {
        let plan = self.plans.get(plan)?;
        let forest = plan.forest.as_ref()?;
        if features.len() != plan.ranges.len() {
            return None;
        }
        let means = node_means(forest);
        let trees = forest.trees() as f64;
        let mut parts = Contributions {
            base: 0.0,
            analytic: if self.manifest.relative { scale_ln_ms(features) } else { 0.0 },
            features: vec![0.0; features.len()],
        };
        for &root in forest.roots() {
            let mut at = root as usize;
            parts.base += means[at] / trees;
            while let Some(&node) = forest.nodes().get(at).filter(|node| !node.is_leaf()) {
                let below = below(node, features);
                parts.features[usize::from(node.input())] += (means[below] - means[at]) / trees;
                at = below;
            }
        }
        Some(parts)
    }

    /// Where the forest of a plan splits on a feature, ascending and distinct: between two of these the prediction does
    /// not depend on it. Trying one value from each gap finds what would change a choice.
    pub fn thresholds(&self, plan: usize, feature: usize) -> Vec<f32> {
        let forest = self.plans.get(plan).and_then(|plan| plan.forest.as_ref());
        let nodes = forest.map_or(&[][..], Forest::nodes).iter();
        let splits = nodes.filter(|node| !node.is_leaf() && usize::from(node.input()) == feature);
        let mut thresholds: Vec<f32> = splits.map(|node| node.threshold).collect();
        thresholds.sort_by(f32::total_cmp);
        thresholds.dedup();
        thresholds
    }

    /// The values of a feature that a plan was trained on: between its 0.1 % and 99.9 % quantiles.
    pub fn range(&self, plan: usize, feature: usize) -> Option<[f32; 2]> {
        self.plans.get(plan)?.ranges.get(feature).copied()
    }

    /// How often the forests of a plan split on each feature of the schema.
    pub fn splits(&self, plan: usize) -> Vec<usize> {
        let plan = self.plans.get(plan);
        let mut counts = vec![0; plan.map_or(0, |plan| plan.ranges.len())];
        for node in plan.and_then(|plan| plan.forest.as_ref()).map_or(&[][..], Forest::nodes) {
            if let Some(count) = counts.get_mut(usize::from(node.input())) {
                *count += 1;
            }
        }
        counts
    }

    /// What each tree of a plan says: ln(ms), or ln of the ratio to the analytic cost.
    pub fn tree_values(&self, plan: usize, features: &[f32]) -> Vec<f32> {
        let forest = self.plans.get(plan).and_then(|plan| plan.forest.as_ref());
        forest.map_or_else(Vec::new, |forest| forest.values(&Inputs::new(features)))
    }
}

fn below(node: Node, features: &[f32]) -> usize {
    let value = features.get(usize::from(node.input())).copied().unwrap_or(0.0);
    let left = node.left() as usize;
    if value < node.threshold { left } else { left + 1 }
}

/// The mean of the training rows below each node. Children come after their parents.
fn node_means(forest: &Forest) -> Vec<f64> {
    let mut sums: Vec<(f64, f64)> = vec![(0.0, 0.0); forest.nodes().len()];
    for (index, (node, stats)) in forest.nodes().iter().zip(forest.stats()).enumerate().rev() {
        sums[index] = if node.is_leaf() {
            let support = f64::from(stats.support).max(f64::MIN_POSITIVE);
            (support * f64::from(node.threshold), support)
        } else {
            let (left, right) = (sums[node.left() as usize], sums[node.left() as usize + 1]);
            (left.0 + right.0, left.1 + right.1)
        };
    }
    sums.into_iter().map(|(sum, support)| sum / support).collect()
}

//! L: the forest that predicts what a plan takes.

use std::sync::atomic::{AtomicUsize, Ordering};

use linfa_ensemble::EnsembleLearner;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::bins::Bins;
use super::tree::{Growth, Soil, VarTree, VarTreeParams};
use crate::NodeFault;
use crate::serve::forest::{Forest, LEAF, LeafStats, Node};

/// Bagged regression trees of one plan: linfa-ensemble's `EnsembleLearner` over [`VarTree`].
///
/// Its own `predict` is not what is asked: that is the most frequent label. A latency is the mean of the trees.
pub struct LatencyForest(EnsembleLearner<VarTree>);

/// What a latency forest is trained with.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestSettings {
    /// Trees.
    pub trees: usize,
    /// How each grows.
    pub growth: Growth,
    /// Features that are never split on.
    pub ignored: Vec<usize>,
    /// What sample and splits of each tree are drawn from, together with the tree's number.
    pub seed: [u8; 32],
    /// Threads that trees are built by. The forest is the same for any number.
    pub threads: usize,
}

impl LatencyForest {
    /// Fits a forest to as many rows as there are targets. `value` gives a row's feature, which must be finite. Each tree
    /// has a sample of the rows, drawn with replacement.
    pub fn fit(
        targets: &[f64],
        weights: Option<&[f32]>,
        width: usize,
        value: impl Fn(usize, usize) -> f32,
        settings: &ForestSettings,
    ) -> Self {
        let bins = Bins::new(targets.len(), width, value);
        let next = AtomicUsize::new(0);
        let build = || {
            let mut built = Vec::new();
            loop {
                let tree = next.fetch_add(1, Ordering::Relaxed);
                if tree >= settings.trees || targets.is_empty() {
                    return built;
                }
                built.push((tree, build_tree(tree, &bins, targets, weights, settings)));
            }
        };
        let mut built: Vec<(usize, VarTree)> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..settings.threads).map(|_| scope.spawn(build)).collect();
            let mut built = build();
            for other in others {
                built.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            built
        });
        built.sort_by_key(|(tree, _)| *tree);
        let models: Vec<VarTree> = built.into_iter().map(|(_, tree)| tree).collect();
        let model_features = vec![(0..width).collect(); models.len()];
        Self(EnsembleLearner { models, model_features })
    }

    /// linfa's ensemble.
    pub fn ensemble(&self) -> &EnsembleLearner<VarTree> {
        &self.0
    }

    /// Mean of the trees, variance between them plus the mean variance in their leaves, and mean rows of the leaves.
    /// `None` for a forest without trees.
    pub fn predict(&self, features: &[f32]) -> Option<(f64, f64, f64)> {
        let leaves =
            || self.0.models.iter().map(|tree| tree.leaf(|feature| features.get(feature).copied().unwrap_or(0.0)));
        let trees = self.0.models.len() as f64;
        let mean = leaves().map(|leaf| f64::from(leaf.mean)).sum::<f64>() / trees;
        let between = leaves().map(|leaf| (f64::from(leaf.mean) - mean).powi(2)).sum::<f64>() / trees;
        let within = leaves().map(|leaf| f64::from(leaf.variance)).sum::<f64>() / trees;
        let support = leaves().map(|leaf| f64::from(leaf.support)).sum::<f64>() / trees;
        (trees > 0.0).then_some((mean, between + within, support))
    }

    /// As it is served.
    pub(crate) fn flatten(&self, width: usize) -> Result<Forest, NodeFault> {
        let (mut roots, mut nodes, mut stats) = (Vec::new(), Vec::new(), Vec::new());
        for tree in &self.0.models {
            let root = nodes.len();
            roots.push(root as u32);
            for (index, node) in tree.nodes().iter().enumerate() {
                let (flat, leaf) = match node.split {
                    Some((feature, threshold, left)) => {
                        (Node::new(threshold, feature as u8, (root + left) as u32), LeafStats::default())
                    }
                    None => (
                        Node::new(node.mean, LEAF, (root + index) as u32),
                        LeafStats { variance: node.variance, support: node.support as f32 },
                    ),
                };
                nodes.push(flat);
                stats.push(leaf);
            }
        }
        Forest::new(roots, nodes, stats, width)
    }
}

fn build_tree(
    tree: usize,
    bins: &Bins,
    targets: &[f64],
    weights: Option<&[f32]>,
    settings: &ForestSettings,
) -> VarTree {
    let seed = derive_seed(&settings.seed, "tree", tree as u64);
    let params = VarTreeParams { growth: settings.growth, ignored: settings.ignored.clone(), seed };
    let mut rng = ChaCha8Rng::from_seed(seed);
    let rows = bins.rows() as u32;
    let mut sample: Vec<u32> = (0..rows).map(|_| rng.gen_range(0..rows)).collect();
    sample.sort_unstable();
    Soil { bins, targets, weights, params: &params }.grow(sample, &mut rng)
}

/// A seed for one part of the work: of the seed for the whole, what the part is, and its number.
pub(super) fn derive_seed(seed: &[u8; 32], what: &str, number: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(seed);
    hasher.update(&number.to_le_bytes());
    hasher.update(what.as_bytes());
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use linfa::Dataset;
    use linfa::traits::{Fit, Predict};
    use linfa_ensemble::EnsembleLearnerParams;
    use ndarray::{Array1, Array2, Axis};
    use proptest::prelude::*;
    use rand::Rng as _;

    use super::*;
    use crate::serve::forest::Inputs;
    use crate::train::LogNs;

    const WIDTH: usize = 6;

    /// Made-up rows: the target depends on some features; some have few values.
    fn rows(count: usize, seed: u64) -> (Vec<[f32; WIDTH]>, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut row = |_| {
            let mut row: [f32; WIDTH] = std::array::from_fn(|_| rng.gen_range(-2.0..2.0));
            row[1] = row[1].round();
            row[2] = 7.0;
            let target = f64::from(row[0] * row[1]) + f64::from(row[3]).abs() + rng.gen_range(-0.1..0.1);
            (row, target)
        };
        (0..count).map(&mut row).unzip()
    }

    fn settings(trees: usize, depth: u32, min_leaf: u32, mtry: usize) -> ForestSettings {
        let growth = Growth { depth, min_leaf, mtry };
        ForestSettings { trees, growth, ignored: vec![5], seed: [7; 32], threads: 2 }
    }

    fn fit(rows: &[[f32; WIDTH]], targets: &[f64], settings: &ForestSettings) -> LatencyForest {
        LatencyForest::fit(targets, None, WIDTH, |row, feature| rows[row][feature], settings)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn what_is_served_is_the_mean_of_what_linfa_predicts_tree_by_tree(
            count in 1_usize..300, trees in 1_usize..40, depth in 1_u32..12, min_leaf in 1_u32..9, mtry in 1_usize..7, seed: u64,
        ) {
            let (known, targets) = rows(count, seed);
            let forest = fit(&known, &targets, &settings(trees, depth, min_leaf, mtry));
            let flat = forest.flatten(WIDTH).expect("sound");
            // Also rows that lie exactly on thresholds.
            let (mut asked, _) = rows(50, seed ^ 1);
            for tree in &forest.ensemble().models {
                for (feature, threshold, _) in tree.nodes().iter().filter_map(|node| node.split).take(3) {
                    asked.push(asked[0]);
                    asked.last_mut().expect("pushed")[feature] = threshold;
                }
            }
            let records = Array2::from_shape_fn((asked.len(), WIDTH), |(row, feature)| f64::from(asked[row][feature]));
            let mut mean = Array1::<f64>::zeros(asked.len());
            let ensemble = forest.ensemble();
            for (tree, columns) in ensemble.models.iter().zip(&ensemble.model_features) {
                let says: Array1<LogNs> = tree.predict(&records.select(Axis(1), columns));
                mean += &says.mapv(|label| label.ln() / trees as f64);
            }
            for (row, mean) in asked.iter().zip(mean) {
                let spread = flat.spread(&Inputs::new(row));
                prop_assert!((spread.mean - mean).abs() < 1e-6, "{} {mean}", spread.mean);
                let (direct, variance, support) = forest.predict(row).expect("trees");
                prop_assert!((spread.mean - direct).abs() < 1e-6);
                prop_assert!((spread.variance - variance).abs() < 1e-5 * (1.0 + variance));
                prop_assert!((spread.support - support).abs() < 1e-3);
                prop_assert!(spread.support >= f64::from(min_leaf.min(count as u32)));
            }
        }
    }

    #[test]
    fn a_forest_learns_what_depends_on_two_features_and_ignores_what_it_is_told_to() {
        let (known, targets) = rows(3000, 1);
        let forest = fit(&known, &targets, &settings(20, 10, 4, 5));
        let (fresh, truth) = rows(500, 2);
        let error = |predict: &dyn Fn(&[f32; WIDTH]) -> f64| {
            fresh.iter().zip(&truth).map(|(row, truth)| (predict(row) - truth).abs()).sum::<f64>() / 500.0
        };
        let mean = truth.iter().sum::<f64>() / 500.0;
        let (learnt, constant) = (error(&|row| forest.predict(row).expect("trees").0), error(&|_| mean));
        assert!(learnt < constant / 2.5, "{learnt} {constant}");
        let splits = forest.ensemble().models.iter().flat_map(VarTree::nodes).filter_map(|node| node.split);
        assert!(splits.into_iter().all(|(feature, ..)| feature != 5 && feature != 2));
    }

    #[test]
    fn a_tree_is_a_learner_of_linfas_own_ensemble() {
        let (known, targets) = rows(200, 3);
        let records = Array2::from_shape_fn((200, WIDTH), |(row, feature)| f64::from(known[row][feature]));
        let dataset = Dataset::new(records, targets.iter().map(|ln| LogNs::from_ln(*ln)).collect::<Array1<LogNs>>());
        let growth = Growth { depth: 20, min_leaf: 1, mtry: WIDTH };
        let params = VarTreeParams { growth, ignored: Vec::new(), seed: [1; 32] };
        let tree = params.fit(&dataset).expect("fits");
        let labels: Array1<LogNs> = tree.predict(dataset.records());
        let error = labels.iter().zip(&targets).map(|(label, target)| (label.ln() - target).abs()).fold(0.0, f64::max);
        assert!(error < 1e-6, "a tree without limits knows all rows: {error}");

        let ensemble = EnsembleLearnerParams::new_fixed_rng(params, ChaCha8Rng::seed_from_u64(1))
            .ensemble_size(3)
            .fit(&dataset)
            .expect("fits");
        assert_eq!(ensemble.models.len(), 3);
        assert_ne!(ensemble.models[0], ensemble.models[1]);
    }

    #[test]
    fn linfa_is_told_of_rows_that_cannot_be_learnt_from() {
        let growth = Growth { depth: 3, min_leaf: 1, mtry: 1 };
        let params = VarTreeParams { growth, ignored: Vec::new(), seed: [1; 32] };
        let none = Dataset::new(Array2::<f64>::zeros((0, 2)), Array1::<LogNs>::default(0));
        assert!(matches!(params.fit(&none), Err(linfa::Error::NotEnoughSamples)));
        let mut records = Array2::<f64>::zeros((3, 2));
        records[(1, 1)] = f64::NAN;
        let no_number = Dataset::new(records, Array1::<LogNs>::default(3));
        assert!(matches!(params.fit(&no_number), Err(linfa::Error::Parameters(_))));
    }
}

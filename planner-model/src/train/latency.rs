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
        let leaves = || self.0.models.iter().map(|tree| tree.leaf(|feature| features[feature]));
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

//! D: linfa's stock random forest, on pairs of candidates of one query.
//!
//! It learns from comparisons on the *same* query, which takes out all that makes a query slow whatever the plan, and so
//! needs far fewer queries than L to order candidates that are close (Lero, VLDB 2023, has the idea).
//!
//! What linfa 0.8.1 does is worked around where it would hurt: values closer than 10⁻⁵ are never split, so inputs are
//! scaled; the bootstrap drops weights, so heavy pairs come several times; a base learner's error becomes a panic, so
//! parameters are checked before and panics are caught. Its trees break ties by the order of a `HashMap`: the same seed
//! may give other trees ([`retrain_variance`]).

use std::sync::atomic::{AtomicUsize, Ordering};

use linfa::traits::{Fit, Predict};
use linfa::{Dataset, ParamGuard};
use linfa_ensemble::{RandomForest, RandomForestParams};
use linfa_trees::DecisionTree;
use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::TrainError;
use super::data::{Observations, Query};
use super::latency::derive_seed;
use crate::serve::duel::{Contestant, PairInput, turned};
use crate::serve::forest::{Forest, LEAF, LeafStats, MAX_INPUTS, Node};
use crate::{Feature, NodeFault};

/// Inputs are multiplied with this for linfa. A power of two: nothing is rounded.
const SCALE: f64 = 1024.0;
/// Pairs that differ by less, in ln(ms), are noise.
const LEAST_DIFFERENCE: f64 = 0.02;
/// Differences beyond this, in ln(ms), count no more than this.
const HEAVIEST: f64 = 2.0;
/// How often a pair of mean weight comes.
const REPEATS: f64 = 4.0;

/// What the duel forest is trained with.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DuelSettings {
    /// Trees.
    pub trees: usize,
    /// Most splits on the way to a leaf.
    pub depth: usize,
    /// Least pairs in a leaf.
    pub min_leaf: usize,
    /// The most queries that pairs are made of. linfa's trees take time that grows with pairs × nodes × inputs.
    pub queries: usize,
    /// Whether a pair counts by how far apart its latencies are, and by the weight of its rows.
    pub weighted: bool,
}

impl Default for DuelSettings {
    fn default() -> Self {
        Self { trees: 64, depth: 10, min_leaf: 3, queries: 1500, weighted: true }
    }
}

/// Pairs of candidates with who was faster.
pub struct Pairs<'a> {
    data: &'a Observations,
    inputs: Vec<PairInput>,
    pairs: Vec<Pair>,
}

struct Pair {
    first: u32,
    second: u32,
    /// ln(ms) of the first less that of the second.
    difference: f64,
}

impl<'a> Pairs<'a> {
    /// All pairs of the queries among these rows, but those too close to tell. All rows must exist.
    ///
    /// # Errors
    /// When there are none, and when all have the same winner.
    pub fn new(data: &'a Observations, rows: &[u32]) -> Result<Self, TrainError> {
        Self::of_queries(data, &data.queries(rows))
    }

    pub(super) fn of_queries(data: &'a Observations, queries: &[Query]) -> Result<Self, TrainError> {
        let pairs: Vec<Pair> = queries.iter().flat_map(|query| pairs_of(data, query)).collect();
        if pairs.is_empty() {
            return Err(TrainError::NoPairs);
        }
        let faster = pairs.iter().filter(|pair| pair.difference < 0.0).count();
        if faster == 0 || faster == pairs.len() {
            return Err(TrainError::OneSided { pairs: pairs.len() });
        }
        let inputs = inputs_that_vary(data, &pairs);
        Ok(Self { data, inputs, pairs })
    }

    /// Pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn sides(&self, pair: &Pair) -> (Contestant<'a>, Contestant<'a>) {
        (contestant(self.data, pair.first), contestant(self.data, pair.second))
    }

    fn weight(&self, row: u32) -> f32 {
        self.data.row(row as usize).weight
    }

    /// As linfa takes them; heavy pairs several times. Also the number of times that a pair comes on average.
    fn dataset(&self, weighted: bool) -> (Dataset<f64, bool, ndarray::Ix1>, f64) {
        let recency = |pair: &Pair| f64::from(self.weight(pair.first).min(self.weight(pair.second)));
        let weight = |pair: &Pair| pair.difference.abs().min(HEAVIEST) * recency(pair);
        let mean = self.pairs.iter().map(weight).sum::<f64>() / self.pairs.len() as f64;
        let (mut values, mut faster) = (Vec::new(), Vec::new());
        for pair in &self.pairs {
            let times = if weighted { (REPEATS * weight(pair) / mean).round().max(1.0) as usize } else { 1 };
            let row = scaled(&self.inputs, self.sides(pair));
            for _ in 0..times {
                values.extend_from_slice(&row);
                faster.push(pair.difference < 0.0);
            }
        }
        let times = faster.len() as f64 / self.pairs.len() as f64;
        let shape = (faster.len(), self.inputs.len());
        let records = Array2::from_shape_vec(shape, values).unwrap_or_else(|_| Array2::zeros(shape));
        (Dataset::new(records, Array1::from(faster)), times)
    }
}

fn contestant(data: &Observations, row: u32) -> Contestant<'_> {
    let row = data.row(row as usize);
    Contestant { plan: row.plan, features: row.features }
}

/// The pairs of a query, each in the order in which the served forest will see it.
fn pairs_of(data: &Observations, query: &Query) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (index, &(a, ln_a)) in query.candidates.iter().enumerate() {
        for &(b, ln_b) in &query.candidates[index + 1..] {
            let turn = turned(contestant(data, a), contestant(data, b));
            let (first, second, difference) = if turn { (b, a, ln_b - ln_a) } else { (a, b, ln_a - ln_b) };
            if difference.abs() >= LEAST_DIFFERENCE {
                pairs.push(Pair { first, second, difference });
            }
        }
    }
    pairs
}

/// Inputs that are not the same for all pairs: linfa draws inputs with replacement, and one that is constant is a draw
/// wasted.
fn inputs_that_vary(data: &Observations, pairs: &[Pair]) -> Vec<PairInput> {
    let features = 0..Feature::ALL.len() as u8;
    let plans = 0..data.plans().len() as u8;
    let all = features.clone().map(PairInput::Difference).chain(features.map(PairInput::First));
    let all = all.chain(plans.clone().map(PairInput::FirstPlan)).chain(plans.map(PairInput::SecondPlan));
    let of = |input: PairInput, pair: &Pair| input.of(contestant(data, pair.first), contestant(data, pair.second));
    let varies = |input: &PairInput| pairs.iter().any(|pair| of(*input, pair) != of(*input, &pairs[0]));
    let finite = |input: &PairInput| pairs.iter().all(|pair| of(*input, pair).is_finite());
    all.filter(|input| varies(input) && finite(input)).take(MAX_INPUTS).collect()
}

fn scaled(inputs: &[PairInput], (first, second): (Contestant<'_>, Contestant<'_>)) -> Vec<f64> {
    inputs.iter().map(|input| f64::from(input.of(first, second)) * SCALE).collect()
}

/// linfa's random forest with what its columns are.
pub struct DuelForest {
    forest: RandomForest<f64, bool>,
    inputs: Vec<PairInput>,
}

impl DuelForest {
    /// Fits a forest. Trees are built by several threads: each is a stock forest of one tree, with a seed of its own.
    ///
    /// # Errors
    /// When a setting makes no sense, when no input varies, and when linfa fails or panics.
    pub fn fit(
        pairs: &Pairs<'_>,
        settings: &DuelSettings,
        seed: &[u8; 32],
        threads: usize,
    ) -> Result<Self, TrainError> {
        if pairs.inputs.is_empty() {
            return Err(TrainError::NoPairs);
        }
        if settings.trees == 0 || settings.min_leaf == 0 {
            return Err(TrainError::Setting { name: "duels", what: "trees and rows of a leaf must be above 0" });
        }
        let (dataset, times) = pairs.dataset(settings.weighted);
        let least = settings.min_leaf as f32;
        let tree = DecisionTree::params().max_depth(Some(settings.depth)).min_weight_leaf(least);
        // What linfa would unwrap for each tree.
        tree.check_ref()?;
        let next = AtomicUsize::new(0);
        let build = || {
            let mut built = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= settings.trees {
                    return Ok::<_, linfa::Error>(built);
                }
                let rng = ChaCha8Rng::from_seed(derive_seed(seed, "duel tree", number as u64));
                let forest = RandomForestParams::new_fixed_rng(tree, rng)
                    .ensemble_size(1)
                    .bootstrap_proportion(1.0 / times)
                    .fit(&dataset)?;
                built.push((number, forest));
            }
        };
        let mut built = Vec::new();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(build)).collect();
            for worker in workers {
                built.extend(worker.join().map_err(|_| TrainError::Panicked)??);
            }
            Ok::<_, TrainError>(())
        })?;
        built.sort_by_key(|(number, _)| *number);
        let mut forest = RandomForest { models: Vec::new(), model_features: Vec::new() };
        for (_, one) in built {
            forest.models.extend(one.models);
            forest.model_features.extend(one.model_features);
        }
        Ok(Self { forest, inputs: pairs.inputs.clone() })
    }

    /// linfa's forest. Its columns are [`DuelForest::inputs`], times 1024.
    pub fn forest(&self) -> &RandomForest<f64, bool> {
        &self.forest
    }

    /// What the columns are.
    pub fn inputs(&self) -> &[PairInput] {
        &self.inputs
    }

    /// Share of linfa's trees, asked through linfa, that say that the first of each pair is faster.
    pub fn shares(&self, pairs: &Pairs<'_>) -> Vec<f64> {
        let values = pairs.pairs.iter().flat_map(|pair| scaled(&self.inputs, pairs.sides(pair))).collect();
        let shape = (pairs.len(), self.inputs.len());
        let records: Array2<f64> = Array2::from_shape_vec(shape, values).unwrap_or_else(|_| Array2::zeros(shape));
        let mut votes = vec![0.0; pairs.len()];
        for (tree, columns) in self.forest.models.iter().zip(&self.forest.model_features) {
            let says: Array1<bool> = tree.predict(&records.select(ndarray::Axis(1), columns));
            for (vote, says) in votes.iter_mut().zip(says) {
                *vote += f64::from(u8::from(says)) / self.forest.models.len() as f64;
            }
        }
        votes
    }

    /// As it is served: the same verdict as linfa's own prediction, tree by tree.
    pub(crate) fn flatten(&self) -> Result<Forest, NodeFault> {
        let (mut roots, mut nodes) = (Vec::new(), Vec::new());
        for (tree, columns) in self.forest.models.iter().zip(&self.forest.model_features) {
            let root = nodes.len();
            roots.push(root as u32);
            // Breadth first: the children of a node are appended when it is reached.
            let mut order = vec![tree.root_node()];
            let mut next = 0;
            while let Some(&node) = order.get(next) {
                let children = node.children();
                nodes.push(match (node.prediction(), &children[..]) {
                    (None, [Some(left), Some(right)]) => {
                        let (column, threshold, _) = node.split();
                        let flat =
                            Node::new(ceil_f32(threshold / SCALE), columns[column] as u8, (root + order.len()) as u32);
                        order.extend([&**left, &**right]);
                        flat
                    }
                    (verdict, _) => {
                        let vote = f32::from(u8::from(verdict.unwrap_or_default()));
                        Node::new(vote, LEAF, (root + next) as u32)
                    }
                });
                next += 1;
            }
        }
        let stats = vec![LeafStats::default(); nodes.len()];
        Forest::new(roots, nodes, stats, self.inputs.len())
    }
}

/// The least `f32` that is not below: the same values are less than it.
fn ceil_f32(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) < value { nearest.next_up() } else { nearest }
}

/// How much of a verdict is chance: forests trained `times` times with the same seed, and the mean share of `judged` pairs
/// on which two of them disagree.
///
/// # Errors
/// As [`DuelForest::fit`].
pub fn retrain_variance(
    pairs: &Pairs<'_>,
    judged: &Pairs<'_>,
    settings: &DuelSettings,
    seed: &[u8; 32],
    threads: usize,
    times: usize,
) -> Result<f64, TrainError> {
    let mut verdicts: Vec<Vec<bool>> = Vec::new();
    for _ in 0..times {
        let forest = DuelForest::fit(pairs, settings, seed, threads)?;
        verdicts.push(forest.shares(judged).into_iter().map(|share| share > 0.5).collect());
    }
    let (mut changed, mut asked) = (0, 0);
    for (index, one) in verdicts.iter().enumerate() {
        for other in &verdicts[index + 1..] {
            changed += one.iter().zip(other).filter(|(a, b)| a != b).count();
            asked += one.len();
        }
    }
    Ok(if asked == 0 { 0.0 } else { f64::from(changed as u32) / asked as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::duel::Duel;
    use crate::train::{Observation, synthetic};

    fn settings() -> DuelSettings {
        DuelSettings { trees: 12, depth: 7, min_leaf: 2, queries: 100, weighted: true }
    }

    fn all(data: &Observations) -> Vec<u32> {
        (0..data.len() as u32).collect()
    }

    #[test]
    fn the_served_share_is_that_of_linfas_own_trees() {
        let data = synthetic::observations(120, 1);
        let forest =
            DuelForest::fit(&Pairs::new(&data, &all(&data)).expect("pairs"), &settings(), &[1; 32], 2).expect("fits");
        let flat = Duel { inputs: forest.inputs().into(), forest: forest.flatten().expect("sound") };
        let mut asked = synthetic::observations(150, 2);
        // Rows that lie exactly on a threshold, where linfa goes right.
        let thresholds = flat.forest.nodes().iter().filter(|node| !node.is_leaf());
        for node in
            thresholds.filter(|node| matches!(flat.inputs[usize::from(node.input())], PairInput::First(_))).take(40)
        {
            let PairInput::First(feature) = flat.inputs[usize::from(node.input())] else { continue };
            for (plan, ln_ms) in [(0, 1.0), (1, 2.0), (2, 0.0)] {
                let mut features = asked.row(plan).features.to_vec();
                features[usize::from(feature)] = node.threshold;
                let group = 1_000_000 + u64::from(node.link);
                asked.push(Observation { plan, features: &features, ln_ms, group, weight: 1.0 }).expect("sound");
            }
        }
        let pairs = Pairs::new(&asked, &all(&asked)).expect("pairs");
        let (mut between, shares) = (0, forest.shares(&pairs));
        for (pair, linfa) in pairs.pairs.iter().zip(shares) {
            let (first, second) = pairs.sides(pair);
            let served = f64::from(flat.share(first, second));
            assert!((served - linfa).abs() < 1e-6, "{served} {linfa}");
            between += usize::from(linfa > 0.0 && linfa < 1.0);
        }
        assert!(between > 100, "the trees do not all say the same");
    }

    #[test]
    fn values_closer_than_linfa_splits_are_told_apart() {
        let mut data = Observations::new(["a", "b"]);
        let width = Feature::ALL.len();
        for group in 0..200_u16 {
            let mut features = vec![0.5; width];
            // Neighbours are 5 × 10⁻⁶ apart; unscaled, linfa would make no split.
            features[3] = f32::from(group) * 5e-6;
            let a = if group < 100 { 1.0 } else { 3.0 };
            for (plan, ln_ms) in [(0, a), (1, 2.0)] {
                let row = Observation { plan, features: &features, ln_ms, group: group.into(), weight: 1.0 };
                data.push(row).expect("sound");
            }
        }
        let pairs = Pairs::new(&data, &all(&data)).expect("pairs");
        let forest = DuelForest::fit(&pairs, &settings(), &[1; 32], 1).expect("fits");
        let right =
            forest.shares(&pairs).iter().enumerate().filter(|(group, share)| (**share > 0.5) == (*group < 100)).count();
        assert!(right > 190, "{right} of 200");
    }

    #[test]
    fn repeated_runs_are_one_candidate_with_their_median() {
        let mut data = Observations::new(["a", "b"]);
        let features = vec![0.5; Feature::ALL.len()];
        for (plan, ln_ms) in [(0, 1.0), (1, 2.0), (0, 9.0), (0, 1.5), (1, 2.2)] {
            data.push(Observation { plan, features: &features, ln_ms, group: 1, weight: 1.0 }).expect("sound");
        }
        let queries = data.queries(&all(&data));
        assert_eq!(queries[0].candidates, [(0, 1.5), (1, 2.1)]);
        assert_eq!(pairs_of(&data, &queries[0]).len(), 1);
    }

    #[test]
    fn the_share_of_chance_in_verdicts_is_small_and_none_for_one_forest() {
        let data = synthetic::observations(80, 4);
        let pairs = Pairs::new(&data, &all(&data)).expect("pairs");
        let chance = retrain_variance(&pairs, &pairs, &settings(), &[3; 32], 2, 3).expect("fits");
        assert!((0.0..0.1).contains(&chance), "{chance}");
        assert_eq!(retrain_variance(&pairs, &pairs, &settings(), &[3; 32], 2, 1).expect("fits"), 0.0);
    }

    #[test]
    fn a_threshold_is_rounded_so_that_the_same_values_are_below() {
        for value in [0.1, -0.1, 1.0 / 3.0, 1e-7, -1e9 - 0.5, 0.0] {
            let threshold = ceil_f32(value);
            assert!(f64::from(threshold) >= value && f64::from(threshold.next_down()) < value, "{value}");
        }
    }
}

//! A regression tree by variance reduction (CART; Breiman et al., 1984) over binned features, as a linfa learner:
//! linfa-trees has only trees for classes.

use linfa::traits::{Fit, PredictInplace};
use linfa::{DatasetBase, Error};
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::bins::{BINS, Bins};
use crate::serve::forest::{MAX_DEPTH, MAX_INPUTS};

/// ln of a latency, or of a ratio of latencies, in 10⁻⁹: linfa wants labels that can be compared and hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogNs(i64);

impl LogNs {
    /// From a natural logarithm.
    pub fn from_ln(ln: f64) -> Self {
        Self((ln * 1e9).round() as i64)
    }

    /// The natural logarithm.
    pub fn ln(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// How a tree grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Growth {
    /// Most splits on the way to a leaf.
    pub depth: u32,
    /// Least rows in a leaf.
    pub min_leaf: u32,
    /// Features that are looked at for each split, drawn without replacement from those that vary among its rows.
    pub mtry: usize,
}

/// Parameters of a [`VarTree`] as linfa's learners have them.
#[derive(Debug, Clone, PartialEq)]
pub struct VarTreeParams {
    /// How it grows.
    pub growth: Growth,
    /// Features that are never split on.
    pub ignored: Vec<usize>,
    /// What the features of each split are drawn from.
    pub seed: [u8; 32],
}

/// A node of a [`VarTree`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarNode {
    /// Feature, threshold and left child, for what is no leaf; the right child is next to the left.
    pub split: Option<(usize, f32, usize)>,
    /// Weighted mean of the training rows.
    pub mean: f32,
    /// Their weighted variance.
    pub variance: f32,
    /// Their number.
    pub support: u32,
}

/// A regression tree. A row goes left of a split if its feature is less than the threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct VarTree {
    nodes: Vec<VarNode>,
}

impl VarTree {
    /// The nodes in breadth-first order, the root first.
    pub fn nodes(&self) -> &[VarNode] {
        &self.nodes
    }

    /// The leaf of a row.
    pub fn leaf(&self, feature: impl Fn(usize) -> f32) -> &VarNode {
        let mut node = &self.nodes[0];
        while let Some((index, threshold, left)) = node.split {
            node = &self.nodes[if feature(index) < threshold { left } else { left + 1 }];
        }
        node
    }
}

impl Fit<Array2<f64>, Array1<LogNs>, Error> for VarTreeParams {
    type Object = VarTree;

    /// Fits a tree to all rows, with their weights if the dataset has any.
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, Array1<LogNs>>) -> Result<VarTree, Error> {
        let (records, targets) = (dataset.records(), dataset.targets());
        if records.nrows() == 0 {
            return Err(Error::NotEnoughSamples);
        }
        if records.nrows() != targets.len() {
            return Err(Error::MismatchedShapes(records.nrows(), targets.len()));
        }
        if records.ncols() > MAX_INPUTS || u32::try_from(records.nrows()).is_err() {
            return Err(Error::Parameters("too many features or rows".into()));
        }
        if !records.iter().all(|value| (*value as f32).is_finite()) {
            return Err(Error::Parameters("a feature is not finite".into()));
        }
        let bins = Bins::new(records.nrows(), records.ncols(), |row, feature| records[(row, feature)] as f32);
        let weights = dataset.weights().map(<[f32]>::to_vec);
        let targets: Vec<f64> = targets.iter().map(|target| target.ln()).collect();
        let rows = (0..records.nrows() as u32).collect();
        let soil = Soil { bins: &bins, targets: &targets, weights: weights.as_deref(), params: self };
        Ok(soil.grow(rows, &mut ChaCha8Rng::from_seed(self.seed)))
    }
}

impl PredictInplace<Array2<f64>, Array1<LogNs>> for VarTree {
    fn predict_inplace<'a>(&'a self, x: &'a Array2<f64>, y: &mut Array1<LogNs>) {
        for (row, target) in x.rows().into_iter().zip(y.iter_mut()) {
            let leaf = self.leaf(|feature| row.get(feature).map_or(0.0, |value| *value as f32));
            *target = LogNs::from_ln(f64::from(leaf.mean));
        }
    }

    fn default_target(&self, x: &Array2<f64>) -> Array1<LogNs> {
        Array1::default(x.nrows())
    }
}

/// What trees grow in.
pub(super) struct Soil<'a> {
    pub(super) bins: &'a Bins,
    /// For each row.
    pub(super) targets: &'a [f64],
    /// For each row; 1 without.
    pub(super) weights: Option<&'a [f32]>,
    pub(super) params: &'a VarTreeParams,
}

/// Sums over the rows of one bin.
#[derive(Clone, Copy, Default)]
struct Sums {
    weight: f64,
    target: f64,
    rows: u32,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.weight += other.weight;
        self.target += other.target;
        self.rows += other.rows;
    }

    /// What it takes off the sum of squares about 0 to go to that about the mean.
    fn explained(self) -> f64 {
        self.target * self.target / self.weight
    }
}

struct Split {
    feature: usize,
    cut: usize,
    gain: f64,
}

impl Soil<'_> {
    fn weight(&self, row: u32) -> f64 {
        self.weights.map_or(1.0, |weights| f64::from(weights[row as usize]))
    }

    /// A tree of these rows, which may come more than once.
    pub(super) fn grow(&self, mut rows: Vec<u32>, rng: &mut ChaCha8Rng) -> VarTree {
        let growth = self.params.growth;
        let mut nodes = vec![self.node(&rows)];
        // Nodes are split in the order in which they were added: breadth first.
        let mut ranges = vec![(0..rows.len(), 0)];
        let mut histogram = [Sums::default(); BINS + 1];
        let mut features: Vec<usize> =
            (0..self.bins.columns().len()).filter(|feature| !self.params.ignored.contains(feature)).collect();
        let mut moved = Vec::new();
        let mut next = 0;
        while next < nodes.len() {
            let (range, depth) = ranges[next].clone();
            let here = &mut rows[range.clone()];
            if depth < growth.depth.min(MAX_DEPTH)
                && let Some(split) = self.best_split(here, &mut features, &mut histogram, rng)
            {
                let column = &self.bins.columns()[split.feature];
                let middle = partition(here, &mut moved, |row| usize::from(column.codes[row as usize]) <= split.cut);
                nodes[next].split = Some((split.feature, column.cuts[split.cut], nodes.len()));
                for part in [range.start..range.start + middle, range.start + middle..range.end] {
                    nodes.push(self.node(&rows[part.clone()]));
                    ranges.push((part, depth + 1));
                }
            }
            next += 1;
        }
        VarTree { nodes }
    }

    fn node(&self, rows: &[u32]) -> VarNode {
        let (mut weight, mut target) = (0.0, 0.0);
        for &row in rows {
            weight += self.weight(row);
            target += self.weight(row) * self.targets[row as usize];
        }
        let mean = if weight > 0.0 { target / weight } else { 0.0 };
        let squares: f64 =
            rows.iter().map(|row| self.weight(*row) * (self.targets[*row as usize] - mean).powi(2)).sum();
        let variance = if weight > 0.0 { squares / weight } else { 0.0 };
        VarNode { split: None, mean: mean as f32, variance: variance as f32, support: rows.len() as u32 }
    }

    /// The split of `mtry` features that leaves the least variance, if one leaves less.
    fn best_split(
        &self,
        rows: &[u32],
        features: &mut [usize],
        histogram: &mut [Sums; BINS + 1],
        rng: &mut ChaCha8Rng,
    ) -> Option<Split> {
        let least = self.params.growth.min_leaf.max(1);
        if rows.len() < 2 * least as usize {
            return None;
        }
        let mut best: Option<Split> = None;
        let mut looked_at = 0;
        for drawn in 0..features.len() {
            // Fisher and Yates, as far as features are needed.
            let other = rng.gen_range(drawn as u32..features.len() as u32) as usize;
            features.swap(drawn, other);
            let feature = features[drawn];
            let column = &self.bins.columns()[feature];
            let bins = &mut histogram[..=column.cuts.len()];
            bins.fill(Sums::default());
            for &row in rows {
                let weight = self.weight(row);
                let target = weight * self.targets[row as usize];
                bins[usize::from(column.codes[row as usize])].add(Sums { weight, target, rows: 1 });
            }
            let mut all = Sums::default();
            bins.iter().for_each(|bin| all.add(*bin));
            if bins.iter().any(|bin| bin.rows == all.rows) {
                continue;
            }
            let mut left = Sums::default();
            for (cut, bin) in bins[..column.cuts.len()].iter().enumerate() {
                left.add(*bin);
                let right = Sums {
                    weight: all.weight - left.weight,
                    target: all.target - left.target,
                    rows: all.rows - left.rows,
                };
                if bin.rows == 0 || left.rows < least || right.rows < least {
                    continue;
                }
                let gain = left.explained() + right.explained() - all.explained();
                // What rounding alone may give is no gain.
                let floor = 1e-12 * (1.0 + all.explained());
                if gain > best.as_ref().map_or(floor, |best| best.gain) {
                    best = Some(Split { feature, cut, gain });
                }
            }
            looked_at += 1;
            if looked_at == self.params.growth.mtry.max(1) {
                break;
            }
        }
        best
    }
}

/// Brings the rows that go left to the front, keeping order on both sides. Returns how many they are.
fn partition(rows: &mut [u32], moved: &mut Vec<u32>, is_left: impl Fn(u32) -> bool) -> usize {
    moved.clear();
    let mut middle = 0;
    for index in 0..rows.len() {
        let row = rows[index];
        if is_left(row) {
            rows[middle] = row;
            middle += 1;
        } else {
            moved.push(row);
        }
    }
    rows[middle..].copy_from_slice(moved);
    middle
}

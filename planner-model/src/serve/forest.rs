//! Trees as one flat array of eight-byte nodes.
//!
//! Siblings are adjacent and trees lie breadth first, so that a node names only its left child. A leaf is its own left
//! child and tests an input that is less than everything: walking on from a leaf stays there, and all trees of a group
//! can take the same number of steps without a branch. Sixteen walks run in lockstep, so that the processor waits for
//! sixteen loads at once.

use crate::file::NodeFault;

/// The input that leaves test.
pub(crate) const LEAF: u8 = u8::MAX;
/// The most inputs that a forest can test.
pub(crate) const MAX_INPUTS: usize = LEAF as usize;
/// The most nodes of a forest: what 24 bits can name.
pub(crate) const MAX_NODES: usize = 1 << 24;
/// The most trees of a forest.
pub(crate) const MAX_TREES: usize = 4096;
/// The deepest tree.
pub(crate) const MAX_DEPTH: u32 = 24;

/// Walks that run in lockstep.
const LANES: usize = 16;

/// `left` if the input is less than the threshold, else the node after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    /// What the input is compared with; in a leaf, its value.
    pub(crate) threshold: f32,
    /// The left child in the upper 24 bits, the input in the lower 8.
    pub(crate) link: u32,
}

impl Node {
    #[cfg(any(test, feature = "train"))]
    pub(crate) fn new(threshold: f32, input: u8, left: u32) -> Self {
        Self { threshold, link: left << 8 | u32::from(input) }
    }

    #[inline(always)]
    pub(crate) fn input(self) -> u8 {
        self.link as u8
    }

    #[inline(always)]
    pub(crate) fn left(self) -> u32 {
        self.link >> 8
    }

    pub(crate) fn is_leaf(self) -> bool {
        self.input() == LEAF
    }
}

/// What is known of the training rows that fell into a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct LeafStats {
    /// Variance of the target among them.
    pub(crate) variance: f32,
    /// How many they were.
    pub(crate) support: f32,
}

/// The inputs of one walk. Indexed by a byte: no index is out of bounds.
pub(crate) struct Inputs([f32; 256]);

impl Inputs {
    /// All zero, and what leaves test.
    #[inline(always)]
    pub(crate) fn empty() -> Self {
        let mut values = [0.0; 256];
        values[LEAF as usize] = f32::NEG_INFINITY;
        Self(values)
    }

    /// These values in front. What is beyond [`MAX_INPUTS`] is left out.
    #[inline(always)]
    pub(crate) fn new(values: &[f32]) -> Self {
        let mut inputs = Self::empty();
        let count = values.len().min(MAX_INPUTS);
        inputs.0[..count].copy_from_slice(&values[..count]);
        inputs
    }

    /// Sets one input; one beyond [`MAX_INPUTS`] is left out.
    #[inline(always)]
    pub(crate) fn set(&mut self, index: usize, value: f32) {
        if index < MAX_INPUTS {
            self.0[index] = value;
        }
    }
}

/// Trees that were found to be sound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Forest {
    nodes: Box<[Node]>,
    /// For each node; zero for what is no leaf.
    stats: Box<[LeafStats]>,
    roots: Box<[u32]>,
    /// Steps until every tree of a group of [`LANES`] is at a leaf.
    steps: Box<[u32]>,
}

/// The mean of a forest for one row, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// Mean of the trees.
    pub(crate) mean: f64,
    /// Variance between trees plus the mean variance in their leaves.
    pub(crate) variance: f64,
    /// Mean number of training rows in the leaves.
    pub(crate) support: f64,
}

impl Forest {
    /// Checks everything that the walk relies on: each tree is a tree, in breadth-first order, within its own nodes and
    /// not too deep; inputs are below `width`; values are finite.
    pub(crate) fn new(
        roots: Vec<u32>,
        nodes: Vec<Node>,
        stats: Vec<LeafStats>,
        width: usize,
    ) -> Result<Self, NodeFault> {
        if roots.is_empty() || roots.len() > MAX_TREES {
            return Err(NodeFault::Trees(roots.len()));
        }
        if nodes.len() > MAX_NODES || stats.len() != nodes.len() || width > MAX_INPUTS {
            return Err(NodeFault::Nodes(nodes.len()));
        }
        let mut depths = Vec::with_capacity(roots.len());
        let mut expected = 0;
        for (tree, &root) in roots.iter().enumerate() {
            let start = root as usize;
            let end = roots.get(tree + 1).map_or(nodes.len(), |next| *next as usize);
            if start != expected || end <= start || end > nodes.len() {
                return Err(NodeFault::Root(tree));
            }
            depths.push(depth_of_sound_tree(&nodes, start, end, width)?);
            expected = end;
        }
        for (index, (node, stats)) in nodes.iter().zip(&stats).enumerate() {
            let sound = stats.variance.is_finite() && stats.variance >= 0.0 && stats.support.is_finite();
            if node.is_leaf() && !(sound && stats.support >= 0.0) {
                return Err(NodeFault::Leaf(index));
            }
        }
        let steps = depths.chunks(LANES).map(|group| group.iter().copied().max().unwrap_or(0)).collect();
        Ok(Self { nodes: nodes.into(), stats: stats.into(), roots: roots.into(), steps })
    }

    /// Trees.
    pub(crate) fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Where trees start.
    pub(crate) fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// All nodes of all trees.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// For each node.
    pub(crate) fn stats(&self) -> &[LeafStats] {
        &self.stats
    }

    /// The leaves that trees come to, group by group, in the order of trees.
    #[inline(always)]
    fn leaves(&self, inputs: &Inputs, mut group: impl FnMut(&[u32])) {
        let nodes = &self.nodes[..];
        for (roots, &steps) in self.roots.chunks(LANES).zip(&self.steps) {
            let mut at = [0; LANES];
            at[..roots.len()].copy_from_slice(roots);
            for _ in 0..steps {
                for lane in &mut at {
                    let node = nodes[*lane as usize];
                    // `>=` rather than `<` and the other way round: this way the comparison's carry is the sum's, at two
                    // thirds of the time. An input that is not a number goes left.
                    *lane = node.left() + u32::from(inputs.0[node.input() as usize] >= node.threshold);
                }
            }
            group(&at[..roots.len()]);
        }
    }

    /// Mean, spread and support.
    pub(crate) fn spread(&self, inputs: &Inputs) -> Spread {
        let (mut sum, mut squares, mut within, mut support) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
        self.leaves(inputs, |leaves| {
            // Sums over a group are in single precision, of values less one of them: nothing that matters is lost.
            let near = leaves.first().map_or(0.0, |leaf| self.nodes[*leaf as usize].threshold);
            let (mut group_sum, mut group_squares, mut group_within, mut group_support) = (0.0, 0.0, 0.0, 0.0);
            for &leaf in leaves {
                let value = self.nodes[leaf as usize].threshold - near;
                let stats = self.stats[leaf as usize];
                group_sum += value;
                group_squares += value * value;
                group_within += stats.variance;
                group_support += stats.support;
            }
            let (near, group_sum, count) = (f64::from(near), f64::from(group_sum), leaves.len() as f64);
            sum += group_sum + count * near;
            squares += f64::from(group_squares) + near * (2.0 * group_sum + count * near);
            within += f64::from(group_within);
            support += f64::from(group_support);
        });
        let share = 1.0 / self.roots.len() as f64;
        let mean = sum * share;
        let between = (squares * share - mean * mean).max(0.0);
        Spread { mean, variance: between + within * share, support: support * share }
    }

    /// What each tree says.
    pub(crate) fn values(&self, inputs: &Inputs) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.roots.len());
        self.leaves(inputs, |leaves| values.extend(leaves.iter().map(|leaf| self.nodes[*leaf as usize].threshold)));
        values
    }

    /// Mean of the trees.
    pub(crate) fn mean(&self, inputs: &Inputs) -> f32 {
        let mut sum = 0.0;
        self.leaves(inputs, |leaves| {
            sum += leaves.iter().map(|leaf| self.nodes[*leaf as usize].threshold).sum::<f32>();
        });
        sum / self.roots.len() as f32
    }
}

/// How deep a tree is, if its nodes are one: every node but the root is the child of exactly one node before it.
fn depth_of_sound_tree(nodes: &[Node], start: usize, end: usize, width: usize) -> Result<u32, NodeFault> {
    let mut depths = vec![0; end - start];
    let mut next = start + 1;
    let mut deepest = 0;
    for index in start..end {
        if index >= next {
            return Err(NodeFault::Orphan(index));
        }
        let node = nodes[index];
        let depth = depths[index - start];
        if !node.threshold.is_finite() {
            return Err(NodeFault::NotFinite(index));
        }
        if node.is_leaf() {
            if node.left() as usize != index {
                return Err(NodeFault::Leaf(index));
            }
            deepest = deepest.max(depth);
            continue;
        }
        if usize::from(node.input()) >= width {
            return Err(NodeFault::Input { node: index, input: node.input() });
        }
        if node.left() as usize != next || next + 2 > end {
            return Err(NodeFault::Child(index));
        }
        if depth + 1 > MAX_DEPTH {
            return Err(NodeFault::Depth(index));
        }
        depths[next - start] = depth + 1;
        depths[next + 1 - start] = depth + 1;
        next += 2;
    }
    Ok(deepest)
}

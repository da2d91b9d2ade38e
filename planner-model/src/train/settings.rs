use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::duel::DuelSettings;
use super::tree::Growth;
use super::{Observations, TrainError};
use crate::Feature;
use crate::serve::forest::{MAX_DEPTH, MAX_TREES};

/// What a model is trained with.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// All chance comes from this.
    pub seed: u64,
    /// Trees of each latency forest.
    pub trees: usize,
    /// How trees grow. Of several, those are looked at whose choices on the validation split have the least regret, or more by
    /// no more than its standard error; of these, the one with the least error in ln(ms) is taken.
    pub growth: Vec<Growth>,
    /// Whether forests learn the ratio to the analytic cost of the cheapest candidate, so that a model fits machines with other
    /// constants.
    pub relative: bool,
    /// Features, by their place in the schema, that latency forests never split on.
    pub ignored: Vec<usize>,
    /// A plan with fewer training rows gets no forest.
    pub least_rows: usize,
    /// The duel forest, or none.
    pub duel: Option<DuelSettings>,
    /// Factors within which candidates count as close. Of several, the first whose regret on the validation split is the
    /// least, or more by no more than its standard error.
    pub near_ties: Vec<f64>,
    /// Threads.
    pub threads: usize,
    /// Where finished forests are kept: training that was interrupted goes on from there.
    pub checkpoint: Option<PathBuf>,
    /// Constants of the analytic model, for the file.
    pub constants: BTreeMap<String, f64>,
    /// When, for the card. Left out, the file depends on data and settings alone, but for the duel forest.
    pub created: Option<String>,
    /// More for the card.
    pub card: Map<String, Value>,
}

impl Default for Settings {
    /// 64 trees of depth 10, relative to the analytic cost of the cheapest candidate. Analytic costs themselves are then not split on, but
    /// by how much they exceed that one.
    fn default() -> Self {
        let mtry = Feature::ALL.len().div_ceil(2);
        Self {
            seed: 1,
            trees: 64,
            growth: vec![Growth { depth: 10, min_leaf: 4, mtry }],
            relative: true,
            ignored: vec![Feature::AnalyticCost as usize],
            least_rows: 40,
            duel: Some(DuelSettings::default()),
            near_ties: vec![1.25],
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            checkpoint: None,
            constants: BTreeMap::new(),
            created: None,
            card: Map::new(),
        }
    }
}

impl Settings {
    /// A small grid: trees of depth 8, 10 and 12 with leaves of 2, 4 and 8 rows and half or all features, and near-ties from
    /// none to twice the least.
    #[must_use]
    pub fn with_grid(mut self) -> Self {
        let all = Feature::ALL.len();
        self.growth.clear();
        for (depth, min_leaf) in [(8, 4), (10, 2), (10, 4), (10, 8), (12, 4)] {
            for mtry in [all.div_ceil(2), all] {
                self.growth.push(Growth { depth, min_leaf, mtry });
            }
        }
        self.near_ties = vec![1.25, 1.1, 1.5, 1.0, 2.0];
        self
    }

    pub(super) fn check(&self) -> Result<(), TrainError> {
        let off = |name, what| Err(TrainError::Setting { name, what });
        if self.trees == 0 || self.trees > MAX_TREES {
            return off("trees", "not between 1 and 4096");
        }
        if self.growth.is_empty() || self.growth.iter().any(|growth| growth.depth == 0 || growth.depth > MAX_DEPTH) {
            return off("growth", "none, or a depth not between 1 and 24");
        }
        if self.growth.iter().any(|growth| growth.mtry == 0 || growth.min_leaf == 0) {
            return off("growth", "no features or rows");
        }
        if self.near_ties.is_empty() || !self.near_ties.iter().all(|ratio| (1.0..=100.0).contains(ratio)) {
            return off("near_ties", "none, or not between 1 and 100");
        }
        if self.duel.as_ref().is_some_and(|duel| duel.trees > MAX_TREES || duel.depth > MAX_DEPTH as usize) {
            return off("duel", "more than 4096 trees, or deeper than 24");
        }
        Ok(())
    }
}

/// Which rows are used for what. No query may be in two of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// Forests learn from these, and in the end also from the next.
    pub train: Vec<u32>,
    /// Settings are chosen by these.
    pub validation: Vec<u32>,
    /// Quantile factors come from these.
    pub calibration: Vec<u32>,
}

impl Split {
    /// Puts each query, by a hash of its id, into one of the three: 70 %, 15 %, 15 %.
    pub fn by_group(data: &Observations, rows: impl IntoIterator<Item = u32>, seed: u64) -> Self {
        let mut split = Self::default();
        for row in rows {
            let share = group_share(data.row(row as usize).group, seed);
            let part = if share < 0.70 {
                &mut split.train
            } else if share < 0.85 {
                &mut split.validation
            } else {
                &mut split.calibration
            };
            part.push(row);
        }
        split
    }
}

/// A number in 0..1 that depends on the query and the seed only.
pub(super) fn group_share(group: u64, seed: u64) -> f64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(&group.to_le_bytes());
    let hash = blake3::hash(&bytes);
    let first = hash.as_bytes().first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    (first >> 11) as f64 / (1_u64 << 53) as f64
}

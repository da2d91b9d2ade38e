use std::path::PathBuf;

use crate::ModelError;

/// Why nothing was trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// No rows.
    #[error("there is no data")]
    Empty,
    /// A row with another number of features than the schema has.
    #[error("a row has {found} features, the schema has {expected}")]
    Width {
        /// Features of the row.
        found: usize,
        /// Features of the schema.
        expected: usize,
    },
    /// A row of a plan that was not named.
    #[error("a row is of plan {plan}, of {plans}")]
    UnknownPlan {
        /// The row's plan.
        plan: usize,
        /// Named plans.
        plans: usize,
    },
    /// A feature, label or weight that is not finite, or a weight that is not above 0.
    #[error("row {row}: the {what} is not finite, or no weight")]
    NotFinite {
        /// The row, by the order in which rows were given.
        row: usize,
        /// `label`, `weight` or the name of the feature.
        what: &'static str,
    },
    /// All rows are of one plan: there is nothing to choose between.
    #[error("all rows are of plan {plan}: there is nothing to choose between")]
    OnePlan {
        /// Its name.
        plan: String,
    },
    /// Plans have fewer training rows than the least.
    #[error("no plan has {least} training rows")]
    TooFewRows {
        /// The least.
        least: usize,
    },
    /// No query ran with two candidates whose latencies differ: there are no pairs to train duels on.
    #[error("no query ran with two candidates of different latency")]
    NoPairs,
    /// All pairs have the same winner: the first or the second of the order in which pairs are shown.
    #[error("in all {pairs} pairs the same side is faster")]
    OneSided {
        /// Pairs.
        pairs: usize,
    },
    /// A setting that makes no sense.
    #[error("setting {name}: {what}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is off.
        what: &'static str,
    },
    /// linfa could not train.
    #[error("linfa: {0}")]
    Linfa(#[from] linfa::Error),
    /// A training thread panicked inside linfa.
    #[error("training the duel forest panicked")]
    Panicked,
    /// What was trained is no model.
    #[error("what was trained is no model: {0}")]
    Model(#[from] ModelError),
    /// The checkpoint folder cannot be used.
    #[error("checkpoint {path}: {source}")]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

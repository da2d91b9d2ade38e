//! Training, offline: rows of executed candidates in, a [`Model`] out.
//!
//! - L, the latency forests ([`LatencyForest`]): linfa-ensemble's bagging over our regression tree ([`VarTree`]), which
//!   implements linfa's traits, one forest for each plan;
//! - D, the duel forest ([`DuelForest`]): linfa's stock random forest, on pairs of candidates of one query;
//! - quantile factors by split conformal prediction;
//! - settings chosen by the regret of choices on queries that no forest was trained on.
//!
//! L is the same, byte by byte, for the same rows and settings, whatever the number of threads. D is not: linfa's trees
//! depend on the order of a hash map. Both have their hash in the model's card.

mod bins;
mod calibrate;
mod checkpoint;
mod data;
mod duel;
mod error;
mod latency;
mod regret;
mod run;
pub mod scoring;
mod settings;
pub mod synthetic;
mod tree;

pub use data::{Observation, Observations};
pub use duel::{DuelForest, DuelSettings, Pairs, retrain_variance};
pub use error::TrainError;
pub use latency::{ForestSettings, LatencyForest};
pub use regret::{Chosen, choices, geometric_mean};
pub use run::{GrowthResult, Trained, train, train_split};
pub use settings::{Settings, Split};
pub use tree::{Growth, LogNs, VarNode, VarTree, VarTreeParams};

//! What Forebay's planner knows of a candidate plan before it runs ([`Features`]), and who turns that into a predicted
//! latency ([`LatencyModel`]).
//!
//! The gateway fills features and asks; it knows no forest. Its own analytic model is one implementation of the trait; a
//! trained one will be another.

#[cfg(feature = "tool")]
pub mod dataset;
#[cfg(feature = "tool")]
pub mod evaluate;
mod features;
mod file;
#[cfg(feature = "log")]
pub mod log;
pub mod record;
mod schema;
mod serve;
#[cfg(test)]
mod testing;
#[cfg(feature = "tool")]
pub mod tool;
#[cfg(feature = "train")]
pub mod train;

pub use features::{COUNT as FEATURES, Feature, Features};
pub use file::{Card, EXTENSION, FORMAT_VERSION, MAX_BYTES, Manifest, ModelError, NodeFault, PlanEntry, SplitEntry};
pub use schema::{schema_hash, short_hex};
pub use serve::choose::{Choice, Contender, SettledBy, choose};
pub use serve::duel::{Contestant, PairInput};
pub use serve::explain::Contributions;
pub use serve::model::{LEVELS, LatencyEstimate, Level, Model, analytic_ln_ms, scale_ln_ms};

/// A prediction that fewer training rows in the mean stand behind is not believed.
pub const LEAST_SUPPORT: f32 = 5.0;

/// A predicted latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Expected latency in microseconds.
    pub us: f64,
    /// Latency that 95 % of such queries stay below, in microseconds, where the model knows.
    pub q95_us: Option<f64>,
    /// Standard deviation of the latency's logarithm, where the model knows.
    pub spread: Option<f64>,
}

/// Why a model says nothing of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It has seen no run of this plan, or too few.
    Untrained,
    /// A feature is outside of what it was trained on.
    Outside(Feature),
    /// Too few of the runs that it was trained on are like this.
    Thin,
}

/// Predicts how long a candidate plan will take. Must not allocate or wait: it is asked in the path of every query.
pub trait LatencyModel: Send + Sync {
    /// A name with a version, shown by `explain`.
    fn name(&self) -> &str;

    /// The latency of a candidate of one plan kind, or why the next model down is to be asked. `plan` is the kind's index in
    /// the gateway's list of plan kinds.
    fn predict(&self, plan: usize, features: &Features) -> Result<Prediction, Silence>;

    /// Candidates whose predicted latencies differ by no more than this factor are about equal, and are compared in pairs.
    fn near_tie(&self) -> f64 {
        1.0
    }

    /// How sure the model is that the first of two candidates of one query is the faster, 0 to 1. `None` where it does not
    /// compare.
    fn faster(&self, _first: (usize, &Features), _second: (usize, &Features)) -> Option<f64> {
        None
    }
}

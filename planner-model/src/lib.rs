//! What Forebay's planner knows of a candidate plan before it runs ([`Features`]), and who turns that into a predicted
//! latency ([`LatencyModel`]).
//!
//! The gateway fills features and asks; it knows no forest. Its own analytic model is one implementation of the trait; a
//! trained one will be another.

mod features;
mod file;
pub mod record;
mod schema;
mod serve;
#[cfg(feature = "train")]
pub mod train;

pub use features::{COUNT as FEATURES, Feature, Features};
pub use file::{Card, EXTENSION, FORMAT_VERSION, MAX_BYTES, Manifest, ModelError, NodeFault, PlanEntry, SplitEntry};
pub use schema::{schema_hash, short_hex};
pub use serve::choose::{Choice, Contender, SettledBy, choose};
pub use serve::duel::{Contestant, PairInput};
pub use serve::explain::Contributions;
pub use serve::model::{LEVELS, LatencyEstimate, Level, Model, analytic_ln_ms};

/// A predicted latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Expected latency in microseconds.
    pub us: f64,
    /// Latency that 95 % of such queries stay below, in microseconds, where the model knows.
    pub q95_us: Option<f64>,
}

/// Predicts how long a candidate plan will take. Must not allocate or wait: it is asked in the path of every query.
pub trait LatencyModel: Send + Sync {
    /// A name with a version, shown by `explain`.
    fn name(&self) -> &str;

    /// The latency of a candidate of one plan kind, or `None` where the model knows too little and the next one down is to
    /// be asked. `plan` is the kind's index in the gateway's list of plan kinds.
    fn predict(&self, plan: usize, features: &Features) -> Option<Prediction>;
}

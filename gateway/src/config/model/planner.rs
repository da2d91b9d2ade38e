//! The planner's section.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The planner: the model that predicts latencies, the log that models are trained from, and what is tried out. Without a model
/// it goes by analytic costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlannerConfig {
    /// A model file. A relative path starts at the configuration file. With `cache.l3` gateways also take the model that
    /// another one left in the object store.
    pub model: Option<PathBuf>,
    /// Time between two looks for a model in the object store, in milliseconds.
    #[schemars(range(min = 1))]
    pub poll_ms: u64,
    /// Part of the queries beside which another plan runs in the background, to see whether it would have been better; 0 for
    /// none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duels: f64,
    /// Most of the backend time of callers' plans that such duels take.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duel_time: f64,
    /// A query whose walk reaches more or fewer nodes than estimated by this factor is planned again in the middle.
    #[schemars(range(min = 1.0))]
    pub replan_factor: f64,
    /// The query log.
    pub log: PlannerLogConfig,
}

impl Default for PlannerConfig {
    fn default() -> Self {
        Self {
            model: None,
            poll_ms: 30_000,
            duels: 0.02,
            duel_time: 0.03,
            replan_factor: 4.0,
            log: PlannerLogConfig::default(),
        }
    }
}

/// The query log: features, predictions and latencies of planned queries, in compressed segments. No vector, literal or id is in
/// it; digests of queries and tenants are keyed with a secret that lies beside the segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlannerLogConfig {
    /// The folder; without one there is no log. A relative path starts at the configuration file.
    pub dir: Option<PathBuf>,
    /// Part of the queries that are logged. Duels and queries that ask for a plan all are.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample: f64,
    /// Most bytes of all segments; the oldest go first.
    #[schemars(range(min = 65536))]
    pub max_bytes: u64,
}

impl Default for PlannerLogConfig {
    fn default() -> Self {
        Self { dir: None, sample: 0.1, max_bytes: 256 << 20 }
    }
}

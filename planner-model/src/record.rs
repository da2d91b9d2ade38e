//! One planned query, as the query log keeps it and training reads it: what was known before, what was chosen, what
//! happened. No vector, literal or id of a query is in it; digests are keyed with a secret of the log.

use serde::{Deserialize, Serialize};

use crate::features::{COUNT, Features};

/// The version of this form. A reader skips and counts records of another one.
pub const RECORD_VERSION: u16 = 1;

/// One run of one candidate of one query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub v: u16,
    /// Hash of the features' names, units and order ([`crate::schema_hash`]), the first sixteen hexadecimal digits of it.
    pub schema: String,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The collection.
    pub collection: String,
    /// Digest of the query: equal for exact repeats.
    pub query: String,
    /// Digest of the query's shape: what is left when values, ids and vectors are taken away.
    pub template: String,
    /// Digest of the tenant, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The name of the model that predicted: `analytic`, or a trained one.
    pub model: String,
    /// Epochs of the statistics that estimates came from: of entities, of the graph.
    pub statistics: (u64, u64),
    /// Why this candidate ran.
    pub mode: Mode,
    /// Equal for runs of one query that belong together: a duel, or a sweep of all candidates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Which repetition of a sweep it is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repetition: u32,
    /// What the cache held.
    pub cache: CacheState,
    /// Every candidate in the order of enumeration.
    pub candidates: Vec<CandidateRecord>,
    /// Which one ran.
    pub ran: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// Microseconds of the ranked part: what models predict. Fetching attributes, neighbours and paths of the final items costs
    /// the same in every plan and is left out. At least this where the outcome is [`Outcome::DeadlineExceeded`].
    pub ranked_us: f64,
    /// Microseconds of the whole execution.
    pub total_us: f64,
    /// What each operator did, in order of completion.
    pub operators: Vec<OperatorRecord>,
    /// What was estimated, and what turned out.
    pub estimated: Cardinalities,
    /// What turned out, as far as this plan could tell.
    pub actual: Cardinalities,
    /// Items of the answer.
    pub items: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Record {
    /// The candidate that ran. `None` for a damaged record.
    pub fn candidate(&self) -> Option<&CandidateRecord> {
        self.candidates.get(self.ran)
    }
}

/// Why a candidate ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It was chosen on the path of a caller.
    Chosen,
    /// The caller asked for this plan.
    Forced,
    /// It ran in the background, beside the one that was chosen.
    Shadow,
    /// A sweep ran all candidates.
    Sweep,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// With a whole answer.
    Ok,
    /// Time ran out: the latency is a lower bound.
    DeadlineExceeded,
    /// Nobody waited any more: the latency is a lower bound.
    Cancelled,
    /// A backend failed: the latency says nothing.
    Failed,
}

/// What the cache held of a query's legs when it was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct CacheState {
    /// The reached ids.
    pub reach: bool,
    /// A ranked list.
    pub list: bool,
}

/// A candidate before it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateRecord {
    /// Its kind: `vector-first`, `graph-first`, `parallel`, `filtered-vector`, `cached-partial`.
    pub plan: String,
    /// Its operators, on one line.
    pub operators: String,
    /// All features in the order of [`crate::Feature::ALL`].
    pub features: Vec<f32>,
    /// What the analytic cost model said, in microseconds.
    pub analytic_us: f64,
    /// What the choice went by, in microseconds.
    pub predicted_us: f64,
    /// The 95th percentile that was predicted, in microseconds, where the model knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q95_us: Option<f64>,
}

impl CandidateRecord {
    /// The features; `None` where their number is another or one is not finite.
    pub fn features(&self) -> Option<Features> {
        let values: [f32; COUNT] = self.features.as_slice().try_into().ok()?;
        Features::of(values)
    }
}

/// What one operator did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorRecord {
    /// Its name.
    pub operator: String,
    /// Items that came in.
    pub rows_in: u64,
    /// Items that came out.
    pub rows_out: u64,
    /// Rows or edges that the store looked at.
    pub examined: u64,
    /// Calls to a backend.
    pub calls: u32,
    /// Microseconds until it was done.
    pub us: f64,
}

/// Numbers that estimates are about. What is not known is absent.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cardinalities {
    /// Fraction of entities that pass the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selectivity: Option<f64>,
    /// Distinct nodes reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<f64>,
    /// Edges looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<f64>,
    /// Ranked candidates taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn a_record_and_its_features_survive_json_bit_by_bit() {
        let record = record();
        let read: Record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(read, record);
        let features = read.candidate().unwrap().features().unwrap();
        assert_eq!(features.values().as_slice(), record.candidates[0].features.as_slice());
    }

    #[test]
    fn features_of_another_length_or_not_finite_are_refused() {
        let mut candidate = record().candidates.remove(0);
        candidate.features[3] = f32::NAN;
        assert!(candidate.features().is_none());
        candidate.features.pop();
        assert!(candidate.features().is_none());
    }

    #[test]
    fn a_record_that_names_a_candidate_that_is_not_there_has_none() {
        assert!(Record { ran: 7, ..record() }.candidate().is_none());
    }
}

//! What was learnt, for operators.

use serde::Serialize;

use super::{
    Experience,
    counters::{DUELS, DuelRefusal},
};
use crate::execute::Surprise;

/// Templates shown.
const TEMPLATES: usize = 50;

/// What was learnt from runs.
#[derive(Debug, Clone, Serialize)]
pub struct ExperienceReport {
    /// Queries whose runs are remembered, each in one state of the cache.
    pub remembered_queries: usize,
    /// The query log.
    pub log: LogReport,
    /// Duels.
    pub duels: DuelsReport,
    /// Runs that went on with another plan, by what was found out.
    pub replanned: std::collections::BTreeMap<&'static str, u64>,
    /// What is watched for drift.
    pub drift: Vec<DriftReport>,
    /// Shapes of queries, those with the most runs first.
    pub templates: Vec<TemplateReport>,
}

/// The query log in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct LogReport {
    /// Records written.
    pub written: u64,
    /// Records lost because the thread that writes was behind.
    pub lost: u64,
    /// Records that could not be written.
    pub failed: u64,
}

/// Duels in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct DuelsReport {
    /// How they ended for the chosen plan.
    pub outcomes: std::collections::BTreeMap<&'static str, u64>,
    /// Those that were due and not held.
    pub refused: std::collections::BTreeMap<&'static str, u64>,
    /// Geometric mean of the chosen plan's latency over that of the faster one of each pair.
    pub regret: Option<f64>,
    /// Backend seconds of callers' plans and of duels.
    pub callers_seconds: f64,
    /// Backend seconds of duels.
    pub duels_seconds: f64,
}

/// Something that is watched for drift.
#[derive(Debug, Clone, Serialize)]
pub struct DriftReport {
    /// The collection.
    pub collection: String,
    /// A kind of plan, `vector-leg` or `graph-leg`.
    pub what: &'static str,
    /// Runs that were watched.
    pub runs: u64,
    /// Standard errors by which the last window was off.
    pub z: f64,
    /// Two windows in a row were off, and no two since were not.
    pub alarmed: bool,
    /// Latencies over what was expected; 1 unless alarmed.
    pub times: f64,
    /// Alarms so far.
    pub alarms: u64,
}

/// The shape of a query.
#[derive(Debug, Clone, Serialize)]
pub struct TemplateReport {
    /// The collection.
    pub collection: String,
    /// The shape in words.
    pub template: String,
    /// Runs for callers.
    pub runs: u64,
    /// Estimates of reached nodes are multiplied with this.
    pub reach_factor: f64,
    /// Runs that it was learnt from.
    pub reach_runs: u32,
    /// Estimates of the fraction that passes the filter are multiplied with this.
    pub selectivity_factor: f64,
    /// Runs that it was learnt from.
    pub selectivity_runs: u32,
    /// Duels.
    pub duels: u64,
    /// Geometric mean of the chosen plan's latency over that of the faster one of each pair.
    pub regret: Option<f64>,
    /// Among the last duels in which the model and the analytic costs disagree: how often the model was right.
    pub model_won: u64,
    /// And how often not.
    pub model_lost: u64,
    /// The probability of so many defeats if the model were as good as the analytic costs.
    pub chance: f64,
    /// It is planned without the model.
    pub fell_back: bool,
}

impl Experience {
    /// What was learnt, for operators.
    pub fn report(&self) -> ExperienceReport {
        let counters = self.counters();
        let [written, lost, failed] = counters.logged;
        ExperienceReport {
            remembered_queries: self.table.len(),
            log: LogReport { written, lost, failed },
            duels: DuelsReport {
                outcomes: DUELS.into_iter().zip(counters.duels).collect(),
                refused: DuelRefusal::ALL.map(DuelRefusal::as_str).into_iter().zip(counters.refusals).collect(),
                regret: counters.regret,
                callers_seconds: counters.spent_seconds[0],
                duels_seconds: counters.spent_seconds[1],
            },
            replanned: Surprise::ALL.map(Surprise::as_str).into_iter().zip(counters.replanned).collect(),
            drift: self.drift.report(),
            templates: self.templates.report(TEMPLATES),
        }
    }
}

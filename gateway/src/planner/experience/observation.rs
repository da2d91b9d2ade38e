//! One run of a plan, as it is handed over from the path of queries, and as the log keeps it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use planner_model::{
    record::{CacheState, CandidateRecord, Cardinalities, Mode, OperatorRecord, Outcome, RECORD_VERSION, Record},
    schema_hash, short_hex,
};

use super::secret::Secret;
use crate::{
    cache::Digest,
    execute::OperatorRun,
    planner::{Candidate, Planned},
};

/// A run.
#[derive(Debug)]
pub struct Observation {
    /// When it ended.
    pub at: SystemTime,
    /// The collection.
    pub collection: Arc<str>,
    /// The query's key.
    pub query: Digest,
    /// The tenant, where there is one.
    pub tenant: Option<Arc<str>>,
    /// What was planned.
    pub planned: Arc<Planned>,
    /// Which candidate ran.
    pub ran: usize,
    /// Why.
    pub mode: Mode,
    /// Equal for the two runs of a duel.
    pub group: Option<Arc<str>>,
    /// What the cache held.
    pub cache: CacheState,
    /// How it ended.
    pub outcome: Outcome,
    /// It went on with another plan in the middle: its latency is nobody's.
    pub replanned: bool,
    /// Time of the ranked part, as far as it came.
    pub ranked: Duration,
    /// Time of the whole execution.
    pub total: Duration,
    /// What operators did.
    pub runs: Vec<OperatorRun>,
    /// What turned out beside that.
    pub found: Found,
    /// Whether the log takes it.
    pub logged: bool,
}

/// What only the answer tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    /// The fraction of entities that pass the filter, where all that pass were seen.
    pub selectivity: Option<f64>,
    /// Items of the answer.
    pub items: u32,
}

impl Observation {
    /// Whether its latency is that of the candidate that ran.
    pub fn is_whole(&self) -> bool {
        self.outcome == Outcome::Ok && !self.replanned
    }

    /// The candidate that ran.
    pub fn candidate(&self) -> &Candidate {
        &self.planned.candidates[self.ran]
    }

    /// Microseconds of the ranked part; never 0.
    pub fn ranked_us(&self) -> f64 {
        (self.ranked.as_secs_f64() * 1e6).max(0.1)
    }

    /// What turned out, as far as this plan could tell.
    pub fn actual(&self) -> Cardinalities {
        let run = |name: &str| self.runs.iter().find(|run| run.operator == name);
        let walked = run("Reach").filter(|run| run.calls > 0);
        let joined = run("RankReached");
        Cardinalities {
            selectivity: self.found.selectivity,
            reach: walked.map(|run| run.rows_out as f64).or(joined.map(|run| run.rows_in as f64)),
            edges: walked.map(|run| run.examined as f64),
            candidates: run("Ann").map(|run| run.rows_out as f64),
        }
    }

    /// What the log keeps of it.
    pub(super) fn record(&self, secret: &Secret) -> Record {
        let planned = &*self.planned;
        let estimates = &planned.estimates;
        let walks = estimates.reach > 0.0;
        let since = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Record {
            v: RECORD_VERSION,
            schema: short_hex(&schema_hash()),
            at_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            collection: self.collection.to_string(),
            query: secret.digest("query", &self.query),
            template: secret.digest("template", &planned.template.id.to_le_bytes()),
            tenant: self.tenant.as_ref().map(|tenant| secret.digest("tenant", tenant.as_bytes())),
            model: planned.model.to_string(),
            statistics: planned.statistics,
            mode: self.mode,
            group: self.group.as_ref().map(ToString::to_string),
            repetition: 0,
            cache: self.cache,
            candidates: planned.candidates.iter().map(candidate).collect(),
            ran: self.ran,
            outcome: self.outcome,
            ranked_us: self.ranked_us(),
            total_us: self.total.as_secs_f64() * 1e6,
            operators: self.runs.iter().map(operator).collect(),
            estimated: Cardinalities {
                selectivity: Some(estimates.selectivity.likely),
                reach: walks.then_some(estimates.reach),
                edges: walks.then_some(estimates.edges),
                candidates: None,
            },
            actual: self.actual(),
            items: self.found.items,
        }
    }
}

fn candidate(candidate: &Candidate) -> CandidateRecord {
    CandidateRecord {
        plan: candidate.plan.kind.as_str().to_owned(),
        operators: candidate.plan.root.to_string(),
        features: candidate.features.values().to_vec(),
        analytic_us: candidate.analytic_us,
        predicted_us: candidate.predicted_us,
        q95_us: candidate.q95_us,
    }
}

fn operator(run: &OperatorRun) -> OperatorRecord {
    OperatorRecord {
        operator: run.operator.to_owned(),
        rows_in: run.rows_in,
        rows_out: run.rows_out,
        examined: run.examined,
        calls: run.calls,
        us: run.spent.as_secs_f64() * 1e6,
    }
}

//! What a gateway explains of a run, and the record that it makes.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    Feature,
    record::{CacheState, CandidateRecord, Cardinalities, Mode, OperatorRecord, Outcome, RECORD_VERSION, Record},
    schema_hash, short_hex,
};

/// An answer with its explanation.
#[derive(Debug, Deserialize)]
pub(super) struct Explained {
    #[serde(default)]
    pub(super) items: Vec<Item>,
    pub(super) plan: Report,
}

/// What is compared of an item.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Item {
    pub(super) id: String,
    #[serde(default)]
    pub(super) score: Option<f64>,
}

/// The `plan` member.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Report {
    model: String,
    pub(super) canonical: String,
    pub(super) template: String,
    statistics: (u64, u64),
    estimates: Estimates,
    pub(super) candidates: Vec<Candidate>,
    cached: Vec<String>,
    #[serde(default)]
    operators: Vec<Operator>,
    ranked_ms: Option<f64>,
    #[serde(default)]
    steps_ms: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Estimates {
    selectivity: [f64; 3],
    reach: f64,
    edges: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Candidate {
    pub(super) plan: String,
    pub(super) variant: usize,
    pub(super) operators: String,
    predicted_us: f64,
    #[serde(default)]
    q95_us: Option<f64>,
    analytic_us: f64,
    features: BTreeMap<String, f32>,
}

#[derive(Debug, Clone, Deserialize)]
struct Operator {
    operator: String,
    rows_in: u64,
    rows_out: u64,
    examined: u64,
    calls: u32,
    ms: f64,
}

/// A candidate by what `options` call it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) plan: String,
    pub(super) variant: usize,
}

/// What the gateway does not say of a run.
pub(super) struct About<'a> {
    pub(super) collection: &'a str,
    pub(super) query: &'a str,
    pub(super) template: &'a str,
    pub(super) group: &'a str,
    pub(super) repetition: u32,
    pub(super) at_ms: i64,
}

/// Why an explanation makes no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("the gateway's candidates have no feature `{0}`: it is of another version")]
    Feature(&'static str),
    #[error("the gateway's candidates have features that this program does not know: it is of another version")]
    MoreFeatures,
    #[error("the candidate that ran is not among those that were explained")]
    Gone,
    #[error("the gateway says nothing of how long the ranked part took")]
    Untimed,
}

impl Report {
    /// What the cache held.
    pub(super) fn cache(&self) -> CacheState {
        let has = |what: &str| self.cached.iter().any(|cached| cached == what);
        CacheState { reach: has("reach"), list: has("list") }
    }

    /// Its candidates.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let wanted = |candidate: &Candidate| Wanted { plan: candidate.plan.clone(), variant: candidate.variant };
        self.candidates.iter().map(wanted).collect()
    }

    /// The record of a run to its end.
    pub(super) fn record(&self, about: &About<'_>, ran: &Wanted, items: usize) -> Result<Record, Unusable> {
        let ranked_us = self.ranked_ms.ok_or(Unusable::Untimed)? * 1e3;
        let total_us = self.steps_ms.get("execute").map_or(ranked_us, |ms| ms * 1e3);
        self.of(about, ran, Outcome::Ok, (ranked_us, total_us), items)
    }

    /// The record of a run that was cut off, from an explanation of the same query.
    pub(super) fn cut_off(&self, about: &About<'_>, ran: &Wanted, after_us: f64) -> Result<Record, Unusable> {
        let silent = Self { operators: Vec::new(), ..self.clone() };
        silent.of(about, ran, Outcome::DeadlineExceeded, (after_us, after_us), 0)
    }

    fn of(
        &self,
        about: &About<'_>,
        ran: &Wanted,
        outcome: Outcome,
        (ranked_us, total_us): (f64, f64),
        items: usize,
    ) -> Result<Record, Unusable> {
        let is_it = |candidate: &Candidate| candidate.plan == ran.plan && candidate.variant == ran.variant;
        let walks = self.estimates.reach > 0.0;
        let operator = |name: &str| self.operators.iter().find(|run| run.operator == name);
        let walked = operator("Reach").filter(|run| run.calls > 0);
        let joined = operator("RankReached");
        Ok(Record {
            v: RECORD_VERSION,
            schema: short_hex(&schema_hash()),
            at_ms: about.at_ms,
            collection: about.collection.to_owned(),
            query: about.query.to_owned(),
            template: about.template.to_owned(),
            tenant: None,
            model: self.model.clone(),
            statistics: self.statistics,
            mode: Mode::Sweep,
            group: Some(about.group.to_owned()),
            repetition: about.repetition,
            cache: self.cache(),
            candidates: self.candidates.iter().map(Candidate::record).collect::<Result<_, _>>()?,
            ran: self.candidates.iter().position(is_it).ok_or(Unusable::Gone)?,
            outcome,
            ranked_us,
            total_us,
            operators: self.operators.iter().map(Operator::record).collect(),
            estimated: Cardinalities {
                selectivity: Some(self.estimates.selectivity[1]),
                reach: walks.then_some(self.estimates.reach),
                edges: walks.then_some(self.estimates.edges),
                candidates: None,
            },
            actual: Cardinalities {
                selectivity: None,
                reach: walked.map(|run| run.rows_out as f64).or(joined.map(|run| run.rows_in as f64)),
                edges: walked.map(|run| run.examined as f64),
                candidates: operator("Ann").map(|run| run.rows_out as f64),
            },
            items: u32::try_from(items).unwrap_or(u32::MAX),
        })
    }
}

impl Candidate {
    fn record(&self) -> Result<CandidateRecord, Unusable> {
        if self.features.len() > Feature::ALL.len() {
            return Err(Unusable::MoreFeatures);
        }
        let value =
            |feature: &Feature| self.features.get(feature.name()).copied().ok_or(Unusable::Feature(feature.name()));
        Ok(CandidateRecord {
            plan: self.plan.clone(),
            operators: self.operators.clone(),
            features: Feature::ALL.iter().map(value).collect::<Result<_, _>>()?,
            analytic_us: self.analytic_us,
            predicted_us: self.predicted_us,
            q95_us: self.q95_us,
        })
    }
}

impl Operator {
    fn record(&self) -> OperatorRecord {
        let Self { operator, rows_in, rows_out, examined, calls, ms } = self.clone();
        OperatorRecord { operator, rows_in, rows_out, examined, calls, us: ms * 1e3 }
    }
}

//! What the planner knew and did, for people and programs: the `plan` member of an explained answer.

use std::collections::BTreeMap;

use planner_model::Feature;
use serde::Serialize;
use utoipa::ToSchema;

use super::Planned;

/// A plan with its rivals and, after a run, what really happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlanReport {
    /// The kind of the plan that was chosen.
    pub chosen: &'static str,
    /// Why it was chosen.
    pub reason: &'static str,
    /// Who predicted the latencies: `analytic`, or a trained model's name.
    pub model: String,
    /// The query in canonical form: what the cache key is made from.
    pub canonical: String,
    /// The query's shape in words: what is left without values, ids, texts and vectors.
    pub template: String,
    /// How often statistics were learnt: of entities, of the graph.
    pub statistics: [u64; 2],
    /// What statistics said before the query ran.
    pub estimates: EstimateReport,
    /// The lead of the chosen plan over the next one in standard deviations of its prediction: at 0 any other may be as good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// What duels say of queries of this shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regret: Option<RegretReport>,
    /// With `analyze`: the plan that the run went on with in the middle, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replanned: Option<String>,
    /// Plans that apply, cheapest first.
    pub candidates: Vec<CandidateReport>,
    /// Plans that do not apply, and why.
    pub not_applicable: BTreeMap<&'static str, &'static str>,
    /// What the cache was found to hold.
    pub cached: Vec<&'static str>,
    /// With `analyze`: what each operator did, in order of completion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operators: Option<Vec<OperatorReport>>,
    /// With `analyze`: milliseconds of the ranked part, which is what predictions are about. Attributes, neighbours and paths come after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranked_ms: Option<f64>,
    /// With `analyze`: milliseconds spent in each step so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps_ms: Option<BTreeMap<&'static str, f64>>,
}

/// What statistics said.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EstimateReport {
    /// Entities that can answer.
    pub rows: f64,
    /// Fraction that passes the filter: least, likely, most.
    pub selectivity: [f64; 3],
    /// Distinct nodes reached.
    pub reach: f64,
    /// Edges that a traversal looks at.
    pub edges: f64,
    /// Entities that pass filter and walk.
    pub matches: f64,
    /// What statistics said of the selectivity is multiplied with this: queries of this shape turned out so before.
    pub selectivity_factor: f64,
    /// The same for reach and edges.
    pub reach_factor: f64,
}

/// What duels say of queries of one shape.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RegretReport {
    /// Duels: queries of which a second plan ran in the background.
    pub duels: u64,
    /// Geometric mean of the chosen plan's latency over that of the faster one of each pair.
    pub regret: f64,
}

/// A candidate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CandidateReport {
    /// Its kind.
    pub plan: &'static str,
    /// Which candidate of that kind it is, counted from 1.
    pub variant: usize,
    /// Its operators.
    pub operators: String,
    /// What the choice went by, in microseconds.
    pub predicted_us: f64,
    /// What 95 % of such queries stay below, in microseconds, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q95_us: Option<f64>,
    /// Where the prediction comes from: `table`, `model` or `analytic`.
    pub source: &'static str,
    /// More about that.
    pub because: String,
    /// The part of pairs that it wins among candidates that are about equal, where the model compared them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes: Option<f64>,
    /// What the analytic model says, in microseconds.
    pub analytic_us: f64,
    /// Predicted latency over that of the cheapest candidate.
    pub times_best: f64,
    /// The features that a model sees; `docs/planner.md` has their units.
    pub features: BTreeMap<&'static str, f32>,
}

/// What one operator really did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OperatorReport {
    /// The operator's name.
    pub operator: &'static str,
    /// In which order it applied rank and filter, if it did: `rank-then-filter`, `filter-then-rank`, `ids-then-filter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<&'static str>,
    /// Items that came in; 0 for a leg.
    pub rows_in: u64,
    /// Items that came out.
    pub rows_out: u64,
    /// Rows or edges that the store looked at.
    pub examined: u64,
    /// Calls to a backend.
    pub calls: u32,
    /// Milliseconds.
    pub ms: f64,
}

/// Six significant digits are plenty for an estimate.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(5 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

impl PlanReport {
    /// The report of a decision.
    pub fn new(planned: &Planned, canonical: String, regret: Option<RegretReport>, cached: Vec<&'static str>) -> Self {
        let best = planned.candidates.iter().map(|c| c.predicted_us).fold(f64::INFINITY, f64::min).max(1e-9);
        let mut order: Vec<usize> = (0..planned.candidates.len()).collect();
        order.sort_by(|&a, &b| planned.candidates[a].predicted_us.total_cmp(&planned.candidates[b].predicted_us));
        let estimates = &planned.estimates;
        Self {
            chosen: planned.plan().kind.as_str(),
            reason: planned.choice.reason(),
            model: planned.model.to_string(),
            canonical,
            template: planned.template.text.to_string(),
            statistics: planned.statistics.into(),
            estimates: EstimateReport {
                rows: estimates.rows,
                selectivity: [
                    rounded(estimates.selectivity.low),
                    rounded(estimates.selectivity.likely),
                    rounded(estimates.selectivity.high),
                ],
                reach: rounded(estimates.reach),
                edges: rounded(estimates.edges),
                matches: rounded(estimates.matches),
                selectivity_factor: rounded(estimates.correction.selectivity),
                reach_factor: rounded(estimates.correction.reach),
            },
            confidence: planned.confidence().map(rounded),
            regret,
            replanned: None,
            candidates: order
                .into_iter()
                .map(|index| {
                    let candidate = &planned.candidates[index];
                    CandidateReport {
                        plan: candidate.plan.kind.as_str(),
                        variant: planned.variant(index),
                        operators: candidate.plan.root.to_string(),
                        predicted_us: rounded(candidate.predicted_us),
                        q95_us: candidate.q95_us.map(rounded),
                        source: candidate.source.as_str(),
                        because: candidate.source.to_string(),
                        votes: candidate.votes,
                        analytic_us: rounded(candidate.analytic_us),
                        times_best: rounded(candidate.predicted_us / best),
                        features: Feature::ALL.iter().map(|&f| (f.name(), candidate.features.get(f))).collect(),
                    }
                })
                .collect(),
            not_applicable: planned.inapplicable.iter().map(|(kind, why)| (kind.as_str(), *why)).collect(),
            cached,
            operators: None,
            ranked_ms: None,
            steps_ms: None,
        }
    }
}
